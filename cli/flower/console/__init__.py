"""The console: pages inside Flower that show what workers do, and let a person act on it."""
