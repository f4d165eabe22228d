"""What is on the disk before what, by the system calls of a whole run: no row is ever ahead of its blob."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from flowkit.store.names import blob_name
from tests.commands import MAIN, ROOT
from tests.faults.conftest import Tell
from tests.faults.syscalls import STRACE, judge_order, read_trace

PIPELINE = """
import numpy as np
import pandas as pd

import flowkit as fk


@fk.step
def part(number: int) -> np.ndarray:
    return np.full(2000, float(number))


@fk.step
def table(number: int) -> pd.DataFrame:
    return pd.DataFrame({"number": np.arange(3000) + number, "same": np.arange(3000.0)})


@fk.step
def whole(parts: list[np.ndarray], tables: list[pd.DataFrame]) -> bytes:
    return np.concatenate(parts).tobytes() + pd.concat(tables).to_numpy().tobytes()


@fk.pipeline
def many() -> None:
    numbers = fk.each(list(range(16)))
    whole(fk.collect(part(numbers)), fk.collect(table(numbers)))
"""

STORE = Path("/p/.flowkit")
DIGEST = "ab" + 31 * "cd"
BLOB = blob_name(DIGEST, ".npy")
TEMPORARY, PLACE, SHARD = f"{STORE}/tmp/1-f", f"{STORE}/blobs/{BLOB}", f"{STORE}/blobs/ab"
ORDER = ("write", "sync", "rename", "settle", "row")


def hexed(text: bytes | str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in (text.encode() if isinstance(text, str) else text))


LINES = {
    "write": f'7  writev(3<{hexed(TEMPORARY)}>, [{{iov_base="{hexed("content")}", iov_len=7}}], 1) = 7',
    "sync": f"7  fsync(3<{hexed(TEMPORARY)}>) = 0",
    "rename": f'7  rename("{hexed(TEMPORARY)}", "{hexed(PLACE)}") = 0',
    "settle": f"7  fsync(4<{hexed(SHARD)}>) = 0",
    "row": f'8  pwrite64(5<{hexed(f"{STORE}/lineage.db")}>, "{hexed(b"page" + bytes.fromhex(DIGEST))}", 36, 0) = 36',
}


def judge(*lines: str) -> tuple[str, ...]:
    return judge_order(read_trace(lines), STORE, [BLOB]).violations


def test_the_order_as_it_must_be_is_accepted() -> None:
    """Write, fsync, rename, fsync of the folder, row: nothing to complain of; others' calls may lie between."""
    other = f"9  fsync(3<{hexed('/p/elsewhere')}>) = 0"

    assert judge(*(line for name in ORDER for line in (LINES[name], other))) == ()


@pytest.mark.parametrize("first", range(len(ORDER) - 1))
@pytest.mark.parametrize("missing", [False, True])
def test_any_other_order_is_noticed(first: int, missing: bool) -> None:
    """Two steps swapped, or one left out: the check fails, so it can."""
    order = list(ORDER)
    order[first : first + 2] = [] if missing else reversed(order[first : first + 2])

    assert len(judge(*(LINES[name] for name in order))) == 1


def test_a_call_counts_when_it_has_ended() -> None:
    """A sync that is under way while another process goes on with the next step has not been done yet."""
    began, ended = LINES["sync"].replace(") = 0", " <unfinished ...>"), "7  <... fsync resumed>)              = 0"
    right = [LINES["write"], began, ended, LINES["rename"], LINES["settle"], LINES["row"]]
    early = [LINES["write"], began, LINES["rename"].replace("7 ", "6 "), ended, LINES["settle"], LINES["row"]]

    assert judge(*right) == ()
    assert judge(*early) == (f"{BLOB}: it was renamed before it was synced",)


def test_a_failed_call_is_no_call() -> None:
    """A sync that failed has made nothing durable."""
    lines = {**LINES, "sync": LINES["sync"].replace("= 0", "= -1 EIO (Input/output error)")}

    assert len(judge(*(lines[name] for name in ORDER))) == 1


@pytest.mark.slow
@pytest.mark.cluster
def test_every_blob_of_a_run_is_durable_before_its_row(tmp_path: Path, tell_figure: Tell) -> None:
    """A whole `flowkit run` with workers and step hosts: fsync < rename < fsync of the folder < row, for each blob."""
    assert shutil.which("strace"), "this test needs strace: apt-get install strace"
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "many"\n')
    (tmp_path / "many.py").write_text(PIPELINE)
    trace = tmp_path / "trace"
    done = subprocess.run(
        [*STRACE, "-o", str(trace), sys.executable, "-c", MAIN, "run", "many.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    store = tmp_path / ".flowkit"
    with closing(sqlite3.connect(store / "lineage.db")) as connection:
        rows = connection.execute(
            "SELECT lower(hex(b.digest)), w.text FROM blob_file AS b JOIN word AS w ON w.id = b.suffix"
        ).fetchall()

    with trace.open() as lines:
        verdict = judge_order(read_trace(lines), store, [blob_name(digest, suffix) for digest, suffix in rows])
    tell_figure("4 write order", blobs=verdict.blobs, violations=len(verdict.violations))

    assert verdict.violations == ()
    assert verdict.blobs == 33
