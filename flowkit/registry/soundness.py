"""Whether models, aliases and the record of their moves agree with one another. Reads only."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from msgspec import Struct

Select = Callable[[str], Sequence[tuple[Any, ...]]]

_FOREIGN = """
    SELECT m.name, l.name FROM model_alias AS l JOIN model_version AS v ON v.id = l.version
    JOIN model AS m ON m.id = l.model WHERE v.model <> l.model ORDER BY 1, 2"""

_UNUSABLE = """
    SELECT m.name, l.name, v.version, v.state FROM model_alias AS l JOIN model_version AS v ON v.id = l.version
    JOIN model AS m ON m.id = l.model WHERE v.state IN ('refused', 'retired') ORDER BY 1, 2"""

_MOVED = """
    SELECT m.name, h.alias, v.version, (
        SELECT w.version FROM model_alias AS l JOIN model_version AS w ON w.id = l.version
        WHERE l.model = h.model AND l.name = h.alias
    )
    FROM (SELECT model, alias, version, max(id) AS id FROM alias_move GROUP BY model, alias) AS h
    JOIN model AS m ON m.id = h.model JOIN model_version AS v ON v.id = h.version
    ORDER BY 1, 2"""

_NEVER_MOVED = """
    SELECT m.name, l.name, v.version FROM model_alias AS l JOIN model_version AS v ON v.id = l.version
    JOIN model AS m ON m.id = l.model
    WHERE NOT EXISTS (SELECT 1 FROM alias_move AS h WHERE h.model = l.model AND h.alias = l.name) ORDER BY 1, 2"""

_CHAIN = """
    SELECT m.name, h.alias, h.earlier, lag(h.version) OVER (PARTITION BY h.model, h.alias ORDER BY h.id)
    FROM alias_move AS h JOIN model AS m ON m.id = h.model ORDER BY h.id"""

_NUMBERS = """
    SELECT m.name, count(*), max(v.version) FROM model_version AS v JOIN model AS m ON m.id = v.model
    GROUP BY m.id HAVING count(*) <> max(v.version) OR min(v.version) <> 1 ORDER BY 1"""

_UNWRITTEN = """
    SELECT (SELECT count(*) FROM alias_move),
        (SELECT count(*) FROM audit_record WHERE action IN ('promote', 'promote by hand', 'rollback'))"""


class RegistryFault(Struct, frozen=True):
    """Something that does not agree.

    Attributes:
        subject: The model or the alias.
        command: What a person can do; empty where there is no command for it.
    """

    subject: str
    problem: str
    command: str = ""


def registry_faults(select: Select) -> Iterator[RegistryFault]:
    """Yield what does not agree: an alias with its moves, versions with their numbers, moves with the audit log."""
    yield from _alias_faults(select)
    broken = {(model, alias) for model, alias, earlier, before in select(_CHAIN) if earlier != before}
    for model, alias in sorted(broken):
        yield RegistryFault(f"{model}@{alias}", "its recorded moves do not follow one another")
    for model, count, last in select(_NUMBERS):
        yield RegistryFault(model, f"its versions are not numbered from 1 without a gap: {count:,} up to {last:,}")
    ((moves, written),) = select(_UNWRITTEN)
    if moves != written:
        yield RegistryFault("aliases", f"they moved {moves:,} times, and the audit log tells of {written:,}")


def _alias_faults(select: Select) -> Iterator[RegistryFault]:
    foreign = set(select(_FOREIGN))
    for model, alias in sorted(foreign):
        yield RegistryFault(f"{model}@{alias}", "it points to a version of another model", _promote(model, alias, "N"))
    for model, alias, version, state in select(_UNUSABLE):
        problem = f"it points to version {version}, which is {state.replace('_', ' ')}"
        yield RegistryFault(f"{model}@{alias}", problem, _promote(model, alias, version))
    for model, alias, moved, held in select(_MOVED):
        if moved != held and (model, alias) not in foreign:
            points = f"points to version {held}" if held is not None else "is gone"
            problem = f"it {points}, and was last moved to version {moved}"
            yield RegistryFault(f"{model}@{alias}", problem, _promote(model, alias, moved))
    for model, alias, version in select(_NEVER_MOVED):
        yield RegistryFault(f"{model}@{alias}", f"it points to version {version}, and no move to it is recorded")


def _promote(model: str, alias: str, version: object) -> str:
    return f"flowkit models promote {model}:{version} --to {alias}"
