"""Generated programs in processes of their own: equal keys everywhere, and edits on disk as `flowkit run` sees them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import note

from tests.commands import ROOT, spawn
from tests.conformance.programs.choices import Choices
from tests.conformance.programs.edits import Edit
from tests.conformance.programs.judge import is_proven, judge
from tests.conformance.programs.model import Program, path_of
from tests.conformance.programs.trial import State, trial_of, write
from tests.conformance.scale import SEED, scaled
from tests.conformance.test_programs import drawn_edits, run_over_programs

KEYED_PROGRAMS = 100
RUN_EDITS, EDITS_EACH = 40, 4

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200), pytest.mark.filterwarnings("ignore")]


def test_two_processes_compute_one_key(tmp_path: Path) -> None:
    """Neither the hash seed, the directory, the order of files and imports nor that of containers is in a key."""
    programs: list[Program] = []
    run_over_programs(lambda program, c: programs.append(program), SEED + 1, scaled(KEYED_PROGRAMS))
    written = tmp_path / "programs.json"
    written.write_text(json.dumps([(program.files(), [step.name for step in program.steps]) for program in programs]))
    folders = {"0": tmp_path / "a", "1": tmp_path / "b" / "another folder, deeper", "4242": tmp_path / "c"}

    found = [_keys(written, folder, hash_seed) for hash_seed, folder in folders.items()]

    for program, *keys in zip(programs, *found, strict=True):
        assert None not in keys[0].values()
        assert keys[0] == keys[1] == keys[2], program


def _keys(programs: Path, folder: Path, hash_seed: str) -> list[dict[str, str]]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.conformance.programs.keys", str(programs), str(folder), hash_seed],
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": hash_seed},
        cwd=programs.parent,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: list[dict[str, str]] = json.loads(done.stdout)
    return found


def test_edits_on_disk_are_seen_by_the_next_run(tmp_path: Path) -> None:
    """In fresh processes `flowkit run` executes what an edit of a generated program reaches, and reuses the rest."""
    made = 0

    def check(program: Program, c: Choices) -> None:
        nonlocal made
        if made >= scaled(RUN_EDITS):
            return
        edits = _judged_edits(program, c)
        folder = Path(tempfile.mkdtemp(dir=tmp_path))
        for name, text in program.files().items():
            write(folder / name, text)
        # Of a package that counts whole only the modules that the program itself imports are there.
        vague = {step.name for step in program.steps if program.reach(step) & {"pack:*", "pack.deep:*"}}
        first = _outcomes(folder)
        for edit, affected in edits:
            text = program.text(edit.module)
            write(folder / path_of(edit.module), edit.text)
            outcomes = _outcomes(folder)
            write(folder / path_of(edit.module), text)
            for step, outcome in first.items():
                if outcome == "executed" and step not in vague:
                    note(f"{edit.what}: {outcomes}")
                    assert (outcomes[step] != "reused") == (step in affected), f"{step} after: {edit.what}"
            made += 1

    run_over_programs(check, SEED + 2, scaled(RUN_EDITS))
    assert made >= scaled(RUN_EDITS)


def _judged_edits(program: Program, c: Choices) -> list[tuple[Edit, set[str]]]:
    """Return edits that leave the program importable, each with the steps that it must make execute."""
    found: list[tuple[Edit, set[str]]] = []
    with trial_of(program) as trial:
        before = trial.state()
        for edit in drawn_edits(program, c):
            # A loop might never end, and an edit that ran before is in the store.
            if "while " in (edit.item.text if edit.item else "") or any(edit.text == known.text for known, _ in found):
                continue
            with trial.edited(edit.module, edit.text):
                after = _state(trial)
            if after is not None and is_proven(edit, before, after):
                found.append((edit, judge(program, edit, before, after).affected))
            if len(found) == EDITS_EACH:
                break
    return found


def _state(trial: Any) -> State | None:
    try:
        state: State = trial.state()
    except Exception:  # noqa: BLE001  (an edited module may raise anything while it is imported)
        return None
    return state


def _outcomes(folder: Path) -> dict[str, str]:
    """Run the program; return each step's outcome. Bytecode is written, as it is for people."""
    done = spawn(folder, "run", "flow.py", "--json", "--inline", PYTHONDONTWRITEBYTECODE="")
    assert done.returncode in (0, 1), done.stderr
    return {node["node"]: node["outcome"] for node in json.loads(done.stdout)["nodes"]}
