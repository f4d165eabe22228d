"""What a person does to models: promote one whatever its gates said, roll back, retire. Each leaves an audit row."""

from __future__ import annotations

import sqlite3
import time

from msgspec import Struct

from flowkit.errors import LostArtifactError, NotRecordedError, RegistryError, StoreError
from flowkit.lineage.writer import LineageWriter
from flowkit.records import Promotion, VersionState
from flowkit.registry.audit import append_audit
from flowkit.registry.judgements import recorded_verdicts, select_in
from flowkit.registry.promote import Decision
from flowkit.registry.references import CHAMPION, check_alias_name
from flowkit.registry.versions import (
    VersionRecord,
    find_held,
    move_alias,
    require_model,
    require_version,
    set_state,
)


class Rollback(Struct, frozen=True):
    """An alias that went back: from which version to which."""

    model: str
    alias: str
    earlier: int
    version: int


def promote_by_hand(
    writer: LineageWriter, model: str, version: int, *, who: str, why: str = "", alias: str = CHAMPION
) -> Decision:
    """Let an alias point to a version, whatever gates said of it; a version rolled back from or retired comes back.

    Returns:
        The decision; `reused` where the alias points to it already.

    Raises:
        NotRecordedError: There is no such model or version.
        RegistryError: The alias's name is not one.
        LostArtifactError: A collection has dropped its content.
        StoreError: Its content is gone for another reason.
    """
    check_alias_name(alias)
    at = time.time()
    return writer.write(lambda connection: _promote(writer, connection, model, version, alias, who, why, at))


def rollback(
    writer: LineageWriter, model: str, *, who: str, why: str = "", alias: str = CHAMPION, to: int | None = None
) -> Rollback:
    """Let an alias point again to the version that it pointed to before, or to the version `to`.

    The version that it leaves becomes `rolled_back`: no run promotes it again, a person can.

    Raises:
        NotRecordedError: There is no such model, version or alias.
        RegistryError: There is no earlier version, or `to` is current, refused, retired or was rolled back from.
        StoreError: The content of the version to go back to is gone.
    """
    check_alias_name(alias)
    at = time.time()
    return writer.write(lambda connection: _roll_back(writer, connection, model, alias, to, who, why, at))


def retire(writer: LineageWriter, model: str, version: int, *, who: str, why: str = "") -> bool:
    """Take a version out of use for good: no run promotes it again, a person can.

    Returns:
        Whether anything was written; False where it was retired already.

    Raises:
        NotRecordedError: There is no such model or version.
        RegistryError: An alias points to it.
    """
    at = time.time()
    return writer.write(lambda connection: _retire(connection, model, version, who, why, at))


def _promote(
    writer: LineageWriter,
    connection: sqlite3.Connection,
    model: str,
    number: int,
    alias: str,
    who: str,
    why: str,
    at: float,
) -> Decision:
    version = require_version(connection, model, number)
    identity = require_model(connection, model)
    held = find_held(connection, identity, alias)
    verdicts = recorded_verdicts(select_in(connection), version.id)
    decision = Promotion(model, number, alias, accepted=True, reason=None, verdicts=verdicts)
    if held is not None and held.id == version.id:
        return Decision(decision, reused=True)
    _refuse_dropped(connection, version)
    _refuse_gone(writer, connection, model, alias, version)
    set_state(connection, version, VersionState.REGISTERED)
    move_alias(connection, identity, alias, held, version, "promote by hand", at)
    _append(connection, at, who, "promote by hand", f"{model}:{number}", why, alias, held, version)
    return Decision(decision)


def _refuse_dropped(connection: sqlite3.Connection, version: VersionRecord) -> None:
    """Refuse a version that was out of use and whose content a collection dropped meanwhile."""
    row = connection.execute(
        "SELECT a.digest, w.text FROM model_version AS v JOIN artifact AS a ON a.id = v.artifact"
        " JOIN word AS w ON w.id = a.format JOIN dropped AS d ON d.artifact = a.id WHERE v.id = ?",
        (version.id,),
    ).fetchone()
    if row is not None:
        raise LostArtifactError.for_damage(row[0].hex(), row[1], "", "no file of the store holds it")


def _refuse_gone(
    writer: LineageWriter, connection: sqlite3.Connection, model: str, alias: str, version: VersionRecord
) -> None:
    """Refuse a version of which a file is gone: whoever takes what the alias points to would find that only then."""
    gone = writer.find_gone(connection, version.artifact)
    if gone is not None:
        named, pointing = f"{model}:{version.version}", f"{model}@{alias}"
        raise StoreError.for_gone_version(named, pointing, gone.digest, gone.format, gone.file)


def _roll_back(
    writer: LineageWriter,
    connection: sqlite3.Connection,
    model: str,
    alias: str,
    to: int | None,
    who: str,
    why: str,
    at: float,
) -> Rollback:
    identity = require_model(connection, model)
    held = find_held(connection, identity, alias)
    if held is None:
        known = connection.execute("SELECT name FROM model_alias WHERE model = ?", (identity,)).fetchall()
        raise NotRecordedError.for_alias(model, alias, [name for (name,) in known])
    target = (
        _find_earlier(connection, identity, model, alias, held)
        if to is None
        else _check_target(require_version(connection, model, to), held, model)
    )
    _refuse_gone(writer, connection, model, alias, target)
    set_state(connection, held, VersionState.ROLLED_BACK)
    move_alias(connection, identity, alias, held, target, "rollback", at)
    _append(connection, at, who, "rollback", f"{model}:{held.version}", why, alias, held, target)
    return Rollback(model, alias, held.version, target.version)


def _find_earlier(
    connection: sqlite3.Connection, identity: int, model: str, alias: str, held: VersionRecord
) -> VersionRecord:
    """Return the version that the alias pointed to last, of those that are still in good standing."""
    row = connection.execute(
        "SELECT v.version FROM alias_move AS m JOIN model_version AS v ON v.id = m.version"
        " WHERE m.model = ? AND m.alias = ? AND v.id <> ? AND v.state = ? ORDER BY m.id DESC LIMIT 1",
        (identity, alias, held.id, VersionState.REGISTERED),
    ).fetchone()
    if row is None:
        raise RegistryError.for_no_earlier(model, alias, held.version)
    return require_version(connection, model, row[0])


def _check_target(target: VersionRecord, held: VersionRecord, model: str) -> VersionRecord:
    if target.id == held.id:
        raise RegistryError.for_rollback_target(model, target.version, "the current one")
    if target.state is not VersionState.REGISTERED:
        raise RegistryError.for_rollback_target(model, target.version, target.state.replace("_", " "))
    return target


def _retire(connection: sqlite3.Connection, model: str, number: int, who: str, why: str, at: float) -> bool:
    version = require_version(connection, model, number)
    if version.state is VersionState.RETIRED:
        return False
    aliases = connection.execute(
        "SELECT name FROM model_alias WHERE version = ? ORDER BY name", (version.id,)
    ).fetchall()
    if aliases:
        raise RegistryError.for_held_version(model, number, [name for (name,) in aliases])
    set_state(connection, version, VersionState.RETIRED)
    append_audit(connection, at=at, who=who, action="retire", subject=f"{model}:{number}", detail=why)
    return True


def _append(
    connection: sqlite3.Connection,
    at: float,
    who: str,
    action: str,
    subject: str,
    why: str,
    alias: str,
    held: VersionRecord | None,
    version: VersionRecord,
) -> None:
    evidence = {"alias": alias, "from": held.version if held is not None else None, "to": version.version}
    append_audit(connection, at=at, who=who, action=action, subject=subject, detail=why, evidence=evidence)
