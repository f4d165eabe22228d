"""What one step reads through something that outlives it counts for those that come later in the same process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.journeys.project import OrdersProject, Outcome

KEEPERS = {
    "settings": (
        """
class Settings:
    @cached_property
    def rates(self):
        return json.loads(Path("data/settings.json").read_text())


@functools.cache
def settings():
    return Settings()
""",
        "settings().rates",
    ),
    "repo": (
        """
class Repo:
    def __init__(self):
        self._rates = None

    def rates(self):
        if self._rates is None:
            with open("data/repo.json") as file:
                self._rates = json.load(file)
        return self._rates


@functools.cache
def repo():
    return Repo()
""",
        "repo().rates()",
    ),
    "attribute": (
        """
class Loader:
    def __init__(self):
        self.load = functools.cache(self._load)

    def _load(self):
        return json.loads(Path("data/attribute.json").read_text())


LOADER = Loader()
""",
        "LOADER.load()",
    ),
    "table": (
        """
def _load():
    return json.loads(Path("data/table.json").read_text())


LOADERS = {"rates": functools.cache(_load)}
""",
        'LOADERS["rates"]()',
    ),
    "local": (
        """
LOCAL = threading.local()


def local():
    if not hasattr(LOCAL, "rates"):
        LOCAL.rates = json.loads(Path("data/local.json").read_text())
    return LOCAL.rates
""",
        "local()",
    ),
    "single": (
        """
class Single(BaseModel):
    _only: ClassVar[Any] = None
    rate: float = 0.0

    @classmethod
    def get(cls):
        if cls._only is None:
            cls._only = cls(rate=json.loads(Path("data/single.json").read_text()))
        return cls._only
""",
        "Single.get().rate",
    ),
    "pooled": (
        """
class Pooled:
    def __init__(self):
        self._rates = None

    def rates(self):
        if self._rates is None:
            with ThreadPoolExecutor(1) as pool:
                self._rates = list(pool.map(parse, ["data/pooled.json"]))
        return self._rates


def parse(name):
    return json.loads(Path(name).read_text())


@functools.cache
def pooled():
    return Pooled()
""",
        "pooled().rates()",
    ),
    "shared": (
        """
class Sharing:
    def __init__(self, rows):
        self.rows = rows

    def parse(self):
        if not self.rows:
            self.rows.append(json.loads(Path("data/shared.json").read_text()))
        return self.rows


@functools.cache
def rows():
    return []
""",
        "Sharing(rows()).parse()",
    ),
    "lines": ("", 'linecache.getline("data/lines.json", 1)'),
    "packaged": ("", 'pkgutil.get_data("data", "packaged.json")'),
    "passed": (
        """
class Parser:
    def __init__(self, name):
        self.rows = []
        self.name = name

    def parse(self):
        self.rows.append(read(self.name))
        return self


def read(name):
    rows = {}
    rows[name] = json.loads(Path(name).read_text())
    return rows
""",
        'Parser("data/passed.json").parse().rows',
    ),
}
"""By name, what reads the file of that name once or anew, and an expression that gives what it says."""

HEAD = """
import functools
import json
import linecache
import pkgutil
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import flowkit as fk
from pydantic import BaseModel
"""

STEPS = """

@fk.step
def first_{name}(n: int) -> str:
    return str(len(str({use})) * 0 + n)


@fk.step
def second_{name}(n: int, after: str) -> str:
    return str({use})
"""

ANEW = """

@fk.step
def anew_one(n: int) -> str:
    return str(len(Parser("data/one.json").parse().rows) + n)


@fk.step
def anew_two(n: int, after: str) -> str:
    return str(Parser("data/two.json").parse().rows)


@fk.pipeline
def kept() -> None:
    anew_two(1, anew_one(1))
"""


CHANGED = {"first_single", "second_single"}
"""What is kept on a class changes that class, which these reach: they are never reused, and say so."""


def make(root: Path, settings: str = "") -> OrdersProject:
    """Write a project in which of each pair of steps the second one need not read again."""
    (root / "pipelines").mkdir(parents=True)
    (root / "data").mkdir()
    (root / "data" / "__init__.py").write_text("")
    (root / "pyproject.toml").write_text(f'[project]\nname = "w"\nversion = "0"\n[tool.flowkit]\n{settings}\n')
    text = HEAD + "".join(f"\n{helpers}" for helpers, _ in KEEPERS.values())
    text += "".join(STEPS.format(name=name, use=use) for name, (_, use) in KEEPERS.items()) + ANEW
    text += "".join(f"    second_{name}(1, first_{name}(1))\n" for name in KEEPERS)
    (root / "pipelines" / "kept.py").write_text(text)
    for name in (*KEEPERS, "one", "two"):
        (root / "data" / f"{name}.json").write_text("1")
    return OrdersProject(root)


def run(project: OrdersProject) -> Outcome:
    """Run its pipeline in one process."""
    return project.flowkit("run", "kept", "--json", "--inline")


@pytest.mark.slow
def test_what_an_earlier_step_read_for_a_later_one_counts_for_both(tmp_path: Path) -> None:
    """However it is kept: edit the file, and both run; what is not kept counts for its reader alone."""
    project = make(tmp_path / "p")
    assert run(project).code == 0
    again = run(project)
    assert set(again.named("executed")) == CHANGED

    for name in KEEPERS:
        (project.root / "data" / f"{name}.json").write_text("2")
    edited = run(project)
    missed = [name for name in KEEPERS if edited.nodes[f"second_{name}"]["outcome"] != "executed"]
    assert missed == []
    assert not {"anew_one", "anew_two"} & set(edited.named("executed"))

    (project.root / "data" / "one.json").write_text("2")
    assert set(run(project).named("executed")) == {"anew_one"} | CHANGED


@pytest.mark.slow
def test_nobody_is_blamed_for_what_an_earlier_step_read(tmp_path: Path) -> None:
    """A warning of undeclared inputs names what a node has read itself."""
    project = make(tmp_path / "p", settings='undeclared = "warn"')
    warned = run(project).json["warnings"]
    assert any("'first_local' reads without declaring it: file data/local.json" in text for text in map(str, warned))
    assert not any("'second_local'" in text for text in map(str, warned))


FROZEN = """
import functools
import gc
from pathlib import Path

import flowkit as fk


@functools.lru_cache
def load() -> str:
    return Path("data.txt").read_text()


@fk.step
def read(number: int) -> str:
    found = load()
    {in_step}
    return found


@fk.step
def wait(found: str) -> int:
    return len(found)


@fk.pipeline
def frozen() -> None:
    wait(read(1))
    wait(read(2))


{in_module}
"""


@pytest.mark.slow
@pytest.mark.parametrize("place", ["in_module", "in_step"])
@pytest.mark.parametrize("inline", [False, True], ids=["workers", "inline"])
def test_what_is_frozen_is_looked_at_too(tmp_path: Path, place: str, inline: bool) -> None:
    """A cache that Python's collector was told to pass over gives no old content for a file that has changed."""
    places = {"in_module": "", "in_step": "", place: "gc.freeze()"}
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "f"\nversion = "0"\n')
    (tmp_path / "frozen.py").write_text(FROZEN.format(**places))
    (tmp_path / "data.txt").write_text("one")
    program = (
        "import sys; from pathlib import Path; import flowkit as fk; import frozen\n"
        f"with fk.Session(inline={inline}, workers=1) as session:\n"
        "    session.run(frozen.frozen)\n"
        "    Path('data.txt').write_text('something else')\n"
        "    print(session.run(frozen.frozen)['wait'].value())\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)

    assert done.stdout.split() == ["14"], done.stderr
