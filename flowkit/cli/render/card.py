"""A model card: as Markdown, and as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from msgspec import to_builtins

from flowkit.cli.render.formats import format_bytes, format_number
from flowkit.engine.origins import describe_acceptances
from flowkit.engine.report import JSON_FORMAT, format_time
from flowkit.records import Promotion
from flowkit.registry.card import ModelCard

_PACKAGE = "package:"
_INTERPRETER = {"python": "python", "optimize": "python -O, as a level"}
"""What a card calls the facts of the interpreter."""


def card_to_json(card: ModelCard) -> dict[str, Any]:
    """Return the object that `models card --json` prints."""
    run = card.run.record if card.run is not None else None
    return {
        "format": JSON_FORMAT,
        "models": [
            {
                **to_builtins(card.version.row),
                "aliases": list(card.version.aliases),
                "metrics": card.version.metrics,
                "decisions": [decision_to_json(decision) for decision in card.version.decisions],
                "audit": [to_builtins(move) for move in card.moves],
                "stored_as": card.artifact.format,
                "bytes": card.artifact.bytes,
                "pipeline": run.pipeline if run is not None else None,
                "target": run.target if run is not None else None,
                "pipeline_parameters": dict(run.parameters) if run is not None else {},
                "git": {"commit": run.git_commit, "dirty": run.git_dirty}
                if run is not None and run.git_commit
                else None,
                "steps": [
                    {
                        **to_builtins(step),
                        "parameters": dict(step.parameters),
                        "accepted": [to_builtins(acceptance) for acceptance in step.accepted],
                    }
                    for step in card.steps
                ],
                "inputs": [
                    {
                        "node": found.node,
                        "parameter": found.parameter,
                        "shown": found.shown,
                        "artifact": found.artifact.digest,
                        "format": found.artifact.format,
                        "bytes": found.artifact.bytes,
                    }
                    for found in card.inputs
                ],
                "observed": [to_builtins(found) for found in card.observed],
                "environment": dict(card.environment),
            }
        ],
    }


def decision_to_json(decision: Promotion) -> dict[str, Any]:
    """Return a decision with its verdicts, as `models show` and `models card` print it."""
    return {
        "alias": decision.alias,
        "accepted": decision.accepted,
        "reason": decision.reason,
        "gates": [{**to_builtins(verdict), "note": verdict.note or None} for verdict in decision.verdicts],
    }


def write_card(card: ModelCard) -> str:
    """Return the card as Markdown."""
    return "\n".join(_lines(card)) + "\n"


def _lines(card: ModelCard) -> Iterator[str]:
    row = card.version.row
    yield f"# Model card: {row.model}, version {row.version}"
    yield ""
    yield "Everything here is taken from the lineage store; what the model is meant for, and where it must not be used,"
    yield "is for its author to add."
    sections = (
        ("Version", _version(card)),
        ("Metrics", _table(("metric", "value"), [(n, format_number(v)) for n, v in card.version.metrics.items()])),
        ("Decisions", _decisions(card.version.decisions)),
        ("Who moved it", _moves(card)),
        ("Data", _data(card)),
        ("Undeclared data", _observed(card)),
        ("Steps", _steps(card)),
        ("Environment", _environment(card)),
    )
    for title, lines in sections:
        for number, line in enumerate(lines):
            if number == 0:
                yield ""
                yield f"## {title}"
                yield ""
            yield line


def _version(card: ModelCard) -> Iterator[str]:
    row = card.version.row
    yield f"- state: {row.state}"
    yield f"- aliases: {', '.join(card.version.aliases) or 'none'}"
    yield f"- registered: {row.created}" + (f", by node `{row.node}` of run `{row.run}`" if row.run else "")
    yield f"- content: `{row.artifact}` ({card.artifact.format}, {format_bytes(card.artifact.bytes)})"
    if card.run is None:
        return
    run = card.run.record
    began = f"started {format_time(run.started)} by {run.user} on {run.host}"
    yield f"- pipeline: `{run.target}`, environment {run.env}, {began}"
    if run.git_commit:
        yield f"- commit: `{run.git_commit}`" + (", with changes that were not committed" if run.git_dirty else "")
    for name, value in run.parameters:
        yield f"- parameter `{name}` = `{value}`"


def _decisions(decisions: Sequence[Promotion]) -> Iterator[str]:
    for number, decision in enumerate(decisions):
        if number:
            yield ""
        verdict = "accepted" if decision.accepted else "refused"
        yield f"For `{decision.alias}`: {verdict}" + (f" ({decision.reason})." if decision.reason else ".")
        yield ""
        yield from _table(
            ("gate", "observed", "verdict"),
            [
                (
                    gate.gate,
                    format_number(gate.observed),
                    ("passed" if gate.passed else "failed") + (f" ({gate.note})" if gate.note else ""),
                )
                for gate in decision.verdicts
            ],
        )


def _moves(card: ModelCard) -> Iterator[str]:
    return _table(
        ("at", "who", "action", "alias", "detail"),
        [(move.at, move.who, move.action, move.alias or "", move.detail) for move in card.moves],
    )


def _data(card: ModelCard) -> Iterator[str]:
    return _table(
        ("came in as", "node", "parameter", "size", "digest"),
        [
            (
                f"{found.artifact.format} {found.shown}",
                found.node,
                found.parameter,
                format_bytes(found.artifact.bytes),
                f"`{found.artifact.digest}`",
            )
            for found in card.inputs
        ],
    )


def _observed(card: ModelCard) -> Iterator[str]:
    return _table(
        ("read undeclared", "node", "digest"),
        [(f"{found.kind} {found.name}", found.node, f"`{found.digest[:12]}`") for found in card.observed],
    )


def _steps(card: ModelCard) -> Iterator[str]:
    accepted = any(step.accepted for step in card.steps)
    return _table(
        ("node", "step", "run", "parameters", "code", *(("accepted since",) if accepted else ())),
        [
            (
                step.node,
                step.step,
                step.run,
                ", ".join(f"{name}={value}" for name, value in step.parameters.items()),
                f"`{step.code[:12]}`",
                *((describe_acceptances(step.accepted),) if accepted else ()),
            )
            for step in card.steps
        ],
    )


def _environment(card: ModelCard) -> Iterator[str]:
    """Yield the interpreter first, then packages and variables by name."""
    first = {name: card.environment[name] for name in _INTERPRETER if name in card.environment}
    values = {**first, **card.environment}
    rows = [(_INTERPRETER.get(name, name.removeprefix(_PACKAGE)), value) for name, value in values.items()]
    return _table(("what", "version"), rows)


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Yield a Markdown table; nothing at all without rows."""
    for number, row in enumerate(rows):
        if number == 0:
            yield f"| {' | '.join(columns)} |"
            yield f"|{'|'.join(' --- ' for _ in columns)}|"
        yield f"| {' | '.join(_cell(text) for text in row)} |"


def _cell(text: str) -> str:
    # A bar or a line's end would open another cell or row.
    return " ".join(text.replace("|", "\\|").split())
