"""The recording of the demo in docs/images/demo.svg: what a real run of `mgw demo` printed.

`make screenshots` writes it, and prints the run as well.
"""

import io
import re
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

IMAGE = Path(__file__).parent / "images" / "demo.svg"
WIDTH = 120


def main() -> int:
    """Run the demo and draw what it prints; the demo's own exit code if it fails."""
    command = [sys.executable, "-m", "memory_graph_workers.cli", "demo", *sys.argv[1:]]
    console = Console(record=True, width=WIDTH, file=io.StringIO())
    console.print(Text("$ make demo", style="bold"))
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as demo:  # noqa: S603  our own command
        for line in demo.stdout or ():
            sys.stdout.write(line)
            console.print(styled(re.sub(r"password \S+\)", "password …)", line.rstrip("\n"))))
    if demo.returncode == 0:
        drawing = console.export_svg(title="mgw demo")
        IMAGE.write_text(re.sub(r"@font-face \{.*?\}\s*", "", drawing, flags=re.DOTALL))  # fonts of another host
    return demo.returncode


def styled(line: str) -> Text:
    """The line, with its time dimmed and what was broken or counted in the end marked."""
    text = Text(line)
    text.highlight_regex(r"^ +[\d.]+ s", "dim")
    text.highlight_regex(r"SIGKILL|taken away", "bold red")
    text.highlight_regex(r"^\d+ archived, 0 lost, 0 duplicated$", "bold green")
    return text


if __name__ == "__main__":
    sys.exit(main())
