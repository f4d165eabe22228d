"""A command group whose commands are imported when they are called, so that `--help` loads none of them."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any, NamedTuple

import click
from click.shell_completion import CompletionItem

from flowkit.errors import UsageError
from flowkit.garbage import keeping_imports


class Entry(NamedTuple):
    """Where a command is found, and what `--help` says of it without importing it.

    Attributes:
        module: The module that holds it.
        attribute: Its name there.
        summary: The first line of its help.
    """

    module: str
    attribute: str
    summary: str


class SuggestingGroup(click.Group):
    """A group that answers an unknown command with the nearest one, and no command with its help."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Print the help and leave where there is no argument at all."""
        if not args and not ctx.resilient_parsing:
            click.echo(ctx.get_help())
            ctx.exit()
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that the first argument names.

        Raises:
            UsageError: There is none of that name.
        """
        name = args[0]
        if not name.startswith("-") and self.get_command(ctx, name) is None:
            raise UsageError.for_unknown_command(name, ctx.command_path, self.list_commands(ctx))
        return super().resolve_command(ctx, args)


class LazyGroup(SuggestingGroup):
    """A group of commands by section, each imported when it is first asked for.

    Args:
        sections: Titles, each with its commands by name.
        **attributes: What click's groups take.
    """

    def __init__(self, sections: Mapping[str, Mapping[str, Entry]], **attributes: Any) -> None:
        super().__init__(**attributes)
        self.sections = sections
        self._entries = {name: entry for section in sections.values() for name, entry in section.items()}

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the table."""
        return list(self._entries)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command's module and return the command; None where there is none of that name."""
        entry = self._entries.get(cmd_name)
        if entry is None:
            return None
        with keeping_imports():
            command: click.Command = getattr(import_module(entry.module), entry.attribute)
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Return the commands that begin so, from the table alone, and the group's own options."""
        named = [
            CompletionItem(name, help=entry.summary)
            for name, entry in self._entries.items()
            if name.startswith(incomplete)
        ]
        return [*named, *click.Command.shell_complete(self, ctx, incomplete)]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the table of commands by section, from the table alone."""
        width = max(len(name) for name in self._entries)
        for title, entries in self.sections.items():
            with formatter.section(title):
                formatter.write_dl([(name.ljust(width), entry.summary) for name, entry in entries.items()])
