"""Who we talk to: LLM-Registry, Data-Vault and LLM-Memory-Graph, each a client usable by itself."""
