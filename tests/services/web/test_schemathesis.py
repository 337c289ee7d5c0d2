"""Both services keep what their published contracts say, whatever a generator of calls thinks of."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
SCHEMATHESIS = Path(sys.executable).parent / "schemathesis"
LEVEL = "standard"
# Small ids are what a generator comes upon, so that it finds something under them.
SEED = {
    "registry": [
        ("POST", "/api/v1/sessions", {"session_id": "0", "model_id": "0"}),
        ("POST", "/api/v1/sessions", {"session_id": "00", "model_id": "0", "started_at": "0001-01-02T00:00:00Z"}),
        ("POST", "/api/v1/usage", {"session_id": "0", "prompt_tokens": 1, "completion_tokens": 2}),
        ("PUT", "/api/v1/sessions/00/status", {"status": "completed"}),
    ],
    "vault": [
        ("POST", "/api/v1/archive", {"id": "0", "session_id": "0", "data": {"a": 1}, "retention_days": 365}),
        ("POST", "/api/v1/policies", {"policy_id": "0", "name": "0", "retention_days": 365, "compliance_level": LEVEL}),
        ("PUT", "/api/v1/archive/0/policy", {"policy_id": "0"}),
    ],
}  # fmt: skip


# Each service on one kind of database: test_bad_input.py sends what databases take differently to both.
@pytest.mark.parametrize(
    ("name", "new_database"),
    [("registry", "postgresql"), ("vault", "sqlite")],
    indirect=["new_database"],
    scope="session",
)
def test_nothing_that_is_generated_breaks_the_contract(start, tmp_path, name):
    service = start(name)
    for method, path, body in SEED[name]:
        answer = service.post(path, body) if method == "POST" else service.put(path, body)
        assert answer.status < 300
    tried = subprocess.run(
        [
            SCHEMATHESIS, "--config-file", HERE / "schemathesis.toml",
            "run", f"http://127.0.0.1:{service.port}/openapi.json",
            "--max-examples", os.environ.get("SCHEMATHESIS_EXAMPLES", "5"),
            *seeding(), "--no-color",
            *(part for header in service.bearer.items() for part in ("--header", ":".join(header))),
        ],
        env={"PATH": os.environ["PATH"], "SCHEMATHESIS_HOOKS": "schemathesis_hooks", "PYTHONPATH": str(HERE)},
        cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    assert tried.returncode == 0, tried.stdout + tried.stderr
    assert "Test cases" in tried.stdout


def seeding():
    """The same calls every time, unless a seed is asked for."""
    seed = os.environ.get("SCHEMATHESIS_SEED")
    return ["--seed", seed, "--generation-database", "none"] if seed else ["--generation-deterministic"]
