"""`mgw flower`: Flower, behind a password."""
