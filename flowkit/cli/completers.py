"""What completes a word of a command line, for click: imported when a shell asks, and not before."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

import click
from click.shell_completion import CompletionItem

Completer = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def _completer(name: str) -> Completer:
    """Return what calls the function of that name in `flowkit.cli.completing`."""

    def complete(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
        function: Completer = getattr(import_module("flowkit.cli.completing"), name)
        return function(context, parameter, incomplete)

    return complete


complete_target = _completer("complete_target")
complete_node = _completer("complete_node")
complete_selection = _completer("complete_selection")
complete_parameter = _completer("complete_parameter")
complete_environment = _completer("complete_environment")
complete_run = _completer("complete_run")
complete_model = _completer("complete_model")
complete_alias = _completer("complete_alias")
complete_version = _completer("complete_version")
complete_what = _completer("complete_what")
