"""Edits of code after which a step must run again: real files, and a process of its own for every run."""

from __future__ import annotations

import sys

import pytest

from tests.conformance import test_code_in_processes
from tests.conformance.code_project import CodeCase, Runs, firsts, numbers_tested, read_cases, run_edited

ALL = read_cases("bodies", "inside", "names", "wrappers", "classes", "objects", "unusual", "libraries")
EVERYDAY = firsts(ALL)
FURTHER = [case for case in ALL if case not in EVERYDAY]


@pytest.fixture(scope="module")
def everyday(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """Return the runs of one project with the first of every case."""
    return run_edited(tmp_path_factory.mktemp("cases"), EVERYDAY)


@pytest.fixture(scope="module")
def further(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """Return the runs of one project with all the others."""
    return run_edited(tmp_path_factory.mktemp("cases"), FURTHER, neighbours=False)


@pytest.mark.parametrize("case", EVERYDAY, ids=str)
def test_an_edit_of_reached_code_runs_the_step_again(everyday: Runs, case: CodeCase) -> None:
    """The edited step executes, for that reason, and gives what the new code gives; its neighbour is reused."""
    assert_missed(everyday, case)
    neighbour = f"{case.name}_control"
    outcomes = [nodes[neighbour]["outcome"] for nodes in (everyday.after, everyday.again)]
    assert outcomes == ["executed" if case.whole else "reused", "reused"]


@pytest.mark.slow
@pytest.mark.parametrize("case", FURTHER, ids=str)
def test_an_edit_is_found_however_it_is_reached(further: Runs, case: CodeCase) -> None:
    """The same holds for every other way that people write such code."""
    assert_missed(further, case)


def assert_missed(runs: Runs, case: CodeCase) -> None:
    """Check a case's step in all three runs."""
    before, after, again = (found[case.name] for found in (runs.before, runs.after, runs.again))
    assert before["outcome"] == "executed"
    assert before["reason"] == "new"
    assert (after["outcome"], after["reason"]) == ("executed", case.reason), after["detail"]
    assert case.says in after["detail"]
    assert (after["outputs"] == before["outputs"]) is case.same_result
    assert (again["outcome"], again["outputs"]) == ("reused", after["outputs"])


def test_every_case_of_code_is_tested() -> None:
    """The cases on code are those from 1 to 42, and each has a test that begins with its number."""
    assert numbers_tested(sys.modules[__name__], test_code_in_processes) == set(range(1, 43))
