"""Put a large table into a store, or get it, beside what the machine itself does: `put|get MEGABYTES [ROUNDS]`.

`put` is encoding, hashing, writing and making durable; beside it the same number of bytes is written to a plain file
and flushed to the disk. `get` is what a process does that has never seen the table: all of it is hashed, then given as
a frame; beside it a plain file is mapped and every byte of it added up, with the pages of both in memory, and with
those of both dropped, so that they come from the disk. Rounds take turns in who is first. Figures are megabytes a
second.
"""

import mmap
import os
import pickle
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pandas as pd
from blake3 import blake3
from told import tell

from flowkit.codecs.registry import CodecRegistry
from flowkit.store.folder import StoreFolder
from flowkit.store.local import LocalStore

COLUMNS, ROUNDS = 10, 3
PLACE = Path(__file__).resolve().parent
KEPT, RAW, RECORD = PLACE / ".kept", PLACE / "raw.bin", PLACE / "record"

Figures = dict[str, list[float]]


def make_table(megabytes: int) -> pd.DataFrame:
    """Return a table of random numbers."""
    rows = megabytes * 1_000_000 // (8 * COLUMNS)
    numbers = np.random.default_rng(0)
    return pd.DataFrame({f"c{number}": numbers.random(rows) for number in range(COLUMNS)})


def put(table: pd.DataFrame, folder: Path) -> None:
    """Keep the table in a store of its own."""
    artifact = LocalStore(StoreFolder.create_or_open(folder)).put(CodecRegistry().encode(table, pd.DataFrame))
    RECORD.write_bytes(pickle.dumps(artifact))


def write(columns: list[memoryview]) -> None:
    """Write the same numbers to a plain file, and flush it."""
    with RAW.open("wb", buffering=0) as file:
        for column in columns:
            written = 0
            while written < len(column):
                written += file.write(column[written:])
        os.fsync(file.fileno())


def get(expected: int) -> None:
    """Read the table as a process that has never seen it."""
    store = LocalStore(StoreFolder.create_or_open(KEPT))
    table = CodecRegistry().decode(store.open(pickle.loads(RECORD.read_bytes())), pd.DataFrame, PLACE)
    assert table.shape == (expected, COLUMNS), table.shape


def touch(word: type[np.unsignedinteger[Any]] = np.uint64) -> None:
    """Map the plain file and add up every byte, eight at a time, which is as fast as memory is read."""
    with mapped() as content:
        numbers = np.frombuffer(content, dtype=word)
        assert numbers.sum() > 0
        del numbers


def hash_all() -> None:
    """Map the plain file and hash all of it in as many threads as there are: who verifies cannot be faster."""
    with mapped() as content:
        blake3(content, max_threads=blake3.AUTO).digest()


@contextmanager
def mapped() -> Iterator[mmap.mmap]:
    """Yield the plain file, mapped."""
    with RAW.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        yield content


def drop_pages() -> None:
    """Let the system forget what it holds of the files in memory, as far as it does that when asked."""
    for path in (RAW, *(KEPT / "blobs").rglob("*")):
        if path.is_file() and hasattr(os, "posix_fadvise"):
            descriptor = os.open(path, os.O_RDONLY)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(descriptor)


def rate(megabytes: float, work: Callable[[], None]) -> float:
    """Return the megabytes a second that a work comes to."""
    begun = time.perf_counter()
    work()
    return megabytes / (time.perf_counter() - begun)


def measure_put(megabytes: int, rounds: int) -> Figures:
    """Return the figures of putting; the last table and the last plain file stay."""
    table = make_table(megabytes)
    columns = [memoryview(np.ascontiguousarray(table[name].to_numpy())).cast("B") for name in table]
    figures: Figures = {"put": [], "write": []}
    # Imports of the first put.
    put(table.head(1000), KEPT)
    works = {"put": lambda: put(table, KEPT), "write": lambda: write(columns)}
    for number in range(rounds):
        for name in sorted(works, reverse=bool(number % 2)):
            shutil.rmtree(KEPT, ignore_errors=True) if name == "put" else RAW.unlink(missing_ok=True)
            os.sync()
            figures[name].append(rate(megabytes, works[name]))
    return figures


def measure_get(megabytes: int, rounds: int) -> Figures:
    """Return the figures of getting what `measure_put` left."""
    rows = megabytes * 1_000_000 // (8 * COLUMNS)
    warm = {"get": lambda: get(rows), "touch": touch, "touch_bytewise": lambda: touch(np.uint8), "hash": hash_all}
    figures: Figures = {name: [] for name in (*warm, "get_from_disk", "touch_from_disk")}
    # Imports of the first read, and the pages of both files.
    get(rows)
    touch()
    for number in range(rounds):
        for name in sorted(warm, reverse=bool(number % 2)):
            figures[name].append(rate(megabytes, warm[name]))
        for name in sorted(("get", "touch"), reverse=bool(number % 2)):
            drop_pages()
            figures[f"{name}_from_disk"].append(rate(megabytes, warm[name]))
    return figures


if __name__ == "__main__":
    measure = {"put": measure_put, "get": measure_get}[sys.argv[1]]
    rounds = int(sys.argv[3]) if len(sys.argv) > 3 else ROUNDS
    tell(**{name: median(values) for name, values in measure(int(sys.argv[2]), rounds).items()})
