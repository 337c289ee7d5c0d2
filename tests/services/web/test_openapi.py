"""The contract that each HTTP service publishes: true, whole, valid, and open to whoever wants to read it."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from memory_graph_workers.schemas.refusals import REFUSAL, RefusalReason
from openapi_spec_validator import OpenAPIV31SpecValidator
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait
from support.chromium import ELSEWHERE, chromium, needed
from support.waiting import LONGEST_SECS

ROOT = Path(__file__).parents[3]
NAMES = ["registry", "vault"]
PROBES = [
    ("GET", "/api/v1/nothing", 404),
    ("PATCH", "/api/v1/{}", 405),
    ("TRACE", "/health", 405),
    ("POST", "/openapi.json", 405),
    ("GET", "/docs/nothing", 404),
]
COLLECTIONS = {"registry": "sessions", "vault": "archive"}


@pytest.fixture(params=NAMES)
def service(request, services):
    return services[request.param]


@pytest.fixture
def contract(service):
    return service.get("/openapi.json").json


def operations(contract):
    for path, item in contract["paths"].items():
        for method in item.keys() & {"get", "put", "post", "delete"}:
            yield method, path, item[method]


def test_the_published_contracts_are_those_of_the_code():
    checked = subprocess.run([sys.executable, ROOT / "docs" / "contract.py", "--check"], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stderr


def test_the_running_service_gives_what_is_published(service, contract):
    published = (ROOT / "docs" / "contract" / f"{service.name}.openapi.json").read_text()
    assert published == json.dumps(contract, indent=2) + "\n"


def test_it_is_openapi(contract):
    OpenAPIV31SpecValidator(contract).validate()


def test_it_has_every_operation_under_its_name(service, contract):
    frozen = (ROOT / "tests" / "guards" / "task_names.txt").read_text()
    named = set(re.findall(rf"^memory_graph\.{service.name}\.(\w+)\(", frozen, re.MULTILINE))
    # A sweep reads many sessions and sets many statuses at once; no task does.
    more = {"update_session_statuses", "get_sessions"} if service.name == "registry" else set()
    assert {operation["operationId"] for _, _, operation in operations(contract)} == named | more


def test_every_operation_names_its_errors_and_no_default(contract):
    for method, path, operation in operations(contract):
        codes = set(operation["responses"])
        assert "default" not in codes
        assert {"500", "503"} <= codes
        assert ("401" in codes) is (path != "/health")
        assert ({"400", "413", "422"} <= codes) is ("requestBody" in operation)
        assert ("{" not in path) or "422" in codes
        assert ("409" in codes) or method != "post"


def test_refusals_look_as_the_contract_says(service, contract):
    error = Draft202012Validator(contract["components"]["schemas"]["Error"])
    for method, path, status in PROBES:
        answer = service.send(method, path.format(COLLECTIONS[service.name]))
        assert (answer.status, answer.headers["Content-Type"]) == (status, "application/json")
        error.validate(answer.json)
        assert answer.json["code"] == status


def test_it_names_every_reason_of_a_refusal_and_its_facts(contract):
    error = contract["components"]["schemas"]["Error"]["properties"]
    assert error["reason"]["enum"] == [reason.value for reason in RefusalReason]
    assert set(REFUSAL.fields) < set(error)


def test_a_method_that_is_not_there_is_told_which_are(registry):
    answer = registry.send("PATCH", "/api/v1/sessions")
    assert answer.status == 405
    assert {"GET", "POST"} <= set(answer.headers["Allow"].split(", "))


@pytest.mark.parametrize("path", ["/openapi.json", "/docs", "/docs/start.js", "/docs/swagger-ui-bundle.js", "/health"])
def test_what_tells_no_secret_needs_no_key(vault, path):
    assert vault.get(path, Authorization="Bearer wrong").status == 200


@pytest.mark.parametrize(
    "path", ["/docs/../api/v1/archive/x", "/docs/%2e%2e/api/v1/archive/x", "/nothing", "/openapi.json/"]
)
def test_everything_else_needs_one(vault, path):
    assert vault.get(path, Authorization="Bearer wrong").status == 401


@pytest.mark.parametrize("name", ["index.html", "..%2fopenapi.py", "%2e%2e", "swagger-ui.js", "__init__.py"])
def test_the_page_gives_its_own_files_alone(vault, name):
    assert vault.get(f"/docs/{name}").status in {404, 422}


def test_the_page_runs_nothing_inline_and_loads_nothing_from_elsewhere(service):
    page = service.get("/docs")
    policy = dict(part.split(" ", 1) for part in page.headers["Content-Security-Policy"].split("; "))
    assert (policy["default-src"], policy["script-src"], policy["frame-ancestors"]) == ("'none'", "'self'", "'none'")
    assert "//" not in page.text
    for script in re.findall(r"<script[^>]*>(.*?)</script>", page.text):
        assert script == ""
    for name in re.findall(r'(?:src|href)="([^"]+\.(?:js|css))"', page.text):
        assert service.get(f"/{name}").status == 200


def shown(browser):
    return [part.text for part in browser.find_elements(By.CSS_SELECTOR, ".opblock-summary-control")]


def in_one_line(text):
    return " ".join(text.split())


@pytest.mark.parametrize("new_database", ["sqlite"], indirect=True, scope="session")  # whichever it is
def test_a_browser_shows_every_operation_and_asks_nobody_else(service, contract, tmp_path):
    with chromium(*needed(), tmp_path) as browser:
        browser.get(f"http://127.0.0.1:{service.port}/docs")
        body = browser.find_element(By.TAG_NAME, "body")
        wanted = {f"{method.upper()} {path} {told['summary']}" for method, path, told in operations(contract)}
        WebDriverWait(browser, LONGEST_SECS).until(lambda _: wanted <= set(map(in_one_line, shown(browser))))
        assert "OAS 3.1" in body.text
        assert browser.title == service.get("/openapi.json").json["info"]["title"]
        assert browser.execute_script(ELSEWHERE) == []
        assert browser.get_log("browser") == []  # a policy that is broken is told here
