"""Celery workers that keep an LLM conversation store in step with LLM-Registry and Data-Vault."""
