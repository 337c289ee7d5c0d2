"""Programs to start from, and the conversations that the demo archives."""
