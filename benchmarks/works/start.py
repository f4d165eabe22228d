"""`help`: how long the command takes to say what it can do.

Target: `flowkit --help` in under twice the time of a process that only imports click, for a command that is slow to
say what it can do is asked less often.
"""

from benchmarks.measure import Limit, Variant, Work, python
from benchmarks.programs_of import COMMAND

HELP = Work(
    name="help",
    about="flowkit --help, beside a process that only imports click",
    variants=(
        Variant("import nothing", lambda folder: python("-c", "pass")),
        Variant("import click", lambda folder: python("-c", "import click")),
        Variant("flowkit --help", lambda folder: python("-c", COMMAND, "--help")),
        Variant("flowkit run --help", lambda folder: python("-c", COMMAND, "run", "--help")),
    ),
    beside="import click",
    limits=(Limit("flowkit --help", most=2.0, beside="import click"),),
    rounds=15,
)
