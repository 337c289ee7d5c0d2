"""Queues that wait while their service is down: the record, who holds them, and who asks whether it is back."""
