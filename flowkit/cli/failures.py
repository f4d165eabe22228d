"""How a command that failed says so: three parts on stderr, or the documented JSON object on stdout."""

from __future__ import annotations

import contextlib
import sys
from typing import Any

import click

from flowkit.cli.render.output import json_text, tell
from flowkit.errors import FlowkitError, UsageError, facts_to_json

INTERRUPTED = 130
_BUG = 1


def error_to_json(error: FlowkitError) -> dict[str, Any]:
    """Return the object that a failed command prints under `--json`."""
    return {
        "format": 1,
        "error": {
            "type": type(error).__name__,
            "message": error.message,
            "facts": facts_to_json(error.facts),
            "hint": error.hint or None,
        },
    }


def report_error(error: FlowkitError, as_json: bool) -> int:
    """Print a failure that a person can act on, and return its exit code."""
    with contextlib.suppress(BrokenPipeError):
        # Whom it is told has gone; the exit code says it too.
        if as_json:
            click.echo(json_text(error_to_json(error)))
        else:
            tell(f"Error: {error}", err=True)
    return error.exit_code


def report_click(error: click.ClickException, as_json: bool) -> int:
    """Print what the parser refused, in the same three parts."""
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "flowkit"
    return report_error(UsageError.for_command_line(error.format_message(), command), as_json)


def report_bug(error: Exception, as_json: bool) -> int:
    """Print an exception that flowkit should not have raised, with its traceback on stderr."""
    import traceback

    traceback.print_exception(error, file=sys.stderr)
    said = f"{type(error).__name__}: {error}"
    click.echo(
        f"\nflowkit met a bug of its own: {said}\nThe lines above are for its authors; nothing recorded was lost.",
        err=True,
    )
    if as_json:
        bug: dict[str, Any] = {"type": "InternalError", "message": said, "facts": {}, "hint": None}
        click.echo(json_text({"format": 1, "error": bug}))
    return _BUG
