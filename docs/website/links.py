"""What is wrong with a site that was built: dead links, what comes from other hosts, and Markdown that was not read."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

_LOADED = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src", "video": "src"}
_AS_IT_IS = re.compile(r"<(pre|script|style|svg)\b.*?</\1>", re.DOTALL)
_UNREAD = re.compile(r"^(?:- |\* |1\. |\| |```).*", re.MULTILINE)
_NOT_LOADED = {"canonical", "prev", "next", "alternate"}


class Page(HTMLParser):
    """The anchors of a page, where it links to, and what a browser loads for it."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.feed(path.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what a tag is, leads to or loads."""
        given = dict(attrs)
        self.anchors |= {value for name in ("id", "name") if (value := given.get(name))}
        loaded = given.get(_LOADED.get(tag, "")) if given.get("rel") not in _NOT_LOADED else None
        if loaded:
            self.loaded.append(loaded)
        if tag == "a" and given.get("href"):
            self.links.append(given["href"] or "")


def problems(site: Path) -> Iterator[str]:
    """A line for everything that is wrong."""
    site = site.resolve()
    pages = {path: Page(path) for path in sorted(site.rglob("*.html"))}
    for path, page in pages.items():
        where = path.relative_to(site)
        for url in page.loaded:
            if urlsplit(url).scheme in ("http", "https") or url.startswith("//"):
                yield f"{where} loads {url} from another host."
        for url in [*page.links, *page.loaded]:
            yield from (f"{where} links to {url}: {why}." for why in dead(url, path, site, pages))
        if found := _UNREAD.search(_AS_IT_IS.sub("", path.read_text())):
            yield f"{where} shows Markdown as text at {found[0]!r}: put an empty line before it."
    for path in site.rglob("*.css"):
        for url in re.findall(r"(?:url\(|@import )[\"']?((?:https?:)?//[^\"')]+)", path.read_text()):
            yield f"{path.relative_to(site)} loads {url} from another host."


def dead(url: str, path: Path, site: Path, pages: dict[Path, Page]) -> Iterator[str]:
    """Why a link of a page leads nowhere; nothing where it leads to another host, which is not asked."""
    parts = urlsplit(url)
    if parts.scheme or parts.netloc:
        return
    folder, name = (site if parts.path.startswith("/") else path.parent), unquote(parts.path).lstrip("/")
    target = (folder / name).resolve() if name else path
    target = target / "index.html" if target.is_dir() else target
    if not target.exists():
        yield "there is no such file"
    elif parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].anchors:
        yield "that page has no such heading"
