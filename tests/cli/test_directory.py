"""Secrets that stay in a stack's directory: without them a second start could not read the first one's archives."""

from memory_graph_workers.cli.stack.directory import kept_secret


def test_a_secret_is_made_once_and_only_its_owner_reads_it(tmp_path):
    path = tmp_path / "some.key"
    assert [kept_secret(path, lambda made=made: made) for made in ("first", "second")] == ["first", "first"]
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_secret_that_was_half_written_by_a_killed_start_is_made_anew(tmp_path):
    (tmp_path / "some.new").write_text("fir")
    assert kept_secret(tmp_path / "some.key", lambda: "second") == "second"
    assert [path.name for path in tmp_path.iterdir()] == ["some.key"]
