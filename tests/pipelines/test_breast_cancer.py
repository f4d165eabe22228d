"""The breast-cancer example from its measurements to its promotion, and what reruns when something is changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from sklearn.pipeline import Pipeline

import flowkit as fk
from flowkit.records import FailureKind, Outcome, RunStatus
from pipelines import breast_cancer as example
from pipelines.breast_cancer import breast_cancer
from tests.pipelines.projects import (
    copy_project,
    copy_store,
    edit,
    executed,
    failed_gates,
    make_promoted,
    make_refused,
    nodes_that,
    run_command,
    run_inline,
    steps_executed_in,
)

TARGET = "pipelines/breast_cancer.py"
OUT_OF_REACH = 1.01
TRAINED = {f"train[{index}]" for index in range(4)}


@fk.step
def train_blindly(rows: example.Examples) -> Pipeline:
    """Learn the opposite of what the rows say."""
    return example.train(rows.assign(malignant=1 - rows["malignant"]))


@fk.pipeline
def blind(min_accuracy: float = 0.0) -> None:
    """Judge a model that has learnt the opposite by the gate that compares, and by no other."""
    parts = example.split(example.build_features(example.validate(example.ingest())))
    champion = fk.champion("breast_cancer", Pipeline)
    model = train_blindly(parts.train)
    fk.promote(
        model,
        to="breast_cancer@champion",
        metrics=example.evaluate(model, parts.test),
        baseline=example.evaluate(champion, parts.test),
        gates=[fk.at_least("accuracy", min_accuracy), fk.no_worse_than("roc_auc", tolerance=0.005)],
    )


@fk.step
def swap_radii(raw: pd.DataFrame) -> pd.DataFrame:
    """Make the worst radius of every tumour the smaller one."""
    return raw.rename(columns={"mean_radius": "worst_radius", "worst_radius": "mean_radius"})


@fk.pipeline
def spoilt() -> None:
    """Let measurements that break the contract meet it."""
    example.build_features(example.validate(swap_radii(example.ingest())))


@pytest.fixture(scope="module")
def refused(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a store in which everything has run and the promotion was refused."""
    return make_refused(breast_cancer, tmp_path_factory.mktemp("refused"), min_accuracy=OUT_OF_REACH)


@pytest.fixture(scope="module")
def promoted(refused: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a store in which everything has run and the model was promoted."""
    return make_promoted(breast_cancer, refused, tmp_path_factory.mktemp("promoted"))


def test_model_beats_the_majority_and_is_promoted(refused: Path, tmp_path: Path) -> None:
    """A refused candidate whose gates are met in a later run is promoted then, and nothing else runs for it."""
    store = copy_store(refused, tmp_path)
    with fk.Session(inline=True, store=store) as session:
        run = session.run(breast_cancer)
        metrics = run["evaluate"].value()

    assert executed(run.report) == {"promote"}
    assert metrics["accuracy"] > metrics["majority"] + 0.2
    assert metrics["recall"] >= 0.85
    assert metrics["roc_auc"] > 0.97
    assert run.report.promotions[0].accepted
    assert failed_gates(run.report) == set()


@pytest.mark.parametrize(
    ("parameters", "gates"),
    [
        ({"min_accuracy": OUT_OF_REACH}, {f"accuracy >= {OUT_OF_REACH}"}),
        ({"min_recall": OUT_OF_REACH}, {f"recall >= {OUT_OF_REACH}"}),
    ],
)
def test_absolute_gate_refuses_alone(
    parameters: dict[str, Any], gates: set[str], refused: Path, tmp_path: Path
) -> None:
    """A model that misses one absolute gate is refused for that gate; the run succeeds and there is no champion."""
    store = copy_store(refused, tmp_path)

    report = run_inline(breast_cancer, store, **parameters).report

    assert failed_gates(report) == gates
    assert not report.promotions[0].accepted
    assert (report.status, report.exit_code) == (RunStatus.SUCCEEDED, 0)
    again = run_inline(breast_cancer, store, **parameters).report
    assert nodes_that(again, Outcome.SKIPPED) == {"champion", "evaluate#2"}


def test_comparing_gate_refuses_a_worse_model(promoted: Path, tmp_path: Path) -> None:
    """A model that is worse than the champion on the same rows is refused, and the champion stays."""
    store = copy_store(promoted, tmp_path)

    report = run_inline(blind, store).report

    assert executed(report) == {"train_blindly", "evaluate", "promote"}
    assert failed_gates(report) == {"roc_auc >= champion - 0.005"}
    assert not report.promotions[0].accepted
    assert run_inline(breast_cancer, store).report.promotions[0].version == 1


def test_second_run_reuses_everything(promoted: Path, tmp_path: Path) -> None:
    """Where nothing has changed nothing runs, the promotion included."""
    report = run_inline(breast_cancer, copy_store(promoted, tmp_path)).report

    assert nodes_that(report, Outcome.REUSED) == {node.node for node in report.nodes}


def test_seed_reruns_what_it_reaches(promoted: Path, tmp_path: Path) -> None:
    """Another seed draws other parts: what comes before the split is reused, all that comes after runs."""
    report = run_inline(breast_cancer, copy_store(promoted, tmp_path), seed=1).report

    assert executed(report) == {"split", *TRAINED, "pick_best", "evaluate", "evaluate#2", "promote"}


def test_gate_of_a_champion_reruns_nothing(promoted: Path, tmp_path: Path) -> None:
    """A gate is no input of a step, and what the alias holds already is not judged again."""
    report = run_inline(breast_cancer, copy_store(promoted, tmp_path), min_recall=OUT_OF_REACH).report

    assert executed(report) == set()


def test_contract_refuses_impossible_measurements(tmp_path: Path) -> None:
    """Rows that break a check over columns fail the step that promises it; what needs them is blocked."""
    report = run_inline(spoilt, tmp_path / "store").report

    assert nodes_that(report, Outcome.FAILED) == {"validate"}
    assert nodes_that(report, Outcome.BLOCKED) == {"build_features"}
    failure = next(node.error for node in report.nodes if node.node == "validate")
    assert failure is not None
    assert failure.kind is FailureKind.CONTRACT
    assert "worst_is_at_least_mean" in str(failure)


@pytest.mark.slow
def test_moved_project_reuses_everything(promoted: Path, tmp_path: Path) -> None:
    """Where a project lies does not count: a copy of it elsewhere finds everything in the store."""
    printed = run_command(copy_project(tmp_path), TARGET, copy_store(promoted, tmp_path), "--inline")

    assert steps_executed_in(printed) == set()


def test_edited_helper_reruns_its_steps(promoted: Path, tmp_path: Path) -> None:
    """A helper counts as the code of every step that calls it; steps that do not are reused."""
    root = copy_project(tmp_path)
    edit(
        root / TARGET, '"recall": float(recall_score(truth, guess))', '"recall": float(recall_score(truth, guess)) / 2'
    )

    printed = run_command(root, TARGET, copy_store(promoted, tmp_path), "--inline")

    # Whether pickle gives the bytes of the same model again, and so leaves the promotion alone, is another matter.
    assert steps_executed_in(printed) - {"promote"} == {"pick_best", "evaluate"}
    picked = next(node for node in printed["nodes"] if node["node"] == "pick_best")
    assert picked["reason"] == "code"
    assert "score" in picked["detail"]


@pytest.mark.slow
def test_reformatted_step_reruns_nothing(promoted: Path, tmp_path: Path) -> None:
    """Layout, comments and docstrings are no code."""
    root = copy_project(tmp_path)
    edit(
        root / TARGET,
        "    shuffled = rows.sample(frac=1.0, ",
        "    # Shuffled first.\n    shuffled = rows.sample(\n        frac=1.0, ",
    )
    edit(root / TARGET, '"""Read the bundled measurements, one row a tumour."""', '"""Read."""')

    printed = run_command(root, TARGET, copy_store(promoted, tmp_path), "--inline")

    assert steps_executed_in(printed) == set()
