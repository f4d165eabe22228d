"""`why` of a project that was edited in many places at once, told from the record after its files are gone."""

from __future__ import annotations

import json
import shutil
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.commands import Tell, caller, edit, spawn

PROJECT = {
    "pyproject.toml": '[project]\nname = "explained"\nversion = "0"\n',
    "data/trips.csv": "fare,miles\n1.0,2.0\n2.0,3.0\n3.0,4.0\n",
    "data/raw/a.txt": "a\n",
    "data/raw/deep/b.txt": "b\n",
    "pipelines/cleaning.py": """
        RATES = {f"rate {number}": number for number in range(40)}
        CAP = 5


        def times(count):
            def decorate(function):
                def repeated(value, limit=CAP):
                    return min(function(value) * count, limit)

                return repeated

            return decorate


        class Scaler:
            size = 3


        def rated(value):
            return value * RATES["rate 7"] * Scaler.size


        @times(3)
        def clean(value):
            return rated(value)
    """,
    "pipelines/trips.py": """
        from pathlib import Path

        import flowkit as fk
        import pandas as pd
        from pipelines.cleaning import clean


        @fk.step
        def load(csv: Path) -> pd.DataFrame:
            return pd.read_csv(csv)


        @fk.step
        def total(rows: pd.DataFrame) -> float:
            return float(rows.fare.sum())


        @fk.step
        def names(folder: Path) -> list[str]:
            return sorted(path.name for path in folder.iterdir())


        @fk.step
        def told(texts: list[str]) -> int:
            return len(texts)


        @fk.step
        def fit(options: dict[str, int]) -> float:
            return clean(options["depth"])


        @fk.step
        def double(number: int) -> dict[str, int]:
            return {"doubled": number * 2, "kept": 1}


        @fk.step
        def summed(parts: list[dict[str, int]]) -> int:
            return sum(part["doubled"] for part in parts)


        @fk.pipeline
        def trips(depth: int = 3, last: int = 3) -> None:
            total(load(Path("data/trips.csv")))
            told(names(Path("data/raw")))
            fit({"depth": depth, "seed": 1})
            summed(fk.collect(double(fk.each([1, 2, last]))))
    """,
}


@dataclass(frozen=True)
class Explained:
    """A project that ran twice, edited in between; its sources and data are gone now.

    Attributes:
        planned: What a plan said before the second run.
        ran: What that run said.
    """

    root: Path
    planned: dict[str, Any]
    ran: dict[str, Any]


@pytest.fixture(scope="module")
def explained(tmp_path_factory: pytest.TempPathFactory) -> Explained:
    root = tmp_path_factory.mktemp("explained") / "project"
    for name, text in PROJECT.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("\n".join(line.removeprefix("        ") for line in text.split("\n")))
    assert spawn(root, "run", "trips", "--inline", "-q").returncode == 0
    cleaning = root / "pipelines/cleaning.py"
    edit(cleaning, "number for number in", "number + (number == 7) for number in")
    edit(cleaning, "CAP = 5", "CAP = 6")
    edit(cleaning, "@times(3)", "@times(4)")
    edit(cleaning, "size = 3", "size = 4")
    edit(root / "data/trips.csv", "1.0,2.0", "9.0,2.0")
    edit(root / "data/raw/a.txt", "a", "a a")
    (root / "data/raw/c.txt").write_text("c\n")
    options = ("-p", "depth=5", "-p", "last=9", "--json")
    # Elsewhere, so that the run finds nothing that a plan has left.
    copy = shutil.copytree(root, root.with_name("copy"))
    planned = json.loads(spawn(copy, "plan", "trips", *options).stdout)
    ran = json.loads(spawn(root, "run", "trips", "--inline", *options).stdout)
    shutil.rmtree(root / "pipelines")
    return Explained(root, *({node["node"]: node for node in found["nodes"]} for found in (planned, ran)))


@pytest.fixture
def tell(explained: Explained, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Tell:
    monkeypatch.chdir(explained.root)
    return caller(capsys)


def test_runs_and_plans_say_in_a_line_what_differs(explained: Explained) -> None:
    """The reason names the column, the file, the key or the element; a plan says what the run will say."""
    details = {name: node["detail"] for name, node in explained.ran.items()}
    assert details == {
        "load": "csv changed: trips.csv, other content of 35 bytes",
        "total": "rows changed: column fare differs (table of 3 rows)",
        "names": "folder changed: a.txt changed; c.txt added (2 files → 3)",
        "told": "texts changed: [1]: 'deep' → 'c.txt'; 1 more",
        "fit": "helper pipelines.cleaning:times.<locals>.decorate.<locals>.repeated changed and 3 more",
        "double[0]": None,
        "double[1]": None,
        "double[2]": "number: 3 → 9",
        "summed": "parts changed: 1 of 3 elements, [2] with ['doubled']: 6 → 18",
    }
    known = [name for name, node in explained.planned.items() if node["outcome"] == "run"]
    assert {name: explained.planned[name]["detail"] for name in known} == {name: details[name] for name in known}
    assert set(known) == {"load", "names", "fit", "double[2]"}


def test_code_is_told_with_the_way_to_it(tell: Tell) -> None:
    """Functions, constants, closures, defaults and attributes: each by its own name, text and way from the step."""
    changes = tell("why", "last", "fit", "--json").json()["changes"]
    told = {change["name"]: change for change in changes}
    scaler, repeated, rates = "Scaler", "times.<locals>.decorate.<locals>.repeated", "RATES"
    ways = {name: [part.removeprefix("pipelines.cleaning:") for part in told[name]["path"] or ()] for name in told}
    assert ways == {
        "class pipelines.cleaning:Scaler": ["fit", repeated, "clean", "rated", scaler],
        f"helper pipelines.cleaning:{repeated}": ["fit", repeated],
        "helper pipelines.cleaning:clean": ["fit", repeated, "clean"],
        "constant pipelines.cleaning:RATES": ["fit", repeated, "clean", "rated", rates],
        "options": [],
    }
    lines = {name: told[name]["diff"].splitlines() for name in list(told)[:4]}
    assert {"-    size = 3", "+    size = 4"} <= set(lines["class pipelines.cleaning:Scaler"])
    closure = {"-# with count = 3", "+# with count = 4", "-# with default limit = 5", "+# with default limit = 6"}
    assert closure <= set(lines[f"helper pipelines.cleaning:{repeated}"])
    assert {"-@times(3)", "+@times(4)"} <= set(lines["helper pipelines.cleaning:clean"])
    constant = lines["constant pipelines.cleaning:RATES"]
    assert [line for line in constant if line.startswith(("+ ", "- "))] == ["-    'rate 7': 7,", "+    'rate 7': 8,"]
    assert told["options"]["within"] == [{"name": "options['depth']", "before": "3", "after": "5"}]
    text = tell("why", "last", "fit").out
    assert f"  reached by  fit → pipelines.cleaning:{repeated} → pipelines.cleaning:clean\n" in text
    assert "  options['depth']: 3 → 5\n" in text


def test_the_column_of_a_table_that_changed_is_named_with_its_values(tell: Tell) -> None:
    """Manifests name the columns; of these the values are counted that differ."""
    (change,) = tell("why", "last", "total", "--json").json()["changes"]
    (content,) = change["data"]["contents"]
    table = content["table"]
    assert (table["changed"], table["rows_before"], table["rows_after"]) == (["fare"], 3, 3)
    assert table["values"] == [{"name": "fare", "differing": 1}]
    assert "  fare: 1 of 3 values\n" in tell("why", "last", "total").out
    assert "    fare: 1 of 3 values\n" in tell("diff", "last").out


def test_files_and_elements_that_changed_are_named(tell: Tell) -> None:
    """A file by its bytes, a folder by its files, a list by its elements and what is in them."""
    assert "  file: other content of 35 bytes\n" in tell("why", "last", "load").out
    folder = tell("why", "last", "names").out
    assert "  2 files → 3\n  1 added: c.txt\n  1 changed: a.txt\n" in folder
    listed = tell("why", "last", "summed").out
    assert "  3 elements, 1 of which differ\n  [2]  ['doubled']: 6 → 18\n" in listed
    assert "    2 files → 3\n    1 added: c.txt\n    1 changed: a.txt\n" in tell("diff", "last").out


def test_a_reused_node_says_who_made_it_and_what_was_proven(tell: Tell) -> None:
    """Code, arguments and versions that were found to be as they were, and the run that the result is from."""
    report = tell("why", "last", "double[0]", "--json").json()
    runs = tell("runs", "--json").json()["runs"]
    assert (report["since"], report["changes"], report["reason"]) == (runs[1]["run"], [], None)
    assert report["detail"].startswith("nothing that counts has changed: 2 parts of its code, 1 argument, ")


def test_a_file_is_found_in_the_folder_that_it_came_in_with(tell: Tell, explained: Explained) -> None:
    """`lineage` of a file leads through the folder's listing to the node that took the folder."""
    deep = tell("lineage", "data/raw/deep/b.txt", "--json").json()
    assert {row["node"] for row in deep["nodes"]} >= {"names"}
    text = tell("lineage", "data/raw/deep/b.txt").out
    assert text.startswith("data/raw/deep/b.txt as deep/b.txt in a folder and 1 earlier state of it:  folder  ")
    (explained.root / "data/new.txt").write_text("never seen")
    assert tell("lineage", "data/new.txt").code == 2


def test_a_store_without_ways_explains_the_rest(tell: Tell, explained: Explained, tmp_path: Path) -> None:
    """What an earlier flowkit recorded has no ways and no listings: these are left out, and nothing else."""
    shutil.copytree(explained.root / ".flowkit", tmp_path / "store")
    with sqlite3.connect(tmp_path / "store/lineage.db") as connection:
        connection.execute("UPDATE code_member SET via = NULL")
        connection.execute("DELETE FROM folder_listing")
    older = ("--store", str(tmp_path / "store"))
    paths = {tuple(row["path"] or ()) for row in tell("why", "last", "fit", "--json", *older).json()["changes"]}
    assert paths == {()}
    text = tell("why", "last", "names", *older).out
    assert "folder: 4 bytes → 8\n" in text


def test_an_artifact_that_is_gone_is_said_to_be_gone(tell: Tell, explained: Explained, tmp_path: Path) -> None:
    """An explanation of a run whose earlier tables were removed still tells their sizes."""
    shutil.copytree(explained.root / ".flowkit", tmp_path / "store")
    shutil.rmtree(tmp_path / "store/blobs")
    (tmp_path / "store/blobs").mkdir()
    answer = tell("why", "last", "total", "--store", str(tmp_path / "store"))
    assert answer.code == 0
    assert ", and the content is gone" in answer.out
