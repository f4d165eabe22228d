"""Random pipelines with random edits: an incremental run equals a clean one, and executes only what it must."""

from __future__ import annotations

import importlib
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, note, seed, settings
from hypothesis import strategies as st

import flowkit as fk
from flowkit.project import Project
from flowkit.records import RunStatus
from tests.conformance.programs.choices import Choices
from tests.conformance.programs.dags import Dag, Expected, Known, draw_dag, edit, expect
from tests.conformance.programs.trial import write
from tests.conformance.scale import shards

SEQUENCES = 150
SHARD = 25
EDITS_EACH = 4

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


@pytest.mark.parametrize(("first_seed", "count"), shards(SEQUENCES, SHARD))
def test_an_incremental_run_equals_a_clean_run(first_seed: int, count: int) -> None:
    """After every edit all values are those of a run in an empty store, and what executed is what had to.

    Going back to what ran before executes nothing that was cached.
    """

    @seed(first_seed)
    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        report_multiple_bugs=False,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @given(data=st.data())
    def over_sequences(data: st.DataObject) -> None:
        c = Choices(data.draw)
        with tempfile.TemporaryDirectory(prefix="dag") as folder:
            _run_sequence(c, Path(folder))

    over_sequences()


def _run_sequence(c: Choices, root: Path) -> None:
    write(root / "pyproject.toml", "[tool.flowkit]\n")
    first = dag = draw_dag(c)
    known: Known = set()
    what = "at first"
    steps = [("edited", None)] * EDITS_EACH + [("as at first", first)]
    with fk.Session(store=root / "kept", inline=True, project=Project(root), durable=False) as session:
        for number, (name, back) in enumerate([("at first", first), *steps]):
            if back is not None:
                what, dag = name, back
            elif number:
                what, dag = edit(c, dag)
            note(f"## {what}, with {dag.parameters}\n{dag.text()}")
            expected = expect(dag, known)
            run = _run(session, root, dag)
            _check(run, expected, what)
            with fk.Session(store=root / f"clean{number}", inline=True, project=Project(root), durable=False) as clean:
                assert _values(_run(clean, root, dag)) == _values(run), f"another value in an empty store: {what}"


def _run(session: fk.Session, root: Path, dag: Dag) -> fk.Run:
    """Import the pipeline as it is now, and run it."""
    write(root / "dag.py", dag.text())
    sys.modules.pop("dag", None)
    sys.path.insert(0, str(root))
    importlib.invalidate_caches()
    # An edit within the same second that keeps the size would be hidden by what the import before it compiled.
    monkeypatch = pytest.MonkeyPatch()
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    try:
        module = importlib.import_module("dag")
        return session.run(module.flow, **dag.parameters)
    finally:
        monkeypatch.undo()
        sys.path.remove(str(root))
        sys.path_importer_cache.pop(str(root), None)
        sys.modules.pop("dag", None)


def _check(run: fk.Run, expected: Expected, what: str) -> None:
    assert run.status is RunStatus.SUCCEEDED, what
    outcomes: dict[str, set[str]] = {"executed": set(), "reused": set(), "skipped": set()}
    for node in run.report.nodes:
        if node.node not in expected.alike:
            outcomes[node.outcome.value].add(node.node)
    assert outcomes["executed"] == expected.executed, f"{what}: what executed is not what had to"
    assert outcomes["reused"] == expected.reused, f"{what}: what was reused is not what could be"
    assert outcomes["skipped"] == expected.skipped, what
    assert _values(run) == {name: repr(value) for name, value in expected.values.items()}, f"{what}: wrong values"


def _values(run: fk.Run) -> dict[str, str]:
    return {
        node.node: repr(_value(run, node.node, node.index))
        for node in run.report.nodes
        if node.outcome.value in ("executed", "reused")
    }


def _value(run: fk.Run, name: str, index: int | None) -> Any:
    return run[name].value() if index is None else run[name.partition("[")[0], index].value()
