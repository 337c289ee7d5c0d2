"""`mgw flower`: Flower with this project's settings."""
