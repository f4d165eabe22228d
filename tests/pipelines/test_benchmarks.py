"""The benchmarks measure what they say, and refuse a program that is wrong."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import sys
import tomllib
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

import flowkit
from benchmarks.__main__ import main
from benchmarks.commands import MEASURING
from benchmarks.figures import FIGURES
from benchmarks.measure import Limit, Measured, ProgramError, Variant, Work, measure, python, run_once
from benchmarks.projects import make_project
from benchmarks.table import format_table, to_json
from benchmarks.works import WORKS
from benchmarks.works.breast_cancer import without_flowkit
from tests.commands import ROOT

ONE = Variant("one", lambda folder: python("-c", 'print(\'{"figures": {"size": 4}}\')'))
OTHER = Variant("other", lambda folder: python("-c", "print('words')"))
INTERRUPT = "import os, signal, time; os.kill(os.getppid(), signal.SIGINT); time.sleep(60)"
INTERRUPTS = Variant("other", lambda folder: python("-c", INTERRUPT))
LATER = f"""
from pathlib import Path
if Path('begun').exists():
    {INTERRUPT}
Path('begun').touch()
"""
INTERRUPTS_LATER = Variant("other", lambda folder: python("-c", LATER))


def pair(name: str, other: Variant) -> Work:
    """Return a work of two variants that begins with the round that counts."""
    return Work(name, "", (ONE, other), beside="other", warms=False)


def run_benchmarks(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command of the benchmarks."""
    command = [sys.executable, "-m", "benchmarks", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def test_every_round_runs_every_variant() -> None:
    """Each variant has a sample a round for wall and CPU time, and for what its program tells."""
    measured = Measured(Work("pair", "", (ONE, OTHER), beside="other"))

    measure(measured, rounds=2)

    assert {name: set(figures) for name, figures in measured.samples.items()} == {
        "one": {"wall", "cpu", "written_mb", "size"},
        "other": {"wall", "cpu", "written_mb"},
    }
    assert [len(values) for values in measured.samples["one"].values()] == [2, 2, 2, 2]
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


@pytest.mark.parametrize(
    ("limit", "reached", "met"),
    [
        (Limit("one", most=3.0, beside="other"), 3, True),
        (Limit("one", most=2.9, beside="other"), 3, False),
        (Limit("one", most=2.0, over="other"), 2, True),
        (Limit("one", most=1.9, over="other"), 2, False),
        (Limit("one", least=0.5, figure="put", beside="one", beside_figure="write"), 0.5, True),
        (Limit("one", least=0.6, figure="put", beside="one", beside_figure="write"), 0.5, False),
        (Limit("one", most=4.0, figure="put"), 4, True),
        (Limit("one", most=3.9, figure="put"), 4, False),
        (Limit("one", most=3.9, figure="unheard of"), None, False),
    ],
)
def test_target_is_judged_as_it_is_meant(limit: Limit, reached: float | None, met: bool) -> None:
    """Ratios, differences, shares of the machine's own and plain figures; what was not measured is missed, not met."""
    measured = Measured(Work("pair", "", (ONE, OTHER), beside="other", limits=(limit,)))
    measured.add("one", {"wall": 3, "cpu": 3, "put": 4, "write": 8})
    measured.add("other", {"wall": 1, "cpu": 1})

    assert measured.judged(limit) == reached
    assert limit.is_met_by(measured.judged(limit)) is met
    assert format_table([measured]).splitlines()[-1].startswith("met " if met else "missed ")
    (target,) = to_json([measured])["works"][0]["targets"]
    assert (target["reached"], target["met"]) == (reached, met)


def test_what_a_variant_asks_for_is_measured(tmp_path: Path) -> None:
    """Milliseconds a node, megabytes written by the whole tree of processes, and each process's own peak of memory."""
    child = "import time; held = b'1' * 90_000_000; time.sleep(0.3)"
    code = f"""
import subprocess, sys
open('x', 'wb').write(b'1' * 5_000_000)
subprocess.run([sys.executable, '-c', {child!r}])
"""
    figures = run_once(Variant("tree", lambda folder: python("-c", code), nodes=10, watched=True), tmp_path)

    # What is kept in memory only is not counted as written, so that there is no telling on every file system.
    assert figures["written_mb"] >= 0
    assert figures["ms_a_node"] == pytest.approx(figures["wall"] * 100)
    if sys.platform == "linux":
        assert figures["driver_mb"] < 60 < 90 < figures["worker_mb"] < 150


def test_failing_program_is_refused(tmp_path: Path) -> None:
    """A program that computes the wrong thing ends the measurement with what it said."""
    wrong = Variant("wrong", lambda folder: python("-c", "assert 1 + 1 == 3, 'sum'"))

    with pytest.raises(ProgramError, match="AssertionError: sum"):
        measure(Measured(Work("wrong", "", (wrong,), beside="wrong")), rounds=1)


def test_program_that_does_not_say_what_it_did_is_refused() -> None:
    """A command that ends well without the words that show its work has not done it."""
    silent = Variant("silent", lambda folder: python("-c", "print('3 executed')"), says="4 executed")

    with pytest.raises(ProgramError, match="'4 executed'"):
        measure(Measured(Work("silent", "", (silent,), beside="silent")), rounds=1)


def test_every_target_names_variants_of_its_work() -> None:
    """A target of a variant that is not run could never be met."""
    for work in WORKS.values():
        names = {variant.name for variant in work.variants}
        assert len(names) == len(work.variants), work.name
        assert work.beside in names, work.name
        for limit in work.limits:
            assert {limit.variant, limit.beside or limit.variant, limit.over or limit.variant} <= names, (
                work.name,
                limit,
            )


def test_example_without_flowkit_has_its_functions() -> None:
    """What raw distributed runs is the example's own text but for what belongs to flowkit."""
    source = (ROOT / "pipelines" / "breast_cancer.py").read_text()

    plain = without_flowkit(source)

    assert "fk" not in plain
    assert "flowkit" not in plain
    assert "def breast_cancer" not in plain
    for name in ("ingest", "validate", "build_features", "split", "train", "score", "pick_best", "evaluate"):
        assert f"def {name}(" in plain


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["chain-7"], "no such work: chain-7; there are help, plan-1000"),
        (["fingerprint-project", "--profile", "--json"], "not both"),
        (["help", "--profile"], "no profile of help"),
        (["--rounds", "0"], "at least 1"),
    ],
    ids=["work", "profile as JSON", "profile of what has none", "rounds"],
)
def test_wrong_argument_is_refused(capsys: pytest.CaptureFixture[str], arguments: list[str], said: str) -> None:
    """What cannot be done is a usage error that says what can."""
    with pytest.raises(SystemExit) as end:
        main(arguments)

    assert end.value.code == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("program", "target"),
    [("benchmarks", "bench"), ("benchmarks.growth", "bench-growth"), ("benchmarks.peers", "bench-peers")],
)
def test_interpreter_that_lacks_modules_is_refused(program: str, target: str) -> None:
    """An interpreter without flowkit's environment measures nothing, and says which one can."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-S", "-m", program],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert "lacks modules" in line
    assert ": beartype, blake3, click and " in line
    assert f"`make {target}`" in line
    assert f"`.venv/bin/python -m {program}`" in line


def test_modules_that_flowkit_requires_are_looked_for() -> None:
    """No requirement of flowkit's is missing among those that an interpreter is asked for."""
    required = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    names = {re.split(r"[^\w-]", requirement)[0].replace("-", "_") for requirement in required}

    assert names <= set(MEASURING)


def test_interruption_keeps_whole_rounds(capsys: pytest.CaptureFixture[str]) -> None:
    """Ctrl-C ends with 130 and one line; what was measured is printed, but for the round that was broken off."""
    works = [pair("whole", OTHER), pair("cut", INTERRUPTS_LATER), pair("never", OTHER)]

    code = main(["--rounds", "2", "--json"], works)

    captured = capsys.readouterr()
    printed = json.loads(captured.out)
    assert code == 130
    assert captured.err.splitlines()[-1] == "interrupted"
    assert "Traceback" not in captured.err
    samples = {
        work["work"]: [len(variant["samples"]["wall"]) for variant in work["variants"]] for work in printed["works"]
    }
    assert samples == {"whole": [2, 2], "cut": [1, 1]}
    assert printed["interrupted"] is True


def test_interruption_before_any_round_prints_no_table(capsys: pytest.CaptureFixture[str]) -> None:
    """Where nothing was measured there is nothing to print."""
    code = main(["--rounds", "1"], [pair("cut", INTERRUPTS)])

    captured = capsys.readouterr()
    assert (code, captured.out) == (130, "")
    assert captured.err.splitlines()[-1] == "interrupted"


def test_interrupted_profile_ends_in_order(capsys: pytest.CaptureFixture[str]) -> None:
    """Ctrl-C during a profile is no traceback either; the profiles before it are printed."""
    works = [replace(pair(name, other), profiles=True) for name, other in (("whole", OTHER), ("cut", INTERRUPTS))]

    code = main(["--profile"], works)

    captured = capsys.readouterr()
    assert code == 130
    assert "whole, other" in captured.out
    assert captured.err == "interrupted\n"


def test_json_says_where_it_was_measured(capsys: pytest.CaptureFixture[str]) -> None:
    """The day, the cores and the versions are told; a work that is named twice is measured once."""
    code = main(["pair", "pair", "--rounds", "1", "--json"], [pair("pair", OTHER)])

    printed = json.loads(capsys.readouterr().out)
    assert code == 0
    assert [work["work"] for work in printed["works"]] == ["pair"]
    assert printed["machine"].keys() == {"measured", "cores", "python", "system"}
    assert printed["machine"]["python"] == platform.python_version()
    assert (printed["flowkit"], printed["interrupted"]) == (flowkit.__version__, False)


def test_table_says_how_ratios_are_taken(capsys: pytest.CaptureFixture[str]) -> None:
    """Below the table it stands what a ratio is; a target says whether it is the most or the least."""
    limits = (Limit("one", most=0.6, beside="other"), Limit("one", least=4, figure="size"))

    main(["--rounds", "1"], [replace(pair("pair", OTHER), limits=limits)])

    printed = capsys.readouterr().out
    assert "Ratios are medians of the ratios within each round" in printed
    assert ", target at most 0.6x\n" in printed
    assert printed.endswith(", target at least 4\n")


def test_list_says_what_figures_mean(capsys: pytest.CaptureFixture[str]) -> None:
    """`--list` names every work, and every figure that a target is about."""
    code = main(["--list"])

    works, figures = capsys.readouterr().out.split("\n\n")
    assert code == 0
    assert works.startswith("works\n")
    assert all(f"  {work.name} " in works and work.about in works for work in WORKS.values())
    told = [name for names in FIGURES for name in names.split(", ")]
    judged = {limit.figure for work in WORKS.values() for limit in work.limits} - {"wall", "cpu"}
    assert all(any(fnmatchcase(figure, pattern) for pattern in told) for figure in judged)
    assert all(f"  {names} " in figures for names in FIGURES)


@pytest.mark.cluster
@pytest.mark.slow
def test_works_compute_what_they_say() -> None:
    """Programs prove their results: sums, outcomes, and for reused runs that nothing heavy is imported.

    The works that take long are left to those who measure; what their programs share with these is proven here.
    """
    names = ["one-step", "reused-chain-100", "edited-1000"]
    done = run_benchmarks(*names, "--rounds", "1", "--no-warm-up", "--json")

    assert done.returncode == 0, done.stderr
    printed: dict[str, Any] = json.loads(done.stdout)
    assert [work["work"] for work in printed["works"]] == names
    assert all(variant["median"]["wall"] > 0 for work in printed["works"] for variant in work["variants"])
    assert all(target["reached"] is not None for work in printed["works"] for target in work["targets"])


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [
        ["large_store.py", "put", "2", "1"],
        ["large_lineage.py", "fill", "1500"],
    ],
)
def test_large_programs_work_where_little_is_asked(arguments: list[str], tmp_path: Path) -> None:
    """The programs of the largest works fill what they ask, and are given the right answers."""
    folder = make_project(tmp_path / "project")
    again = {"put": "get", "fill": "ask"}[arguments[1]]

    filled = run_once(Variant("fill", lambda _: python(*arguments)), folder)
    asked = run_once(Variant("ask", lambda _: python(arguments[0], again, *arguments[2:])), folder)

    told = {"put": {"put", "write", "get", "touch"}, "fill": {"database_mb", "chain_up_ms", "fan_down_ms"}}
    assert told[arguments[1]] <= {*filled, *asked}
