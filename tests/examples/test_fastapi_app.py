from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient
from memory_graph_workers.examples.fastapi_app import app
from memory_graph_workers.tasks.registry import get_session, register_session, track_usage
from memory_graph_workers.testing import InlineTasks, SentTasks


@pytest.fixture
def client() -> Iterator[TestClient]:
    with TestClient(app) as client:  # as a block, so that the application's lifespan begins and ends
        yield client


def test_a_session_is_registered(sent_tasks: SentTasks, client: TestClient) -> None:
    response = client.post("/sessions", json={"session_id": "s-1", "model_id": "gpt-4"})
    sent = sent_tasks.assert_sent(register_session, session_id="s-1")
    assert response.json() == {"task_id": sent.id}


def test_a_wrong_session_is_refused(sent_tasks: SentTasks, client: TestClient) -> None:
    response = client.post("/sessions", json={"session_id": "", "model_id": "gpt-4"})
    assert list(response.json()["detail"]) == ["session_id"]
    sent_tasks.assert_not_sent()


def test_a_status_is_read(sent_tasks: SentTasks, client: TestClient) -> None:
    sent_tasks.returns(get_session, {"session_id": "s-1", "status": "active"})
    assert client.get("/sessions/s-1").json() == {"status": "active"}


def test_an_answer_is_reported(sent_tasks: SentTasks, client: TestClient) -> None:
    client.post("/sessions/s-1/answers", json={"prompt_tokens": 100, "completion_tokens": 200})
    sent_tasks.assert_sent(track_usage, session_id="s-1", completion_tokens=200)


def test_tokens_are_counted(inline_tasks: InlineTasks, client: TestClient) -> None:
    client.post("/sessions", json={"session_id": "s-1", "model_id": "gpt-4"})
    client.post("/sessions/s-1/answers", json={"prompt_tokens": 100, "completion_tokens": 200})
    assert inline_tasks.registry.get_session_usage("s-1").total_tokens == 300
