"""A message with events, as a worker or anybody publishes it."""

import base64
import json


def published(body: object) -> bytes:
    text = body if isinstance(body, str) else json.dumps(body)
    envelope = {
        "body": base64.b64encode(text.encode()).decode(),
        "content-type": "application/json",
        "content-encoding": "utf-8",
        "headers": {},
        "properties": {"body_encoding": "base64", "delivery_tag": "t", "delivery_info": {}},
    }
    return json.dumps(envelope).encode()
