"""What a person wrote wrongly is refused before anything runs, and told in words that say what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.errors.cases_building import CALLS, HANDLES
from tests.errors.cases_edges import EDGES
from tests.errors.cases_steps import STEPS
from tests.errors.cases_targets import TARGETS
from tests.errors.golden import Case, call, compare

CASES = (*STEPS, *HANDLES, *CALLS, *EDGES, *TARGETS)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_definition_error_reads_as_its_golden_file(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The whole text of the command and its exit code are those of the golden file."""
    case.write(tmp_path)
    monkeypatch.chdir(tmp_path)
    compare(case, *call(case, tmp_path, capsys))
    assert not (tmp_path / ".flowkit").exists()
