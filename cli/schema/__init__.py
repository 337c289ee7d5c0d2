"""`mgw schema`: the contract of the tasks as JSON Schema and AsyncAPI."""
