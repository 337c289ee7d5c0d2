"""`mgw queues`: what waits, what is held and why, what a person decided about it, and how it goes to other names."""
