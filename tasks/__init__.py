"""What gets done: one Celery task for each operation, and the archival sweep."""
