"""The benchmarks measure what they say, and refuse a program that is wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.measure import Limit, Measured, ProgramError, Variant, Work, measure, python
from tests.commands import ROOT

ONE = Variant("one", lambda folder: python("-c", 'print(\'{"figures": {"size": 4}}\')'))
OTHER = Variant("other", lambda folder: python("-c", "print('words')"))


def run_benchmarks(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command of the benchmarks."""
    command = [sys.executable, "-m", "benchmarks", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def test_every_round_runs_every_variant() -> None:
    """Each variant has a sample a round for wall and CPU time, and for what its program tells."""
    measured = measure(Work("pair", "", (ONE, OTHER), beside="other"), rounds=2)

    assert {name: set(figures) for name, figures in measured.samples.items()} == {
        "one": {"wall", "cpu", "size"},
        "other": {"wall", "cpu"},
    }
    assert [len(values) for values in measured.samples["one"].values()] == [2, 2, 2]
    assert measured.median("one", "size") == 4
    assert measured.median("other", "size") is None


def test_ratio_is_taken_within_a_round() -> None:
    """A machine that is slow for one round slows both variants, and leaves the ratio of that round as it is."""
    measured = Measured(Work("pair", "", (ONE, OTHER), beside="other"))
    for slowness in (1.0, 10.0, 2.0):
        measured.add("one", {"wall": 3 * slowness})
        measured.add("other", {"wall": slowness})

    assert measured.ratio("one", "other") == 3
    assert measured.judged(Limit("one", most=1.0, beside="other")) == 3
    assert measured.judged(Limit("one", most=1.0)) == 6


def test_failing_program_is_refused(tmp_path: Path) -> None:
    """A program that computes the wrong thing ends the measurement with what it said."""
    wrong = Variant("wrong", lambda folder: python("-c", "assert 1 + 1 == 3, 'sum'"))

    with pytest.raises(ProgramError, match="AssertionError: sum"):
        measure(Work("wrong", "", (wrong,), beside="wrong"), rounds=1)


def test_unknown_work_is_refused() -> None:
    """A name that no work has is a usage error that lists the names there are."""
    done = run_benchmarks("chain-7")

    assert done.returncode == 2
    assert "chain-7" in done.stderr
    assert "chain-100" in done.stderr


@pytest.mark.cluster
@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["help", "one-step", "chain-100", "fan-200", "reused-100", "fingerprint-400", "columns", "look-up-2000"]
)
def test_work_computes_what_it_says(name: str) -> None:
    """Each work's programs prove their results: sums, outcomes, and for reused runs that nothing heavy is imported."""
    done = run_benchmarks(name, "--rounds", "1", "--json")

    assert done.returncode == 0, done.stderr
    printed: dict[str, Any] = json.loads(done.stdout)
    (work,) = printed["works"]
    assert work["work"] == name
    assert all(variant["median"]["wall"] > 0 for variant in work["variants"])
