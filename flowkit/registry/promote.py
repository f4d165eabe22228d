"""Decides a promotion: version, verdicts, alias and audit row in one transaction, or nothing of it.

Whoever else promotes meanwhile waits for the write lock, so decisions are made one after another, each on what the
alias points to at that moment.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Mapping, Sequence
from types import EllipsisType
from typing import Any

from msgspec import Struct

from flowkit.authoring.gates import Gate
from flowkit.errors import GateError, PromotionError
from flowkit.lineage.content import find_artifact_id, intern_artifact
from flowkit.lineage.identities import Identities
from flowkit.lineage.texts import to_json_number
from flowkit.lineage.writer import LineageWriter
from flowkit.records import Artifact, GateVerdict, Promotion, VersionState
from flowkit.registry.audit import append_audit
from flowkit.registry.gates import judge, judge_held
from flowkit.registry.judgements import insert_judgement, recorded_metrics, recorded_run, recorded_verdicts, select_in
from flowkit.registry.references import check_alias_name, check_model_name
from flowkit.registry.versions import (
    VersionRecord,
    find_held,
    find_made_of,
    find_model,
    insert_model,
    insert_version,
    move_alias,
    next_version,
    set_state,
)

DRY_RUN = "dry run: the gates were judged, nothing was moved"

_BARRED = {
    VersionState.ROLLED_BACK: "was rolled back from",
    VersionState.RETIRED: "is retired",
}


class Candidate(Struct, frozen=True):
    """What a promotion node asks for.

    Attributes:
        artifact: The model.
        metrics: The candidate's.
        gates: At least one.
        baseline: The champion's metrics on the same rows, where the pipeline scored them.
        baseline_skipped: Whether there is a baseline that was skipped, since there is no champion to score.
        seen: The version that the baseline was scored for, None where the alias pointed to none; `...` where no
            baseline depends on it. If the alias points elsewhere by now, the comparison is void.
    """

    model: str
    alias: str
    artifact: Artifact
    metrics: Mapping[str, float]
    gates: Sequence[Gate]
    baseline: Mapping[str, float] | None = None
    baseline_skipped: bool = False
    seen: int | EllipsisType | None = ...


class Decision(Struct, frozen=True):
    """What was decided, and whether anything was written: `reused` says that the alias held this version already.

    Attributes:
        promotion: The verdicts are always those of today's gates; of a reused one too.
        run: The run that decided it; of a reused one the earlier run, None where a person moved the alias.
        standing: Of a reused one that today's gates let pass, the decision as it was recorded: what consumers take, so
            that they are reused too.
    """

    promotion: Promotion
    reused: bool = False
    run: str | None = None
    standing: Promotion | None = None


class _Situation(Struct, frozen=True):
    """What the registry holds when a promotion is decided; ids where there are rows."""

    model: int | None
    version: VersionRecord | None
    held: VersionRecord | None


def promote(
    writer: LineageWriter, candidate: Candidate, *, run: str, node: str, who: str, dry_run: bool = False
) -> Decision:
    """Judge a candidate, and move the alias to it if every gate lets it pass.

    Args:
        writer: Of the store whose registry decides.
        candidate: What is asked for.
        run: The run that asks; it must have begun.
        node: The promotion's node.
        who: For the audit log.
        dry_run: Whether only to judge: nothing is written, and `reason` says so.

    Returns:
        The decision. A refusal is one too: `accepted` is False and `reason` says why.

    Raises:
        RegistryError: The model's or the alias's name is not one.
        GateError: There is no gate.
        PromotionError: A metric is missing or NaN, the alias moved since its version was seen, or the run was taken for
            crashed; nothing was written.
        LineageError: The decision could not be recorded.
    """
    check_model_name(candidate.model)
    check_alias_name(candidate.alias)
    if not candidate.gates:
        raise GateError.for_no_gate(candidate.model)
    at = time.time()

    def decide(connection: sqlite3.Connection) -> Decision:
        # A driver that stood still may have been replaced: only one that is still in charge decides.
        if not writer.drives(connection, run):
            raise PromotionError.for_lost_run(f"{candidate.model}@{candidate.alias}", run)
        return _decide(connection, candidate, run, node, who, at, dry_run)

    return writer.write(decide)


def _decide(
    connection: sqlite3.Connection, candidate: Candidate, run: str, node: str, who: str, at: float, dry_run: bool
) -> Decision:
    situation = _look(connection, candidate)
    version, held = situation.version, situation.held
    if version is not None and held is not None and version.id == held.id:
        return _judge_held(connection, candidate, held)
    if version is not None and version.state in _BARRED:
        verdicts: tuple[GateVerdict, ...] = ()
        reason: str | None = f"version {version.version} {_BARRED[version.state]}; only a person can promote it again"
    else:
        verdicts = _judge(connection, candidate, held)
        reason = _refusal(verdicts)
    if dry_run:
        number = version.version if version is not None else next_version(connection, situation.model)
        return Decision(_promotion(candidate, number, reason, verdicts, DRY_RUN))
    number = _record(connection, candidate, situation, reason, verdicts, run, node, who, at)
    return Decision(_promotion(candidate, number, reason, verdicts), run=run)


def _judge_held(connection: sqlite3.Connection, candidate: Candidate, held: VersionRecord) -> Decision:
    """Judge the version that holds the alias already by today's gates; nothing is written, whatever they say."""
    verdicts = judge_held(candidate.gates, candidate.metrics, candidate.model)
    select = select_in(connection)
    run, refusal = recorded_run(select, held.id), _refusal(verdicts)
    if refusal is not None:
        reason = f"version {held.version} holds the alias, and today's gates would refuse it: {refusal}"
        return Decision(_promotion(candidate, held.version, reason, verdicts), reused=True, run=run)
    standing = _promotion(candidate, held.version, None, recorded_verdicts(select, held.id))
    return Decision(_promotion(candidate, held.version, None, verdicts), reused=True, run=run, standing=standing)


def foresee_refusal(gates: Sequence[Gate], metrics: Mapping[str, float], model: str) -> str | None:
    """Return why gates would refuse a version that holds the alias already; None where they let it pass.

    Raises:
        PromotionError: A metric is missing or NaN.
    """
    return _refusal(judge_held(gates, metrics, model))


def _look(connection: sqlite3.Connection, candidate: Candidate) -> _Situation:
    model = find_model(connection, candidate.model)
    if model is None:
        return _Situation(None, None, None)
    artifact = find_artifact_id(connection, candidate.artifact.digest)
    version = find_made_of(connection, model, artifact) if artifact is not None else None
    return _Situation(model, version, find_held(connection, model, candidate.alias))


def _judge(connection: sqlite3.Connection, candidate: Candidate, held: VersionRecord | None) -> tuple[GateVerdict, ...]:
    now = held.version if held is not None else None
    if candidate.seen is not ... and candidate.seen != now:
        raise PromotionError.for_moved_alias(f"{candidate.model}@{candidate.alias}", candidate.seen, now)
    recorded = None
    if held is not None and not candidate.baseline_skipped:
        recorded = recorded_metrics(select_in(connection), held.id)
    return judge(candidate.gates, candidate.metrics, candidate.baseline, recorded, candidate.model)


def _refusal(verdicts: Sequence[GateVerdict]) -> str | None:
    failed = [verdict for verdict in verdicts if not verdict.passed]
    if not failed:
        return None
    return "; ".join(map(_describe_failure, failed))


def _describe_failure(verdict: GateVerdict) -> str:
    """Return what a gate observed, and what it required where its own text does not say so."""
    told = verdict.gate.endswith(f"= {verdict.required!r}")
    required = "" if told else f", required {verdict.required!r}"
    return f"{verdict.gate} is not met: observed {verdict.observed!r}{required}"


def _promotion(
    candidate: Candidate, version: int, reason: str | None, verdicts: tuple[GateVerdict, ...], note: str | None = None
) -> Promotion:
    said = "; ".join(part for part in (reason, note) if part) or None
    return Promotion(candidate.model, version, candidate.alias, reason is None, said, verdicts)


def _record(
    connection: sqlite3.Connection,
    candidate: Candidate,
    situation: _Situation,
    reason: str | None,
    verdicts: tuple[GateVerdict, ...],
    run: str,
    node: str,
    who: str,
    at: float,
) -> int:
    """Write the decision and return the version's number."""
    model = insert_model(connection, candidate.model)
    run_id, _ = Identities(connection).run(run)
    version = _write_version(connection, candidate, situation, model, reason is None, run_id, node, at)
    if reason is None:
        _move(connection, candidate, model, situation.held, version, at)
    insert_judgement(
        connection,
        version=version.id,
        alias=candidate.alias,
        run=run_id,
        accepted=reason is None,
        reason=reason,
        metrics=candidate.metrics,
        verdicts=verdicts,
        at=at,
    )
    append_audit(
        connection,
        at=at,
        who=who,
        action="promote" if reason is None else "refuse",
        subject=f"{candidate.model}:{version.version}",
        detail=_describe_move(candidate, situation.held) if reason is None else reason,
        evidence=_evidence(candidate, verdicts, run, node),
    )
    return version.version


def _write_version(
    connection: sqlite3.Connection,
    candidate: Candidate,
    situation: _Situation,
    model: int,
    accepted: bool,
    run: int,
    node: str,
    at: float,
) -> VersionRecord:
    """Return the version made of the artifact: one artifact is one version, whatever is decided on it over time."""
    if situation.version is None:
        artifact = intern_artifact(connection, Identities(connection), candidate.artifact)
        state = VersionState.REGISTERED if accepted else VersionState.REFUSED
        return insert_version(connection, model, artifact, run, node, at, state)
    if accepted:
        set_state(connection, situation.version, VersionState.REGISTERED)
    return situation.version


def _move(
    connection: sqlite3.Connection,
    candidate: Candidate,
    model: int,
    held: VersionRecord | None,
    version: VersionRecord,
    at: float,
) -> None:
    if not move_alias(connection, model, candidate.alias, held, version, "promote", at):
        now = find_held(connection, model, candidate.alias)
        raise PromotionError.for_moved_alias(
            f"{candidate.model}@{candidate.alias}",
            held.version if held is not None else None,
            now.version if now is not None else None,
        )


def _evidence(candidate: Candidate, verdicts: Sequence[GateVerdict], run: str, node: str) -> dict[str, Any]:
    return {
        "alias": candidate.alias,
        "artifact": candidate.artifact.digest,
        "run": run,
        "node": node,
        "metrics": {name: to_json_number(value) for name, value in candidate.metrics.items()},
        "gates": [
            {
                "gate": verdict.gate,
                "observed": to_json_number(verdict.observed),
                "required": None if verdict.required is None else to_json_number(verdict.required),
                "passed": verdict.passed,
                "note": verdict.note,
            }
            for verdict in verdicts
        ],
    }


def _describe_move(candidate: Candidate, held: VersionRecord | None) -> str:
    pointed = f"version {held.version}" if held is not None else "nothing"
    return f"{candidate.model}@{candidate.alias} pointed to {pointed} before"
