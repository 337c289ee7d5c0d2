"""What an address says, and what of it may be shown."""

import pytest
from memory_graph_workers.delivery.connections.address import as_one_host, is_redis, sentinels_of, server_url, shown

URL = "rediss+sentinel://me:p%40ss@a:1,b,[::1]:3/orders/2?ssl_cert_reqs=required&sentinel_password=s%2Fq"


def test_an_address_of_sentinels_is_read() -> None:
    found = sentinels_of(URL)
    assert found is not None
    assert found.hosts == (("a", 1), ("b", 26379), ("::1", 3))
    assert found.primary == "orders"
    assert found.server_url == server_url(URL) == "rediss://me:p%40ss@a:1/2?ssl_cert_reqs=required"
    assert found.login == (("password", "s/q"),)


def test_it_says_the_same_with_its_hosts_as_one() -> None:
    assert sentinels_of(as_one_host(URL)) == sentinels_of(URL)
    assert as_one_host(as_one_host(URL)) == as_one_host(URL)
    assert "," not in as_one_host(URL)


def test_no_password_is_shown() -> None:
    assert shown(URL) == "rediss+sentinel://a:1,b,[::1]:3/orders/2"
    assert "p%40ss" not in repr(sentinels_of(URL))


@pytest.mark.parametrize("url", ["redis://a/1", "rediss://a", "redis+socket:///tmp/a", "redis+sentinel://a/b"])
def test_what_delivery_can_use(url: str) -> None:
    assert is_redis(url)


@pytest.mark.parametrize("url", ["sentinel://a/b", "redis-sentinel://a", "amqp://a", "sqs://", "redis+cluster://a", ""])
def test_what_it_cannot_use(url: str) -> None:
    assert not is_redis(url)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("redis+sentinel://a:1", "Must name a primary"),
        ("redis+sentinel://a:1/", "Must name a primary"),
        ("redis+sentinel://a:1/orders/two", "Must name a primary"),
        ("redis+sentinel:///orders", "Must name its hosts"),
        ("redis+sentinel://a:0/orders", "Must name its hosts"),
        ("redis+sentinel://a:70000/orders", "Must name its hosts"),
        ("redis+sentinel://a:1,,b/orders", "Must name its hosts"),
        ("redis+sentinel://a:x/orders", "Must name its hosts"),
    ],
)
def test_a_wrong_address_says_how_it_is_written(url: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        sentinels_of(url)
