"""Steps that read something undeclared, each in a module of its own, and what makes each of them run again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_IMPORTS = """
import functools
import glob
import gzip
import json
import os
import sqlite3
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.csv
import pyarrow.dataset
import pyarrow.parquet as pq

import flowkit as fk
"""


@dataclass(frozen=True)
class Read:
    """A step that reads something undeclared.

    Attributes:
        number: Of the case.
        title: How, or what.
        body: The step's body; `data` in it is a folder of the case's own.
        above: The text above the step, likewise.
        happen: What changes in that folder, where it is not that all its content becomes another and then as it was.
        reason: Why the step runs then.
    """

    number: int
    title: str
    body: str
    above: str = ""
    happen: Callable[[Path], object] | None = None
    reason: str = "observed"

    @property
    def label(self) -> str:
        return f"case {self.number}: {self.title}"

    @property
    def step(self) -> str:
        return "reads_" + "".join(letter if letter.isalnum() else "_" for letter in self.title)

    @property
    def folder(self) -> str:
        return f"data_{self.step}"

    @property
    def text(self) -> str:
        """The module's text."""
        text = f"{self.above}\n\n@fk.step\ndef {self.step}() -> str:\n    {self.body}\n"
        for quote in "'\"":
            for end in ("/", quote):
                text = text.replace(f"{quote}data{end}", f"{quote}{self.folder}{end}")
        return f'"""A step of one case."""\n{_IMPORTS}\n{text}'


_HELPER = """
def helper() -> str:
    with open("data/x.txt") as file:
        return file.read()
"""
_CACHED = """
@functools.lru_cache
def cached() -> str:
    return Path("data/x.txt").read_text()
"""

READS = [
    Read(104, 'open', 'return open("data/x.txt").read()'),
    Read(104, 'pathlib', 'return Path("data/x.txt").read_text()'),
    Read(104, 'os.open', 'return str(os.read(os.open("data/x.txt", os.O_RDONLY), 9))'),
    Read(104, 'json', 'return str(json.load(open("data/x.json")))'),
    Read(104, 'numpy', 'return str(np.load("data/x.npy"))'),
    Read(104, 'gzip', 'return gzip.open("data/x.csv.gz").read().decode()'),
    Read(104, 'pandas csv', 'return str(pd.read_csv("data/x.csv"))'),
    Read(104, 'pandas csv by pyarrow', 'return str(pd.read_csv("data/x.csv", engine="pyarrow"))'),
    Read(104, 'pandas parquet', 'return str(pd.read_parquet("data/x.parquet"))'),
    Read(104, 'pandas feather', 'return str(pd.read_feather("data/x.feather"))'),
    Read(104, 'pandas pickle', 'return str(pd.read_pickle("data/x.pkl"))'),
    Read(104, 'pyarrow parquet', 'return str(pq.read_table("data/x.parquet"))'),
    Read(104, 'pyarrow parquet file', 'return str(pq.ParquetFile("data/x.parquet").read())'),
    Read(104, 'pyarrow dataset', 'return str(pyarrow.dataset.dataset("data/parts").to_table())'),
    Read(104, 'pyarrow csv', 'return str(pyarrow.csv.read_csv("data/x.csv"))'),
    Read(104, 'pyarrow map', 'return str(pa.memory_map("data/x.txt").read())'),
    Read(104, 'polars csv', 'return str(pl.read_csv("data/x.csv"))'),
    Read(104, 'polars parquet', 'return str(pl.read_parquet("data/x.parquet"))'),
    Read(104, 'polars scan', 'return str(pl.scan_parquet("data/x.parquet").collect())'),
    Read(104, 'polars ndjson', 'return str(pl.read_ndjson("data/x.ndjson"))'),
    Read(104, 'polars ipc', 'return str(pl.read_ipc("data/x.arrow"))'),
    Read(104, 'polars glob', 'return str(pl.read_parquet("data/parts/*.parquet"))'),
    Read(104, 'sqlite', 'return str(sqlite3.connect("data/x.db").execute("SELECT a FROM t").fetchall())'),
    Read(109, 'in a thread', 'return ThreadPoolExecutor(1).submit(Path("data/x.txt").read_text).result()'),
    Read(104, 'a helper', 'return helper()', _HELPER),
    Read(107, 'a cached helper', 'return cached() + cached()', _CACHED),
    Read(104, 'an argument of a program', 'return subprocess.check_output(["cat", "data/x.txt"], text=True)'),
    Read(111, 'a folder of its own', 'return " ".join(p.read_text() for p in sorted(Path("data/sub").iterdir()))'),
    Read(108, "read into a global when the module is imported", "return RATE",
         'RATE = Path("data/x.txt").read_text()\n', reason="code"),
    Read(108, "read when the module is imported, to choose a function", "return helper()",
         'if Path("data/x.txt").read_text() == "1":\n\n    def helper() -> str:\n        return "one"\n\nelse:\n\n'
         '    def helper() -> str:\n        return "more"\n', reason="code"),
    Read(108, "read when the module is imported, to set a library", "return str(pd.options.display.precision)",
         'pd.options.display.precision = int(Path("data/x.txt").read_text())\n'),
]  # fmt: skip
"""However it is done, a read counts: changed, the step runs; changed back, it has its result again."""

_FOUND = 'return "yes" if Path("data/flag").exists() else "no"'
_OPENED = 'try:\n        return open("data/flag").read()\n    except FileNotFoundError:\n        return "no"'
_MADE = (
    'try:\n        open("data/x.txt", "x")\n    except OSError:\n        pass\n'
    '    return Path("data/x.txt").read_text()'
)
_LEFT = (
    'try:\n        return open("data/new").read()\n    except FileNotFoundError:\n'
    '        Path("data/new").write_text("made")\n        return "no"'
)
_POINTED = 'Path("cur").unlink(missing_ok=True)\n    os.symlink("data/x.txt", "cur")\n    return open("cur").read()'
_BELOW = 'return str(os.read(os.open("x.txt", os.O_RDONLY, dir_fd=os.open("data", os.O_RDONLY)), 9))'
_WALKED = 'return str(sorted(folder for folder, _, _ in os.walk("data")))'


def _touch(name: str) -> Callable[[Path], object]:
    return lambda data: (data / name).touch()


def _write(name: str) -> Callable[[Path], object]:
    return lambda data: (data / name).write_text("another")


def _make_folder(data: Path) -> None:
    (data / "x.txt").unlink()
    (data / "x.txt").mkdir()


def _make_link(data: Path) -> None:
    (data / "x.txt").unlink()
    (data / "x.txt").symlink_to("sub/y.txt")


APPEARANCES = [
    Read(110, "a file that was looked for", _FOUND, happen=_touch("flag")),
    Read(110, "a file that could not be opened", _OPENED, happen=_write("flag")),
    Read(110, "a file that a pool looks for",
         'return str(list(ThreadPoolExecutor(1).map(os.path.exists, ["data/flag"])))', happen=_touch("flag")),
    Read(110, "a file of the name of a variable", 'return os.environ.get("FLAG", "") + str(os.path.exists("FLAG"))',
         happen=lambda data: (data.parent / "FLAG").touch()),
    Read(110, "a file that is gone", 'return "yes" if os.path.isfile("data/x.txt") else "no"',
         happen=lambda data: (data / "x.txt").unlink()),
    Read(110, "a link in the place of a file", 'return str(Path("data/x.txt").is_symlink())', happen=_make_link),
    Read(111, "a file added", 'return str(sorted(os.listdir("data/sub")))', happen=_touch("sub/z.txt")),
    Read(111, "a file added that a pattern matches", 'return str(sorted(glob.glob("data/sub/*.txt")))',
         happen=_touch("sub/z.txt")),
    Read(111, "a file added to a folder that the step would have made",
         'Path("data").mkdir(exist_ok=True)\n    return str(sorted(os.listdir("data")))', happen=_touch("z.txt")),
    Read(111, "a folder in the place of a file", _WALKED, happen=_make_folder),
    Read(104, "a file that the step failed to make", _MADE, happen=_write("x.txt")),
    Read(104, "a file that it looked for and then made", _LEFT, happen=_write("new")),
    Read(104, "what a link leads to that the step made", _POINTED, happen=_write("x.txt")),
    Read(104, "a file below an open folder", _BELOW, happen=_write("x.txt")),
    Read(104, "a file that a program finds where it starts",
         'return subprocess.check_output(["cat", "x.txt"], cwd="data", text=True)', happen=_write("x.txt")),
]  # fmt: skip
"""A step that looked for something runs again when that comes or goes."""

VARIABLES = [
    Read(105, "getenv", 'return os.getenv("MODE", "none")'),
    Read(105, "environ", 'return os.environ.get("MODE", "none")'),
    Read(105, "in environ", 'return str("MODE" in os.environ)'),
    Read(105, "expandvars", 'return os.path.expandvars("$MODE")'),
    Read(105, "environb", 'return str(os.environb.get(b"MODE"))'),
]
"""A step that asks for a variable runs again when that is set, and has its result again when it is not."""
