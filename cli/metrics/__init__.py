"""`mgw metrics`: what is in Redis and what workers tell, for Prometheus and for whoever scales workers by it."""
