"""What an address says, and what of it may be shown."""

import pytest
from memory_graph_workers.delivery.connections.address import (
    as_one_host,
    check_address,
    hide_credentials,
    is_redis,
    restore_credentials,
    seeds_of,
    server_url,
    with_hash_tag,
    without_credentials,
)

URL = "rediss+sentinel://me:p%40ss@a:1,b,[::1]:3/orders/2?ssl_cert_reqs=required&sentinel_password=s%2Fq"


def test_an_address_of_sentinels_is_read() -> None:
    found = seeds_of(URL)
    assert found is not None
    assert found.hosts == (("a", 1), ("b", 26379), ("::1", 3))
    assert found.name == "orders"
    assert found.server_url == server_url(URL) == "rediss://me:p%40ss@a:1/2?ssl_cert_reqs=required"
    assert found.login == (("password", "s/q"),)


def test_it_says_the_same_with_its_hosts_as_one() -> None:
    assert seeds_of(as_one_host(URL)) == seeds_of(URL)
    assert as_one_host(as_one_host(URL)) == as_one_host(URL)
    assert "," not in as_one_host(URL)


def test_no_password_is_shown() -> None:
    assert without_credentials(URL) == "rediss+sentinel://a:1,b,[::1]:3/orders/2"
    assert "p%40ss" not in repr(seeds_of(URL))


@pytest.mark.parametrize(
    "url", ["redis://a/1", "rediss://a", "redis+socket:///tmp/a", "redis+sentinel://a/b", "redis+cluster://a"]
)
def test_what_delivery_can_use(url: str) -> None:
    assert is_redis(url)


@pytest.mark.parametrize("url", ["sentinel://a/b", "redis-sentinel://a", "amqp://a", "sqs://", "redis-cluster://a", ""])
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
        ("redis+cluster://", "Must name its hosts"),
        ("redis+cluster://a/1", "a cluster has number 0 alone"),
        ("redis+cluster://a/{blue}/1", "a cluster has number 0 alone"),
        ("redis+cluster://a/blue", "a cluster has number 0 alone"),
        ("redis+sentinel://:se#cret@a/orders", "percent-encoded"),
        ("redis+sentinel://:se[cret@a/orders", "percent-encoded"),
        ("redis+sentinel://:se;cret@a/orders", "Must name one server"),
        ("redis://a/0;redis://b/0", "Must name one server"),
        ("redis://me:1234/secret@h/0", "percent-encoded"),
        ("redis+sentinel://me:1234/secret@h/0", "percent-encoded"),
        ("redis://me:se@cret@h/0", "percent-encoded"),
        ("redis+cluster://:se?cret@a", "percent-encoded"),
        ("redis://:se#cret@a/0", "percent-encoded"),
        ("redis://:se[cret@a/0", "percent-encoded"),
        ("redis://:secret@a:port/0", "percent-encoded"),
    ],
)
def test_a_wrong_address_says_how_it_is_written(url: str, says: str) -> None:
    with pytest.raises(ValueError, match=says) as refused:
        check_address(url)
    assert "cret" not in str(refused.value)


def test_two_users_of_one_server_are_told_apart() -> None:
    one, other = (f"redis://{user}:x@tellapart/0" for user in ("one", "other"))
    assert hide_credentials(one) == "redis://tellapart/0"
    assert restore_credentials(hide_credentials(other)) == other
    assert restore_credentials(hide_credentials(one)) == one


def test_over_tls_the_certificate_is_checked() -> None:
    assert "ssl_cert_reqs=required" in server_url("rediss+sentinel://a/orders")
    assert "ssl_cert_reqs=none" in server_url("rediss+cluster://a?ssl_cert_reqs=none")


@pytest.mark.parametrize(
    ("url", "prefix", "found", "name"),
    [
        ("redis+cluster://u:p@a:1,b", "{blue}:", "redis+cluster://u:p@a:1,b/{blue}", "blue"),
        ("rediss+cluster://a/0?ssl_cert_reqs=none", "x{blue}:", "rediss+cluster://a/{blue}?ssl_cert_reqs=none", "blue"),
        ("redis+cluster://a/{green}", "{2024}{b}:", "redis+cluster://a/{2024}", "2024"),
        ("redis+cluster://a", "a{b{c}:", "redis+cluster://a/{b{c}", "b{c"),
        ("redis://a/1", "", "redis://a/1", None),
        ("redis+sentinel://a/orders", "blue:", "redis+sentinel://a/orders", "orders"),
    ],
)
def test_in_a_cluster_the_address_names_the_fleets_hash_tag(
    url: str, prefix: str, found: str, name: str | None
) -> None:
    assert with_hash_tag(url, prefix) == found
    assert getattr(seeds_of(found), "name", None) == name


@pytest.mark.parametrize("prefix", ["", "blue:", "{}:", "{}{a}:", "a}{:"])
def test_in_a_cluster_there_is_a_hash_tag(prefix: str) -> None:
    with pytest.raises(ValueError, match="hash tag"):
        with_hash_tag("redis+cluster://a", prefix)
