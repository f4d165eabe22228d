"""Data and parameters: what must run again when one of them differs, and that nothing else does."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conformance.data_project import make_edited
from tests.conformance.data_rewirings import REWIRINGS, Rewiring
from tests.conformance.data_tables import PARAMETERS, VALUES, Difference
from tests.journeys.project import Outcome


@pytest.fixture(scope="module")
def edited(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """Return what the run did that came after all edits."""
    return make_edited(tmp_path_factory.mktemp("data") / "project")


def _did(edited: Outcome, node: str) -> tuple[Any, Any]:
    found = edited.nodes[node]
    return found["outcome"], found["reason"]


@pytest.mark.parametrize(("n", "case"), list(enumerate(VALUES)), ids=[case.label for case in VALUES])
def test_another_value_runs_its_consumer(edited: Outcome, n: int, case: Difference) -> None:
    """A consumer runs for `input` where its producer gives another value, and not where that gives the same again."""
    assert _did(edited, f"make_{n}") == ("executed", "code")
    assert _did(edited, f"take_{n}") == ("executed", "input")
    assert _did(edited, f"make_same_{n}") == ("executed", "code")
    assert _did(edited, f"take_same_{n}") == ("reused", None)


@pytest.mark.parametrize(("n", "case"), list(enumerate(PARAMETERS)), ids=[case.label for case in PARAMETERS])
def test_another_parameter_runs_its_step(edited: Outcome, n: int, case: Difference) -> None:
    """A step runs where it is called with another value, and not where it is called with the same."""
    assert _did(edited, f"keep_{n}") == ("executed", case.reason)
    assert _did(edited, f"keep_same_{n}") == ("reused", None)


@pytest.mark.parametrize("case", REWIRINGS, ids=[case.label for case in REWIRINGS])
def test_another_file_or_wiring_runs_what_it_reaches(edited: Outcome, case: Rewiring) -> None:
    """A changed file, folder, link, seed or producer runs exactly the steps that depend on it."""
    assert {name: _did(edited, name) for name in case.runs} == {
        name: ("executed", reason) for name, reason in case.runs.items()
    }
    assert {name: _did(edited, name)[0] for name in case.rests} == dict.fromkeys(case.rests, "reused")
