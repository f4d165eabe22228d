"""`edited-1000`: the last step of a chain is edited, and the 1,000 before it are reused.

The step is edited anew before each run, so that it executes in every one of them. Beside a first run of one step, in
a store that does not exist yet: looking up a thousand nodes should cost little more.
"""

from __future__ import annotations

import os
from pathlib import Path

from benchmarks.measure import Limit, Variant, Work, python, run_program
from benchmarks.programs_of import COLD, COLD_COMMAND, cold, cold_command, command
from benchmarks.projects import is_filled

EDITED, EDITED_COMMAND = "flowkit, edited", "flowkit run, edited"
_REUSED = 1000

_MODULE = '''import flowkit as fk
import shapes


@fk.step
def finish(number: int) -> int:
    """Return the number and another one, which is edited."""
    return number + {constant}


@fk.pipeline
def edited() -> int:
    """A chain, and what is edited at its end."""
    number = shapes.give_zero()
    for _ in range({calls}):
        number = shapes.add_one(number)
    return finish(number)


def prove(run: fk.Run) -> None:
    """See that the step is the edited one."""
    assert run["finish"].value() == {calls} + {constant}
'''


def _edit(folder: Path) -> None:
    """Give the last step a constant that it has never had; before that, run the pipeline once."""
    if not is_filled(folder):
        _write(folder, 0)
        run_program(_run(f"executed={_REUSED + 1}"), folder)
    runs = len([entry for entry in (folder / ".flowkit" / "runs").iterdir() if entry.is_dir()])
    _write(folder, runs)


def _write(folder: Path, constant: int) -> None:
    file = folder / "edited.py"
    file.write_text(_MODULE.format(constant=constant, calls=_REUSED - 1))
    # Each edit at a second of its own: by that, and by the size, Python tells whether what it has compiled is old.
    os.utime(file, (constant, constant))


def _run(*expected: str) -> list[str]:
    return python("with_session.py", "edited:edited", *expected)


EDITED_CHAIN = Work(
    name="edited-1000",
    about="one step edited at the end of a chain of 1,000 reused ones, beside a first run of one step",
    variants=(
        cold("chain", 1),
        cold_command("chain", 1),
        Variant(EDITED, lambda folder: _run(f"reused={_REUSED}", "executed=1"), _edit),
        command(
            EDITED_COMMAND,
            *("run", "edited.py:edited", "--workers", "2"),
            prepare=_edit,
            says=f": 1 executed, {_REUSED:,} reused",
        ),
    ),
    beside=COLD,
    limits=(Limit(EDITED, most=1.3, beside=COLD), Limit(EDITED_COMMAND, most=1.3, beside=COLD_COMMAND)),
)
