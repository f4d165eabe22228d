from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from flowkit.authoring.gates import at_least, no_worse_than
from flowkit.errors import GateError, NotRecordedError, PromotionError, RegistryError
from flowkit.lineage.history import list_audit
from flowkit.lineage.reader import Reader
from flowkit.lineage.writer import LineageWriter
from flowkit.registry.byhand import promote_by_hand, retire, rollback
from flowkit.registry.gates import ITSELF, NO_CHAMPION, RECORDED
from flowkit.registry.models import (
    champion,
    list_aliases,
    list_models,
    promotions_of,
    resolve,
    show_version,
)
from flowkit.registry.promote import DRY_RUN, Candidate, Decision, promote
from flowkit.registry.references import parse_reference
from tests.lineage.samples import make_blob, make_execution, make_node, make_run

GATES = (at_least("accuracy", 0.8), no_worse_than("accuracy", tolerance=0.01))


def offer(writer: LineageWriter, model: str, accuracy: float, *, dry_run: bool = False, **more: Any) -> Decision:
    """Promote the artifact called `model` to `taxi@champion`."""
    values = {"alias": "champion", "metrics": {"accuracy": accuracy}, "gates": GATES} | more
    candidate = Candidate("taxi", artifact=make_blob(model), **values)
    return promote(writer, candidate, run="run-1", node="promote", who="ada", dry_run=dry_run)


def state_of(database: Path) -> tuple[dict[int, str], dict[str, int]]:
    with Reader(database) as reader:
        return (
            {row.version: row.state for row in list_models(reader)},
            {row.alias: row.version for row in list_aliases(reader)},
        )


def count_audit(database: Path) -> int:
    with Reader(database) as reader:
        return len(list_audit(reader))


def test_a_first_candidate_that_passes_becomes_the_champion(writer: LineageWriter, database: Path) -> None:
    """Where there is no champion the comparing gate passes and says so; version, alias and audit row are there."""
    decision = offer(writer, "a", 0.9)

    promotion = decision.promotion
    assert (promotion.version, promotion.accepted, promotion.reason, decision.reused) == (1, True, None, False)
    assert [(verdict.required, verdict.note) for verdict in promotion.verdicts] == [(0.8, ""), (None, NO_CHAMPION)]
    assert state_of(database) == ({1: "registered"}, {"champion": 1})
    with Reader(database) as reader:
        found = champion(reader, "taxi")
        assert found is not None
        assert (found.version, found.artifact, found.metrics) == (1, make_blob("a"), {"accuracy": 0.9})
        (row,) = list_models(reader)
        assert (row.run, row.node, row.artifact) == ("run-1", "promote", make_blob("a").digest)
        (audit,) = list_audit(reader)
        assert (audit.who, audit.action, audit.subject) == ("ada", "promote", "taxi:1")
        assert json.loads(audit.evidence)["gates"][0] == {
            "gate": "accuracy >= 0.8",
            "observed": 0.9,
            "required": 0.8,
            "passed": True,
            "note": "",
        }
        assert promotions_of(reader, "run-1") == (promotion,)


def test_the_same_model_again_writes_nothing(writer: LineageWriter, database: Path) -> None:
    """The alias holds the version made of this artifact already: today's gates are judged, nothing is written."""
    first = offer(writer, "a", 0.9)
    writer.flush()
    before = database.read_bytes()

    again = offer(writer, "a", 0.88)
    refused = offer(writer, "a", 0.1, gates=(at_least("accuracy", 0.99),))

    assert (again.reused, again.run, again.standing) == (True, first.run, first.promotion)
    assert again.promotion.accepted
    assert [(verdict.observed, verdict.note) for verdict in again.promotion.verdicts] == [
        (0.88, ""),
        (0.88, ITSELF),
    ]
    assert (refused.reused, refused.run, refused.standing) == (True, first.run, None)
    assert not refused.promotion.accepted
    assert refused.promotion.reason == (
        "version 1 holds the alias, and today's gates would refuse it: accuracy >= 0.99 is not met: observed 0.1"
    )
    writer.flush()
    assert database.read_bytes() == before


def test_the_champion_without_a_metric_is_an_error(writer: LineageWriter) -> None:
    """A gate of today that finds no metric fails, also where the alias would stay where it is."""
    offer(writer, "a", 0.9)
    with pytest.raises(PromotionError):
        offer(writer, "a", 0.9, gates=(at_least("recall", 0.5),))


def test_a_refused_candidate_is_a_version_and_leaves_the_alias(writer: LineageWriter, database: Path) -> None:
    """Each gate can refuse; what was observed is in the reason and the verdicts."""
    offer(writer, "a", 0.95)

    decision = offer(writer, "b", 0.9)

    promotion = decision.promotion
    assert (promotion.version, promotion.accepted) == (2, False)
    assert promotion.reason == "accuracy >= champion - 0.01 is not met: observed 0.9, required 0.94"
    assert [(verdict.passed, verdict.required, verdict.note) for verdict in promotion.verdicts] == [
        (True, 0.8, ""),
        (False, 0.94, RECORDED),
    ]
    assert state_of(database) == ({1: "registered", 2: "refused"}, {"champion": 1})
    assert offer(writer, "c", 0.7).promotion.reason == (
        "accuracy >= 0.8 is not met: observed 0.7; accuracy >= champion - 0.01 is not met: observed 0.7, required 0.94"
    )


def test_a_refused_version_that_passes_later_is_the_same_version(writer: LineageWriter, database: Path) -> None:
    """One model artifact is one version, whatever was decided on it over time."""
    offer(writer, "a", 0.95)
    offer(writer, "b", 0.9)

    decision = offer(writer, "b", 0.9, gates=(at_least("accuracy", 0.5),))

    assert (decision.promotion.version, decision.promotion.accepted) == (2, True)
    assert state_of(database) == ({1: "registered", 2: "registered"}, {"champion": 2})


def test_the_baseline_on_the_same_rows_counts_before_the_record(writer: LineageWriter, database: Path) -> None:
    """A champion that was better on older rows does not keep a candidate out that beats it on today's."""
    offer(writer, "a", 0.95)

    decision = offer(writer, "b", 0.9, baseline={"accuracy": 0.85}, seen=1)

    assert decision.promotion.accepted
    assert decision.promotion.verdicts[1].note == ""
    assert state_of(database)[1] == {"champion": 2}


def test_a_skipped_baseline_passes_the_comparing_gates(writer: LineageWriter) -> None:
    """A pipeline that scores the champion has nothing to score the first time."""
    decision = offer(writer, "a", 0.9, baseline_skipped=True, seen=None)

    assert decision.promotion.verdicts[1].note == NO_CHAMPION


@pytest.mark.parametrize("seen", [None, 7])
def test_a_comparison_with_a_version_that_is_no_longer_there_is_void(
    seen: int | None, writer: LineageWriter, database: Path
) -> None:
    """If the alias moved since its version was scored, the decision fails and nothing of it is written."""
    offer(writer, "a", 0.9)
    before = count_audit(database)

    with pytest.raises(PromotionError, match="moved while") as caught:
        offer(writer, "b", 0.95, baseline={"accuracy": 0.1}, seen=seen)

    assert ("now at", "version 1") in caught.value.facts
    assert state_of(database) == ({1: "registered"}, {"champion": 1})
    assert count_audit(database) == before


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"gates": ()}, GateError),
        ({"metrics": {"auc": 1.0}}, PromotionError),
        ({"metrics": {"accuracy": float("nan")}}, PromotionError),
        ({"alias": "the champion"}, RegistryError),
    ],
)
def test_what_cannot_be_decided_writes_nothing(
    change: dict[str, Any], error: type[Exception], writer: LineageWriter, database: Path
) -> None:
    """No version, no verdict, no audit row of a promotion that failed."""
    with pytest.raises(error):
        offer(writer, "a", 0.9, **change)

    assert state_of(database) == ({}, {})
    assert count_audit(database) == 0


def test_a_dry_run_judges_and_moves_nothing(writer: LineageWriter, database: Path) -> None:
    """`promotions = "dry-run"` says what would be decided; not a byte changes."""
    offer(writer, "a", 0.9)
    writer.flush()
    before = database.read_bytes()

    good, bad = offer(writer, "b", 0.95, dry_run=True), offer(writer, "c", 0.5, dry_run=True)

    assert (good.promotion.accepted, good.promotion.version, good.promotion.reason) == (True, 2, DRY_RUN)
    assert not bad.promotion.accepted
    assert bad.promotion.reason is not None
    assert bad.promotion.reason.endswith(DRY_RUN)
    assert database.read_bytes() == before


def test_a_version_rolled_back_from_comes_back_by_hand_only(writer: LineageWriter, database: Path) -> None:
    """A run cannot promote again what a person took back; a person can."""
    offer(writer, "a", 0.9)
    offer(writer, "b", 0.95)

    back = rollback(writer, "taxi", who="eve", why="complaints")

    assert (back.earlier, back.version) == (2, 1)
    assert state_of(database) == ({1: "registered", 2: "rolled_back"}, {"champion": 1})
    refused = offer(writer, "b", 0.99).promotion
    assert (refused.version, refused.accepted, refused.verdicts) == (2, False, ())
    assert refused.reason == "version 2 was rolled back from; only a person can promote it again"
    assert state_of(database) == ({1: "registered", 2: "rolled_back"}, {"champion": 1})
    promote_by_hand(writer, "taxi", 2, who="eve", why="it was the data")
    assert state_of(database) == ({1: "registered", 2: "registered"}, {"champion": 2})
    with Reader(database) as reader:
        assert [(row.action, row.who, row.detail) for row in list_audit(reader)][2:] == [
            ("rollback", "eve", "complaints"),
            ("refuse", "ada", refused.reason),
            ("promote by hand", "eve", "it was the data"),
        ]


def test_rolling_back_goes_to_the_version_before_that_is_in_good_standing(
    writer: LineageWriter, database: Path
) -> None:
    """Step by step: from 3 to 2, from 2 to 1, and then there is nothing left."""
    for index, name in enumerate("abc"):
        offer(writer, name, 0.9 + index / 100)

    assert rollback(writer, "taxi", who="eve").version == 2
    assert rollback(writer, "taxi", who="eve").version == 1
    with pytest.raises(RegistryError, match="no earlier version"):
        rollback(writer, "taxi", who="eve")
    assert state_of(database) == ({1: "registered", 2: "rolled_back", 3: "rolled_back"}, {"champion": 1})


def test_rolling_back_to_a_named_version(writer: LineageWriter, database: Path) -> None:
    """Only versions in good standing can be named; others are taken by hand, deliberately."""
    for index, name in enumerate("abc"):
        offer(writer, name, 0.9 + index / 100)
    offer(writer, "d", 0.1)

    for version, said in ((3, "current"), (4, "refused")):
        with pytest.raises(RegistryError, match=said):
            rollback(writer, "taxi", to=version, who="eve")
    with pytest.raises(NotRecordedError, match="no version 9"):
        rollback(writer, "taxi", to=9, who="eve")
    assert rollback(writer, "taxi", to=1, who="eve").version == 1
    assert state_of(database)[1] == {"champion": 1}


def test_a_retired_version_is_out_of_use(writer: LineageWriter, database: Path) -> None:
    """What an alias points to cannot be retired; what is retired no run promotes, nor does a rollback reach it."""
    for index, name in enumerate("abc"):
        offer(writer, name, 0.9 + index / 100)

    with pytest.raises(RegistryError, match="in use"):
        retire(writer, "taxi", 3, who="eve")
    assert retire(writer, "taxi", 2, who="eve", why="law")
    audited = count_audit(database)
    assert not retire(writer, "taxi", 2, who="eve", why="law")
    assert count_audit(database) == audited
    assert offer(writer, "b", 0.99).promotion.reason == "version 2 is retired; only a person can promote it again"
    assert rollback(writer, "taxi", who="eve").version == 1


def test_by_hand_writes_nothing_where_the_alias_is_there_already(writer: LineageWriter, database: Path) -> None:
    """Promoting the champion to champion is told as reused."""
    offer(writer, "a", 0.9)
    audited = count_audit(database)

    assert promote_by_hand(writer, "taxi", 1, who="eve").reused
    assert count_audit(database) == audited
    assert not promote_by_hand(writer, "taxi", 1, who="eve", alias="challenger").reused
    assert state_of(database)[1] == {"champion": 1, "challenger": 1}


@pytest.mark.parametrize(
    ("act", "said"),
    [
        (lambda writer: promote_by_hand(writer, "taxy", 1, who="eve"), "No model is called 'taxy'"),
        (lambda writer: promote_by_hand(writer, "taxi", 5, who="eve"), "no version 5"),
        (lambda writer: rollback(writer, "taxi", alias="challenger", who="eve"), "no 'challenger'"),
        (lambda writer: retire(writer, "taxi", 5, who="eve"), "no version 5"),
    ],
)
def test_what_is_not_there_is_named_with_what_is(act: Any, said: str, writer: LineageWriter) -> None:
    """An unknown model, version or alias lists the known ones."""
    offer(writer, "a", 0.9)

    with pytest.raises(NotRecordedError, match=said) as caught:
        act(writer)
    assert caught.value.facts
    assert caught.value.exit_code == 2


def test_a_champion_names_the_execution_that_made_it(writer: LineageWriter, database: Path) -> None:
    """The node of `fk.champion` points to that execution, so its lineage goes on to the model's data."""
    writer.record(make_node(make_execution(outputs=[make_blob("a")])))
    offer(writer, "a", 0.9)

    with Reader(database) as reader:
        found = champion(reader, "taxi")
        assert found is not None
        assert reader.select("SELECT count(*) FROM output WHERE execution = ?", (found.entry,)) == [(1,)]
        assert champion(reader, "taxi", "challenger") is None
        assert champion(reader, "unknown") is None


def test_versions_are_resolved_and_shown(writer: LineageWriter, database: Path) -> None:
    """A bare model is its champion, else its newest version; details hold every decision."""
    offer(writer, "a", 0.5)
    offer(writer, "b", 0.6)
    with Reader(database) as reader:
        assert resolve(reader, parse_reference("taxi")).version == 2
    writer.begin_run(make_run("run-2"))
    offer(writer, "a", 0.9)

    with Reader(database) as reader:
        assert resolve(reader, parse_reference("taxi")).version == 1
        assert resolve(reader, parse_reference("taxi:2")).version == 2
        assert resolve(reader, parse_reference("taxi@champion")).version == 1
        for text in ("taxi:3", "taxi@challenger", "other"):
            with pytest.raises(NotRecordedError):
                resolve(reader, parse_reference(text))
        details = show_version(reader, parse_reference("taxi:1"))
        assert (details.aliases, details.metrics) == (("champion",), {"accuracy": 0.9})
        assert [decision.accepted for decision in details.decisions] == [False, True]
        assert details.verdicts == details.decisions[-1].verdicts
        assert list_models(reader, "taxi") == list_models(reader)
        with pytest.raises(NotRecordedError):
            list_models(reader, "other")


def test_infinite_metrics_leave_the_evidence_readable(writer: LineageWriter, database: Path) -> None:
    """JSON has no infinity: whoever reads the audit log's evidence with another tool must not stumble over it."""
    decision = offer(writer, "a", float("inf"), metrics={"accuracy": float("inf"), "odd": float("nan")})

    assert decision.promotion.verdicts[0].observed == float("inf")

    def fail(constant: str) -> None:
        raise AssertionError(constant)

    with Reader(database) as reader:
        evidence = json.loads(list_audit(reader)[0].evidence, parse_constant=fail)
        assert evidence["metrics"] == {"accuracy": "inf", "odd": "nan"}
        assert str(show_version(reader, parse_reference("taxi:1")).metrics) == "{'accuracy': inf, 'odd': nan}"


def test_versions_of_two_models_are_counted_apart(writer: LineageWriter, database: Path) -> None:
    """One artifact can be a version of two models, each numbered from 1."""
    offer(writer, "a", 0.9)
    candidate = Candidate("churn", "champion", make_blob("a"), {"accuracy": 0.9}, GATES)

    assert promote(writer, candidate, run="run-1", node="promote#2", who="ada").promotion.version == 1
