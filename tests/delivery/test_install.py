"""What `install` gives an app, and what it refuses."""

from collections.abc import Callable
from ssl import CERT_REQUIRED
from typing import Any

import pytest
from celery import Celery, Task
from memory_graph_workers.delivery import InvalidConfig, KeptTask, celery_settings, install, installed, startup_checks

URL = "redis://:secret@localhost:1/0"


class State:
    state = "closed"


def breaker(service: str) -> State:
    if service == "unknown":
        raise LookupError(service)
    return State()


def probe(service: str) -> bool:
    return True


def nothing() -> None:
    pass


def app_of(main: str | None = "shop", **options: Any) -> Celery:
    return Celery(main, set_as_current=False, **options)


def refused(app: Celery, url: str = URL, **options: Any) -> str:
    with pytest.raises(InvalidConfig) as caught:
        install(app, url, **options)
    return str(caught.value)


@pytest.mark.parametrize("url", ["amqp://localhost", "sqs://", "redis-cluster://localhost", "sentinel://a:1", ""])
def test_a_broker_that_cannot_be_kept_is_refused(url: str) -> None:
    app = app_of()
    assert "Use redis" in refused(app, url)
    assert "Use redis" in refused(app, state_url=url or "nothing")
    install(app, URL)  # nothing was done to it


def test_in_a_cluster_all_keys_have_the_apps_hash_tag() -> None:
    found = install(app_of(), "redis+cluster://a:1")
    assert (found.url, found.key_prefix) == ("redis+cluster://a:1/{shop}", "{shop}:")
    assert found.keys.letters == "{shop}:shop:dead:letters"
    assert "hash tag" in refused(app_of(), "redis+cluster://a:1", key_prefix="blue:")


def test_old_names_are_others_that_are_where_the_keys_are() -> None:
    assert install(app_of(), URL).key_prefix_old is None
    assert install(app_of(), URL, key_prefix="blue:", key_prefix_old="").key_prefix_old == ""
    assert install(app_of(), "redis+cluster://a:1", key_prefix_old="{old}:").key_prefix_old == "{old}:"
    assert "of today" in refused(app_of(), key_prefix_old="")
    assert "of today" in refused(app_of(), key_prefix="blue:", key_prefix_old="blue:")
    assert "colon" in refused(app_of(), key_prefix_old="blue")
    assert "mgw queues move" in refused(app_of(), "redis+cluster://a:1", key_prefix_old="")


@pytest.mark.parametrize("scheme", ["rediss", "rediss+sentinel", "rediss+cluster"])
def test_over_tls_certificates_are_checked_and_a_connection_tells_no_password(scheme: str) -> None:
    app = app_of()
    install(app, f"{scheme}://:secret@a:1/{'orders' if 'sentinel' in scheme else 0}")
    with app.connection_for_write() as connection:
        transport: Any = connection.transport
        with transport.as_server():
            assert transport.client.ssl == {"ssl_cert_reqs": CERT_REQUIRED}
            assert transport.client.password == "secret"
        told = {name: value for name, value in connection.info().items() if name != "password"}  # as Celery tells it
        assert "secret" not in repr((told, connection))


def test_a_result_store_whose_address_cannot_be_read_is_refused() -> None:
    app = app_of()
    app.conf.result_backend = "redis+sentinel://a:1"
    assert "result_backend: Must name a primary" in refused(app)


@pytest.mark.parametrize("text", ["blue", "a b:", "*:", "é:", f"{'a' * 64}:"])
def test_a_key_prefix_that_is_none_is_refused(text: str) -> None:
    assert "end with a colon" in refused(app_of(), key_prefix=text)


def test_a_second_call_is_refused() -> None:
    app = app_of()
    found = install(app, URL)
    assert "already" in refused(app)
    assert installed(app) is found


def test_an_app_whose_tasks_are_made_is_refused() -> None:
    late, started = app_of(), app_of()
    late.task(nothing, shared=False, name="made").delay  # noqa: B018  makes the task
    started.finalize()
    assert "right after Celery" in refused(late)
    assert "started its worker" in refused(started)


class Ours(Task):
    abstract = True


class Kept(KeptTask):
    abstract = True


def test_a_base_of_tasks_that_are_not_kept_is_refused_and_one_that_is_stays() -> None:
    assert "let Ours inherit from" in refused(app_of(task_cls=Ours))
    app = app_of(task_cls=Kept)
    install(app, URL)
    assert issubclass(app.Task, Kept)


@pytest.mark.parametrize("main", [None, "", "two words"])
def test_an_app_without_a_name_needs_a_prefix(main: str | None) -> None:
    assert "prefix" in refused(app_of(main))
    assert install(app_of(main), URL, prefix="shop").keys.letters == "shop:dead:letters"


def test_a_needed_service_without_breaker_is_refused() -> None:
    assert "breaker" in refused(app_of(), needs={"payments": ["bank"]})


@pytest.mark.parametrize("given", [lambda service: True, probe.__call__])
def test_a_probe_that_another_process_cannot_import_is_refused(given: Callable[[str], bool]) -> None:
    assert "top of a module" in refused(app_of(), needs={"payments": ["bank"]}, breaker=breaker, probe=given)


def test_nothing_installed_is_an_error_that_says_what_to_call() -> None:
    with pytest.raises(InvalidConfig, match="call install"):
        installed(app_of())


def test_no_password_is_in_what_a_worker_tells() -> None:
    app = app_of()
    found = install(app, URL)
    assert "secret" not in repr(found) + repr(app.conf.broker_transport_options)
    assert found.redis.connection_pool.connection_kwargs["password"] == "secret"


def test_keeps_transport_options_of_the_app() -> None:
    app = app_of()
    app.conf.broker_transport_options = {"priority_steps": [0, 5]}
    install(app, URL)
    assert app.conf.broker_transport_options["priority_steps"] == [0, 5]


@pytest.mark.parametrize("compression", ["bzip2", "application/x-bz2", "lzma", "zstd", "brotli"])
def test_a_compression_that_workers_set_aside_is_refused(compression: str) -> None:
    app = app_of()
    app.conf.task_compression = compression
    assert f"task_compression is '{compression}', and workers open only zlib and gzip" in refused(app)


@pytest.mark.parametrize("compression", ["bzip2", "zstd"])
def test_a_task_with_such_a_compression_of_its_own_is_refused_where_it_is_made_and_where_a_worker_starts(
    compression: str,
) -> None:
    app, foreign = app_of(), app_of()
    for one in (app, foreign):
        install(one, URL)
    with pytest.raises(InvalidConfig, match="The compression of the task packed is"):
        app.task(nothing, shared=False, name="packed", compression=compression).delay  # noqa: B018  makes the task
    foreign.task(nothing, shared=False, name="packed", base=Ours, compression=compression)
    foreign.conf.task_compression = compression
    said = Starting(foreign).says()
    assert "The compression of the task packed is" in said
    assert "task_compression is" in said


@pytest.mark.parametrize("compression", [None, "", "zlib", "gzip", "application/x-gzip"])
def test_a_compression_that_workers_open_is_accepted(compression: str | None) -> None:
    app = app_of()
    app.conf.task_compression = compression
    install(app, URL)
    app.task(nothing, shared=False, name="packed", compression=compression).delay  # noqa: B018  makes the task
    startup_checks.refuse_setup(sender=Starting(app))


class Starting:
    """A worker that starts."""

    def __init__(self, app: Celery) -> None:
        self.app = app

    def says(self) -> str:
        with pytest.raises(SystemExit) as caught:
            startup_checks.refuse_setup(sender=self)
        return str(caught.value)


@pytest.mark.parametrize("pool", ["gevent", "celery.concurrency.eventlet:TaskPool"])
def test_a_pool_that_loses_tasks_is_refused(pool: str) -> None:
    app = app_of()
    startup_checks.refuse_pool(instance=Starting(app), options={"pool": pool}, conf=app.conf)  # not installed: not ours
    install(app, URL)
    with pytest.raises(SystemExit, match="prefork"):
        startup_checks.refuse_pool(instance=Starting(app), options={"pool": pool}, conf=app.conf)
    startup_checks.refuse_pool(instance=Starting(app), options={"pool": "prefork"}, conf=app.conf)


def test_a_worker_does_not_start_with_what_would_lose_tasks_and_names_it_all() -> None:
    app = app_of()
    install(app, URL, needs={"payments": ["bank", "unknown"]}, breaker=breaker)
    app.conf.update(task_acks_late=False)
    said = Starting(app).says()
    assert "task_acks_late is False" in said
    assert "unknown (LookupError)" in said
    assert "bank" not in said


def test_a_worker_warns_of_tasks_that_are_not_kept(caplog: pytest.LogCaptureFixture) -> None:
    app = app_of()
    install(app, URL)
    app.task(nothing, shared=False, name="kept")
    app.task(nothing, shared=False, name="plain", base=Ours)
    app.task(nothing, shared=False, name="early", acks_late=False)
    startup_checks.refuse_setup(sender=Starting(app))
    assert ["plain" in caplog.messages[0], "early" in caplog.messages[1], len(caplog.messages)] == [True, True, 2]


def test_a_worker_does_not_start_with_a_misspelt_queue_or_breaker() -> None:
    app = app_of()
    install(app, URL, needs={"payment": ["bank"]}, breaker=f"{__name__}:nowhere")
    app.conf.task_queues = {"payments": {}}
    said = Starting(app).says()
    assert "payment of `needs`" in said
    assert "breaker for bank (InvalidConfig)" in said


def test_a_worker_starts_where_all_is_well() -> None:
    app = app_of()
    install(app, URL, needs={"payments": ["bank"]}, breaker=breaker, probe=probe)
    app.task(nothing, shared=False, name="kept")
    startup_checks.refuse_setup(sender=Starting(app))


def test_a_worker_waits_longer_than_a_producer() -> None:
    app = app_of()
    app.conf.result_backend_transport_options = {"master_name": "m"}
    install(app, URL)
    assert app.conf.broker_transport_options["socket_timeout"] == 3
    celery_settings.wait_longer(instance=Starting(app), conf=app.conf)
    assert app.conf.broker_transport_options["socket_timeout"] == 30
    assert app.conf.result_backend_transport_options == {"master_name": "m"}
