"""The digits example: its gates, its baselines, what reruns when something is changed, and that it is deterministic."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import flowkit as fk
from flowkit.records import FailureKind, Outcome, RunStatus
from pipelines.digits import digits
from pipelines.digits_steps import data, features, models, reports
from tests.pipelines.projects import (
    copy_project,
    copy_store,
    digests_in,
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

TARGET = "pipelines/digits.py"
STEPS = "pipelines/digits_steps"
OUT_OF_REACH = 1.01

MEASURED = {"measure_projections", "measure_zones", "measure_symmetry", "measure_edges", "measure_holes"}
TRAINED = {
    f"train_{family}[{index}]"
    for family, settings in {"linear": 3, "neighbours": 3, "bayes": 3, "trees": 2}.items()
    for index in range(settings)
}
SCORED = {f"measure_accuracy[{index}]" for index in range(3)} | {
    f"measure_accuracy#{call}[{index}]" for call, settings in ((2, 3), (3, 3), (4, 2)) for index in range(settings)
}
BASELINES = {"train_majority", "train_centroid", "majority_accuracy", "centroid_accuracy"}
JUDGED = {"evaluate", "count_confusions", "list_mistakes", "measure_reliability", "write_report"}
AFTER_SPLIT = TRAINED | SCORED | BASELINES | JUDGED | {"rank_candidates", "choose", "calibrate", "promote"}


@fk.pipeline
def crippled() -> None:
    """Judge the majority as if it were a candidate, by the gate that compares and by no other."""
    scans = data.validate(data.ingest())
    examples = features.join_features(
        scans,
        features.measure_projections(scans),
        features.measure_zones(scans),
        features.measure_symmetry(scans),
        features.measure_edges(scans),
        features.measure_holes(scans),
    )
    parts = data.split(examples, data.assign_parts(scans))
    baselines = [models.train_majority(parts.train), models.train_centroid(parts.train)]
    model = models.calibrate(baselines[0], parts.validation)
    champion = fk.champion("digits", models.CalibratedModel)
    fk.promote(
        model,
        to="digits@champion",
        metrics=reports.evaluate(model, parts.test, baselines),
        baseline=reports.evaluate(champion, parts.test, baselines),
        gates=[fk.at_least("accuracy", 0.0), fk.no_worse_than("accuracy", tolerance=0.01)],
    )


@fk.step
def blank_first(raw: pd.DataFrame) -> pd.DataFrame:
    """Wipe the first scan."""
    blank = raw.copy()
    blank.loc[0, data.PIXELS] = 0.0
    return blank


@fk.step
def lose_corner(raw: pd.DataFrame) -> pd.DataFrame:
    """Leave out one column of pixels, which a pattern of names does not notice."""
    return raw.drop(columns="r0c0")


@fk.pipeline
def spoilt(lost: bool = False) -> None:
    """Let scans that break the contract meet it."""
    raw = data.ingest()
    features.measure_edges(data.validate(lose_corner(raw) if lost else blank_first(raw)))


@pytest.fixture(scope="module")
def refused(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a store in which everything has run and the promotion was refused."""
    return make_refused(digits, tmp_path_factory.mktemp("refused"), min_accuracy=OUT_OF_REACH)


@pytest.fixture(scope="module")
def promoted(refused: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a store in which everything has run and the model was promoted."""
    return make_promoted(digits, refused, tmp_path_factory.mktemp("promoted"))


class TestModel:
    def test_model_beats_both_baselines(self, refused: Path, tmp_path: Path) -> None:
        """The chosen model reads more digits right than the majority and the nearest mean, and each digit well."""
        with fk.Session(inline=True, store=copy_store(refused, tmp_path)) as session:
            run = session.run(digits)
            metrics = run["evaluate"].value()
            majority, centroid = run["majority_accuracy"].value(), run["centroid_accuracy"].value()

        assert executed(run.report) == {"promote"}
        assert run.report.promotions[0].accepted
        assert majority < centroid < metrics["accuracy"]
        assert metrics["lift"] == pytest.approx(metrics["accuracy"] - centroid)
        assert min(metrics[f"recall_{digit}"] for digit in data.DIGITS) >= 0.8

    def test_report_tells_what_was_found(self, promoted: Path, tmp_path: Path) -> None:
        """The report is a text with every section, and the accuracy that was judged stands in it."""
        with fk.Session(inline=True, store=copy_store(promoted, tmp_path)) as session:
            run = session.run(digits)
            text = run["write_report"].value().read_text()
            metrics = run["evaluate"].value()

        assert f"accuracy            {metrics['accuracy']:.4f}" in text
        for title in ("Baselines, accuracy", "Candidates on", "Most frequent confusions", "Surest", "Reliability"):
            assert title in text

    def test_ranking_holds_every_candidate(self, promoted: Path, tmp_path: Path) -> None:
        """What the mapped steps gave comes back in order, so each score stands beside its own setting."""
        with fk.Session(inline=True, store=copy_store(promoted, tmp_path)) as session:
            run = session.run(digits)
            ranking = run["rank_candidates"].value()
            scores = run["measure_accuracy#4"].value()

        trees = ranking[ranking["family"] == "trees"].sort_values("position")
        assert trees["setting"].tolist() == [50, 150]
        assert trees["accuracy"].tolist() == scores
        assert len(ranking) == len(TRAINED)
        assert ranking["accuracy"].is_monotonic_decreasing


class TestGates:
    @pytest.mark.parametrize(
        ("parameters", "gates"),
        [
            ({"min_accuracy": OUT_OF_REACH}, {"accuracy >= 1.01"}),
            ({"min_recall": OUT_OF_REACH}, {f"recall_{digit} >= 1.01" for digit in range(10)}),
            ({"min_lift": 0.5}, {"lift >= 0.5"}),
            ({"max_calibration_error": 0.0}, {"calibration_error <= 0.0"}),
        ],
        ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
    )
    def test_absolute_gate_refuses_alone(
        self, parameters: dict[str, Any], gates: set[str], refused: Path, tmp_path: Path
    ) -> None:
        """A model that misses a gate is refused for that gate alone; the run succeeds and there is no champion."""
        store = copy_store(refused, tmp_path)

        report = run_inline(digits, store, **parameters).report

        assert failed_gates(report) == gates
        assert not report.promotions[0].accepted
        assert (report.status, report.exit_code) == (RunStatus.SUCCEEDED, 0)
        again = run_inline(digits, store, **parameters).report
        assert nodes_that(again, Outcome.SKIPPED) == {"champion", "evaluate#2"}

    def test_comparing_gate_refuses_a_worse_model(self, promoted: Path, tmp_path: Path) -> None:
        """A model that reads fewer digits than the champion, on the same rows, is refused, and the champion stays."""
        store = copy_store(promoted, tmp_path)

        report = run_inline(crippled, store).report

        assert executed(report) == {"calibrate", "evaluate", "promote"}
        assert failed_gates(report) == {"accuracy >= champion - 0.01"}
        (promotion,) = report.promotions
        verdict = promotion.gates[1]
        assert verdict.observed == pytest.approx(0.1, abs=0.02)
        assert verdict.required == pytest.approx(0.95, abs=0.03)
        assert run_inline(digits, store).report.promotions[0].version == 1


class TestReuse:
    def test_second_run_reuses_everything(self, promoted: Path, tmp_path: Path) -> None:
        """Where nothing has changed nothing runs, the promotion included."""
        report = run_inline(digits, copy_store(promoted, tmp_path)).report

        assert nodes_that(report, Outcome.REUSED) == {node.node for node in report.nodes}

    @pytest.mark.parametrize(
        ("parameters", "ran"),
        [
            ({"bins": 5}, {"measure_reliability", "write_report"}),
            ({"min_recall": OUT_OF_REACH, "min_lift": 0.5}, set()),
            pytest.param({"seed": 1}, AFTER_SPLIT | {"assign_parts", "split", "evaluate#2"}, marks=pytest.mark.slow),
            pytest.param(
                {"darkness": 0.5},
                AFTER_SPLIT | {"measure_holes", "join_features", "split", "evaluate#2"},
                marks=pytest.mark.slow,
            ),
        ],
        ids=["bins", "gates", "seed", "darkness"],
    )
    def test_parameter_reruns_what_it_reaches(
        self, parameters: dict[str, Any], ran: set[str], promoted: Path, tmp_path: Path
    ) -> None:
        """A changed parameter reruns the steps that it reaches and no other."""
        report = run_inline(digits, copy_store(promoted, tmp_path), **parameters).report

        assert executed(report) == ran
        assert report.status is RunStatus.SUCCEEDED

    @pytest.mark.parametrize(
        ("file", "old", "new", "ran"),
        [
            # A helper of a helper; what it gives stays the same, so the wave stops behind its step.
            ("features.py", "grown &= inside", "grown = grown & inside", {"measure_holes"}),
            # A helper that one step calls: its value changes, the model that the alias holds does not.
            (
                "reports.py",
                'return float(np.average(distance, weights=reliability["scans"]))',
                "return float(distance.mean())",
                {"evaluate", "write_report"},
            ),
            # A constant that a step reads.
            pytest.param("reports.py", "MOST_LISTED = 8", "MOST_LISTED = 3", {"write_report"}, marks=pytest.mark.long),
            # A function that every step of features calls, written differently.
            pytest.param(
                "data.py",
                ".reshape(-1, SIDE, SIDE) / DARKEST",
                ".reshape((-1, SIDE, SIDE)) / DARKEST",
                MEASURED,
                marks=pytest.mark.long,
            ),
            # Layout and comments.
            pytest.param(
                "models.py",
                "return fit(rows, StandardScaler(), NearestCentroid())",
                "return fit(  # Nearest.\n        rows, StandardScaler(), NearestCentroid(),\n    )",
                set(),
                marks=pytest.mark.long,
            ),
        ],
        ids=["helper-of-helper", "helper", "constant", "shared-helper", "layout"],
    )
    @pytest.mark.slow
    def test_edit_reruns_what_it_reaches(
        self, file: str, old: str, new: str, ran: set[str], promoted: Path, tmp_path: Path
    ) -> None:
        """An edit in any module reruns the steps whose code reaches it, and stops where results come out the same."""
        root = copy_project(tmp_path)
        edit(root / STEPS / file, old, new)

        printed = run_command(root, TARGET, copy_store(promoted, tmp_path), "--inline")

        assert steps_executed_in(printed) == ran


class TestDeterminism:
    @pytest.mark.long
    @pytest.mark.cluster
    @pytest.mark.slow
    def test_results_do_not_depend_on_where_they_are_made(self, tmp_path: Path) -> None:
        """Two processes with other hash seeds, one with workers, give the same; a third one, without, reuses it all."""
        root = copy_project(tmp_path)

        inline = run_command(root, TARGET, tmp_path / "inline", "--inline", hash_seed=1)
        workers = run_command(root, TARGET, tmp_path / "workers", "--workers", "2", hash_seed=2)

        again = run_command(root, TARGET, tmp_path / "workers", "--inline", hash_seed=3)

        assert steps_executed_in(again) == set()
        assert inline["warnings"] == workers["warnings"] == again["warnings"] == []
        assert digests_in(inline) == digests_in(workers)
        assert len(digests_in(inline)["write_report"]) == 1


class TestContracts:
    @pytest.mark.parametrize(("lost", "check"), [(False, "shows_ink"), (True, "has_all_pixels")])
    def test_contract_refuses_spoilt_scans(self, lost: bool, check: str, tmp_path: Path) -> None:
        """Scans that break a check over columns fail the step that promises it, naming the check."""
        report = run_inline(spoilt, tmp_path / "store", lost=lost).report

        assert nodes_that(report, Outcome.FAILED) == {"validate"}
        assert nodes_that(report, Outcome.BLOCKED) == {"measure_edges"}
        failure = next(node.error for node in report.nodes if node.node == "validate")
        assert failure is not None
        assert failure.kind is FailureKind.CONTRACT
        assert check in str(failure)
