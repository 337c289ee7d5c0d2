"""Redis delivery that loses nothing."""
