"""What the commands that measure have in common: what they need, how they tell, and how Ctrl-C ends them."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec

DRAWING = ("matplotlib",)
MEASURING = (
    *("beartype", "blake3", "click", "cloudpickle", "cronsim", "dask", "distributed", "fsspec", "msgspec", "networkx"),
    *("pandera", "pyarrow", "pydantic", "rich", "sqlite_utils"),
    *("joblib", "pandas", "sklearn"),
)
"""What flowkit imports, and then what the works and their floors do."""

INTERRUPTED, CANNOT = 130, 2
_NAMED = 3


@dataclass(slots=True)
class Interruption:
    """Whether Ctrl-C has ended what was measured."""

    happened: bool = False


@contextmanager
def heeding_interruption() -> Iterator[Interruption]:
    """Run a block that Ctrl-C may end early, and go on after it: what was measured until then is not lost."""
    interruption = Interruption()
    try:
        yield interruption
    except KeyboardInterrupt:
        interruption.happened = True
        tell("interrupted")


def lacks(modules: Iterable[str], program: str, target: str) -> bool:
    """Whether this interpreter lacks modules that are measured; says so, and which interpreter has them.

    Args:
        modules: Their names.
        program: The package that is run with `python -m`.
        target: What `make` calls the same.
    """
    missing = [name for name in modules if find_spec(name) is None]
    if missing:
        more = f" and {len(missing) - _NAMED} more" if len(missing) > _NAMED else ""
        tell(
            f"{sys.executable} lacks modules that {program} needs: {', '.join(missing[:_NAMED])}{more}. "
            f"Use `make {target}`, which makes an environment in .venv that has them, and from then on "
            f"`.venv/bin/python -m {program}`."
        )
    return bool(missing)


def tell(line: str) -> None:
    """Say how far it is, apart from what is printed in the end."""
    print(line, file=sys.stderr, flush=True)
