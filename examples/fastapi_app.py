"""A FastAPI application that registers sessions and reports tokens, and never blocks its event loop.

Run: REDIS_URL=… uvicorn memory_graph_workers.examples.fastapi_app:app
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from fastapi import FastAPI, HTTPException, Request
from pydantic import BaseModel

from ..schemas.base import ValidationError
from ..tasks.registry import get_session, register_session
from ..tasks.usage import BacklogFull, UsageReporter


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
    """One reporter for the process: at the end, what it holds is sent."""
    async with UsageReporter(when_full="raise") as reporter:
        app.state.reporter = reporter
        yield


app = FastAPI(lifespan=lifespan)


class Session(BaseModel):
    """A conversation that begins."""

    session_id: str
    model_id: str


class Answer(BaseModel):
    """What a model answered, in tokens."""

    prompt_tokens: int
    completion_tokens: int


@app.post("/sessions", status_code=202)
async def begin(session: Session) -> dict[str, str]:
    """Register a session; a worker does it."""
    try:
        sent = await register_session.asend(session_id=session.session_id, model_id=session.model_id)
    except ValidationError as error:
        raise HTTPException(422, error.messages) from error
    return {"task_id": sent.id}


@app.get("/sessions/{session_id}")
async def status(session_id: str) -> dict[str, str]:
    """Ask a worker how a session stands, and wait for its answer."""
    sent = await get_session.asend(session_id)
    session = await sent.aget(timeout=10)
    return {"status": session["status"]}


@app.post("/sessions/{session_id}/answers", status_code=202)
async def answer(session_id: str, answer: Answer, request: Request) -> None:
    """Report the tokens of an answer; it costs microseconds."""
    try:
        request.app.state.reporter.report(session_id=session_id, **answer.model_dump())
    except BacklogFull as error:
        raise HTTPException(503, "Too many reports wait for the broker.") from error
