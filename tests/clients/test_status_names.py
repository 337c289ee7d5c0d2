"""A gRPC status is shown by its name in errors and log lines, an HTTP status by its number."""

import logging

import grpc
import pytest
from memory_graph_workers.clients.errors import ServiceUnavailable
from memory_graph_workers.clients.request_log import log_request
from memory_graph_workers.clients.status_names import spoken_status


@pytest.mark.parametrize("code", list(grpc.StatusCode), ids=lambda code: code.name)
def test_a_grpc_status_has_grpcs_own_name(code: grpc.StatusCode, caplog: pytest.LogCaptureFixture) -> None:
    number = code.value[0]
    assert spoken_status(number) == code.name
    error = ServiceUnavailable("the service failed", "memory_graph", "Query", number, "r")
    assert str(error) == f"memory_graph.Query: the service failed (status {code.name}, request r)"
    assert (error.status, repr(error)) == (number, f"ServiceUnavailable({str(error)!r})")
    with caplog.at_level(logging.INFO):
        log_request(logging.getLogger("test"), "r", service="memory_graph", route="Query", status=number)
    [line] = caplog.records
    assert f"status={code.name} " in line.getMessage()
    assert vars(line)["status"] == number


@pytest.mark.parametrize("status", [100, 200, 404, 503, 17, -1])
def test_any_other_status_is_its_number(status: int) -> None:
    assert spoken_status(status) == str(status)
