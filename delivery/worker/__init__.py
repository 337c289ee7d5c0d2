"""What a worker does with a message: take it, run it, lease it, finish it, and say why it failed."""
