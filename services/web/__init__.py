"""What both HTTP services share: the Flask app, request bodies, idempotency, OpenAPI."""
