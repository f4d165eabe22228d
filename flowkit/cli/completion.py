"""`completion`: the script by which a shell asks flowkit for words."""

from __future__ import annotations

from pathlib import Path

import click
from click.shell_completion import ZshComplete

from flowkit.cli import options

_TEMPLATES = Path(__file__).parents[1] / "templates"
_VARIABLE = "_FLOWKIT_COMPLETE"


@click.command(epilog=options.example('eval "$(flowkit completion bash)"', "flowkit completion fish | source"))
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the script that completes words in a shell.

    It completes commands, options, targets, nodes, runs and models. The first line below goes into ~/.bashrc or
    ~/.zshrc; for fish, the second one into ~/.config/fish/config.fish.
    """
    if shell == "zsh":
        root = click.get_current_context().find_root().command
        click.echo(ZshComplete(root, {}, "flowkit", _VARIABLE).source())
        return
    click.echo((_TEMPLATES / f"completion.{shell}").read_text(encoding="utf-8"), nl=False)
