"""A step called plainly, the pipeline run, and a gate that refuses."""

import flowkit as fk
import numpy as np
import pandas as pd
from flowkit.testing import PipelineRunner, assert_deterministic

from pipelines.diabetes import FEATURES, diabetes, load, split, train


def some_rows() -> pd.DataFrame:
    """Return twenty people whose progression follows from their bmi alone."""
    bmi = np.linspace(-0.1, 0.1, 20)
    rows = pd.DataFrame(0.0, index=range(20), columns=FEATURES)
    return rows.assign(bmi=bmi, target=150 + 500 * bmi)


def test_split_loses_nobody() -> None:
    """A step is a function: called here, it is just called."""
    rows = some_rows()
    train_rows, test_rows = split(rows)
    assert len(train_rows) == 16
    assert sorted([*train_rows.index, *test_rows.index]) == list(rows.index)


def test_training_is_deterministic() -> None:
    """What changes by itself would be trained anew for nothing."""
    assert_deterministic(train, some_rows(), alpha=1.0)


def test_the_pipeline_beats_the_baseline(flowkit_run: PipelineRunner) -> None:
    """The whole pipeline, in a store of its own; a second run reuses it all."""
    run = flowkit_run(diabetes)
    metrics = run["evaluate"].value()
    assert metrics["error"] < 0.9 * metrics["baseline"]
    assert run["promote"].value().accepted
    assert flowkit_run(diabetes).executed == []


def test_a_parameter_reruns_only_what_takes_it(flowkit_run: PipelineRunner) -> None:
    """Loading and splitting do not depend on alpha."""
    flowkit_run(diabetes)
    again = flowkit_run(diabetes, alpha=1.0)
    assert again.reused == ["load", "split"]
    assert again.executed == ["train", "evaluate", "promote"]


def test_a_model_no_better_than_the_baseline_is_refused(
    flowkit_run: PipelineRunner,
) -> None:
    """The gate reads the metrics: given bad ones, it refuses."""
    bad = fk.Metrics(error=80.0, baseline=80.0, share=1.0)
    run = flowkit_run(diabetes, given={"load": some_rows(), "evaluate": bad})
    assert run.status == "succeeded"
    assert not run["promote"].value().accepted


def test_a_broken_table_stops_at_the_contract(flowkit_run: PipelineRunner) -> None:
    """What `load` gives must be what `Patient` says."""
    run = flowkit_run(diabetes, given={"load": load().assign(target=-1.0)})
    assert run.failed == ["load"]
