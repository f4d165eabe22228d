"""Be the `flowkit` command, and prove at its end that nothing heavy was imported: `with_command.py ARGUMENTS…`."""

import sys
from collections.abc import Callable

from imported import refuse_heavy_imports


def end_of(command: Callable[[], object]) -> str | int | None:
    """Return the exit code with which a command leaves the process."""
    try:
        command()
    except SystemExit as end:
        return end.code
    return None


if __name__ == "__main__":
    from flowkit.__main__ import main

    code = end_of(main)
    refuse_heavy_imports()
    sys.exit(code)
