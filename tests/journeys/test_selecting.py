"""`--select` on real runs: what is wanted, and what that needs."""

from __future__ import annotations

from pathlib import Path

from tests.journeys.project import OrdersProject, Outcome

WATERMARK = """
from pathlib import Path

import flowkit as fk


@fk.step(cache=False)
def newest() -> int:
    return len(Path("inbox").read_text())


@fk.step
def load(mark: int) -> int:
    return mark * 10


@fk.step
def report(rows: int) -> str:
    return f"{rows} rows"


@fk.pipeline
def daily() -> None:
    report(load(newest()))
"""


def make(root: Path) -> OrdersProject:
    project = OrdersProject.make(root)
    (project.root / "pipelines" / "daily.py").write_text(WATERMARK)
    (project.root / "inbox").write_text("ab")
    return project


def run(project: OrdersProject, *arguments: str) -> Outcome:
    return project.flowkit("run", "pipelines/daily.py", "--json", "--inline", *arguments)


def test_a_selected_node_spares_the_uncached_steps_before_it(tmp_path: Path) -> None:
    """`--select report` takes what `newest` gave last; `--select +report` asks it again, as a whole run does."""
    project = make(tmp_path / "p")
    assert run(project).named("executed") == ["newest", "load", "report"]
    (project.root / "inbox").write_text("abc")

    spared = run(project, "--select", "report")
    asked = run(project, "--select", "+report")

    assert spared.named("executed") == []
    assert set(spared.nodes) == {"newest", "load", "report"}
    assert asked.named("executed") == ["newest", "load", "report"]


def test_an_uncached_step_without_a_result_runs_where_it_must(tmp_path: Path) -> None:
    """In a new store there is nothing to spare: what the selected node needs runs."""
    project = make(tmp_path / "p")

    assert run(project, "--select", "load").named("executed") == ["newest", "load"]
    assert "report" not in run(project, "--select", "load").nodes


def test_an_edited_uncached_step_is_not_spared(tmp_path: Path) -> None:
    """What it gave last was under another key: its code changed, so it must run."""
    project = make(tmp_path / "p")
    assert run(project).code == 0
    project.edit("pipelines/daily.py", "return len(", "return 1 + len(")

    assert run(project, "--select", "report").named("executed") == ["newest", "load", "report"]


def test_a_plan_spares_as_a_run_does(tmp_path: Path) -> None:
    """`plan --select` foretells it by the same decision."""
    project = make(tmp_path / "p")
    assert run(project).code == 0

    def forecast(selection: str) -> str:
        plan = project.flowkit("plan", "pipelines/daily.py", "--json", "--select", selection)
        return str(plan.nodes["newest"]["outcome"])

    assert forecast("report") == "reuse"
    assert forecast("+report") == "run"
