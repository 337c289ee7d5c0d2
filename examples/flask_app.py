"""A Flask application that registers sessions and reports tokens.

Run: REDIS_URL=… flask --app memory_graph_workers.examples.flask_app run
"""

from flask import Flask, request

from ..schemas.base import ValidationError
from ..tasks.registry import register_session
from ..tasks.usage import UsageReporter

app = Flask(__name__)
reporter = UsageReporter()  # one for the process: it sends what it holds when the process exits


@app.post("/sessions")
def begin() -> tuple[dict[str, str], int]:
    """Register a session; a worker does it."""
    return {"task_id": register_session.delay(**request.get_json()).id}, 202


@app.post("/sessions/<session_id>/answers")
def answer(session_id: str) -> tuple[dict[str, str], int]:
    """Report the tokens of an answer; it costs microseconds."""
    return {"key": reporter.report(session_id=session_id, **request.get_json())}, 202


@app.errorhandler(ValidationError)
def refuse(error: ValidationError) -> tuple[dict[str, object], int]:
    """Name the fields that are wrong; no message contains a value."""
    return {"errors": error.messages}, 422
