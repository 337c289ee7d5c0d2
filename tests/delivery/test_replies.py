"""What a reply of Redis means, and what a connection does with it."""

import pickle
from typing import Any

import pytest
from memory_graph_workers.delivery.connections.connection import connect
from memory_graph_workers.delivery.connections.replies import NotNow, State, state_of, summary_of
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ExecAbortError, OutOfMemoryError, ReadOnlyError, ResponseError


@pytest.mark.parametrize(
    ("error", "state", "words"),
    [
        (NotNow("READONLY"), State.NOT_NOW, "READONLY: it is a replica now"),
        (ReadOnlyError("You can't write", status_code="READONLY"), State.NOT_NOW, "READONLY: it is a replica now"),
        (ResponseError("BUSY Redis is busy"), State.NOT_NOW, "BUSY: it runs a script that does not end"),
        (
            ResponseError("ACL failure in script: User x has no permissions to run the 'time' command"),
            State.REFUSED,
            "NOPERM: its user has no permission for the command",
        ),
        (OutOfMemoryError("command not allowed", status_code="OOM"), State.FULL, "OOM: its memory is full"),
        (ResponseError("WRONGTYPE Operation"), State.CORRUPT_KEY, "WRONGTYPE: a key holds data of another type"),
        (
            ResponseError("Command # 1 (LLEN work) of pipeline caused error: WRONGTYPE Operation"),
            State.CORRUPT_KEY,
            "WRONGTYPE: a key holds data of another type",
        ),
        (
            ExecAbortError("Transaction discarded because of: NOREPLICAS Not enough", status_code="EXECABORT"),
            State.NOT_NOW,
            "NOREPLICAS: too few replicas are connected to it",
        ),
        (ResponseError("ERR private content"), State.REFUSED, "ResponseError"),
        (RedisConnectionError("Error 111"), State.AWAY, "ConnectionError"),
        (ValueError("READONLY"), None, "ValueError"),
    ],
)
def test_a_reply_has_one_meaning(error: Exception, state: State | None, words: str) -> None:
    assert (state_of(error), summary_of(error)) == (state, words)


def test_the_error_survives_pickle() -> None:
    assert str(pickle.loads(pickle.dumps(NotNow("NOREPLICAS")))) == str(NotNow("NOREPLICAS"))


@pytest.mark.parametrize("protocol", [2, 3])
def test_a_refused_command_drops_the_connection(broker: Any, protocol: int) -> None:
    with connect(broker.url, timeout_secs=5, connect_timeout_secs=5, protocol=protocol) as client:
        client.set("key", "before")
        opened = client.client_id()
        broker.redis.execute_command("REPLICAOF", "127.0.0.1", "1")
        for refused in (lambda: client.set("key", "after"), client.pipeline().set("key", "after").execute):
            with pytest.raises(NotNow, match="READONLY"):
                refused()
        assert client.get("key") == b"before"
        assert client.client_id() != opened


def test_a_user_who_may_not_name_its_library_still_connects(broker: Any) -> None:
    broker.redis.execute_command("ACL", "SETUSER", "few", "on", "nopass", "~*", "+get", "+ping", "-client")
    with connect(broker.url.replace("//", "//few:x@"), timeout_secs=5, connect_timeout_secs=5) as client:
        assert client.get("key") is None
        with pytest.raises(NotNow, match="NOPERM"):
            client.set("key", "value")
