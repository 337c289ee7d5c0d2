"""`mgw report`: what became of a month's sessions, for whoever has to answer for it."""
