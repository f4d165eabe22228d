"""Edits, values and calls that are the same in what counts, as source text that is edited on disk: cases 78 to 99."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.conformance.data_tables import Difference


@dataclass(frozen=True)
class Harmless:
    """An edit of a module, or of what a step is given, after which nothing runs.

    Attributes:
        number: Of the case.
        title: What is edited.
        step: The name of the case's step, which takes a number or a path.
        before: The module's text.
        after: Its text after the edit, or nothing where that stays.
        call: What the step is called with.
        call_after: What it is called with after the edit, or nothing where that stays.
        change: What happens in the project's folder.
    """

    number: int
    title: str
    step: str
    before: str
    after: str = ""
    call: str = "(1)"
    call_after: str = ""
    change: Callable[[Path], object] = lambda root: None

    @property
    def label(self) -> str:
        return f"case {self.number}: {self.title}"


HEAD = '''"""Steps of one case."""

import logging
from pathlib import Path

import flowkit as fk
'''

_PLAIN = '''
RATE = 2


class Scale:
    """A scale."""

    def apply(self, number: int) -> int:
        """Apply it."""
        return number * RATE


def helper(number: int) -> int:
    """Help."""
    if number > 0 and number < 100:
        return Scale().apply(number)
    return {{"low": 0, "high": 100}}["low" if number <= 0 else "high"]


@fk.step
def {name}(number: int) -> int:
    """Do it."""
    return helper(number) + sum([1, 2, 3])
'''

_COMMENTED = '''
# The rate.
RATE = 2  # two


class Scale:
    """A scale."""

    # How it is applied.
    def apply(self, number: int) -> int:
        """Apply it."""
        return number * RATE  # type: ignore


def helper(number: int) -> int:
    """Help."""
    # Between the borders.
    if number > 0 and number < 100:
        return Scale().apply(number)
    return {{"low": 0, "high": 100}}["low" if number <= 0 else "high"]


@fk.step  # cached
def {name}(number: int) -> int:
    """Do it."""
    return helper(number) + sum([1, 2, 3])
    # The end.
'''

_REFORMATTED = """
RATE = (2)


class Scale :
    '''A scale.'''
    def apply( self, number : int )->int :
        '''Apply it.'''
        return (number
                * RATE)
def helper(number:int)->int:
      '''Help.'''
      if (
            number > 0
            and number < 100
      ): return Scale( ).apply( number, )

      return {{
          'low': 0,
          'high': 100,
      }}['low' if (number <= 0) else 'high']
@fk.step
def {name}(
    number: int,
) -> int:
    '''Do it.'''

    return helper(number) + \\
        sum([
            1, 2,
            3,
        ])
"""

_REDOCUMENTED = '''
RATE = 2
"""Twice."""


class Scale:
    def apply(self, number: int) -> int:
        """Apply it to a number.

        Args:
            number: Any.
        """
        return number * RATE


def helper(number: int) -> int:
    if number > 0 and number < 100:
        return Scale().apply(number)
    return {{"low": 0, "high": 100}}["low" if number <= 0 else "high"]


@fk.step
def {name}(number: int) -> int:
    """Do it as it was done before, and say so at length."""
    return helper(number) + sum([1, 2, 3])
'''

_MOVED = '''
import json


def helper(number: int) -> int:
    """Help."""
    if number > 0 and number < 100:
        return Scale().apply(number)
    return {{"low": 0, "high": 100}}["low" if number <= 0 else "high"]



class Scale:
    """A scale."""

    def apply(self, number: int) -> int:
        """Apply it."""

        return number * RATE


@fk.step
def {name}(number: int) -> int:
    """Do it."""

    return helper(number) + sum([1, 2, 3])


RATE = 2
'''

_BESIDE = _PLAIN.replace("RATE = 2\n", "RATE = 2\nOTHER = 7\n\n\ndef beside(number: int) -> int:\n    return OTHER\n")
_BESIDE_AFTER = _BESIDE.replace("OTHER = 7", "OTHER = 8").replace("return OTHER", "return OTHER * number") + (
    "\n\ndef one_more() -> None:\n    raise NotImplementedError\n"
)
_IMPORTING = "from harmless import unrelated\n\n\ndef aside() -> int:\n    return unrelated.VALUE\n" + _PLAIN

_OPTIONS = (
    _PLAIN.replace("@fk.step\n", "@fk.step{options}\n")
    .replace("RATE = 2\n", 'RATE = 2\nLOG = logging.getLogger("harmless")\nLOG.setLevel(logging.{level})\n')
    .replace('    """Do it."""\n', '    LOG.info("doing %s", number)\n')
)
_MANY = (
    '(retries=3, retry_delay="1s", backoff=2.0, timeout="10m", tags=("slow",), network=True, cpus=1, memory="2GB", '
    'max_age="30d", cache=True)'
)

_NAMED = """
@fk.step
def {name}(number: int, scale: int = 2, *, shift: int = 0) -> int:
    return number * scale + shift
"""

_READING = """
@fk.step
def {name}(path: Path) -> int:
    return sum(len(file.read_bytes()) for file in [path, *path.rglob("*")] if file.is_file())
"""


def _plain(number: int, title: str, step: str, before: str, after: str) -> Harmless:
    return Harmless(number, title, step, before.format(name=step), after.format(name=step))


def _call(number: int, title: str, step: str, before: str, after: str) -> Harmless:
    return Harmless(number, title, step, _NAMED.format(name=step), call=before, call_after=after)


def _path(number: int, title: str, step: str, path: str, change: Callable[[Path], object]) -> Harmless:
    text = _READING.format(name=step)
    return Harmless(number, title, step, text, call=f'(Path("{path}"))', change=lambda root: change(root / path))


def _copy(path: Path) -> None:
    """Put a copy in the place of a file or folder, as a fresh checkout does."""
    inode = path.stat().st_ino
    kept = path.with_name(f"{path.name}.kept")
    path.rename(kept)
    (shutil.copytree if kept.is_dir() else shutil.copyfile)(kept, path)
    assert path.stat().st_ino != inode
    shutil.rmtree(kept) if kept.is_dir() else kept.unlink()


def _touch(path: Path) -> None:
    os.utime(path, (1e9, 1e9))


HARMLESS = [
    _plain(78, "comment", "commented", _PLAIN, _COMMENTED),
    _plain(78, "comment gone", "uncommented", _COMMENTED, _PLAIN),
    _plain(79, "white space, reformatting", "reformatted", _PLAIN, _REFORMATTED),
    _plain(79, "other ends of lines", "ended", _PLAIN, _PLAIN.replace("\n", "\r\n")),
    _plain(80, "docstring", "redocumented", _PLAIN, _REDOCUMENTED),
    _plain(81, "lines moved", "moved", _PLAIN, _MOVED),
    Harmless(
        82, "file touched, source", "touched_source", _PLAIN.format(name="touched_source"),
        change=lambda root: _touch(root / "harmless" / "touched_source.py"),
    ),
    _path(82, "file touched, input", "touched_input", "data/touched", _touch),
    _path(82, "file touched, in a folder", "touched_below", "data/below", lambda path: _touch(path / "x")),
    _call(86, "insertion order of keyword arguments", "ordered", "(1, scale=3, shift=4)", "(1, shift=4, scale=3)"),
    _plain(89, "unrelated function in the same file", "beside_it", _BESIDE, _BESIDE_AFTER),
    _plain(90, "unrelated module", "elsewhere", _PLAIN, _PLAIN),
    _plain(90, "unrelated module that is imported", "importing", _IMPORTING, _IMPORTING),
    _call(91, "keyword against positional argument", "by_keyword", "(1)", "(number=1)"),
    _call(91, "several keywords against positions", "by_keywords", "(1, 3, shift=4)", "(shift=4, scale=3, number=1)"),
    _call(92, "default passed explicitly", "explicit", "(1)", "(1, scale=2, shift=0)"),
    _call(92, "default passed no more", "implicit", "(1, 2, shift=0)", "(1)"),
    _path(94, "input file copied to a new inode", "copied", "data/copied", _copy),
    _path(94, "input folder copied to new inodes", "recopied", "data/recopied", _copy),
    Harmless(
        97, "options that do not change the result", "optional",
        _OPTIONS.format(name="optional", options="", level="INFO"),
        _OPTIONS.format(name="optional", options=_MANY, level="DEBUG"),
    ),
    Harmless(
        97, "options taken away", "unoptional",
        _OPTIONS.format(name="unoptional", options=_MANY, level="DEBUG"),
        _OPTIONS.format(name="unoptional", options="", level="WARNING"),
    ),
]  # fmt: skip
"""Edits after which the case's step must not run."""

_WIDE = "np.arange(20, dtype=float).reshape(4, 5)"
_TEXT = '"".join(["a", "b"])'
_A, _D, _O = "np.ndarray", "pd.DataFrame", "list[Any]"

EQUAL_VALUES = [
    Difference(86, "insertion order of a dict, value", "dict[str, int]", '{"a": 1, "b": 2}', '{"b": 2, "a": 1}'),
    Difference(87, "set order, value", "set[str]", '{"a", "b", "c"}', 'set(reversed(["a", "b", "c"]))'),
    Difference(87, "frozenset order, value", "frozenset[int]", "frozenset([1, 9])", "frozenset([9, 1])"),
    Difference(88, "string interning, value", "list[str]", '["ab", "ab"]', f"[{_TEXT}, {_TEXT}]"),
    Difference(88, "string interning, opaque", _O, '[Plain("ab"), "ab"]', f"[Plain({_TEXT}), {_TEXT}]"),
    Difference(88, "string interning, pandas", _D, 'FRAME({"a": ["ab"] * 2})', f'FRAME({{"a": [{_TEXT}, {_TEXT}]}})'),
    Difference(88, "shared references, value", "list[list[int]]", "[[1]] * 2", "[[1], [1]]"),
    Difference(93, "view against copy, numpy", _A, f"{_WIDE}[::2, 1:3]", f"{_WIDE}[::2, 1:3].copy()"),
    Difference(93, "order in memory, numpy", _A, _WIDE, f"np.asfortranarray({_WIDE})"),
    Difference(93, "order of bytes, numpy", _A, _WIDE, f'{_WIDE}.astype(">f8")'),
    Difference(93, "view against copy, pandas", _D, f"FRAME({_WIDE})[[1, 3]]", f"FRAME({_WIDE})[[1, 3]].copy()"),
    Difference(93, "blocks against columns, pandas", _D, f"FRAME({_WIDE})",
               f"FRAME({{n: column for n, column in enumerate({_WIDE}.T)}})"),
    Difference(93, "slice against table of its own, pyarrow", "pa.Table", 'pa.table({"a": [0, 1, 2, 3]}).slice(1, 2)',
               'pa.table({"a": [1, 2]})'),
    Difference(93, "chunks, pyarrow", "pa.Table", 'pa.table({"a": ["x", "y"]})',
               'pa.table({"a": pa.chunked_array([["x"], ["y"]])})'),
    Difference(93, "slice against table of its own, polars", "pl.DataFrame", 'pl.DataFrame({"a": ["x", "y", "z"]})[1:]',
               'pl.DataFrame({"a": ["y", "z"]})'),
    Difference(96, "upstream executed again with identical bytes", "int", "3", "1 + 2"),
    Difference(96, "upstream executed again with identical bytes, pandas", _D, 'FRAME({"a": [1.5, 2.5]})',
               'FRAME({"a": [1.0, 2.0]}) + 0.5'),
    Difference(99, "NaN against itself, value", "float", 'float("nan")', "float('inf') - float('inf')"),
    Difference(99, "NaN against itself, array", _A, "ARRAY([np.nan])", 'ARRAY([float("nan")])'),
    Difference(99, "NaN against itself, pandas", _D, 'FRAME({"a": [np.nan]})', 'FRAME({"a": [float("nan")]})'),
]  # fmt: skip
"""What a producer gives otherwise than before, while it is the same: it runs, for its code, its consumer does not."""

EQUAL_PARAMETERS = [
    Difference(86, "insertion order of a dict", "dict[str, int]", '{"a": 1, "b": 2}', '{"b": 2, "a": 1}'),
    Difference(86, "insertion order of an inner dict", "list[dict[str, int]]", '[{"a": 1, "b": 2}]',
               '[{"b": 2, "a": 1}]'),
    Difference(87, "set order", "set[str]", '{"a", "b", "c"}', 'set(reversed(["a", "b", "c"]))'),
    Difference(88, "string interning", "list[str]", '["ab", "ab"]', f"[{_TEXT}, {_TEXT}]"),
    Difference(88, "shared references", "list[list[int]]", "[[1]] * 2", "[[1], [1]]"),
    Difference(93, "view against copy, parameter", _A, f"{_WIDE}[::2]", f"{_WIDE}[::2].copy()"),
    Difference(99, "NaN against itself", "float", 'float("nan")', "float('inf') - float('inf')"),
    Difference(99, "NaN in a list", "list[float]", '[float("nan")]', '[-float("nan")]'),
]  # fmt: skip
"""What a step is called with otherwise than before, while it is the same: it does not run."""
