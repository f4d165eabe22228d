"""Steps whose result must not be reused, and what they must be said to be: cases 100 to 103."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Uncached:
    """A step that runs every time.

    Attributes:
        number: Of the case.
        title: What keeps it from being reused.
        step: The name of the case's step.
        culprit: What the detail must name.
        above: The text above the step.
        body: The step's body.
        arguments: What it is called with.
    """

    number: int
    title: str
    step: str
    culprit: str
    above: str
    body: str
    arguments: str = "()"
    parameters: str = "()"

    @property
    def label(self) -> str:
        return f"case {self.number}: {self.title}"

    @property
    def text(self) -> str:
        return f"{HEAD}\n{self.above}\n\n@fk.step\ndef {self.step}{self.parameters} -> str:\n    {self.body}\n"


HEAD = '''"""A step of one case."""

import asyncio
import mmap
import os
import socket
import sqlite3
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.pool import ThreadPool
from pathlib import Path

import flowkit as fk

'''

_SEALED = """class Sealed:
    def __init__(self, size: int) -> None:
        self.size = size

    def __reduce_ex__(self, protocol: object) -> object:
        raise {error}

"""
_REFUSING = _SEALED.format(error='TypeError("sealed for ever")')
_FAILING = _SEALED.format(error='ValueError("no such state")')
_STATE = """class Stateful:
    def __getstate__(self) -> object:
        raise OSError("the state is elsewhere")

"""

UNCACHED = [
    Uncached(100, "a generator as a global", "streaming", "ROWS", "ROWS = (n for n in range(3))\n",
             "return str(ROWS)[:5]"),
    Uncached(100, "an iterator as a global", "iterating", "LINES", "LINES = open(__file__)\n", "return str(LINES)[:5]"),
    Uncached(100, "an object that refuses to be taken apart", "sealed", "SEALED", f"{_REFUSING}\nSEALED = Sealed(1)\n",
             "return str(SEALED.size)"),
    Uncached(100, "such an object deep in a global", "deep", "TABLE", f'{_REFUSING}\nTABLE = {{"a": [Sealed(1)]}}\n',
             "return str(len(TABLE))"),
    Uncached(100, "such an object in a closure", "closed", "inner",
             f"{_REFUSING}\ndef make():\n    held = Sealed(1)\n\n    def inner() -> int:\n        return held.size\n\n"
             "    return inner\n\n\nHELPER = make()\n", "return str(HELPER())"),
    Uncached(100, "such an object as a default", "defaulted", "helper",
             f"{_REFUSING}\ndef helper(held=Sealed(1)) -> int:\n    return held.size\n", "return str(helper())"),
    Uncached(100, "such an object as a class attribute", "attributed", "Holder",
             f"{_REFUSING}\nclass Holder:\n    held = Sealed(1)\n", "return str(Holder.held.size)"),
    Uncached(101, "a reduction that fails", "failing", "no such state", f"{_FAILING}\nSEALED = Sealed(1)\n",
             "return str(SEALED.size)"),
    Uncached(101, "a state that fails", "stateful", "the state is elsewhere", f"{_STATE}\nSTATE = Stateful()\n",
             "return str(STATE is None)"),
    Uncached(101, "an import that fails", "importing", "broken", "",
             "try:\n        import broken\n    except ImportError:\n        broken = None\n    return str(broken)"),
    Uncached(101, "a global that is nested too deeply", "nested", "NEST",
             "NEST: list = []\nfor _ in range(100_000):\n    NEST = [NEST]\n", "return str(len(NEST))"),
    Uncached(102, "an open file", "filed", "FILE", 'FILE = open(os.devnull, "w")\n', "return str(FILE.closed)"),
    Uncached(102, "a socket", "connected", "SOCKET", "SOCKET = socket.socket()\n", "return str(SOCKET.family)"),
    Uncached(102, "a database connection", "querying", "DATABASE", 'DATABASE = sqlite3.connect(":memory:")\n',
             'return str(DATABASE.execute("SELECT 1").fetchone())'),
    Uncached(102, "a cursor in an object", "cursed", "HOLDER",
             'class Holder:\n    def __init__(self) -> None:\n'
             '        self.cursor = sqlite3.connect(":memory:").cursor()\n\n\nHOLDER = Holder()\n',
             "return str(HOLDER.cursor.lastrowid)"),
    Uncached(102, "a memory map", "mapped", "MAP", "MAP = mmap.mmap(-1, 10)\n", "return str(len(MAP))"),
    Uncached(102, "a program that runs", "running", "PROGRAM", 'PROGRAM = subprocess.Popen(["true"])\n',
             "return str(PROGRAM.wait())"),
    Uncached(102, "a pool of threads", "pooled", "POOL", "POOL = ThreadPoolExecutor(1)\n",
             "return str(POOL.submit(len, []).result())"),
    Uncached(102, "a pool of multiprocessing", "pooling", "POOL", "POOL = ThreadPool(1)\n",
             "return str(POOL.map(len, [[]]))"),
    Uncached(102, "a lock together with a handle", "guarded", "FILE",
             'LOCK = threading.Lock()\nFILE = open(os.devnull, "w")\n',
             "with LOCK:\n        return str(FILE.closed)"),
    Uncached(103, "a declared file that changed while the step ran", "appending", "data/in.txt", "",
             'text = path.read_text()\n    path.write_text("other")\n    path.write_text(text)\n    return text',
             '(Path("data/in.txt"))', "(path: Path)"),
    Uncached(103, "a file in a declared folder that changed", "below", "data/folder", "",
             'file = path / "x"\n    text = file.read_text()\n    file.write_text("other")\n    file.write_text(text)\n'
             "    return text", '(Path("data/folder"))', "(path: Path)"),
    Uncached(103, "an undeclared file that changed while the step ran", "rereading", "data/beside.txt", "",
             'path = Path("data/beside.txt")\n    text = path.read_text()\n    with path.open("a") as file:\n'
             '        file.write("x")\n    os.truncate(path, len(text))\n    return text'),
]  # fmt: skip
"""Steps that run every time; what keeps them from being reused must be named."""
