"""What a message may be: its envelope, its bounds, its options, and how long it waits."""
