"""Looks back: runs, their nodes, and what went in and out of them."""

# ruff: noqa: S608  (queries are put together from the constants of this module only)

from __future__ import annotations

import json
from typing import TypeVar

from msgspec.structs import replace

from flowkit.errors import NotRecordedError
from flowkit.lineage.artifacts import load_outputs
from flowkit.lineage.liveness import is_driven
from flowkit.lineage.reader import Reader, Row
from flowkit.lineage.rows import (
    AuditRow,
    CodeRow,
    InputRow,
    MetricRow,
    NodeDetails,
    NodeRow,
    OutputRow,
    ParameterRow,
    RunRow,
)
from flowkit.lineage.tables import REUSED
from flowkit.lineage.texts import failure_from_json
from flowkit.lineage.views import IS_CALL
from flowkit.records import Output, RunRecord, RunStatus, RunSummary

T = TypeVar("T")

LAST = "last"
"""What stands for the run that began last."""

_LISTED = 10

_RUNS = """
    SELECT v.* FROM runs AS v
    JOIN run AS r ON r.run = v.run
    WHERE ? IS NULL OR r.pipeline = (SELECT id FROM word WHERE text = ?)
    ORDER BY r.id DESC
    LIMIT ?"""

_SUMMARY = """
    SELECT r.run, p.text, r.target, e.text, r.parameters, r.started, r.argv, r.git_commit, r.git_dirty, r.user, r.host,
        r.driver, s.text, r.exit_code, r.ended
    FROM run AS r
    JOIN word AS p ON p.id = r.pipeline
    JOIN word AS e ON e.id = r.env
    JOIN word AS s ON s.id = r.status
    WHERE {condition}"""

_ONE = _SUMMARY.format(condition="r.run = ?")

_DRIVEN = _SUMMARY.format(condition="s.text = ? AND r.driver LIKE ? ORDER BY r.id")

_LAST_STATUS = """
    SELECT s.text FROM run AS r JOIN word AS s ON s.id = r.status
    WHERE r.pipeline = (SELECT id FROM word WHERE text = ?) AND r.ended IS NOT NULL
    ORDER BY r.id DESC LIMIT 1"""

_DETAILS = f"""
    SELECT p.name, n.log, n.failure, iif(n.outcome = {REUSED}, m.run, NULL), iif(n.outcome = {REUSED}, q.name, NULL)
    FROM node AS n
    JOIN run AS r ON r.id = n.run
    JOIN pipeline_node AS p ON p.id = n.pipeline_node
    LEFT JOIN acceptance AS a ON a.execution = n.execution
    LEFT JOIN execution AS x ON x.id = ifnull(a.origin, n.execution)
    LEFT JOIN run AS m ON m.id = x.run
    LEFT JOIN pipeline_node AS q ON q.id = x.pipeline_node
    WHERE r.run = ? AND {IS_CALL}"""

_ALL_EXECUTIONS = """
    SELECT p.name, n.execution
    FROM node AS n
    JOIN run AS r ON r.id = n.run
    JOIN pipeline_node AS p ON p.id = n.pipeline_node
    WHERE r.run = ? AND n.execution IS NOT NULL"""

_EXECUTIONS = f"{_ALL_EXECUTIONS} AND {IS_CALL}"


def list_runs(reader: Reader, limit: int, pipeline: str | None = None) -> tuple[RunRow, ...]:
    """Return the runs that began last, the latest first; of one pipeline where it is named."""
    return tuple(RunRow(*row) for row in reader.select(_RUNS, (pipeline, pipeline, limit)))


def find_run(reader: Reader, text: str = LAST, pipeline: str | None = None) -> str:
    """Return the id of the run that `text` means: an id, the beginning of one, or `last`.

    Args:
        reader: The database.
        text: What a person wrote.
        pipeline: For `last`, the pipeline whose last run is meant; any where it is None.

    Raises:
        NotRecordedError: There is no such run, or more than one; it lists candidates.
    """
    if text == LAST:
        latest = list_runs(reader, 1, pipeline)
        if not latest:
            raise NotRecordedError.for_run(text, [row.run for row in list_runs(reader, _LISTED)])
        return latest[0].run
    if not text or not text.isascii():
        # The beginning of every id; or what begins none, and may be bytes that no text of SQLite's holds.
        raise NotRecordedError.for_run(text, [row.run for row in list_runs(reader, _LISTED)])
    # GLOB would treat brackets in what was typed as a pattern; a range over the unique index does not.
    found = [
        run
        for (run,) in reader.select(
            "SELECT run FROM run WHERE run >= ? AND substr(run, 1, ?) = ? ORDER BY run LIMIT ?",
            (text, len(text), text, _LISTED),
        )
    ]
    if text in found:
        return text
    if not found or not text:
        raise NotRecordedError.for_run(text, [row.run for row in list_runs(reader, _LISTED)])
    if len(found) > 1:
        raise NotRecordedError.for_ambiguous("run", text, found)
    return str(found[0])


def run_summary(reader: Reader, text: str = LAST) -> RunSummary:
    """Return the record of a run and how it ended: `crashed` where it is recorded as running and its driver is gone.

    Args:
        reader: The database.
        text: Its id, a unique prefix, or `last`.

    Raises:
        NotRecordedError: There is no such run, or more than one; it lists candidates.
    """
    (row,) = reader.select(_ONE, (find_run(reader, text),))
    summary = _as_summary(row)
    gone = summary.status is RunStatus.RUNNING and not is_driven(
        reader.path.parent / "runs", summary.record.run, summary.record.driver
    )
    return replace(summary, status=RunStatus.CRASHED) if gone else summary


def last_status(reader: Reader, pipeline: str) -> RunStatus | None:
    """Return how the last run of a pipeline that has ended did so; None where there is none."""
    return next((RunStatus(text) for (text,) in reader.select(_LAST_STATUS, (pipeline,))), None)


def find_driven_by(reader: Reader, pid: int) -> tuple[RunRecord, ...]:
    """Return the runs that are recorded as going on in processes of this number, on whatever machine."""
    rows = reader.select(_DRIVEN, (RunStatus.RUNNING, f"{pid}:%"))
    return tuple(_as_summary(row).record for row in rows)


def nodes_of(reader: Reader, run: str) -> tuple[NodeRow, ...]:
    """Return the nodes of a run, in the order in which its pipeline first recorded them.

    Args:
        reader: The database.
        run: Its full id, as `find_run` gives it.
    """
    rows = reader.select("SELECT * FROM nodes WHERE run = ?", (run,))
    return tuple(NodeRow(*row) for row in rows)


def details_of(reader: Reader, run: str) -> dict[str, NodeDetails]:
    """Return logs, failures and origins of a run's nodes, by node."""
    return {
        name: NodeDetails(name, log, failure_from_json(failure) if failure else None, from_run, from_node)
        for name, log, failure, from_run, from_node in reader.select(_DETAILS, (run,))
    }


def artifacts_of(reader: Reader, run: str, *, elements: bool = False) -> dict[str, tuple[Output, ...]]:
    """Return the outputs of a run's nodes with their artifacts, by node; of reused nodes too.

    Args:
        reader: The database.
        run: The run's full id.
        elements: Whether to add what takes lists apart, whose outputs are the lists' elements.
    """
    with reader.at_one_moment():
        rows = reader.select(_ALL_EXECUTIONS if elements else _EXECUTIONS, (run,))
        outputs = load_outputs(reader, list(dict.fromkeys(execution for _, execution in rows)))
    return {name: outputs[execution] for name, execution in rows}


def inputs_of(reader: Reader, run: str, node: str | None = None) -> tuple[InputRow, ...]:
    """Return the inputs of a run's nodes, or of one of them."""
    return _of_node(reader, "node_inputs", InputRow, run, node)


def outputs_of(reader: Reader, run: str, node: str | None = None) -> tuple[OutputRow, ...]:
    """Return the outputs of a run's nodes, or of one of them."""
    return _of_node(reader, "node_outputs", OutputRow, run, node)


def parameters_of(reader: Reader, run: str, node: str | None = None) -> tuple[ParameterRow, ...]:
    """Return the arguments of a run's nodes, or of one of them."""
    return _of_node(reader, "parameters", ParameterRow, run, node)


def metrics_of(reader: Reader, run: str, node: str | None = None) -> tuple[MetricRow, ...]:
    """Return the metrics of a run's nodes, or of one of them."""
    return _of_node(reader, "metrics", MetricRow, run, node)


def code_of(reader: Reader, run: str, node: str | None = None) -> tuple[CodeRow, ...]:
    """Return the code that a run's nodes reach, or that one of them does."""
    return _of_node(reader, "code", CodeRow, run, node)


def list_audit(reader: Reader, limit: int = -1) -> tuple[AuditRow, ...]:
    """Return the audit log, the oldest first; only the last `limit` rows where it is not negative."""
    rows = reader.select(
        "SELECT * FROM (SELECT * FROM audit ORDER BY sequence DESC LIMIT ?) ORDER BY sequence", (limit,)
    )
    return tuple(AuditRow(*row) for row in rows)


def _of_node(reader: Reader, view: str, row_type: type[T], run: str, node: str | None) -> tuple[T, ...]:
    rows = reader.select(f"SELECT * FROM {view} WHERE run = ? AND (? IS NULL OR node = ?)", (run, node, node))
    return tuple(row_type(*row) for row in rows)


def _as_summary(row: Row) -> RunSummary:
    run, pipeline, target, env, parameters, started, argv, commit, dirty, user, host, driver, status, code, ended = row
    record = RunRecord(
        run=run,
        pipeline=pipeline,
        target=target,
        env=env,
        parameters=tuple((name, value) for name, value in json.loads(parameters)),
        started=started,
        argv=tuple(json.loads(argv)),
        git_commit=commit,
        git_dirty=None if dirty is None else bool(dirty),
        user=user,
        host=host,
        driver=driver,
    )
    return RunSummary(record, RunStatus(status), code, None if ended is None else ended - started)
