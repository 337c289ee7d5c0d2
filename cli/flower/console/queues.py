"""The page Queues: what waits, what is held and why; a person holds, releases and tries."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, ClassVar

from tornado.web import HTTPError

from ....delivery import ByHand, Hold
from ...queue_states import QueueState, queue_states
from ...terminal.wording import ago, duration
from .page import Page
from .tables import Table

_COLUMNS = ["Queue", "Waiting", "In flight", "Oldest waits", "Held", "By a person"]


class QueuesPage(Page):
    """GET shows every queue; POST holds one or keeps it free, leaves it to its services again, or tries a service."""

    tab: ClassVar[str] = "queues"
    said: ClassVar[Mapping[str, str]] = {
        "hold": "The queue is held until a person says otherwise.",
        "free": "The queue is free, even while its services are down, until a person says otherwise.",
        "auto": "No person decides about the queue any more: it is left to its services.",
        "try": "The service is tried within seconds, if a worker runs.",
    }

    async def get(self) -> None:
        """Show the queues."""
        reading = await self.read("queues", lambda: queue_states(self.console.target))
        states = reading.value or []
        services = sorted({state.hold.service for state in states if state.hold} & self._services)
        table = Table("Queues", _COLUMNS, [_row(state) for state in states])
        self.show("queues.html", "Queues", reading, table=table, queues=self.console.target.queues, services=services)

    async def post(self) -> None:
        """Do what the form says."""
        action = self.one_of("action", {name: name for name in self.said})
        if action == "try":
            await self._try()
        else:
            await self._by_hand(action)
        self.back("/queues", action)

    @property
    def _services(self) -> set[str]:
        return {service for needed in self.console.target.delivery.needs.values() for service in needed}

    async def _try(self) -> None:
        holds = self.console.target.delivery.holds
        service = self.one_of("service", {name: name for name in sorted(self._services)})
        await self.act("try", service, lambda: holds.ask_for_trial(service))

    async def _by_hand(self, action: str) -> None:
        holds, user = self.console.target.delivery.holds, self.user
        queue, reason = self.one_of("queue", {name: name for name in self.console.target.queues}), self.given("reason")
        if action == "auto":
            await self.act(action, queue, lambda: holds.leave_to_workers(queue), reason)
            return
        if not reason:
            raise HTTPError(HTTPStatus.BAD_REQUEST, "A reason is missing: say why. Everybody sees it.")
        change = holds.hold_by_hand if action == "hold" else holds.release_by_hand
        try:
            await self.act(action, queue, lambda: change(queue, user, reason), reason)
        except ValueError as error:
            raise HTTPError(HTTPStatus.BAD_REQUEST, str(error)) from None


def _row(state: QueueState) -> list[Any]:
    waiting = "cannot be read" if state.waiting is None else f"{state.waiting:,}"
    oldest = None if state.oldest_secs is None else duration(state.oldest_secs)
    return [state.name, waiting, f"{state.in_flight:,}", oldest, _held(state.hold), _by_hand(state.by_hand)]


def _held(hold: Hold | None) -> str | None:
    if hold is None:
        return None
    return f"for {hold.service}, {ago(hold.since)}: {hold.why}; {hold.permits:,} a second may be taken"


def _by_hand(found: ByHand | None) -> str | None:
    if found is None:
        return None
    return f"{'held' if found.is_held else 'kept free'} by {found.by}, {ago(found.since)}: {found.reason}"
