"""A plain Celery app."""

import os

from celery import Celery

app = Celery("plain", broker=os.environ.get("SHOP_URL", "redis://localhost:1/0"))
number = 1
