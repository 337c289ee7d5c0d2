"""Clients of LLM-Registry, Data-Vault and LLM-Memory-Graph; each also works without Celery."""
