"""The integration tests, which call a real deployment, run against the reference services here."""

from pathlib import Path

from support.embedded import Embedded

FOLDER = str(Path(__file__).parent.parent / "integration")
PYTEST = ("-m", "pytest", "-q", "-p", "no:cacheprovider")


def test_the_integration_tests_pass_against_the_reference_services(stack: Embedded) -> None:
    assert " passed" in stack.run(*PYTEST, FOLDER)


def test_they_fail_and_name_the_variables_that_are_missing(stack: Embedded) -> None:
    output = stack.run(*PYTEST, FOLDER, code=1, REGISTRY_URL="", VAULT_URL="", VAULT_API_KEY="")
    assert "Set REGISTRY_URL: these tests call a real deployment" in output
    assert "Set VAULT_URL and VAULT_API_KEY: these tests call" in output
    assert "passed" not in output


def test_a_plain_run_does_not_collect_them(stack: Embedded) -> None:
    tests = str(Path(__file__).parent.parent)
    collected = stack.run(*PYTEST, "--collect-only", tests)
    assert "tests/docs/test_integration.py" in collected
    assert "tests/integration/" not in collected
