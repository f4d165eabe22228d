"""What cannot change a step's result must not change its code fingerprint."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap

import pytest

from flowkit.fingerprint.code import CodeFingerprinter
from flowkit.project import Project
from tests.fingerprint.projects import fingerprint, imported, steps_file, two_files, two_projects, write_project

HELPER = "def helper(x, y=2):\n    return x + y"

ONE_FILE = {
    "78 comment": (
        """
        <<def helper(x, y=2):
            return x + y||# why
        def helper(x, y=2):
            # because
            return x + y  # so>>
        """,
        "return helper(x)",
    ),
    "79 white space": (
        """
        def helper(<<x, y=2):
            return x + y|| x,
                    y = 2 ):

            return (x
                    + y)>>
        """,
        "return helper(x)",
    ),
    "79 quotes and parentheses": (
        "N = <<'a'||(\"a\")>>",
        "return <<(x, 'b')||x, \"b\">>",
    ),
    "79 number literals": (
        "",
        "return <<1_000 + 0x10||1000 + 16>>",
    ),
    "80 docstring": (
        """
        def helper(x, y=2):
            <<return||'''Add.'''
            return>> x + y
        """,
        """
        <<return||'''Run.'''
        return>> helper(x)
        """,
    ),
    "80 docstring of a class": (
        """
        class A:
            <<n||'''An A.'''
            n>> = 1
        """,
        "return A.n",
    ),
    "81 lines moved": (
        """
        <<def helper(x, y=2):
            return x + y||


        Z = 0


        def helper(x, y=2):
            return x + y


        >>
        """,
        """
        <<return||

        return>> helper(x)
        """,
    ),
    "89 unrelated function": (
        """
        def helper(x, y=2):
            return x + <<y||y
        def other(x):
            return x * 5>>
        """,
        "return helper(x)",
    ),
    "89 unrelated class and global": (
        """
        <<def||N = 5
        class A:
            pass
        def>> helper(x, y=2):
            return x + y
        """,
        "return helper(x)",
    ),
    "89 unrelated method order": (
        """
        class A:
            def <<a(self):
                return 1
            def b(self):
                return 2||b(self):
                return 2
            def a(self):
                return 1>>
        """,
        "return A().a()",
    ),
    "pass": (
        """
        def helper(x, y=2):
            <<return||pass
            return>> x + y
        """,
        "return helper(x)",
    ),
    "annotation of a helper": (
        """
        def helper(<<x, y=2)||x: int, y: int = 2) -> int>>:
            return x + y
        """,
        "return helper(x)",
    ),
    "annotation of a local": (
        "",
        "z: <<int||float>> = x\nreturn z",
    ),
    "order of definitions": (
        """
        def <<a(x):
            return x
        def b(x):
            return 1||b(x):
            return 1
        def a(x):
            return x>>
        """,
        "return a(b(x))",
    ),
    "87 set order": (
        "S = {<<'a', 'b', 'c'||'c', 'a', 'b'>>}",
        "return x in S",
    ),
    "88 shared references": (
        """
        <<A = [1]
        B = [A, A||B = [[1], [1]>>]
        """,
        "return B",
    ),
    "default written otherwise": (
        """
        def helper(x, y=<<2||1 + 1>>):
            return x + y
        """,
        "return helper(x)",
    ),
    "a cache that fills": (
        """
        import functools
        @functools.cache
        def helper(x):
            return <<x||x
        helper(1)>>
        """,
        "return helper(x)",
    ),
    "a singledispatch that was called": (
        """
        import functools
        @functools.singledispatch
        def helper(x):
            return <<x||x
        helper(1)>>
        """,
        "return helper(x)",
    ),
    "a pydantic class that was used": (
        """
        from pydantic import BaseModel
        class A(BaseModel):
            n: int = <<1||1
        A(); A.model_json_schema()>>
        """,
        "return A().n",
    ),
    "a pandera class that was used": (
        """
        import pandera.pandas as pa
        class A(pa.DataFrameModel):
            n: int = pa.Field(ge=0)<<||
        A.to_schema()>>
        """,
        "return A",
    ),
    "an abstract class with registrations": (
        """
        import abc
        class A(abc.ABC):
            n = <<1||1
        A.register(int); isinstance(1, A)>>
        """,
        "return A.n",
    ),
    "a protocol used": (
        """
        from typing import Protocol
        class P(Protocol):
            def go(self) -> int: ...
        class A(P):
            def go(self):
                return 1
        <<||A()>>
        """,
        "return A().go()",
    ),
    "a protocol base used": (
        """
        from typing import Protocol
        class P(Protocol):
            def go(self) -> int: ...
        class A(P):
            pass
        <<||isinstance(1, int); A()>>
        """,
        "return A",
    ),
    "a lock and a logger": (
        """
        import threading, logging
        L = threading.Lock()
        G = logging.getLogger('a')<<||
        L.acquire(); G.setLevel(10)>>
        """,
        "return (L, G)",
    ),
    "an f-string with the same text": (
        "",
        "return <<f'{x}a'||f\"{x}a\">>",
    ),
}


@pytest.mark.parametrize("case", ONE_FILE, ids=str)
def test_what_changes_no_meaning_changes_no_fingerprint(case, tmp_path):
    """Layout, comments, docstrings, and what the step does not reach do not count."""
    before, after = two_files(*ONE_FILE[case])
    first = fingerprint(tmp_path / "before", before)
    second = fingerprint(tmp_path / "after", after)
    assert first.digest == second.digest
    assert first.uncacheable is None


OPTIONS = ["retries=3", "tags=('a',)", "timeout='5m'", "cache=False", "max_age='1h'", "cpus=2", "env=('TZ',)"]


@pytest.mark.parametrize("option", OPTIONS)
def test_options_that_change_no_result_do_not_count(option, tmp_path):
    """Case 97: flowkit's own decorator is no part of the code."""
    plain = fingerprint(tmp_path / "plain", {"steps.py": steps_file("", "return x")})
    changed = fingerprint(tmp_path / "changed", {"steps.py": steps_file("", "return x", f"@fk.step({option})")})
    assert changed.digest == plain.digest


FILES = {
    "90 unrelated module": (
        "from lib import low",
        "return low(x)",
        {
            "lib.py": """
            def low(x):
                return x + 1
            """,
            "other.py": """
            <<||N = 1
            >>
            """,
        },
    ),
    "89 unrelated function of another module": (
        "import lib",
        "return lib.low(x)",
        {
            "lib.py": """
            def low(x):
                return x + 1
            <<||def high(x):
                return 2
            >>
            """,
        },
    ),
    "89 unrelated function of a locally imported module": (
        "",
        """
        import lib
        return lib.low(x)
        """,
        {
            "lib.py": """
            def low(x):
                return x + 1
            <<||def high(x):
                return 2
            >>
            """,
        },
    ),
    "comment in a module that counts whole": (
        "import lib",
        "return getattr(lib, 'low')(x)",
        {
            "lib.py": """
            <<def||# why
            def>> low(x):
                return x + 1
            """,
        },
    ),
    "comment in a computed import": (
        "import importlib",
        "return importlib.import_module('lib').low(x)",
        {
            "lib.py": """
            <<def||# why
            def>> low(x):
                return x + 1
            """,
        },
    ),
    "unrelated submodule that is loaded": (
        "import pkg.lib",
        "return pkg.lib.low(x)",
        {
            "pkg/__init__.py": "",
            "pkg/lib.py": """
            def low(x):
                return x + 1
            """,
            "pkg/other.py": "N = <<1||2>>",
        },
    ),
}


@pytest.mark.parametrize("case", FILES, ids=str)
def test_what_is_not_reached_in_other_files_does_not_count(case, tmp_path):
    """Only what the step reaches of another module counts."""
    before, after = two_projects(*FILES[case])
    first = fingerprint(tmp_path / "before", before)
    assert fingerprint(tmp_path / "after", after).digest == first.digest


def test_a_step_keeps_its_fingerprint_when_it_moves_to_another_module(tmp_path):
    """The names of modules do not count, so a notebook's steps keep their results in a module."""
    text = steps_file(
        """
        import functools
        from dataclasses import dataclass
        def helper(x, y=2):
            return x + y
        class A:
            __slots__ = ("n",)
            def go(self):
                class Inner:
                    m = 1
                return Inner.m
        @dataclass(slots=True)
        class B:
            n: int = 1
        """,
        "return helper(A().go(), B())",
    )
    here = fingerprint(tmp_path / "here", {"steps.py": text})
    there = fingerprint(tmp_path / "there", {"pkg/moved.py": text}, module="pkg.moved")
    assert here.digest == there.digest


def test_paths_below_the_project_count_relative_to_it(tmp_path):
    """Case 83: a global that holds the project's folder does not tie the result to that folder."""
    text = steps_file("from pathlib import Path\nROOT = Path(__file__).parent\nNAME = __file__", "return ROOT, NAME")
    assert len({fingerprint(tmp_path / name, {"steps.py": text}).digest for name in ("a", "b")}) == 1


def test_the_default_of_an_untracked_parameter_does_not_count(tmp_path):
    """`Untracked` parameters do not change the result, so neither do their defaults."""
    text = "import flowkit as fk\n@fk.step\ndef run(x: int = {}, jobs: fk.Untracked[int] = {}) -> int:\n    return x\n"
    digests = [
        fingerprint(tmp_path / str(index), {"steps.py": text.format(*values)}).digest
        for index, values in enumerate([(1, 1), (1, 2), (2, 1)])
    ]
    assert digests[0] == digests[1] != digests[2]


PROBE = """
import json, sys
sys.path[:0] = [sys.argv[1]]
import flowkit
from pathlib import Path
from flowkit.fingerprint.code import CodeFingerprinter
from flowkit.fingerprint.encode import digest_value
from flowkit.project import Project
import steps
value = {k: {k, "z", 1} for k in steps.KEYS}
print(json.dumps({
    "code": CodeFingerprinter(Project(Path(sys.argv[1]))).of_step(steps.run.specification).digest,
    "value": digest_value("v", value),
}))
"""

RICH = steps_file(
    """
    import enum, functools, re
    from collections import OrderedDict, defaultdict
    from dataclasses import dataclass, field
    import numpy as np, pandas as pd
    from pydantic import BaseModel
    from sklearn.linear_model import Ridge
    from typing import NamedTuple
    import polars as pl, pyarrow as pa
    POLARS = pl.DataFrame({"a": [1, 2], "b": ["x", None]})
    ARROW = pa.table({"a": [1, 2], "b": ["x", None]})
    KEYS = ["b", "a", "c"]
    NAMES = {"x", "y", "zz", frozenset({1, 2})}
    TABLE = pd.DataFrame({"a": [1, 2], "b": ["x", None]}, index=pd.Index(["p", "q"], name="i"))
    MODEL = Ridge(alpha=2.0).fit(np.eye(3), np.arange(3.0))
    ORDERED = OrderedDict(a=1); COUNTS = defaultdict(list, a=[1])
    SMALL = {"k": (1.5, None, b"x", re.compile("a+"))}
    class Colour(enum.Enum):
        RED = "r"
    class Point(NamedTuple):
        x: int = 0
    @dataclass(frozen=True)
    class Box:
        sides: list = field(default_factory=list)
        name: str = "box"
    class Model(BaseModel):
        n: int = 1
    BOX = Box([1, {"a", "b"}])
    @functools.lru_cache(maxsize=3)
    def helper(x, *, scale=2.0):
        def inner(y):
            return [z for z in (x, y) if z not in NAMES]
        return inner(x), TABLE, MODEL, ORDERED, COUNTS, POLARS, ARROW, SMALL, Colour.RED, Point(), BOX, Model
    """
)


@pytest.mark.long
@pytest.mark.slow
def test_processes_agree_whatever_their_hash_seed_folder_and_working_directory(tmp_path):
    """Cases 83 to 85 and 95: driver and worker compute one and the same key."""
    found = []
    for seed, name in (("0", "a"), ("1", "deeper/b"), ("random", "c")):
        root = write_project(tmp_path / name, {"steps.py": RICH})
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)}
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", PROBE, str(root)],
            env=environment, cwd=tmp_path if seed == "0" else root, capture_output=True, text=True, check=True,
        )  # fmt: skip
        found.append(json.loads(done.stdout))
    assert found[0] == found[1] == found[2]


NOTEBOOK = """
import flowkit as fk

def helper(x):
    return x

@fk.step
def run(x: int) -> int:
    return helper(x)
"""


def test_a_notebook_cell_counts_by_its_text(tmp_path):
    """Cells are known through `linecache`: comments in them do not count, redefining one does (case 31)."""
    import linecache
    import types

    def cell(number, body):
        text = textwrap.dedent(body)
        name = f"<ipython-input-{number}>"
        linecache.cache[name] = (len(text), None, text.splitlines(True), name)
        exec(compile(text, name, "exec"), module.__dict__)
        return CodeFingerprinter(Project(tmp_path)).of_step(module.run.specification)

    module = types.ModuleType("notebook")
    sys.modules["notebook"] = module
    try:
        first = cell(1, NOTEBOOK)
        same = cell(2, "def helper(x):\n    # a comment\n\n    return x")
        other = cell(3, "def helper(x):\n    return x + 1")
    finally:
        del sys.modules["notebook"]
    assert first.digest == same.digest != other.digest
    assert [part.basis for part in first.parts if part.name == "notebook:helper"] == ["ast"]


MAIN = """
if __name__ == "__main__":
    import sys
    from pathlib import Path
    from flowkit.fingerprint.code import CodeFingerprinter
    from flowkit.project import Project
    print(CodeFingerprinter(Project(Path(sys.argv[1]))).of_step(run.specification).digest)
"""


def test_a_script_run_as_main_and_imported_has_one_fingerprint(tmp_path):
    """The module's name does not count, `__main__` is no exception."""
    text = steps_file(HELPER) + MAIN
    expected = fingerprint(tmp_path / "a", {"steps.py": text})
    root = write_project(tmp_path / "b", {"steps.py": text})
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "steps.py", str(root)], cwd=root, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == expected.digest


def test_fingerprinting_twice_or_after_a_run_gives_the_same(tmp_path):
    """Looking at code must not change it, nor must running it where it changes no global."""
    root = write_project(tmp_path, {"steps.py": RICH})
    with imported(root) as module:
        fingerprinter = CodeFingerprinter(Project(root))
        first = fingerprinter.of_step(module.run.specification)
        module.run(1.0)
        assert fingerprinter.of_step(module.run.specification) == first
        assert CodeFingerprinter(Project(root)).of_step(module.run.specification) == first
