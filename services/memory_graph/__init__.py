"""The LLM-Memory-Graph: conversations over gRPC."""
