"""Templates: ours, and Flower's own where we have none of that name."""

from pathlib import Path

from flower.urls import settings  # pyright: ignore[reportMissingTypeStubs]
from tornado.template import BaseLoader, Template

OURS, FLOWERS = Path(__file__).parent / "templates", Path(str(settings["template_path"]))
_FROM_FLOWER = "flower/"  # before the name of a template of Flower's that one of ours includes in its own place


class Templates(BaseLoader):
    """Finds templates; those of both folders extend and include each other by their names."""

    def resolve_path(self, name: str, parent_path: str | None = None) -> str:
        """The name itself: no folder has folders."""
        return name

    def _create_template(self, name: str) -> Template:
        own = OURS / name
        path = own if own.is_file() else FLOWERS / name.removeprefix(_FROM_FLOWER)
        return Template(path.read_bytes(), name=name, loader=self)
