"""A Django application in one file that completes sessions: the report goes before the status.

Run: REDIS_URL=… gunicorn memory_graph_workers.examples.django_app:application
"""

import json

from celery import chain
from django.conf import settings  # pyright: ignore[reportMissingTypeStubs]
from django.core.wsgi import get_wsgi_application  # pyright: ignore[reportMissingTypeStubs]
from django.http import HttpRequest, JsonResponse  # pyright: ignore[reportMissingTypeStubs]
from django.urls import path  # pyright: ignore[reportMissingTypeStubs]

from ..schemas.base import ValidationError
from ..schemas.registry import SessionStatus
from ..tasks.registry import track_usage, update_session_status

settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["localhost", "testserver"])


def complete(request: HttpRequest, session_id: str) -> JsonResponse:
    """Report the last answer of a session, then complete it; workers keep this order."""
    try:
        steps = chain(
            track_usage.si(session_id=session_id, **json.loads(request.body)),
            update_session_status.si(session_id, SessionStatus.COMPLETED),
        )
    except ValidationError as error:
        return JsonResponse({"errors": error.messages}, status=422)
    return JsonResponse({"task_id": steps.apply_async().id}, status=202)


urlpatterns = [path("sessions/<session_id>/complete", complete)]
application = get_wsgi_application()
