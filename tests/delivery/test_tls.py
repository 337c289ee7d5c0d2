"""TLS with a certificate that only the app's own settings trust: one server, sentinels and their primary, a cluster."""

import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from memory_graph_workers.delivery import DeadLetter, Reason, install, installed
from memory_graph_workers.delivery.connections.address import with_tls
from memory_graph_workers.delivery.connections.connection import connect
from redis import Redis
from redis.exceptions import RedisError
from support.broker import close
from support.certificates import Servers, tls_servers
from support.certificates import certificate as certificate
from support.waiting import until

pytestmark = pytest.mark.filterwarnings("ignore:Call to deprecated setex")  # by Celery, for a result
TAG = "{shop}:"


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory, certificate: Path) -> Iterator[Servers]:
    with tls_servers(tmp_path_factory.mktemp("servers"), certificate) as servers:
        yield servers


@pytest.fixture(scope="module")
def places(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The address of each kind, without anything of TLS but its scheme."""
    alone = servers.start()
    config = tmp_path_factory.mktemp("sentinel") / "sentinel.conf"
    config.write_text(f"sentinel monitor orders 127.0.0.1 {alone} 1\n")
    asked = servers.start(str(config), "--sentinel")
    node = servers.start("--cluster-enabled", "yes", "--tls-cluster", "yes")
    with servers.client(node) as redis:
        redis.execute_command("CLUSTER ADDSLOTSRANGE", 0, 16383)
        until(lambda: _said(redis)["cluster_state"] == "ok")
    return {
        "server": f"rediss://127.0.0.1:{alone}/0",
        "sentinel": f"rediss+sentinel://127.0.0.1:{asked}/orders/0",
        "cluster": f"rediss+cluster://127.0.0.1:{node}",
    }


def _said(node: Redis) -> Any:
    return node.execute_command("CLUSTER INFO")


def works(app: Celery) -> None:
    """What is sent, kept and stored comes back, over every connection that an app has."""
    delivery = installed(app)
    app.send_task("good", (1,), task_id="one")
    queue = f"{delivery.key_prefix}work"
    with connect(delivery.url, timeout_secs=5, connect_timeout_secs=5) as broker:
        assert broker.llen(queue) == 1
        broker.delete(queue)
    delivery.dead_letters.add(DeadLetter("one", Reason.FAILED, "work"))
    assert delivery.dead_letters.remove("one")
    assert delivery.holds.by_hand() == {}
    app.backend.store_result("one", 7, "SUCCESS")
    assert app.AsyncResult("one").get(timeout=5) == 7


def made(url: str, results: str, **settings: Any) -> Celery:
    app = Celery("shop", set_as_current=False)
    app.conf.update(result_backend=results, task_default_queue="work", **settings)
    install(app, url, key_prefix=TAG)
    return app


@pytest.mark.parametrize("kind", ["server", "sentinel", "cluster"])
def test_the_address_says_whom_to_trust(servers: Servers, places: dict[str, str], kind: str) -> None:
    url = f"{places[kind]}?ssl_ca_certs={servers.trusted}"
    app = made(url, url)
    works(app)
    installed(app).redis.close()
    close(app)


@pytest.mark.parametrize("scheme", ["redis", "rediss"])
@pytest.mark.parametrize("kind", ["server", "sentinel", "cluster"])
def test_celerys_own_settings_say_it_for_every_connection(
    servers: Servers, places: dict[str, str], kind: str, scheme: str
) -> None:
    tls = {"ssl_cert_reqs": ssl.CERT_REQUIRED, "ssl_ca_certs": str(servers.trusted), "ssl_check_hostname": True}
    url = places[kind].replace("rediss", scheme, 1)
    app = made(url, url, broker_use_ssl=tls, redis_backend_use_ssl=tls)
    works(app)
    installed(app).redis.close()
    close(app)


@pytest.mark.parametrize("kind", ["server", "sentinel", "cluster"])
def test_a_certificate_that_nobody_trusts_is_refused(places: dict[str, str], kind: str) -> None:
    # Of another database, or hash tag: this process knows the whole address of the app's.
    url = f"{places[kind]}/{{other}}" if kind == "cluster" else places[kind].removesuffix("0") + "1"
    with connect(url, timeout_secs=5, connect_timeout_secs=5) as redis, pytest.raises(RedisError):
        redis.ping()
    unchecked = f"{url}?ssl_cert_reqs=none"
    with connect(unchecked, timeout_secs=5, connect_timeout_secs=5) as redis:
        assert redis.ping()


@pytest.mark.parametrize(
    ("url", "given", "found"),
    [
        ("redis://a/1", False, "redis://a/1"),
        ("redis://a/1", None, "redis://a/1"),
        ("redis://a/1", True, "rediss://a/1"),
        ("rediss://a/1?x=1", {}, "rediss://a/1?x=1"),
        ("redis+sentinel://a/b", {"ssl_cert_reqs": ssl.CERT_NONE}, "rediss+sentinel://a/b?ssl_cert_reqs=none"),
        ("rediss://a", {"ssl_cert_reqs": "CERT_OPTIONAL"}, "rediss://a?ssl_cert_reqs=optional"),
        ("rediss://a?ssl_cert_reqs=required", {"ssl_cert_reqs": "none"}, "rediss://a?ssl_cert_reqs=required"),
        (
            "rediss+cluster://a",
            {"ssl_ca_certs": "/a b", "ssl_password": None},
            "rediss+cluster://a?ssl_ca_certs=%2Fa+b",
        ),
        ("rediss://a", {"ssl_check_hostname": False}, "rediss://a?ssl_check_hostname=false"),
        ("redis+socket:///tmp/a", True, "redis+socket:///tmp/a"),
    ],
)
def test_what_celery_was_told_becomes_a_part_of_the_address(url: str, given: Any, found: str) -> None:
    assert with_tls(url, given) == found
