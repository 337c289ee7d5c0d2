"""The journey of one conversation: each stage is told once, when the services show it."""

from collections.abc import Callable, Iterator

from ...clients.registry import RegistryClient
from ...schemas.registry import SessionInfo, SessionStatus
from ..terminal.wording import counted
from .conversations import Conversation
from .ledger import AGED_BY, Entry

Tell = Callable[[str], None]


class Journey:
    """Follows one conversation that is due through the Registry and the sweep."""

    def __init__(
        self, conversation: Conversation, registry: RegistryClient, is_found: Callable[[str], bool], tell: Tell
    ) -> None:
        """`is_found` says whether the running sweep has taken a session."""
        self.conversation_id = conversation.conversation_id
        self._conversation, self._registry, self._is_found, self._tell = conversation, registry, is_found, tell
        self._stages = self._all_stages()
        self._entry: Entry | None = None
        self._session: SessionInfo | None = None

    def look(self, entry: Entry | None, session: SessionInfo | None) -> None:
        """Tell every stage that has been reached since the last look."""
        self._entry, self._session = entry, session
        for reached in self._stages:
            if not reached:
                return

    def read_back(self) -> None:
        """Tell that the archive was compared, and is the same."""
        messages = counted(len(self._conversation.messages), "message")
        self._tell(f"{self.conversation_id}: read back from the Vault, {messages}, the same word for word")

    def _all_stages(self) -> Iterator[bool]:
        """Yield False while a stage is not reached."""
        while (entry := self._entry) is None or (session := self._session) is None:
            yield False
        self._tell(f"{self.conversation_id}: registered as session {entry.session_id}")
        while self._reports() < entry.reports:
            yield False
        tokens = counted(entry.total_tokens, "token")
        self._tell(f"{self.conversation_id}: {counted(entry.reports, 'usage report')} counted, {tokens}")
        while (self._session or session).status is SessionStatus.ACTIVE:
            yield False
        ended = f"{entry.kind.status}, {AGED_BY.days} days ago by the Registry's clock"
        self._tell(f"{self.conversation_id}: {ended}")
        while not (self._is_archived() or self._is_found(entry.session_id)):
            yield False
        self._tell(f"{self.conversation_id}: found by the sweep")
        while not self._is_archived():
            yield False
        self._tell(f"{self.conversation_id}: archived in the Vault, and marked in the Registry")

    def _reports(self) -> int:
        return self._registry.get_session_usage(self._entry.session_id).total_responses if self._entry else 0

    def _is_archived(self) -> bool:
        return self._session is not None and self._session.status is SessionStatus.ARCHIVED
