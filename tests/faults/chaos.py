"""`make chaos`: run the whole fault matrix in parallel lanes, print its table, and write it to docs/faults.md."""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from support.pages import BEGIN, END, table, write_part  # noqa: E402

PAGE = HERE.parent.parent / "docs" / "faults.md"
# Rows that mostly wait have their own lane, beside two that keep the processors busy.
_BROKER = [f"test_{name}.py" for name in ("broker", "machine", "redis_refuses", "listing")]
_NO_ROWS = ["test_proof.py", "test_proxy.py", "test_table.py"]
_OTHERS = sorted({path.name for path in HERE.glob("test_*.py")} - {*_BROKER, *_NO_ROWS})
LANES = {"broker": ("not waits", _BROKER), "others": ("not waits", _OTHERS), "waits": ("waits", _OTHERS)}
PROOF = {"proof": ("proof", ["test_proof.py"])}
_ALONE = " Later, by themselves: "
HEADER = ["fault", "must hold", "how it was made", "runs", "lost", "twice", "recovery, s", "verdict"]
PROOF_HEADER = ["switched off", "what failed, as it should"]
# What single rows need beside Python; a row that cannot be made says so itself.
PROGRAMS = {
    "faketime": "the row about clocks (apt install faketime)",
    "mount": "the rows about full disks",
    "ip": "the row about a network (apt install iproute2)",
}


def run(lanes: dict[str, tuple[str, list[str]]], results: Path) -> int:
    """Run the lanes in parallel; 0 if every test passed."""
    environ = {**os.environ, "CHAOS": "1", "FAULTS_RESULTS": str(results)}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    running = [
        subprocess.Popen(
            [*command, "-m", marks, f"--basetemp={results / name}", *(str(HERE / file) for file in files)], env=environ
        )
        for name, (marks, files) in lanes.items()
    ]
    return max(lane.wait() for lane in running)


def rows(results: Path) -> list[dict[str, Any]]:
    """The rows that the tests wrote, in the order of the table."""
    found = [json.loads(path.read_text()) for path in results.glob("*.json")]
    return sorted(found, key=lambda row: row["place"])


def matrix_table(found: Iterable[dict[str, Any]]) -> list[str]:
    """The fault matrix as lines of Markdown."""
    names = ["fault", "promise", "how", "runs", "lost", "twice", "recovery_secs", "verdict"]
    return table(HEADER, [["-" if row[name] is None else row[name] for name in names] for row in found])


def proof_table(found: Iterable[dict[str, Any]]) -> list[str]:
    """What failed without each mechanism, as lines of Markdown."""
    return table(PROOF_HEADER, [[row["off"], "; ".join(row["complaints"])] for row in found])


def merged(page: str, found: Sequence[dict[str, Any]]) -> list[str]:
    """The matrix of a page with rows that ran later, by themselves: in the places of those of their faults, or last."""
    part = page.partition(BEGIN.format("matrix", "chaos"))[2].partition(END.format("matrix"))[0]
    when, _, *lines = part.strip().splitlines()
    first, rule, *ran = matrix_table(found)
    if lines[:2] != [first, rule]:
        raise LookupError(f"The table of {PAGE.name} has other columns: run all of it (make chaos).")
    kept = {_fault_of(line): line for line in lines[2:]} | {_fault_of(line): line for line in ran}
    when, _, alone = when.partition(_ALONE)
    names = [*filter(None, alone.removesuffix(".").split("; ")), *(_fault_of(line) for line in ran)]
    return [f"{when}{_ALONE}{'; '.join(dict.fromkeys(names))}.", "", first, rule, *kept.values()]


def _fault_of(line: str) -> str:
    return line.removeprefix("| ").partition(" | ")[0]


def fallen(found: Iterable[dict[str, Any]]) -> list[str]:
    """Each row that did not hold, or could not be made, and why."""
    return [f"- {row['fault'] or row['off']}: {row['verdict']}" for row in found if row["verdict"] != "holds"]


def missing() -> list[str]:
    """What this machine lacks, and which rows are not made without it."""
    lacks = [f"{name}, for {rows}" for name, rows in PROGRAMS.items() if shutil.which(name) is None]
    return lacks if os.geteuid() == 0 else [*lacks, "root, for the rows about full disks and a network of its own"]


def main() -> int:
    """Run the matrix, print its table and write it to the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--proof", action="store_true", help="switch each mechanism off, and check that its row fails")
    parser.add_argument("--only", metavar="FILE", help="run the rows of one file, and put them into the table")
    given = parser.parse_args()
    proof = given.proof
    if not proof and (lacks := missing()):
        print("This machine lacks:", *lacks, sep="\n- ", flush=True)  # noqa: T201
    with tempfile.TemporaryDirectory(prefix="mgw-faults-") as folder:
        results, since = Path(folder), time.monotonic()
        code = run(PROOF if proof else {"only": ("", [given.only])} if given.only else LANES, results)
        found = rows(results)
    lines = proof_table(found) if proof else matrix_table(found)
    when = f"{os.cpu_count()} processors, {(time.monotonic() - since) / 60:.0f} minutes in all."
    whole = merged(PAGE.read_text(), found) if given.only else [when, "", *lines]
    write_part(PAGE, "proof" if proof else "matrix", "chaos-proof" if proof else "chaos", whole)
    print("\n".join(lines))  # noqa: T201
    if not proof:
        print("", "Every row holds." if not (fell := fallen(found)) else "These rows did not hold:", *fell, sep="\n")  # noqa: T201
    return code


if __name__ == "__main__":
    sys.exit(main())
