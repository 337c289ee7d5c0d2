"""One batch of a sweep: read, store, place under the policy, mark as archived; every session ends with an outcome."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from typing import TypeVar

from ...clients.errors import IntegrationError, NothingToArchive, TransientError, WentOn
from ...schemas.archival import BatchResult
from ...schemas.registry import SessionStatus
from .. import connections, side_by_side
from ..failed_items import tell_failed
from .reading import Known, count_together, read_together
from .reasons import CONCERNS_ALL, reason_of
from .session import Prepared, is_due, prepare, read_session
from .state import Sweep, Sweeps
from .storing import (
    Stored,
    check_marked,
    check_unchanged,
    default_policy,
    ensure_policy,
    mark_alone,
    mark_together,
    place,
    store,
)

READ_TOGETHER = 25  # few, so that a session is read shortly before its conversation
REMEMBERED_TOGETHER = 10

T = TypeVar("T")
R = TypeVar("R")


@dataclass
class Batch:
    """The work on a batch's sessions; if a worker is killed at any line, a second run has the same outcome."""

    sweeps: Sweeps
    sweep: Sweep
    batch_id: str
    is_last_attempt: bool = False
    archived: list[str] = field(default_factory=list[str])
    failed: dict[str, str] = field(default_factory=dict[str, str])
    skipped: dict[str, str] = field(default_factory=dict[str, str])
    unsettled: dict[str, TransientError] = field(default_factory=dict[str, TransientError])
    marked_earlier: int = 0
    policy_id: str = ""
    _remembered: int = field(default=0, init=False, repr=False)

    @property
    def made_progress(self) -> bool:
        """Whether this attempt archived something; then it is not counted, since the next one has less to do."""
        return len(self.archived) > self.marked_earlier

    def run(self, session_ids: Sequence[str]) -> None:
        """Archive the sessions; those that a service's outage prevented are left `unsettled`.

        The Registry is not asked again about sessions that an earlier attempt archived and marked: among many calls,
        one always fails.
        """
        done = self.sweeps.marked(self.sweep.sweep_id, self.batch_id)
        self.archived.extend(session_id for session_id in session_ids if session_id in done)
        self.marked_earlier = self._remembered = len(self.archived)
        left = [session_id for session_id in session_ids if session_id not in done]
        try:
            self._work_on(left)
        except CONCERNS_ALL:
            raise
        except Exception as error:  # noqa: BLE001  the batch has a result, whatever its code does
            self._fail_the_rest(left, reason_of(error))
        finally:
            self._remember()

    def give_up(self) -> None:
        """Count what is still unsettled as failed, with its reason."""
        self.failed.update({session_id: str(error) for session_id, error in self.unsettled.items()})
        self.unsettled.clear()

    def tell(self) -> None:
        """Say in the log how many sessions failed, why, and where to look."""
        others = f"{len(self.archived)} archived, {len(self.skipped)} skipped"
        where = f"See: mgw sweeps show {self.sweep.sweep_id}; the next sweep tries them again"
        tell_failed("session", self.failed, others, where)

    def result(self) -> BatchResult:
        """Return what became of the sessions."""
        return BatchResult(len(self.archived), self.failed, self.skipped)

    def _work_on(self, session_ids: Sequence[str]) -> None:
        each = self._each(self._read(session_ids), self._prepare, _known_id, lambda known: known.is_whole)
        for some in self._slices(each):
            self._archive(some)
            self._remember()

    def _fail_the_rest(self, session_ids: Sequence[str], reason: str) -> None:
        """Give the sessions that have no outcome this one."""
        known = {*self.archived, *self.failed, *self.skipped, *self.unsettled}
        self.failed.update({session_id: reason for session_id in session_ids if session_id not in known})

    def _slices(self, prepared: Iterable[Prepared | None]) -> Iterator[list[Prepared]]:
        """Yield prepared sessions in parts of one request's size; memory holds one part and the reads under way."""
        some: list[Prepared] = []
        size_bytes, most_bytes = 0, connections.config().vault.batch_max_bytes
        for item in filter(None, prepared):
            some.append(item)
            size_bytes += item.size_bytes
            if size_bytes >= most_bytes:
                yield some
                some, size_bytes = [], 0
        if some:
            yield some

    def _archive(self, prepared: Sequence[Prepared]) -> None:
        """Store sessions, and then see that the policy exists of those that were not placed under it with that.

        In this order, a vault that fails every POST fails different requests, and its circuit breaker opens.
        """
        policy_id = default_policy().policy_id
        store_all = partial(store, prepared, self.batch_id, policy_id, is_last_attempt=self.is_last_attempt)
        stored = self._for_all(prepared, store_all) or Stored()
        self.failed.update(stored.refused)
        self.unsettled.update(stored.unsettled)
        self.sweeps.remember_stored(self.sweep.sweep_id, self.batch_id, stored.archive_ids)
        kept = [item for item in prepared if _session_id(item) in stored.archive_ids]
        unplaced = [item for item in kept if _session_id(item) not in stored.placed]
        if unplaced and not self._for_all(unplaced, self._policy):
            kept = [item for item in kept if _session_id(item) in stored.placed]
        self._finish(kept, stored)

    def _for_all(self, prepared: Sequence[Prepared], work: Callable[[], R]) -> R | None:
        """Do what these sessions need together; a failure is the outcome of each, and of no other."""
        try:
            return work()
        except TransientError as error:
            self.unsettled.update({item.session.session_id: error for item in prepared})
        except CONCERNS_ALL:
            raise
        except Exception as error:  # noqa: BLE001  the outcome of these sessions, and no other's
            self.failed.update({item.session.session_id: reason_of(error) for item in prepared})
        return None

    def _finish(self, kept: Sequence[Prepared], stored: Stored) -> None:
        """Place stored sessions under the policy, if they are not yet, and set them to `archived` in the Registry."""
        under_policy = [item for item in kept if _session_id(item) in stored.placed]  # others are counted once they are
        counts = self._for_all(under_policy, partial(self._count, under_policy))
        if counts is None:
            kept, counts = [item for item in kept if item not in under_policy], {}

        def place_unchanged(item: Prepared) -> Prepared:
            session_id = _session_id(item)
            if session_id not in stored.placed:
                place(item, stored.archive_ids[session_id], self.policy_id)
            check_unchanged(item, counts.get(session_id))
            return item

        each = self._each(kept, place_unchanged, _session_id, lambda item: _session_id(item) in counts)
        placed = [*filter(None, each)]
        answers = self._marked_together(placed) if placed else None
        if answers is None:
            return

        def mark(pair: tuple[Prepared, IntegrationError | None]) -> None:
            item, error = pair
            check_marked(item, error) if answers else mark_alone(item)
            self.archived.append(item.session.session_id)

        pairs = zip(placed, answers or [None] * len(placed), strict=True)
        for _ in self._each(pairs, mark, lambda pair: _session_id(pair[0]), lambda pair: bool(answers) and not pair[1]):
            if len(self.archived) - self._remembered >= REMEMBERED_TOGETHER:
                self._remember()

    def _count(self, prepared: Sequence[Prepared]) -> dict[str, int]:
        return {} if self.is_last_attempt else count_together(prepared)

    def _marked_together(self, placed: Sequence[Prepared]) -> Sequence[IntegrationError | None] | None:
        """Set sessions to `archived` together; empty if each is to be set alone, None if all must wait."""
        try:
            return mark_together(placed) or ()
        except TransientError as error:
            self.unsettled.update({_session_id(item): error for item in placed})
            return None
        except CONCERNS_ALL:
            raise
        except Exception:  # noqa: BLE001  the fault of one, maybe: alone, each has an outcome of its own
            return ()

    def _read(self, session_ids: Sequence[str]) -> Iterator[Known]:
        """Yield what is known of each session now, a few at a time; the next few are read meanwhile.

        On the last attempt each is read alone, so that one that breaks every response fails alone.
        """
        if self.is_last_attempt:
            return map(Known, session_ids)
        starts = range(0, len(session_ids), READ_TOGETHER)
        parts = [session_ids[start : start + READ_TOGETHER] for start in starts]
        return chain.from_iterable(side_by_side.results(self._read_together, parts, ahead=1))

    def _read_together(self, session_ids: Sequence[str]) -> Sequence[Known]:
        try:
            return read_together(session_ids, self.sweep.cutoff)
        except TransientError as error:
            self.unsettled.update(dict.fromkeys(session_ids, error))
            return ()

    def _prepare(self, known: Known) -> Prepared | None:
        session_id = known.session_id
        session = known.session or read_session(session_id)
        if session.status is SessionStatus.ARCHIVED:
            # By an attempt that was killed before it could remember this, or by somebody else.
            if self.sweeps.is_stored(self.sweep.sweep_id, self.batch_id, session_id):
                self.archived.append(session_id)
            else:
                self.skipped[session_id] = "archived already"
            return None
        if not is_due(session, self.sweep.cutoff):
            self.skipped[session_id] = "not due any more"
            return None
        extra = {"sweep_id": self.sweep.sweep_id}
        return prepare(session, ["batch"], connections.config().scheduler, extra, known.nodes)

    def _remember(self) -> None:
        """Remember what is archived, a few sessions at a time; if killed before, the next attempt asks the Registry."""
        new = self.archived[self._remembered :]
        self.sweeps.remember_marked(self.sweep.sweep_id, self.batch_id, new)
        self._remembered += len(new)

    def _policy(self) -> str:
        if not self.policy_id:
            self.policy_id = ensure_policy(default_policy())
        return self.policy_id

    def _each(
        self,
        items: Iterable[T],
        work: Callable[[T], R],
        id_of: Callable[[T], str],
        is_short: Callable[[T], bool] = lambda item: False,
    ) -> Iterator[R | None]:
        """Work on all items side by side, and sort their failures into `unsettled` and `failed`."""

        def one(item: T) -> R | None:
            try:
                return work(item)
            except TransientError as error:
                self.unsettled[id_of(item)] = error
            except (NothingToArchive, WentOn) as error:
                self.skipped[id_of(item)] = str(error)
            except CONCERNS_ALL:
                raise
            except Exception as error:  # noqa: BLE001  the outcome of this session, and no other's
                self.failed[id_of(item)] = reason_of(error)
            return None

        return side_by_side.results(one, items, is_short)


def _known_id(known: Known) -> str:
    return known.session_id


def _session_id(item: Prepared) -> str:
    return item.session.session_id
