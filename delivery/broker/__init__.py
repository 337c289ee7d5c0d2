"""Taking messages from Redis and giving them back: none is lost, and none is taken twice."""
