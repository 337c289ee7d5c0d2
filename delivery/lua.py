"""The scripts that Redis runs, each in a file of its own: whatever they do happens in one step."""

from importlib.resources import files


def script(name: str) -> str:
    """The text of a script."""
    return files(__package__ or "").joinpath("scripts", f"{name}.lua").read_text("utf-8")
