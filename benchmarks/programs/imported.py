"""What a run in which nothing has to be done must not import."""

import sys

HEAVY = (
    "beartype",
    "cloudpickle",
    "dask",
    "distributed",
    "networkx",
    "numpy",
    "pandas",
    "pandera",
    "pyarrow",
    "pydantic",
    "sqlite_utils",
)


def refuse_heavy_imports() -> None:
    """Fail if this process has imported any of them.

    Raises:
        AssertionError: It has; the message names them.
    """
    loaded = [name for name in HEAVY if name in sys.modules]
    if loaded:
        raise AssertionError(f"imported: {', '.join(loaded)}")
