"""The `flowkit` command: the table of commands, and what every one of them has in common."""

from __future__ import annotations

import errno
import io
import os
import sys
from typing import NoReturn

import click

import flowkit
from flowkit.cli.failures import INTERRUPTED, report_bug, report_click, report_error
from flowkit.cli.lazy import Entry, LazyGroup
from flowkit.cli.signals import end_on_signals, ignore_signals
from flowkit.errors import FlowkitError, OutputError, UsageError

SECTIONS = {
    "Start": {
        "init": Entry("flowkit.cli.init", "init", "Make a new project: a first pipeline, its tests, CI."),
    },
    "Build and run": {
        "check": Entry("flowkit.cli.building", "check", "Build the graph and check every edge; run nothing."),
        "plan": Entry("flowkit.cli.building", "plan", "Say which steps would run, which are reused, and why."),
        "run": Entry("flowkit.cli.running", "run", "Run what is missing, reuse the rest."),
        "rerun": Entry("flowkit.cli.rerunning", "rerun", "Repeat a recorded run with today's code."),
        "why": Entry("flowkit.cli.explaining", "why", "Say why a node runs, with a diff of what changed."),
        "accept": Entry("flowkit.cli.accepting", "accept", "Keep a result after an edit that does not change it."),
        "show": Entry("flowkit.cli.building", "show", "Draw the graph as a tree, Mermaid, DOT or JSON."),
    },
    "Look back": {
        "runs": Entry("flowkit.cli.history", "runs", "List the recorded runs, latest first."),
        "logs": Entry("flowkit.cli.logs", "logs", "Print what a node printed."),
        "diff": Entry("flowkit.cli.comparing", "diff", "Say what differs between two runs."),
        "lineage": Entry("flowkit.cli.lineage", "lineage", "Say what made an artifact, and what used it."),
        "artifact": Entry("flowkit.cli.artifacts", "artifact", "List, show and export stored artifacts."),
    },
    "Models": {
        "models": Entry("flowkit.cli.models", "models", "List, show, describe, promote and roll back model versions."),
        "audit": Entry("flowkit.cli.audit", "audit", "List, verify and export the record of every promotion."),
    },
    "Look after the store": {
        "verify": Entry("flowkit.cli.verifying", "verify", "Check what is stored, or that steps give the same again."),
        "gc": Entry("flowkit.cli.collecting", "gc", "Drop what is not to be kept, and what was left behind."),
        "backup": Entry(
            "flowkit.cli.backup", "backup", "Copy the store into one file, or make a store of such a file."
        ),
        "doctor": Entry("flowkit.cli.doctor", "doctor", "Say what is wrong here, and what would mend it."),
    },
    "Settings": {
        "config": Entry("flowkit.cli.config", "config", "Show the settings and where each came from."),
        "completion": Entry(
            "flowkit.cli.completion", "completion", "Print the script that completes words in a shell."
        ),
    },
}

HELP = """Run typed pipelines: only what changed is computed, and every result says what made it.

A TARGET is a file (pipelines/taxi.py), a file and a pipeline (pipelines/taxi.py:taxi), a module and a pipeline
(package.module:taxi) or a name below pipelines/ (taxi). Every command has its own --help.
"""

cli = LazyGroup(
    SECTIONS,
    name="flowkit",
    help=HELP,
    epilog="Example:  flowkit run pipelines/taxi.py -p C=0.5",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    params=[
        click.Option(
            ["--version"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=lambda context, _, asked: _print_version(context, asked),
            help="Print flowkit's version.",
        )
    ],
)


def main() -> NoReturn:
    """Run the command line of this process, and leave with the documented exit code."""
    end_on_signals()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A file's name may hold bytes that are no text; in a JSON string this escape is one of JSON's own.
            stream.reconfigure(errors="backslashreplace")
    try:
        code = run_command(sys.argv[1:])
        ignore_signals()
    except KeyboardInterrupt:  # one that came as the command ended
        ignore_signals()
        code = INTERRUPTED
    sys.exit(code)


def run_command(arguments: list[str]) -> int:
    """Run one command line and return its exit code; every failure is told, none escapes.

    Args:
        arguments: The command line without the program's name.
    """
    as_json = "--json" in arguments
    try:
        refuse_unsupported(os.name)
        _refuse_unreadable(arguments)
        code = cli.main(arguments, prog_name="flowkit", standalone_mode=False)
    except FlowkitError as error:
        return _tell_interruption() if _was_interrupted(error) else report_error(error, as_json)
    except click.ClickException as error:
        return report_click(error, as_json)
    except (KeyboardInterrupt, click.Abort) as error:
        # What click was interrupted by, which may know what could not be recorded.
        for line in ("Interrupted.", *getattr(error.__cause__ or error, "__notes__", ())):
            click.echo(line, err=True)
        return INTERRUPTED
    except BrokenPipeError:
        return _leave_broken_pipe()
    except OSError as error:
        if error.filename is not None or error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO):
            return report_bug(error, as_json)
        _give_up_output()
        return report_error(OutputError.for_stdout(error.strerror or str(error)), as_json=False)
    except SystemExit as left:
        # click leaves so where the reader of its output has gone, and says no more of it.
        if _reader_has_gone():
            return _leave_broken_pipe()
        return left.code if isinstance(left.code, int) else 1
    except Exception as error:  # noqa: BLE001  (told as flowkit's own bug, with its traceback)
        return _tell_interruption() if _was_interrupted(error) else report_bug(error, as_json)
    return code if isinstance(code, int) else 0


def _was_interrupted(error: BaseException) -> bool:
    """Whether a signal is behind an error: Python makes another one of it where a class is being made."""
    cause = error.__cause__ or error.__context__
    return cause is not None and (isinstance(cause, KeyboardInterrupt) or _was_interrupted(cause))


def _tell_interruption() -> int:
    click.echo("Interrupted.", err=True)
    return INTERRUPTED


def refuse_unsupported(name: str) -> None:
    """Refuse an operating system, by what `os.name` calls it.

    Raises:
        UsageError: flowkit does not run on it.
    """
    if name == "nt":
        raise UsageError.for_unsupported_system("Windows")


def _refuse_unreadable(arguments: list[str]) -> None:
    """Refuse what no shell hands over, before it becomes part of a path somewhere: a NUL, half a character.

    Raises:
        UsageError: An argument holds such a thing.
    """
    for argument in arguments:
        try:
            is_readable = b"\0" not in os.fsencode(argument)
        except UnicodeEncodeError:
            is_readable = False
        if not is_readable:
            raise UsageError.for_unreadable_argument(argument)


def _leave_broken_pipe() -> int:
    """Leave a command whose reader has gone, as `head` does; Python would complain once more when it flushes."""
    _give_up_output()
    return 0


def _reader_has_gone() -> bool:
    """Whether stdout is a pipe that nobody reads from any more."""
    import select

    poll = select.poll()
    poll.register(1, 0)
    return any(event & select.POLLERR for _, event in poll.poll(0))


def _give_up_output() -> None:
    """Let what Python still holds for stdout go nowhere: it would complain of it once more at the end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _print_version(context: click.Context, asked: bool) -> None:
    if asked and not context.resilient_parsing:
        click.echo(f"flowkit {flowkit.__version__}")
        context.exit()
