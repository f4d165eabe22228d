"""`completion`: the script by which a shell asks flowkit for words."""

from __future__ import annotations

from pathlib import Path

import click
from click.shell_completion import FishComplete, ZshComplete

from flowkit.cli import options

_BASH = Path(__file__).parents[1] / "templates" / "completion.bash"
_VARIABLE = "_FLOWKIT_COMPLETE"


@click.command(epilog=options.example('eval "$(flowkit completion bash)"', "flowkit completion fish | source"))
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the script that completes words in a shell.

    It completes commands, options, targets, nodes, runs and models. The first line below goes into ~/.bashrc or
    ~/.zshrc; for fish, the second one into ~/.config/fish/config.fish.
    """
    if shell == "bash":
        click.echo(_BASH.read_text(encoding="utf-8"), nl=False)
        return
    chosen = {"zsh": ZshComplete, "fish": FishComplete}[shell]
    root = click.get_current_context().find_root().command
    click.echo(chosen(root, {}, "flowkit", _VARIABLE).source())
