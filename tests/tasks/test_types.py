"""What the type checker tells a producer."""

import json
import re
import subprocess
import sys
from pathlib import Path

from support.waiting import LONGEST_SECS

ROOT = Path(__file__).parents[2]
PRODUCER = """\
from memory_graph_workers.schemas.registry import SessionRegistration, SessionStatus
from memory_graph_workers.schemas.vault import ArchiveEntry
from memory_graph_workers.tasks import archival, registry, vault

registry.register_session.delay(SessionRegistration("s", "m"), idempotency_key="k")
registry.update_session_status.delay(session_id="s", status=SessionStatus.COMPLETED)
registry.get_session.delay("s").get(timeout=1)
registry.get_session.apply_async(("s",), countdown=1)
vault.batch_archive.delay([ArchiveEntry("s", {"any": "JSON"}, 365)])
archival.sweep.delay()
registry.register_session.delay(SessionRegistration("s", "m"), idempotency="k")  # wrong
registry.get_session.delay()  # wrong
registry.get_session.delay(5)  # wrong
vault.batch_archive.delay(ArchiveEntry("s", 1, 365))  # wrong
archival.archive_session.delay(session="s")  # wrong
"""


def test_a_wrong_call_is_marked_and_a_right_one_is_not(tmp_path: Path) -> None:
    (tmp_path / "memory_graph_workers").symlink_to(ROOT)  # as it is installed; a checker cannot follow the mapping
    (tmp_path / "producer.py").write_text(PRODUCER)
    settings = {"include": ["producer.py"], "venvPath": str(Path(sys.prefix).parent), "venv": Path(sys.prefix).name}
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(settings))
    command = [str(Path(sys.prefix) / "bin" / "pyright"), "-p", str(tmp_path)]
    told = subprocess.run(command, capture_output=True, text=True, timeout=LONGEST_SECS, cwd=tmp_path).stdout
    marked = {int(line) for line in re.findall(r"producer\.py:(\d+):\d+ - error", told)}
    assert marked == {number for number, line in enumerate(PRODUCER.splitlines(), 1) if "# wrong" in line}, told
