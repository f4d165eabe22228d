"""The options that commands share, each with help that a newcomer understands."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from flowkit.cli.completers import (
    complete_environment,
    complete_parameter,
    complete_selection,
    complete_target,
)

C = TypeVar("C", bound=Callable[..., Any])
Decorator = Callable[[C], C]

target = click.argument("target", shell_complete=complete_target)

parameters = click.option(
    "-p",
    "--param",
    "parameters",
    multiple=True,
    metavar="NAME=VALUE",
    shell_complete=complete_parameter,
    help="Give a parameter of the pipeline a value, read by its annotation; lists and dicts as JSON, or @file.json. "
    "Repeat it for more parameters.",
)
env = click.option(
    "--env",
    metavar="NAME",
    shell_complete=complete_environment,
    help="Use the settings of [tool.flowkit.env.NAME] on top of the project's own.",
)
store = click.option(
    "--store",
    type=click.Path(path_type=Path, readable=False),
    metavar="DIR",
    help="Keep results and records in this folder; .flowkit in the project's root by default.",
)
select = click.option(
    "--select",
    metavar="SEL",
    shell_complete=complete_selection,
    help="Run only these nodes and what they need: 'train', '+train' with all that it needs, 'train+' with all that "
    "needs it, '2+train' two edges back, '@train' both with all that those need, 'tag:x', 'tr*', 'a b' both, 'a,b' in "
    "common.",
)
force = click.option(
    "--force",
    metavar="SEL",
    shell_complete=complete_selection,
    help="Run these nodes even where a result could be reused; a selection like that of --select, or '*' for all.",
)
workers = click.option(
    "--workers", type=click.IntRange(min=1), metavar="N", help="Run at most N steps at once; all cores by default."
)
scheduler = click.option(
    "--scheduler", metavar="URL", help="Run on the Dask cluster at this address, such as tcp://10.0.0.1:8786."
)
inline = click.option(
    "--inline", is_flag=True, help="Run every step in this process, one after the other, for a debugger."
)
require_promotion = click.option(
    "--require-promotion", is_flag=True, help="Leave with exit code 3 where a promotion was refused."
)
output_file = click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write to this file instead of stdout; one that is there is replaced.",
)
json_output = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object on stdout, and nothing else there."
)
quiet = click.option("-q", "--quiet", is_flag=True, help="Print only retries, failures, promotions and the outcome.")
verbose = click.option(
    "-v",
    "--verbose",
    is_flag=True,
    help="Print every node, also where there are many, when each begins and where its log is.",
)


checking_verbose = click.option(
    "-v",
    "--verbose",
    is_flag=True,
    help="List the edges that the annotations leave open: those are judged on the values, as they are handed over.",
)
planning_quiet = click.option("-q", "--quiet", is_flag=True, help="Print only warnings and how many nodes would run.")
planning_verbose = click.option(
    "-v", "--verbose", is_flag=True, help="Print a line for every node, also where there are many."
)


def together(*decorators: Callable[[Any], Any]) -> Callable[[C], C]:
    """Return one decorator that adds all of them, in the order in which `--help` lists them."""

    def decorate(function: C) -> C:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return decorate


building = together(target, parameters, env, store)
"""What every command needs that loads a pipeline."""

looking_back = together(env, store, json_output)
"""What every command needs that reads the store."""


def example(*lines: str) -> str:
    """Return the end of a command's help: how it is called."""
    return "\b\n" + "\n".join(("Example:", *(f"  {line}" for line in lines)))
