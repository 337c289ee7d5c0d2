"""The site has every page, at a place in its navigation, and says of a built site what is wrong with it."""

import tomllib
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import links
import pages
import pytest
from monitoring.rules import ALERTS

ROOT = pages.ROOT
SETTINGS = (ROOT / "docs" / "website" / "zensical.toml").read_text()


def in_navigation(entries: list[Any]) -> Iterator[str]:
    for entry in entries:
        for value in entry.values() if isinstance(entry, dict) else [entry]:
            yield from in_navigation(value) if isinstance(value, list) else [value]


def test_every_page_is_in_the_navigation_once_and_no_other_one_is() -> None:
    named = list(in_navigation(tomllib.loads(SETTINGS)["project"]["nav"]))
    assert sorted(named) == sorted(str(path.relative_to(ROOT)) for path in pages.PAGES)


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    pages.put_together(folder)
    return folder


def test_every_alert_has_a_page_with_all_that_its_chapter_says(together: Path) -> None:
    made = {path.stem: path.read_text() for path in (together / "docs" / "runbook").iterdir()}
    assert made.keys() == ALERTS.keys()
    for name, text in made.items():
        assert text.startswith(f"# {name}\n")
        assert "**Look**" in text
        assert "**Do**" in text
        assert f"(runbook/{name}.md)" in (together / "docs" / "runbook.md").read_text()


def test_every_relative_link_of_the_pages_leads_to_a_file(together: Path) -> None:
    found = [
        (path, name)
        for path in together.rglob("*.md")
        for name, _ in pages.LINK.findall(pages.FENCE.sub("", path.read_text()))
        if name
    ]
    assert len(found) > 300
    assert [f"{path}: {name}" for path, name in found if not (path.parent / name).is_file()] == []


@pytest.mark.parametrize("module", [module for _, modules in pages.API.values() for module in modules])
def test_the_reference_shows_modules_that_there_are(module: str) -> None:
    assert import_module(f"memory_graph_workers.{module}").__doc__


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ('<a href="none.html">x</a>', "page.html links to none.html: there is no such file."),
        ('<a href="page.html#none">x</a>', "page.html links to page.html#none: that page has no such heading."),
        ('<h2 id="one">x</h2><a href="#one">x</a><a href="https://elsewhere.example/">x</a>', None),
        (
            '<script src="https://elsewhere.example/a.js"></script>',
            "page.html loads https://elsewhere.example/a.js from",
        ),
        ('<img src="//elsewhere.example/a.png">', "page.html loads //elsewhere.example/a.png from another host."),
        ("<p>Words:</p><pre><code>\n- one\n| --- |</code></pre>", None),
        ("<p>Words:\n- one\n- two</p>", "page.html shows Markdown as text"),
        ("<p>Words:\n| a | b |\n| --- | --- |</p>", "page.html shows Markdown as text"),
    ],
)
def test_what_is_wrong_with_a_site_is_named(tmp_path: Path, body: str, problem: str | None) -> None:
    (tmp_path / "page.html").write_text(f"<html><body>{body}</body></html>")
    found = list(links.problems(tmp_path))
    assert [line[: len(problem)] for line in found] == [problem] if problem else not found


def test_a_style_that_loads_from_another_host_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.css").write_text('@import "https://elsewhere.example/b.css"; p { background: url(c.png) }')
    assert list(links.problems(tmp_path)) == ["a.css loads https://elsewhere.example/b.css from another host."]
