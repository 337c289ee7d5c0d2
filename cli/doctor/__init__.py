"""`mgw doctor`: check a deployment, and say what to do about what it finds."""
