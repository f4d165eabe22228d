"""Steps that are fingerprinted together have the fingerprints that each has alone, and those of earlier releases."""

from __future__ import annotations

import pickle
import sys
import weakref
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from flowkit.fingerprint.code import CodeFingerprinter
from flowkit.project import Project
from flowkit.records import CodeFingerprint
from tests.fingerprint.projects import imported, write_project

STEPS = """
import collections
import enum
import functools
import re
import threading
from dataclasses import dataclass, field

import flowkit as fk
from parts import late, shared, words

SEEN = []
NESTED = {"rows": [1, 2.5, {"a": (True, None)}], "again": SEEN}
NESTED["self"] = NESTED
OPEN = threading.Lock()
LINES = (line for line in ["a generator"])
WORD = re.compile("[a-z]+")


class Kind(enum.Enum):
    ONE = 1
    TWO = "two"


@dataclass(frozen=True)
class Model:
    kind: Kind = Kind.ONE
    tags: tuple = field(default=("x",))

    def score(self, value):
        return shared.scale(value) if self.kind is Kind.ONE else even(value)


def even(value):
    return value == 0 or odd(value - 1)


def odd(value):
    return value != 0 and even(value - 1)


def scaled(factor):
    def inner(value, *, unit="m"):
        return value * factor, unit
    return inner


twice, thrice = scaled(2), scaled(3)
cached = functools.lru_cache(maxsize=8)(even)


@fk.step
def first(value: int, jobs: fk.Untracked[int] = 2, label: str = "plain") -> int:
    return Model().score(value) + len(SEEN) + jobs + len(label)


@fk.step
def calls_first(value: int) -> int:
    return first(value) + len(NESTED)


@fk.step
def reads_docs(value: int) -> str:
    return str(shared.scale.__doc__) + str(even(value))


@fk.step(version="2")
def wrapped(value: int, rows: list[int] = [1, 2]) -> tuple[int, int]:
    return twice(value)[0] + len(rows), thrice(cached(value))[0]


@fk.step
def generates(value: int) -> int:
    return next(LINES) and value


@fk.step
def whole(value: int) -> list[str]:
    return [name for name in globals() if WORD.match(name)] + [words.text(value)]


@fk.step
def plain(value: int) -> int:
    with OPEN:
        return sorted([value, len(collections.Counter("ab"))], key=lambda item: -item)[0]


@fk.step
def loads(value: int) -> int:
    import parts.lazy
    return parts.lazy.later(value) + late.given
"""
FILES = {
    "steps.py": STEPS,
    "parts/__init__.py": "",
    "parts/shared.py": 'def scale(value):\n    """Return it scaled."""\n    return value * FACTOR\n\n\nFACTOR = 1.5\n',
    "parts/words.py": "import parts.effect\n\n\ndef text(value):\n    return f'{value!r:>3}'\n",
    "parts/effect.py": "REGISTRY = {'b': 1, 'a': [2]}\n",
    "parts/late.py": "given = 3\n",
    "parts/lazy.py": "import parts.late\n\nparts.late.given = 4\n\n\ndef later(value):\n    return value\n",
}
NAMES = ("first", "calls_first", "reads_docs", "wrapped", "generates", "whole", "plain", "loads")
PINNED: dict[tuple[int, int], dict[str, str]] = {
    (3, 11): {
        "first": "a21aef1d95467b508e158dfb",
        "calls_first": "06073459111d800b50d0e6c1",
        "reads_docs": "ddd12fad4082c41bbaada8fa",
        "wrapped": "0a74eb67737b2cabb3ac5fb4",
        "generates": "817bcefe18d443d8075fc9de",
        "whole": "9bf72d505e436b4930a44886",
        "plain": "23a91339339e3bc172f6d679",
    }
}
"""What flowkit says on each version of Python, told before anything was shared or kept. A change must be meant."""


def fingerprints(root: Path, loaded: ModuleType, names: Sequence[str], *, together: bool) -> dict[str, CodeFingerprint]:
    """Return the fingerprints of steps, asked for in an order."""
    fingerprinter = CodeFingerprinter(Project(root))
    steps = {name: getattr(loaded, name).specification for name in names}
    if not together:
        return {name: fingerprinter.of_step(step) for name, step in steps.items()}
    with fingerprinter.at_one_moment():
        return {name: fingerprinter.of_step(step) for name, step in steps.items()}


def test_together_steps_are_what_they_are_alone(tmp_path: Path) -> None:
    """What was read for one step counts for the next one as if it had been read for that: digest, parts, all else."""
    with imported(write_project(tmp_path, FILES)) as loaded:
        fingerprints(tmp_path, loaded, ["loads"], together=False)  # what it imports changes a module
        alone = fingerprints(tmp_path, loaded, NAMES, together=False)
        orders = [fingerprints(tmp_path, loaded, order, together=True) for order in (NAMES, NAMES[::-1])]

    assert orders == [alone, alone]
    assert alone["generates"].uncacheable is not None
    assert "LINES" in alone["generates"].uncacheable
    assert {name for name in NAMES if alone[name].uncacheable is not None} == {"generates", "whole"}
    assert len({found.digest for found in alone.values()}) == len(NAMES)
    assert "parts.effect" in alone["whole"].modules


def test_digests_are_those_of_earlier_releases(tmp_path: Path) -> None:
    """How fingerprints are computed may change; a change of what they say puts stored results out of reach."""
    with imported(write_project(tmp_path, FILES)) as loaded:
        found = fingerprints(tmp_path, loaded, NAMES[:-1], together=True)
        same = fingerprints(tmp_path, loaded, NAMES[:-1], together=False)

    digests = {name: fingerprint.digest[:24] for name, fingerprint in found.items()}
    expected = PINNED.get(sys.version_info[:2], {name: fingerprint.digest[:24] for name, fingerprint in same.items()})
    assert digests == expected


def test_a_moment_lets_garbage_be_found(tmp_path: Path) -> None:
    """However often fingerprints are asked for, what refers to itself and nobody needs goes, as it does without."""
    with imported(write_project(tmp_path, FILES)) as loaded:
        left = []
        for _ in range(60):
            lost = {"itself": None, "large": bytearray(1000)}
            lost["itself"] = lost
            left.append(weakref.ref(holder := Holder(lost)))
            lost["holder"] = holder
            del lost, holder
            fingerprints(tmp_path, loaded, NAMES[:1], together=True)
            # So much is made that Python looks among what is young.
            assert len([[] for _ in range(2000)]) == 2000

    assert sum(one() is not None for one in left) < 40


class Holder:
    """What a weak reference can be made to."""

    def __init__(self, value: object) -> None:
        self.value = value


def test_a_moment_ends(tmp_path: Path) -> None:
    """A global that changes is seen from the end of the moment on, and by whoever asks outside of one at once."""
    with imported(write_project(tmp_path, FILES)) as loaded:
        fingerprinter = CodeFingerprinter(Project(tmp_path))
        step = loaded.first.specification
        before = fingerprinter.of_step(step)
        with fingerprinter.at_one_moment():
            assert fingerprinter.of_step(step) == before
            loaded.SEEN.append(1)
            with fingerprinter.at_one_moment():
                assert fingerprinter.of_step(step) == before
            assert fingerprinter.of_step(step) == before
        after = fingerprinter.of_step(step)
        loaded.SEEN.append(2)

        assert before.digest != after.digest != fingerprinter.of_step(step).digest


def test_what_an_import_changes_is_seen_in_the_same_moment(tmp_path: Path) -> None:
    """Code that imports a module on the way may change globals: what was read before is read again."""
    files = {**FILES, "steps.py": f"{STEPS}\n@fk.step\ndef uses(value: int) -> int:\n    return late.given\n"}
    with imported(write_project(tmp_path, files)) as loaded:
        found = fingerprints(tmp_path, loaded, ["loads", "uses"], together=True)
        again = fingerprints(tmp_path, loaded, ["uses"], together=False)

    assert found["uses"] == again["uses"]


def test_parts_are_those_of_the_moment(tmp_path: Path) -> None:
    """The parts are put together when they are asked for, and tell what was there when they were read."""
    with imported(write_project(tmp_path, FILES)) as loaded:
        one, other = (fingerprints(tmp_path, loaded, ["first"], together=True)["first"] for _ in range(2))
        loaded.SEEN.append(1)

        seen = {part.name: part.source for part in one.parts}["steps:SEEN"]

    assert seen == "[]"
    assert one == other
    assert hash(one.parts) == hash(other.parts)
    assert pickle.loads(pickle.dumps(one)) == one
    assert one.parts[0].name == "steps:first"
    assert [part.name for part in one.parts[:2]] == [part.name for part in list(one.parts)[:2]]
