"""The integration tests, which call a real deployment, run against the reference services here."""

import sys
from pathlib import Path

from support.embedded import Embedded, finished

FOLDER = str(Path(__file__).parent.parent / "integration")
PYTEST = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider")


def test_the_integration_tests_pass_against_the_reference_services(stack: Embedded) -> None:
    assert " passed" in finished([*PYTEST, FOLDER], stack.environ, 0).stdout


def test_they_fail_and_name_the_variables_that_are_missing(stack: Embedded) -> None:
    missing = dict.fromkeys(("REGISTRY_URL", "VAULT_URL", "VAULT_API_KEY"), "")
    output = finished([*PYTEST, FOLDER], stack.environ | missing, 1).stdout
    assert "Set REGISTRY_URL: these tests call a real deployment" in output
    assert "Set VAULT_URL and VAULT_API_KEY: these tests call" in output
    assert "passed" not in output


def test_a_plain_run_does_not_collect_them(stack: Embedded) -> None:
    tests = Path(__file__).parent.parent
    others = [path for path in tests.iterdir() if path.is_dir() and path.name not in ("docs", "integration")]
    command = [*PYTEST, "--collect-only", str(tests), *(f"--ignore={path}" for path in others)]
    collected = finished(command, stack.environ, 0).stdout
    assert "tests/docs/test_integration.py" in collected
    assert "tests/integration/" not in collected
