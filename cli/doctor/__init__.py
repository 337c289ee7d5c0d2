"""`mgw doctor`: check a deployment, and say how to fix what is wrong."""
