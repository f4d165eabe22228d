"""How cost grows is measured, kept and drawn, and what is kept is not lost."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from benchmarks.growth import drawn
from benchmarks.growth.__main__ import main
from benchmarks.growth.measured import Kind
from benchmarks.measure import Variant, python, run_once

POINTS = [{"size": 1, "put": 100.0, "write": 200.0}, {"size": 10, "put": 150.0, "write": 200.0, "get": 3.0}]
KEPT = {"measured": "2026-01-01", "cores": 2, "python": "3.11", "system": "Linux", "points": POINTS}
INTERRUPT = "import os, signal, time; os.kill(os.getppid(), signal.SIGINT); time.sleep(60)"


def keep(folder: Path, **kinds: Mapping[str, Any]) -> None:
    """Leave data as an earlier time does."""
    (folder / "growth.json").write_text(json.dumps({"format": 1, "kinds": kinds}))


def kept_in(folder: Path) -> dict[str, Any]:
    """Return the kinds that a folder keeps."""
    kinds: dict[str, Any] = json.loads((folder / "growth.json").read_text())["kinds"]
    return kinds


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["cubes"], "no such kind: cubes; there are nodes, tables, artifacts"),
        (["--smallest"], "name another folder with --out"),
        (["--smallest", "--draw", "--out", "{folder}"], "--draw measures nothing"),
        (["--out", "{folder}/file"], "file is a file"),
    ],
    ids=["kind", "smallest into the documents", "smallest and draw", "file"],
)
def test_wrong_argument_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    """What would overwrite or cannot be kept is refused before anything is measured."""
    (tmp_path / "file").touch()

    with pytest.raises(SystemExit) as end:
        main([argument.format(folder=tmp_path) for argument in arguments])

    assert end.value.code == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "\xff",
        "[]",
        '{"format": 2, "kinds": {}}',
        '{"format": 1, "kinds": {"tables": {"points": []}}}',
        json.dumps({"format": 1, "kinds": {"tables": {**KEPT, "points": [{"put": 1}]}}}),
        json.dumps({"format": 1, "kinds": {"tables": {**KEPT, "points": [{"size": "1"}]}}}),
    ],
)
@pytest.mark.parametrize("arguments", [[], ["--draw"]], ids=["measure", "draw"])
def test_unreadable_data_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], text: str
) -> None:
    """Data that is not what the command writes ends it at once, with the file's name; it stays as it is."""
    (tmp_path / "growth.json").write_text(text, encoding="latin-1")

    code = main([*arguments, "--out", str(tmp_path)])

    (line,) = capsys.readouterr().err.splitlines()
    assert code == 2
    assert line.startswith(f"{tmp_path / 'growth.json'} cannot be read: ")
    assert line.endswith(" Move it away, or give another folder with --out.")
    assert (tmp_path / "growth.json").read_text(encoding="latin-1") == text


def test_folder_that_cannot_be_made_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder below a file is refused before anything is measured."""
    (tmp_path / "file").touch()

    code = main(["--out", str(tmp_path / "file" / "below")])

    (line,) = capsys.readouterr().err.splitlines()
    assert code == 2
    assert str(tmp_path / "file") in line


@pytest.mark.parametrize(
    ("kinds", "said"),
    [([], "no data of nodes, tables, artifacts"), (["tables"], "no data of tables")],
    ids=["all", "one"],
)
def test_nothing_to_draw_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kinds: list[str], said: str
) -> None:
    """Without data nothing is drawn, and no folder made."""
    code = main([*kinds, "--draw", "--out", str(tmp_path / "new")])

    captured = capsys.readouterr()
    assert (code, captured.out) == (1, "")
    assert said in captured.err
    assert not (tmp_path / "new").exists()


@pytest.mark.slow
def test_named_kinds_are_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--draw` draws what is named, and all that is kept where nothing is."""
    keep(tmp_path, tables=KEPT, artifacts=KEPT)

    assert main(["tables", "tables", "--draw", "--out", str(tmp_path)]) == 0
    assert capsys.readouterr().out.splitlines() == [str(tmp_path / "tables.svg")]
    assert not (tmp_path / "artifacts.svg").exists()

    assert main(["--draw", "--out", str(tmp_path)]) == 0
    assert [Path(line).name for line in capsys.readouterr().out.splitlines()] == ["tables.svg", "artifacts.svg"]


@pytest.mark.slow
def test_interruption_keeps_finished_kinds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Ctrl-C keeps the new points of kinds that are finished, and the old ones of the kind that it cuts off."""

    def interrupt(folder: Path, size: int) -> Mapping[str, float]:
        return run_once(Variant("cut", lambda _: python("-c", INTERRUPT if size == 10 else "")), folder)

    growing = {
        "tables": Kind((1, 10, 100), lambda folder, size: {"put": size / 7, "write": 1.0}),
        "artifacts": Kind((1, 10, 100), interrupt),
    }
    keep(tmp_path, tables=KEPT, artifacts=KEPT)

    code = main(["--smallest", "--out", str(tmp_path)], growing)

    captured = capsys.readouterr()
    kept = kept_in(tmp_path)
    assert code == 130
    assert captured.err.splitlines()[-1] == "interrupted"
    assert captured.out.splitlines() == [str(tmp_path / "tables.svg")]
    assert kept["artifacts"] == KEPT
    assert [point["put"] for point in kept["tables"]["points"]] == [1 / 7, 10 / 7]
    assert kept["tables"]["measured"] != KEPT["measured"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["growth.json", "tables.svg"]


@pytest.mark.slow
def test_same_figures_draw_the_same_image(tmp_path: Path) -> None:
    """Drawing again what is kept changes nothing, and a point that lacks a figure is left out."""
    images = []
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        images.append(drawn.draw("tables", KEPT, tmp_path / name).read_bytes())

    assert images[0] == images[1]
    assert b"<svg" in images[0]
