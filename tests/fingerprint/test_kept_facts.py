"""What was found out about sources is kept between processes, and never speaks for code that it is not about."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import flowkit
from flowkit.fingerprint.decorators import DecoratorJudge
from flowkit.fingerprint.facts import SourceFacts, TopImport
from flowkit.fingerprint.kept import KeptFacts
from flowkit.fingerprint.packages import Packages
from flowkit.fingerprint.references import references_of
from flowkit.fingerprint.structure import digest_structure
from tests.fingerprint.projects import write_project

PROGRAM = """
import json, sys
from pathlib import Path

root, store, change = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
sys.path.insert(0, str(root))
sys.dont_write_bytecode = True
import steps
from flowkit.fingerprint.code import CodeFingerprinter
from flowkit.project import Project

if change:
    (root / "helpers.py").write_text(change)
parsed: set[str] = set()
sys.addaudithook(lambda event, args: event == "compile" and parsed.add(str(args[1])))
found = CodeFingerprinter(Project(root), store).of_step(steps.run.specification)
parts = {part.name: (part.basis, part.digest, part.source) for part in found.parts}
names = sorted(Path(name).name for name in parsed if name.startswith(str(root)))
print(json.dumps({"digest": found.digest, "parts": parts, "parsed": names}))
"""
HELPERS = '''
import re

WORD = re.compile("[a-z]+")
TABLE = {"a": [1, 2.0, None], "b": ("x", b"y")}
pick = lambda rows: [row for row in rows if row in TABLE]


def outer(scale):
    """Return a function."""
    def inner(value=1, *, unit="m"):
        return f"{value * scale} {unit}"
    return inner


class Model:
    rate: float = 0.5

    @property
    def doubled(self) -> float:
        return 2 * self.rate

    @staticmethod
    def clean(text: str) -> list:
        return WORD.findall(text)
'''
STEPS = """
import flowkit as fk
from marks import marked
from helpers import Model, outer, pick

@marked
def count(rows):
    return len(pick(rows)) + len(Model.clean("some words"))

@fk.step
def run(x: float, label: str = "plain") -> str:
    return outer(Model().doubled)(count([x, label]))
"""
MARKS = "marked = lambda function: function\n"
FILES = {"helpers.py": HELPERS, "marks.py": MARKS, "steps.py": STEPS}


class Shop:
    """A project and its store; each fingerprint is asked of a process of its own."""

    def __init__(self, root: Path) -> None:
        self.root = write_project(root / "project", FILES)
        self.store = root / "store"
        self.store.mkdir()

    def start(self, change: str = "") -> subprocess.Popen[str]:
        """Start a process that fingerprints the step, after an edit of the helpers on disk."""
        command = [sys.executable, "-c", PROGRAM, str(self.root), str(self.store), change]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def ask(self, change: str = "") -> dict[str, Any]:
        """Return what such a process tells."""
        return told(self.start(change))

    @property
    def kept(self) -> list[Path]:
        """The files in which something is kept."""
        return sorted((self.store / "cache" / "fingerprints").glob("*/*"))


def told(process: subprocess.Popen[str]) -> dict[str, Any]:
    """Return what a process has told at its end."""
    output, _ = process.communicate()
    assert process.returncode == 0
    found: dict[str, Any] = json.loads(output)
    return found


def spoil(kept: list[Path]) -> None:
    """Damage files in turns: cut off, of another content, empty, no text."""
    ways: list[Callable[[bytes], bytes]] = [
        lambda content: content[:-20],
        lambda content: content.replace(b'"', b"'"),
        lambda content: b"",
        lambda content: b"\xff" * 100,
    ]
    for number, path in enumerate(kept):
        path.write_bytes(ways[number % len(ways)](path.read_bytes()))


def test_kept_facts_save_parsing_and_change_nothing(tmp_path: Path) -> None:
    """Later processes parse only what was edited, and say the same; what is damaged is found out again."""
    shop = Shop(tmp_path)
    first, other = shop.start(), shop.start()
    results = [told(first), told(other)]

    later = shop.ask()
    edited = shop.ask(HELPERS)  # it was loaded from this very text
    shop.root.joinpath("helpers.py").write_text(f"# A comment.\n{HELPERS}")
    commented = shop.ask()
    spoil(shop.kept)
    mended = shop.ask()

    assert {*results[0]["parsed"], *results[1]["parsed"]} == {"helpers.py", "steps.py"}
    assert [result["parts"] for result in (*results, later)] == [results[0]["parts"]] * 3
    assert later["parsed"] == edited["parsed"] == []
    assert commented["parsed"] == ["helpers.py"]
    assert {part[0] for part in later["parts"].values()} == {"ast", "class", "value"}
    assert {result["digest"] for result in (later, edited, commented, mended)} == {results[0]["digest"]}
    assert mended["parsed"] == ["helpers.py", "steps.py"]
    assert shop.ask()["parsed"] == []


def test_kept_facts_do_not_speak_for_other_code(tmp_path: Path) -> None:
    """Text that was edited after the import does not count, however well it is known; nor does another decorator."""
    shop = Shop(tmp_path)
    before = shop.ask()
    other = HELPERS.replace("2 * self.rate", "3 * self.rate")
    shop.root.joinpath("helpers.py").write_text(other)
    after = shop.ask()
    shop.root.joinpath("helpers.py").write_text(HELPERS)

    stale = shop.ask(other)
    shop.root.joinpath("helpers.py").write_text(HELPERS)
    shop.root.joinpath("marks.py").write_text("import flowkit as fk\nmarked = fk.step\n")
    shop.root.joinpath("steps.py").write_text(
        textwrap.dedent(STEPS).replace("def count(rows)", "def count(rows: list) -> int")
    )
    shop.store = tmp_path / "empty"
    shop.store.mkdir()
    decorated = shop.ask()
    shop.root.joinpath("marks.py").write_text(MARKS)
    plain = shop.ask()

    assert after["digest"] != before["digest"]
    assert stale["parts"]["helpers:Model.doubled"][0] == "bytecode"
    assert stale["digest"] not in (before["digest"], after["digest"])
    assert plain["parts"]["steps:count"][1] != decorated["parts"]["steps:count"][1]
    assert plain["parsed"] == ["steps.py"]


def test_a_store_that_cannot_be_written_is_no_hindrance(tmp_path: Path) -> None:
    """Where nothing can be kept everything is found out in every process."""
    shop = Shop(tmp_path)
    (shop.store / "cache").write_text("in the way")

    first, second = shop.ask(), shop.ask()

    assert first == second
    assert first["parsed"]
    assert (shop.store / "cache").read_text() == "in the way"


def some_facts(name: str = "fact") -> SourceFacts:
    """Return facts of every kind."""
    facts = SourceFacts()
    judge = DecoratorJudge({})
    judge.verdicts[f"{name}.mark"] = False
    facts.add_function("ab", False, b"\1" * 32, judge, (1, 2))
    facts.add_references("ab", references_of(compile(HELPERS, "helpers.py", "exec")))
    facts.add_tree(False, "cd", judge)
    facts.add_imports([TopImport("re", 0, "re", "", True)])
    return facts


def test_kept_facts_come_back_as_they_were(tmp_path: Path) -> None:
    """All that is kept of a text comes back equal; a judgement on decorators that no longer holds takes it away."""
    KeptFacts(tmp_path).save({"a" * 64: some_facts()})

    found = KeptFacts(tmp_path).load("a" * 64)

    assert found is not None
    assert found.function("ab", False, {}) == (b"\1" * 32, (1, 2))
    assert found.function("ab", True, {}) is None
    assert found.references("ab") == references_of(compile(HELPERS, "helpers.py", "exec"))
    assert found.tree(False, {}) == "cd"
    assert found.imports == [TopImport("re", 0, "re", "", True)]
    judge = DecoratorJudge({"fk": flowkit})
    judge.verdicts["fk.step"] = True
    found.add_function("ef", False, b"\2" * 32, judge, (1, 2))
    assert found.function("ef", False, {"fk": flowkit}) is not None
    assert found.function("ef", False, {"fk": textwrap}) is None
    assert KeptFacts(tmp_path).load("b" * 64) is None


def test_what_was_not_used_for_longest_goes(tmp_path: Path) -> None:
    """What is kept stays below a size; left-overs of killed processes go too."""
    kept = KeptFacts(tmp_path)
    kept.save({letter * 64: some_facts() for letter in "abc"})
    files = {path.name[0]: path for path in (tmp_path / "cache").glob("fingerprints/*/*.json")}
    for age, letter in enumerate("cba"):
        os.utime(files[letter], (time.time() - 3600 * age,) * 2)
    part = files["a"].parent / "left.part"
    part.write_text("")
    os.utime(part, (0, 0))

    KeptFacts(tmp_path, most_bytes=3 * files["a"].stat().st_size).save({"d" * 64: some_facts()})

    assert not part.exists()
    assert [kept.load(letter * 64) is not None for letter in "abcd"] == [False, True, True, True]


def test_modules_of_packages_are_kept_until_an_installation_changes(tmp_path: Path) -> None:
    """Another process takes over which modules packages install; a rewritten RECORD counts as another state."""
    folder = tmp_path / "site" / "some_thing-1.0.dist-info"
    folder.mkdir(parents=True)
    (folder / "RECORD").write_text("some/__init__.py,,\nthing.py,,\n")
    kept = KeptFacts(tmp_path)
    packages = Packages([folder])
    assert [found.name for found in packages.of_module("thing")] == ["some-thing"]
    kept.save_packages(packages)

    again = Packages([folder])
    kept.load_packages(again)
    (folder / "RECORD").write_text("some/__init__.py,,\nother_thing.py,,\n")
    changed = Packages([folder])
    kept.load_packages(changed)

    assert again.has_tables
    assert [found.name for found in again.of_module("thing")] == ["some-thing"]
    assert not changed.has_tables
    assert changed.of_module("thing") == ()


def test_requirements_of_packages_are_kept_as_they_become_known(tmp_path: Path) -> None:
    """What is asked for after the modules were kept is kept too, until its file changes, and nothing else is read."""
    folders = [tmp_path / "site" / f"{name}-1.0.dist-info" for name in ("one", "two")]
    for folder, required in zip(folders, ("two>=1", "three; extra == 'more'"), strict=True):
        folder.mkdir(parents=True)
        (folder / "RECORD").write_text("")
        (folder / "METADATA").write_text(f"Requires-Dist: {required}\n\n")
    first = Packages(folders)
    kept = KeptFacts(tmp_path)
    kept.load_packages(first)
    first.of_module("thing")
    kept.save_packages(first)
    assert [found.name for found in first.closure(["one"])] == ["one", "two"]
    kept.save_packages(first)

    again = Packages(folders)
    KeptFacts(tmp_path).load_packages(again)
    facts = again.facts()
    (folders[0] / "METADATA").write_text("\n\n")
    changed = Packages(folders)
    KeptFacts(tmp_path).load_packages(changed)

    assert facts == {
        "one": {"modules": [], "requirements": [("two", None)]},
        "two": {"modules": [], "requirements": [("three", "more")]},
    }
    assert [found.name for found in again.closure(["one"])] == ["one", "two"]
    assert not changed.has_tables
    assert [found.name for found in changed.closure(["one"])] == ["one"]


LITERALS = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from([0.0, -0.0, 1.0, 1e300, "", "1", b"1", ...]),
    lambda inner: st.lists(inner, max_size=3).map(tuple),
    max_leaves=4,
)


@given(LITERALS, LITERALS)
def test_structures_are_equal_where_code_is(one: object, other: object) -> None:
    """Two code objects have one structure exactly where Python calls them equal: constants count with their types."""
    template = compile("def f(x):\n    return x, 77", "made.py", "exec").co_consts[0]
    first, second = (template.replace(co_consts=(None, value)) for value in (one, other))

    assert (digest_structure(first) == digest_structure(second)) is (first == second)


def test_long_numbers_have_structures() -> None:
    """A number that is too long for Python to print counts like any other."""
    template = compile("def f(x):\n    return x, 77", "made.py", "exec").co_consts[0]
    found = [digest_structure(template.replace(co_consts=(None, 10**5000 + last))) for last in (0, 0, 1)]

    assert found[0] is not None
    assert found[0] == found[1] != found[2]


@pytest.mark.parametrize(
    "constant", [bytearray(b"1"), (memoryview(b"1"),), [1], object()], ids=lambda value: type(value).__name__
)
def test_constants_that_no_literal_gives_have_no_structure(constant: object) -> None:
    """Code that somebody rewrote around live data is never taken for code that was compiled from a text."""
    template = compile("def f(x):\n    return x, 77", "made.py", "exec").co_consts[0]

    assert digest_structure(template.replace(co_consts=(None, constant))) is None


def test_a_structure_stays_while_code_runs() -> None:
    """Python rewrites the instructions of code that runs often: that makes no other code of it."""
    found: dict[str, Any] = {}
    exec("def f(x):\n    return sum(i * x for i in range(9) if i in {'a', 'b', 7})", found)
    before = digest_structure(found["f"].__code__)
    for value in range(100):
        found["f"](value)

    assert digest_structure(found["f"].__code__) == before


STRUCTURES = {
    "a line": ("def f(x):\n    return x", "\ndef f(x):\n    return x"),
    "a column": ("def f(x):\n    return x", "def f(x):\n     return x"),
    "a name": ("def f(x):\n    return x", "def f(y):\n    return y"),
    "of the function": ("def f(x):\n    return x", "def g(x):\n    return x"),
    "an operator": ("def f(x):\n    return x + 1", "def f(x):\n    return x - 1"),
    "nested": ("def f(x):\n    return lambda: 1", "def f(x):\n    return lambda: 1.0"),
    "a set": ("def f(x):\n    return x in {1, 2}", "def f(x):\n    return x in {1, 3}"),
    "a handler": ("def f(x):\n    try: x\n    except A: 1", "def f(x):\n    try: x\n    except B: 1"),
}


@pytest.mark.parametrize("case", STRUCTURES)
def test_structures_tell_code_apart(case: str) -> None:
    """Whatever Python tells apart in code has another structure; the file's name has not."""
    first, second = (compile(text, "made.py", "exec").co_consts[0] for text in STRUCTURES[case])
    elsewhere = compile(STRUCTURES[case][0], "elsewhere.py", "exec").co_consts[0]

    assert digest_structure(first) != digest_structure(second)
    assert digest_structure(first) == digest_structure(elsewhere)
