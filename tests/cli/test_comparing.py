"""`diff`: what differs between two runs, and what does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Recorded
from tests.commands import Tell, edit, spawn

INLINE = "--inline"


def test_equal_runs_do_not_differ(tell: Tell, project: Path) -> None:
    """A run that reuses all of another one does not differ from it, and a run never differs from itself."""
    assert spawn(project, "run", "small", INLINE, "-q").returncode == 0
    assert spawn(project, "run", "small", INLINE, "-q").returncode == 0
    assert tell("diff", "last").out.splitlines()[1].startswith("nothing differs")
    compared = tell("diff", "last", "last", "--json").json()
    assert not any(compared[name] for name in ("facts", "parameters", "environment", "nodes", "promotions"))


def test_parameters_outcomes_metrics_and_promotions(ask: Tell, recorded_project: Recorded) -> None:
    """A run's parameters, how its nodes ended, what they measured and what was decided are compared."""
    refused = ask("diff", recorded_project.good, recorded_project.refused, "--json").json()
    assert refused["parameters"] == [
        {"name": "n", "before": "5", "after": "6"},
        {"name": "least", "before": "0.5", "after": "2.0"},
    ]
    nodes = {node["node"]: node for node in refused["nodes"]}
    assert nodes["evaluate"]["metrics"] == [{"name": "accuracy", "before": 0.6, "after": 0.9}]
    assert [change["name"] for change in nodes["load"]["changes"]] == ["n"]
    told = ask("diff", recorded_project.good, recorded_project.refused).out.splitlines()
    assert told[told.index("results") + 2].strip() == "[5]: absent → 5"
    (decided,) = refused["promotions"]
    assert (decided["before"]["accepted"], decided["after"]["accepted"]) == (True, False)
    failed = ask("diff", recorded_project.good, recorded_project.failed)
    assert "status  succeeded → failed" in failed.out
    assert "check  executed → failed" in failed.out
    assert "fit  executed → blocked" in failed.out


@pytest.mark.slow
def test_a_changed_helper_is_shown_once_with_all_that_reach_it(tell: Tell, project: Path) -> None:
    """Code is told by the function that changed, as a diff, with the nodes that reach it; the cause, not its echo."""
    assert spawn(project, "run", "small", INLINE, "-q").returncode == 0
    edit(project / "pipelines/small.py", "return sum(rows) * by", "return sum(rows) * by + 1")
    assert spawn(project, "run", "small", INLINE, "-q").returncode == 0
    text = tell("diff", "last").out
    assert text.count("    +    return sum(rows) * by + 1") == 1
    assert "pipelines.small:scale changed  (reached by scale[0], scale[1], scale[2])" in text
    assert "inputs" not in text
    assert "parameters" not in text


@pytest.mark.slow
def test_a_file_that_came_in_is_told_by_the_node_that_took_it(tell: Tell, project: Path) -> None:
    """Content that came from outside is an input of the run; what follows from it is a result."""
    assert spawn(project, "run", "small", INLINE, "-q").returncode == 0
    (project / "data.txt").write_text("other data\n")
    assert spawn(project, "run", "small", INLINE, "-q").returncode == 0
    lines = tell("diff", "last").out.splitlines()
    assert lines[lines.index("inputs") + 1].strip().startswith("load  file  ")
    assert "results" not in lines


@pytest.mark.slow
def test_the_columns_of_a_table_that_changed_are_named(tell: Tell, project: Path) -> None:
    """A table is compared by its manifest: rows, columns added, removed and changed, and dtypes."""
    path = project / "pipelines/frames.py"
    edit(path, '"name": ["x"] * rows', '"name": ["x"] * rows, "kept": 1.0, "gone": 2')
    assert spawn(project, "run", "frames", INLINE, "-q").returncode == 0
    edit(path, '"gone": 2', '"new": 2')
    edit(path, '"a": range(rows)', '"a": [0.5] * rows')
    assert spawn(project, "run", "frames", "-p", "rows=4", INLINE, "-q").returncode == 0
    nodes = tell("diff", "last", "--json").json()["nodes"]
    (output,) = next(node for node in nodes if node["node"] == "frame")["outputs"]
    table = output["table"]
    assert (table["rows_before"], table["rows_after"]) == (3, 4)
    assert (table["added"], table["removed"]) == (["new"], ["gone"])
    assert table["changed"] == ["a", "name", "kept"]
    assert table["dtypes"] == [{"name": "a", "before": "int64", "after": "float64"}]
    text = tell("diff", "last").out
    assert "columns changed: a, name, kept" in text
    assert "dtype of a: int64 → float64" in text


def test_the_first_run_has_nothing_before_it(ask: Tell, recorded_project: Recorded) -> None:
    """One RUN alone is compared with the run of its pipeline before it, and says where there is none."""
    assert ask("diff", recorded_project.failed).out.startswith(f"from run {recorded_project.refused} to run")
    answer = ask("diff", recorded_project.tables)
    assert answer.code == 2
    assert "There is no run of 'frames' before" in answer.err
