"""`mgw completion`: the script that lets a shell complete commands and options."""

import click
from click.shell_completion import get_completion_class

_PROGRAM = "mgw"
_VARIABLE = "_MGW_COMPLETE"  # what click looks for when it is called as mgw


@click.command(name="completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(context: click.Context, shell: str) -> None:
    """Print a script that lets a shell complete the commands and options of mgw.

    \b
    To install it (bash 4.4 or newer), add a line to ~/.bashrc or ~/.zshrc, or write fish's file once:
      bash: eval "$(mgw completion bash)"
      zsh:  eval "$(mgw completion zsh)"    (behind compinit)
      fish: mgw completion fish > ~/.config/fish/completions/mgw.fish

    \b
    Example:
      mgw completion bash
    """
    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"click knows no completion for {shell}.")
    click.echo(kind(context.find_root().command, {}, _PROGRAM, _VARIABLE).source(), nl=False)
