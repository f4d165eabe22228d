"""Hand a stored table over to a step that takes two of its ten columns, and tell CPU seconds and megabytes.

With `whole` pandera is given the whole table to filter; with `part` only the columns that count for the step are read.
Megabytes are what the process's peak grew by, mapped files included.
"""

import json
import pickle
import resource
import sys
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import pandera.pandas as pa

from flowkit.codecs.registry import CodecRegistry
from flowkit.contracts import Border, enforce, selections_in
from flowkit.store.folder import StoreFolder
from flowkit.store.local import LocalStore

ROWS, COLUMNS, ROUNDS = 1_000_000, 10, 5
PLACE = Path(__file__).resolve().parent
WHERE = Border.parameter_of("use", "rows")


class Two(pa.DataFrameModel):
    """What the step takes."""

    c3: float
    c7: float

    class Config:
        """Everything else is taken away."""

        strict = "filter"


HINT = Annotated[pd.DataFrame, Two]


def fill() -> None:
    """Store the table, unless it is there."""
    if not (PLACE / "artifact").exists():
        numbers = np.random.default_rng(0)
        table = pd.DataFrame({f"c{number}": numbers.random(ROWS) for number in range(COLUMNS)})
        artifact = LocalStore(StoreFolder.create_or_open(PLACE / ".flowkit")).put(CodecRegistry().encode(table, HINT))
        (PLACE / "artifact").write_bytes(pickle.dumps(artifact))


def hand_over(part: bool) -> float:
    """Read the table as a step would, validate it and use it; return the CPU seconds."""
    store = LocalStore(StoreFolder.create_or_open(PLACE / ".flowkit"))
    artifact = pickle.loads((PLACE / "artifact").read_bytes())
    selection = selections_in(HINT).table if part else None
    begun = time.process_time()
    value = CodecRegistry().decode(store.open(artifact), HINT, PLACE, selection=selection)
    rows = enforce(value, HINT, where=WHERE)
    total = float((rows.c3 + rows.c7).sum())
    seconds = time.process_time() - begun
    assert list(rows) == ["c3", "c7"]
    assert abs(total - ROWS) < ROWS / 100
    return seconds


def peak_megabytes() -> float:
    """Return the most that this process has had in memory."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    fill()
    # What is imported by the first validation is no part of the figures.
    enforce(pd.DataFrame({"c3": [1.0], "c7": [1.0]}), HINT, where=WHERE)
    before = peak_megabytes()
    seconds = min(hand_over(sys.argv[1] == "part") for _ in range(ROUNDS))
    print(json.dumps({"figures": {"seconds": seconds, "megabytes": peak_megabytes() - before}}))
