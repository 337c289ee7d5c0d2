"""A worker in a network of its own, which is cut off and connected again."""

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest
from faults.fleet import TIMEOUT_SECS, Fleet, until
from faults.forwarder import Forwarder
from faults.matrix import Row
from faults.proxy import delays

CUT_SECS, SLACK_SECS = 60.0, 5.0
PARTS = {"REDIS_URL": "broker", "REGISTRY_URL": "registry", "VAULT_URL": "vault", "MEMORY_GRAPH_URL": "memory-graph"}


@dataclass(frozen=True)
class Namespace:
    """A network namespace, joined to this machine by one link; `host` is this machine's address on it."""

    name: str
    host: str
    guest: str

    @property
    def command(self) -> list[str]:
        """What runs a program in it."""
        return ["ip", "netns", "exec", self.name]

    def make(self) -> None:
        """Make it.

        Raises: CalledProcessError, OSError where this user may not.
        """
        here, there = f"{self.name}-h", f"{self.name}-g"
        _ip("netns", "add", self.name)
        _ip("link", "add", here, "type", "veth", "peer", "name", there, "netns", self.name)
        _ip("address", "add", f"{self.host}/30", "dev", here)
        _ip("-n", self.name, "address", "add", f"{self.guest}/30", "dev", there)
        _ip("link", "set", here, "up")
        _ip("-n", self.name, "link", "set", there, "up")
        _ip("-n", self.name, "link", "set", "lo", "up")

    def cut(self) -> None:
        """Let nothing through any more: no packet arrives, and nobody is told."""
        _ip("link", "set", f"{self.name}-h", "down")

    def join(self) -> None:
        """Let everything through again."""
        _ip("link", "set", f"{self.name}-h", "up")

    def remove(self) -> None:
        """Remove it, with its link."""
        subprocess.run(["ip", "netns", "delete", self.name], capture_output=True)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


@pytest.fixture
def namespace() -> Iterator[Namespace | None]:
    """A network namespace; None where this user may not make one."""
    number = os.getpid()
    net = f"198.18.{number // 64 % 256}.{number % 64 * 4}".rpartition(".")
    base, last = net[0], int(net[2])
    made = Namespace(f"mgw{number}", f"{base}.{last + 1}", f"{base}.{last + 2}")
    try:
        made.make()
    except (OSError, subprocess.CalledProcessError):
        made.remove()
        yield None
        return
    yield made
    made.remove()


def addresses(fleet: Fleet, host: str, exits: ExitStack) -> dict[str, str]:
    """The addresses of broker, proxies and graph, as somebody on another network has them."""
    found = {"ALLOW_INSECURE_HTTP": "true"}
    for name in PARTS:
        url = urlsplit(fleet.redis_url if name == "REDIS_URL" else fleet.stack.environ[name])
        there = exits.enter_context(Forwarder(url.port or 0, host))
        found[name] = url._replace(netloc=f"{url.netloc.rpartition('@')[0]}@{host}:{there.port}".lstrip("@")).geturl()
    found["NO_PROXY"] = found["no_proxy"] = host
    return found


def cuts_off(fleet: Fleet, row: Row, there: Namespace, off: str = "") -> None:
    """Cut a worker off in the middle of its work; when it is back, it must do the work alone."""
    fleet.vault.plays("slow", delays(0.5), on="POST /api/v1/archive/batch")
    fleet.registry.plays("slow", delays(0.03), on="POST /api/v1/usage")
    with ExitStack() as exits:
        far = fleet.start_worker(*there.command, off=off, **addresses(fleet, there.host, exits))
        (near,) = fleet.start_workers(1, off=off)
        fleet.wait_ready(far)
        fleet.work(1000)
        until(lambda: fleet.effects().usage.total() > 100 and fleet.vault.seen("POST"), 60, "work under way")
        since = time.monotonic()
        there.cut()
        row.recovered(fleet.recovery_secs(fleet.in_hand(), since, CUT_SECS), TIMEOUT_SECS + SLACK_SECS)
        time.sleep(max(0.0, since + CUT_SECS - time.monotonic()))
        there.join()
        fleet.settles(240)
        fleet.kill(near)
        fleet.report_usage(200)
        row.judge(fleet, secs=240)
        row.demand(far.is_alive, "the worker that was cut off did not live on")


@pytest.mark.waits
def test_a_network_that_is_cut_off(
    fleet: Callable[..., Fleet], row: Callable[..., Row], namespace: Namespace | None
) -> None:
    one = row(
        "a worker's network cut off for 60 s",
        "its work is taken over within visibility timeout + 5 s; it lives on, and goes on when the network is back",
        "a network namespace whose link is down; afterwards the other worker is killed; "
        f"visibility timeout {TIMEOUT_SECS} s",
        42,
    )
    if namespace is None:
        missing = "" if shutil.which("ip") else " and the program ip (apt install iproute2)"
        one.impossible = f"it needs network namespaces{missing}, which this user may not make here (root may)"
        return
    cuts_off(fleet(), one, namespace)
    one.must_hold()
