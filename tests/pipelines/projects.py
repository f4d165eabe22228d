"""The example pipelines run as a person runs them: in stores of their own, and in a copy of the project."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import flowkit as fk
from flowkit.authoring.pipeline import Pipeline
from flowkit.engine.report import RunReport
from flowkit.records import Outcome, RunStatus
from tests.commands import ROOT, spawn

CANONICAL = ("json", "path", "table")


def run_inline(pipeline: Pipeline[Any, Any], store: Path, **parameters: Any) -> fk.Run:
    """Run a pipeline in this process; values of the returned run are out of reach, its report is not."""
    with fk.Session(inline=True, store=store) as session:
        return session.run(pipeline, **parameters)


def make_refused(pipeline: Pipeline[Any, Any], place: Path, **parameters: Any) -> Path:
    """Return a store in which everything has run and the promotion was refused for these parameters."""
    report = run_inline(pipeline, place / "store", **parameters).report
    assert report.status is RunStatus.SUCCEEDED
    assert not report.promotions[0].accepted
    return place / "store"


def make_promoted(pipeline: Pipeline[Any, Any], refused: Path, place: Path) -> Path:
    """Return a copy of a store in which everything has run, where the model was promoted after all."""
    store = copy_store(refused, place)
    assert run_inline(pipeline, store).report.promotions[0].accepted
    return store


def copy_store(store: Path, place: Path) -> Path:
    """Return a copy of a store, to be changed freely."""
    return Path(shutil.copytree(store, place / "store"))


def copy_project(place: Path) -> Path:
    """Return a copy of the examples as a project to be edited freely, in which nothing may be read undeclared."""
    root = place / "project"
    shutil.copytree(ROOT / "pipelines", root / "pipelines", ignore=shutil.ignore_patterns("__pycache__"))
    (root / "pyproject.toml").write_text('[tool.flowkit]\nundeclared = "error"\n')
    return root


def edit(file: Path, old: str, new: str) -> None:
    """Replace a piece of a file that stands there exactly once."""
    text = file.read_text()
    assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {file.name}"
    file.write_text(text.replace(old, new))


def run_command(root: Path, target: str, store: Path, *options: str, hash_seed: int = 0) -> dict[str, Any]:
    """Run a target with the `flowkit` command in a project and return what `--json` prints."""
    done = spawn(root, "run", target, "--store", str(store), "--json", *options, PYTHONHASHSEED=str(hash_seed))
    assert done.returncode == 0, done.stdout + done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def nodes_that(report: RunReport, *outcomes: Outcome) -> set[str]:
    """Return the names of the nodes that ended in one of these ways."""
    return {node.node for node in report.nodes if node.outcome in outcomes}


def executed(report: RunReport) -> set[str]:
    """Return the names of the nodes that ran."""
    return nodes_that(report, Outcome.EXECUTED)


def steps_executed_in(printed: dict[str, Any]) -> set[str]:
    """Return the names of the steps that ran, of what `run --json` printed.

    Of nodes with one key, as a model that is judged beside itself, only one runs: which one is left open here.
    """
    return {node["step"] for node in printed["nodes"] if node["outcome"] == "executed"}


def digests_in(printed: dict[str, Any]) -> dict[str, list[str]]:
    """Return the digests of what each node gave, without pickled models, of what `run --json` printed."""
    return {
        node["node"]: [output["artifact"] for output in node["outputs"] if output["format"] in CANONICAL]
        for node in printed["nodes"]
    }


def failed_gates(report: RunReport) -> set[str]:
    """Return the gates of a run's only promotion that did not let it pass."""
    (promotion,) = report.promotions
    return {verdict.gate for verdict in promotion.gates if not verdict.passed}
