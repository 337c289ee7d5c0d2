from django.test import Client, SimpleTestCase
from memory_graph_workers.examples import django_app
from memory_graph_workers.schemas.registry import SessionStatus
from memory_graph_workers.tasks.registry import track_usage, update_session_status
from memory_graph_workers.testing import recording


class CompleteTest(SimpleTestCase):
    def setUp(self) -> None:
        self.sent_tasks = self.enterContext(recording())

    def complete(self, **tokens: int) -> int:
        assert django_app.urlpatterns
        done = Client().post("/sessions/s-1/complete", tokens, content_type="application/json")
        return done.status_code

    def test_reports_before_it_completes(self) -> None:
        assert self.complete(prompt_tokens=100, completion_tokens=200) == 202
        report = self.sent_tasks.assert_sent(track_usage, session_id="s-1", completion_tokens=200)
        status = self.sent_tasks.assert_sent(update_session_status, status=SessionStatus.COMPLETED)
        assert status.after == report.id

    def test_refuses_wrong_tokens(self) -> None:
        assert self.complete(prompt_tokens=-1, completion_tokens=200) == 422
        self.sent_tasks.assert_not_sent()
