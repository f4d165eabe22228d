"""Paths wherever they stand in an argument: read below the root, hashed by content, watched while steps run."""

from __future__ import annotations

from pathlib import Path

import pytest

from flowkit.fingerprint.stamps import stamp_path
from tests.journeys.project import OrdersProject, Outcome

READERS = """
from dataclasses import dataclass, field
from pathlib import Path

import pydantic

import flowkit as fk

FILE = Path("data/orders.txt")


class Place(pydantic.BaseModel):
    file: Path
    names: list[str] = []


@dataclass
class Spot:
    file: Path
    label: str = field(init=False)

    def __post_init__(self) -> None:
        self.label = "spot"
        self.extra = "beside"


@fk.step
def from_set(files: set[Path]) -> str:
    return "".join(file.read_text() for file in files)


@fk.step
def from_frozenset(files: frozenset[Path]) -> str:
    return "".join(file.read_text() for file in files)


@fk.step
def from_keys(files: dict[Path, int]) -> str:
    return "".join(file.read_text() * count for file, count in files.items())


@fk.step
def from_model(place: Place) -> str:
    return place.file.read_text() + str(sorted(place.model_fields_set))


@fk.step
def from_nested(places: list[frozenset[Path]]) -> str:
    return "".join(file.read_text() for files in places for file in files)


@fk.step
def from_spot(spot: Spot) -> str:
    return spot.file.read_text() + spot.label + spot.extra


@fk.pipeline
def orders() -> None:
    from_set({FILE})
    from_frozenset(frozenset({FILE}))
    from_keys({FILE: 1})
    from_model(Place(file=FILE))
    from_nested([frozenset({FILE})])
    from_spot(Spot(FILE))
"""

GROWING = """
from pathlib import Path

import flowkit as fk


@fk.step
def count(folder: Path) -> int:
    found = len(list(folder.rglob("*")))
    if (folder / "grow").exists():
        (folder / "sub").mkdir(exist_ok=True)
        (folder / "sub" / "late.txt").write_text("late")
    return found


@fk.pipeline
def orders(folder: Path = Path("data")) -> None:
    count(folder)
"""


def _make(root: Path, text: str) -> OrdersProject:
    project = OrdersProject.make(root)
    (project.root / "pipelines/orders.py").write_text(text)
    return project


def _check(run: Outcome) -> Outcome:
    assert run.code == 0, run.err + run.out
    return run


def test_a_path_in_any_container_counts_by_the_content_below_the_root(tmp_path: Path) -> None:
    """In sets, keys and models, too, a relative path means a file of the project, wherever the command was given."""
    project = _make(tmp_path / "orders", READERS)
    decoy = tmp_path / "data"
    decoy.mkdir()
    (decoy / "orders.txt").write_text("not this")
    target = str(project.root / "pipelines/orders.py")

    first = _check(project.flowkit("run", target, "--inline", "--json", cwd=tmp_path))
    again = _check(project.run())
    (project.root / "data/orders.txt").write_text("$7")
    changed = _check(project.flowkit("run", target, "--inline", "--json", cwd=tmp_path))

    everything = ["from_set", "from_frozenset", "from_keys", "from_model", "from_nested", "from_spot"]
    assert first.named("executed") == everything
    assert again.named("executed") == []
    assert changed.named("executed") == everything
    assert {node["reason"] for node in changed.nodes.values()} == {"input"}


def test_a_missing_path_in_a_set_fails_its_step(tmp_path: Path) -> None:
    """It is an input like any other: the node fails and names the file."""
    project = _make(tmp_path / "orders", READERS)
    (project.root / "data/orders.txt").unlink()

    run = project.run()

    assert run.code == 1
    assert "data/orders.txt" in run.nodes["from_set"]["error"]["message"] + str(run.nodes["from_set"]["error"])


def test_a_folder_that_changes_while_its_step_runs_is_not_recorded(tmp_path: Path) -> None:
    """What was read then belongs to no state of the folder; where nothing changes the result is reused."""
    project = _make(tmp_path / "orders", GROWING)
    (project.root / "data/sub").mkdir()
    (project.root / "data/sub/early.txt").write_text("early")
    assert _check(project.run()).named("executed") == ["count"]
    assert _check(project.run()).named("executed") == []
    (project.root / "data/grow").write_text("")

    grown = _check(project.run())
    (project.root / "data/sub/late.txt").unlink()
    restored = _check(project.run())

    assert grown.named("executed") == ["count"]
    assert any("changed while the step ran" in text for text in (grown.err, grown.out))
    assert restored.named("executed") == ["count"]


@pytest.mark.parametrize("kind", ["content", "name", "link"])
def test_the_stamp_of_a_folder_tells_changes_below_it(tmp_path: Path, kind: str) -> None:
    """An edit that keeps the size, a new name, and a link that is turned elsewhere."""
    folder = tmp_path / "folder"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub/file").write_text("one")
    (folder / "link").symlink_to("sub")
    (folder / "loop").symlink_to(".")
    before = stamp_path(folder)
    assert stamp_path(folder) == before

    if kind == "content":
        (folder / "sub/file").write_text("two")
    elif kind == "name":
        (folder / "sub/file").rename(folder / "sub/other")
    else:
        (folder / "link").unlink()
        (folder / "link").symlink_to("nowhere")

    assert stamp_path(folder) != before
