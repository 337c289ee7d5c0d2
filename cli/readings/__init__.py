"""What is in Redis at this moment, read once and told twice: as metrics, and on the screen of `mgw status`."""
