"""Usage reports as the JSON that a message carries: validated and written once, when they are made."""

from collections.abc import Iterable, Iterator
from typing import Any, cast

import orjson
from kombu import serialization

from ..clients.call import encode
from ..clients.registry import KEYED_USAGE
from ..schemas.usage import KeyedUsageReportSchema
from .operation import KEY

BATCH_BYTES = 2**20  # of reports in one message, about

_SCHEMA = KeyedUsageReportSchema()
# The serializer of messages whose reports are JSON already; to a worker, the message is JSON as any other.
WRITTEN = "written-json"
serialization.register(WRITTEN, cast(Any, orjson.dumps), None, "application/json")
cast(Any, serialization).registry.type_to_name["application/json"] = "json"  # as before: replies to commands look here


def text_of(keyed: dict[str, Any], *, chosen_key: bool) -> bytes:
    """Return a report with its key as JSON; under a key that its sender chose, an absent time stays absent.

    Raises: ValidationError naming each wrong field.
    """
    text = _SCHEMA.plain_text(keyed) if not chosen_key or "timestamp" in keyed else None
    if text is not None:
        return text
    model = KEYED_USAGE.receive(keyed, keyed[KEY]) if chosen_key else KEYED_USAGE.read(keyed)
    return encode(KEYED_USAGE.as_json(model))


def parts_of(batch: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Yield a batch in parts that are not too large; only metadata can make it so."""
    part, size_bytes = list[bytes](), 0
    for report in batch:
        part.append(report)
        size_bytes += len(report)
        if size_bytes >= BATCH_BYTES:
            yield part
            part, size_bytes = [], 0
    if part:
        yield part
