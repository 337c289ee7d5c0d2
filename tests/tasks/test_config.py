"""Settings of producers and workers."""

import subprocess
import sys

import pytest
from memory_graph_workers.clients.errors import InvalidConfig
from memory_graph_workers.tasks.config import BrokerConfig


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("redis://a:1/0", "redis://a:1/0"),
        ("rediss://a:1/0", "rediss://a:1/0?ssl_cert_reqs=required"),
        ("rediss://a:1/0?x=y", "rediss://a:1/0?x=y&ssl_cert_reqs=required"),
        ("rediss://a:1/0?ssl_cert_reqs=none", "rediss://a:1/0?ssl_cert_reqs=none"),
    ],
)
def test_over_tls_the_certificate_is_checked(given: str, used: str) -> None:
    assert BrokerConfig(redis_url=given).broker == used


def test_state_is_kept_in_redis_alone() -> None:
    with pytest.raises(InvalidConfig, match="REDIS_URL"):
        BrokerConfig(redis_url="amqp://guest@localhost")


def test_no_password_shows() -> None:
    assert "secret" not in repr(BrokerConfig(redis_url="redis://:secret@a:1/0", broker_url="redis://u:secret@b"))


@pytest.mark.parametrize("name", ["redis_url", "broker_url"])
@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("amqp://me:secret@a", "kind amqp is not supported.*Use redis://"),
        ("sqs://me:secret@", "kind sqs is not supported"),
        ("sentinel://:secret@a:1/orders", r"Use redis\+sentinel://host:26379"),
        ("redis+cluster://:secret@a:1/3", "a cluster has number 0 alone"),
        ("redis+sentinel://:secret@a:1", "Must name a primary"),
        ("secret", "An address without a kind"),
    ],
)
def test_a_broker_that_is_not_built_is_refused_with_what_to_use_and_not_repeated(
    name: str, url: str, says: str
) -> None:
    with pytest.raises(InvalidConfig, match=says) as refused:
        BrokerConfig(**{name: url})
    assert "secret" not in str(refused.value)


def test_in_a_cluster_all_keys_have_a_hash_tag() -> None:
    config = BrokerConfig(redis_url="redis+cluster://a:1")
    assert (config.prefix, config.state, config.broker) == ("{mgw}:", *2 * ["redis+cluster://a:1/{mgw}"])
    with pytest.raises(InvalidConfig, match=r"KEY_PREFIX\): Must have a hash tag"):
        BrokerConfig(redis_url="redis+cluster://a:1", key_prefix="blue:")


def test_wrong_settings_are_told_when_sending_and_not_when_importing() -> None:
    program = (
        "from memory_graph_workers.tasks.vault import health_check\n"
        "from memory_graph_workers.clients.errors import InvalidConfig\n"
        "try:\n    health_check.delay()\nexcept InvalidConfig as error:\n    print(error)\n"
    )
    environ = {"REDIS_URL": "http://nowhere", "TASK_MAX_ATTEMPTS": "0"}
    done = subprocess.run([sys.executable, "-c", program], env=environ, capture_output=True, text=True)
    assert "REDIS_URL" in done.stdout
    assert "TASK_MAX_ATTEMPTS" in done.stdout


def test_an_old_prefix_that_is_empty_stands_for_names_without_one() -> None:
    assert BrokerConfig.from_env({}).key_prefix_old is None
    assert BrokerConfig.from_env({"KEY_PREFIX": "blue:", "KEY_PREFIX_OLD": ""}).key_prefix_old == ""
    assert BrokerConfig.from_env({"KEY_PREFIX_OLD": "blue:"}).key_prefix_old == "blue:"


@pytest.mark.parametrize(
    ("environ", "says"),
    [
        ({"KEY_PREFIX_OLD": ""}, "prefix of today"),
        ({"KEY_PREFIX": "blue:", "KEY_PREFIX_OLD": "blue:"}, "prefix of today"),
        ({"KEY_PREFIX_OLD": "blue"}, "colon"),
        ({"REDIS_URL": "redis+cluster://a:1", "KEY_PREFIX_OLD": ""}, "mgw queues move"),
    ],
)
def test_an_old_prefix_that_cannot_be_meant_is_refused(environ: dict[str, str], says: str) -> None:
    with pytest.raises(InvalidConfig, match=rf"KEY_PREFIX_OLD.*{says}"):
        BrokerConfig.from_env(environ)
