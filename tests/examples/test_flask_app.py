from memory_graph_workers.examples.flask_app import app
from memory_graph_workers.tasks.registry import register_session, track_usage
from memory_graph_workers.testing import SentTasks


def test_a_session_is_registered_and_its_tokens_reported(sent_tasks: SentTasks) -> None:
    client = app.test_client()
    client.post("/sessions", json={"session_id": "s-1", "model_id": "gpt-4"})
    client.post("/sessions/s-1/answers", json={"prompt_tokens": 100, "completion_tokens": 200})
    sent_tasks.assert_sent(register_session, session_id="s-1")
    sent_tasks.assert_sent(track_usage, session_id="s-1", completion_tokens=200)


def test_a_wrong_field_is_named(sent_tasks: SentTasks) -> None:
    response = app.test_client().post("/sessions", json={"session_id": "s-1", "model": "gpt-4"})
    assert response.status_code == 422
    sent_tasks.assert_not_sent()
