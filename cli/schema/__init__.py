"""`mgw schema`: the contract of all tasks as AsyncAPI and JSON Schema."""
