"""Messages that cannot be carried out: kept whole, grouped, and sent again."""
