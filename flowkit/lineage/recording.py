"""Turns records into rows: nodes, executions, and the entries that later runs may reuse.

Everything here runs inside the writer's transaction. Publication is compare-and-set: the first valid result of a
generation stands, and a rerun replaces it only if it is still the generation that the rerun set out to replace.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable

from blake3 import blake3
from msgspec import Struct

from flowkit.lineage.acceptances import find_acceptance
from flowkit.lineage.content import intern_artifact, record_made_artifact
from flowkit.lineage.identities import Identities
from flowkit.lineage.texts import clean_text, failure_to_json, to_bytes, to_json, to_prefix
from flowkit.records import Artifact, Execution, NodeRecord, Outcome


class Standing(Struct, frozen=True):
    """The result that an execution met under its entry key; its execution is None where verify found it gone."""

    entry: int
    execution: int | None
    generation: int


class Recorder:
    """Writes records through one connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self.identities = Identities(connection)

    def record_node(self, record: NodeRecord) -> tuple[str, ...]:
        """Write a node's row, and its execution where there is one; an earlier row of the same run is replaced.

        Returns:
            Names of the outputs that differ from those of the result that stood under the same entry key, whether this
            one replaces it or not: a sign of a step that does not give the same twice.

        Raises:
            NotRecordedError: The run has not begun.
        """
        run, pipeline = self.identities.run(record.run)
        place = self.identities.pipeline_node(pipeline, record.node, record.step, record.map_index)
        execution = record.entry
        differing: tuple[str, ...] = ()
        if record.execution is not None:
            execution, differing = self._record_execution(record, record.execution, run, place)
        self._write_node(record, run, place, execution)
        return differing

    def restamp(self, artifact: Artifact) -> None:
        """Write the files and stamps with which an artifact was verified."""
        record_made_artifact(self.connection, self.identities, artifact)

    def _write_node(self, record: NodeRecord, run: int, place: int, execution: int | None) -> None:
        word = self.identities.optional_word
        self.connection.execute(
            "INSERT OR REPLACE INTO node (run, pipeline_node, outcome, reason, detail, attempts, started_ms,"
            " microseconds,"
            " worker, peak_memory, log, failure, execution) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                run,
                place,
                word(record.outcome),
                word(record.reason),
                word(record.detail),
                record.attempts,
                _round_to(record.started, 1000),
                _round_to(record.seconds, 1_000_000),
                word(record.worker),
                record.peak_memory or None,
                clean_text(record.log) if record.log is not None else None,
                failure_to_json(record.failure) if record.failure is not None else None,
                execution,
            ),
        )

    def _record_execution(
        self, record: NodeRecord, execution: Execution, run: int, place: int
    ) -> tuple[int, tuple[str, ...]]:
        created = execution.created or (record.started or time.time()) + (record.seconds or 0.0)
        succeeded = record.outcome in (Outcome.EXECUTED, Outcome.REUSED)
        standing = entry = None
        if succeeded and execution.cached:
            standing = self._find_standing(execution)
            entry = standing.entry if standing is not None else self._reserve_entry(execution)
        identity = self._write_execution(execution, entry, run, place, succeeded, round(created * 1000))
        if entry is not None:
            self._publish(entry, identity, execution.supersedes, standing)
        return identity, () if execution.ages else self._differing(identity, standing)

    def stand_for(self, pipeline: str, record: NodeRecord, source: int) -> int | None:
        """Let the result of the execution `source` stand under another key, if nothing stands there yet.

        Args:
            pipeline: The pipeline's name.
            record: The node, with what its key is made of now; its run is not looked at.
            source: The execution whose result it is. Its run, and the time when it was made, are the new one's too.

        Returns:
            The new execution; None where there is a result under that key by now, or `source` stands no longer.
        """
        execution = record.execution
        assert execution is not None
        made = self.connection.execute(
            "SELECT x.run, x.created_ms FROM execution AS x JOIN entry AS e ON e.execution = x.id WHERE x.id = ?",
            (source,),
        ).fetchone()
        if made is None or self._find_standing(execution) is not None or self.is_dropped(source):
            return None
        run, created_ms = made
        place = self.identities.pipeline_node(
            self.identities.word(pipeline), record.node, record.step, record.map_index
        )
        entry = self._reserve_entry(execution)
        identity = self._write_execution(execution, entry, run, place, True, created_ms)
        self._publish(entry, identity, None, None)
        return identity

    def accepted_as(self, record: NodeRecord, source: int) -> int | None:
        """Return the audit row by which the execution `source` stands under a node's key; None where it does not."""
        execution = record.execution
        assert execution is not None
        standing = self._find_standing(execution)
        if standing is None or standing.execution is None:
            return None
        return find_acceptance(self.connection, standing.execution, source)

    def _write_execution(
        self, execution: Execution, entry: int | None, run: int, place: int, succeeded: bool, created_ms: int
    ) -> int:
        identity = self.connection.execute(
            "INSERT INTO execution (cache_key, entry, run, pipeline_node, code, environment, succeeded, created_ms)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                to_bytes(execution.cache_key),
                entry,
                run,
                place,
                self.identities.code(execution.code),
                self.identities.environment(execution.environment),
                succeeded,
                created_ms,
            ),
        ).lastrowid
        assert identity is not None
        self._write_account(identity, execution, run)
        self._write_observed(identity, execution)
        if execution.uncached is not None:
            cause = self.identities.word(clean_text(execution.uncached))
            self.connection.execute("INSERT INTO uncached (execution, cause) VALUES (?, ?)", (identity, cause))
        return identity

    def _find_standing(self, execution: Execution) -> Standing | None:
        row = self.connection.execute(
            "SELECT id, execution, generation FROM entry WHERE substr(entry_key, 1, 12) = ? AND entry_key = ?",
            (to_prefix(execution.entry_key), to_bytes(execution.entry_key)),
        ).fetchone()
        return Standing(*row) if row is not None else None

    def _reserve_entry(self, execution: Execution) -> int:
        generation = 0 if execution.supersedes is None else execution.supersedes + 1
        entry = self.connection.execute(
            "INSERT INTO entry (entry_key, step, generation) VALUES (?, ?, ?)",
            (to_bytes(execution.entry_key), self.identities.word(execution.parts.step), generation),
        ).lastrowid
        assert entry is not None
        return entry

    def _publish(self, entry: int, execution: int, supersedes: int | None, standing: Standing | None) -> None:
        """Let `execution` stand under its entry, unless another result stands that it did not set out to replace."""
        if standing is None or standing.execution is None:
            self.connection.execute("UPDATE entry SET execution = ? WHERE id = ?", (execution, entry))
        elif supersedes is not None:
            self.connection.execute(
                "UPDATE entry SET execution = ?, generation = ? WHERE id = ? AND generation = ?",
                (execution, supersedes + 1, entry, supersedes),
            )

    def _differing(self, execution: int, standing: Standing | None) -> tuple[str, ...]:
        if standing is None or standing.execution is None:
            return ()
        rows = self.connection.execute(
            "SELECT w.text, called.text, earlier.text FROM output AS mine JOIN word AS w ON w.id = mine.name"
            " LEFT JOIN output AS theirs ON theirs.execution = ? AND theirs.name = mine.name"
            " LEFT JOIN artifact AS made ON made.id = mine.artifact LEFT JOIN word AS called ON called.id = made.refers"
            " LEFT JOIN artifact AS stood ON stood.id = theirs.artifact"
            " LEFT JOIN word AS earlier ON earlier.id = stood.refers"
            " WHERE mine.execution = ? AND mine.artifact IS NOT theirs.artifact ORDER BY mine.position",
            (standing.execution, execution),
        ).fetchall()
        return tuple(name for name, refers, before in rows if not _moved_only(before, refers))

    def _write_account(self, execution: int, account: Execution, run: int) -> None:
        word = self.identities.word
        producers = account.producers or (None,) * len(account.inputs)
        self._write_rows(
            "INSERT INTO argument (execution, position, parameter, value) VALUES (?, ?, ?, ?)",
            execution,
            [(word(part.parameter), self.identities.argument_value(part)) for part in account.parts.arguments],
        )
        self._write_rows(
            "INSERT INTO input (execution, position, parameter, artifact, maker) VALUES (?, ?, ?, ?, ?)",
            execution,
            [
                (
                    word(parameter),
                    self._intern_input(artifact, put=producer is None and bool(account.producers)),
                    self._find_maker(run, producer),
                )
                for (parameter, artifact), producer in zip(account.inputs, producers, strict=True)
            ],
        )
        self._write_rows(
            "INSERT INTO output (execution, position, name, artifact) VALUES (?, ?, ?, ?)",
            execution,
            [
                (word(output.name), record_made_artifact(self.connection, self.identities, output.artifact))
                for output in account.outputs
            ],
        )
        self._write_rows(
            "INSERT INTO metric (execution, position, name, value) VALUES (?, ?, ?, ?)",
            execution,
            [(word(name), value) for name, value in account.metrics],
        )

    def _intern_input(self, artifact: Artifact, *, put: bool) -> int:
        """Return the id of an input; a constant was `put` for this very call, also where it had been dropped."""
        if put:
            return record_made_artifact(self.connection, self.identities, artifact)
        return intern_artifact(self.connection, self.identities, artifact)

    def is_dropped(self, execution: int) -> bool:
        """Return whether a collection has removed what an execution gave."""
        query = "SELECT 1 FROM output AS o JOIN dropped AS d ON d.artifact = o.artifact WHERE o.execution = ? LIMIT 1"
        return self.connection.execute(query, (execution,)).fetchone() is not None

    def _find_maker(self, run: int, producer: str | None) -> int | None:
        """Return the execution whose outputs a node of this run gave, its own or the one that it reused."""
        if producer is None:
            return None
        # CROSS JOIN: by the name first. SQLite would go through all nodes of the run otherwise.
        row = self.connection.execute(
            "SELECT n.execution FROM pipeline_node AS p CROSS JOIN node AS n ON n.pipeline_node = p.id AND n.run = ?"
            " WHERE p.name = ?",
            (run, clean_text(producer)),
        ).fetchone()
        return row[0] if row is not None else None

    def _write_observed(self, execution: int, account: Execution) -> None:
        if not account.observed:
            return
        word = self.identities.word
        self._write_rows(
            "INSERT INTO observed_input (execution, position, kind, name, digest) VALUES (?, ?, ?, ?, ?)",
            execution,
            [(word(item.kind), clean_text(item.name), item.digest) for item in account.observed],
        )
        names = to_json(sorted((item.kind, item.name) for item in account.observed))
        digest = blake3(names.encode()).digest()
        self.connection.execute(
            "INSERT INTO observed_names (digest, names) VALUES (?, ?) ON CONFLICT DO NOTHING", (digest, names)
        )
        self.connection.execute(
            "INSERT OR REPLACE INTO cache_key_observed (cache_key, names, execution)"
            " SELECT ?, id, ? FROM observed_names WHERE digest = ?",
            (to_bytes(account.cache_key), execution, digest),
        )

    def _write_rows(self, statement: str, execution: int, rows: Iterable[tuple[object, ...]]) -> None:
        for position, row in enumerate(rows):
            self.connection.execute(statement, (execution, position, *row))


def _moved_only(before: str | None, after: str | None) -> bool:
    """Whether the code that two artifacts name moved between modules: their bytes cannot be the same then."""
    if before is None or after is None or before == after:
        return False
    old, new = (sorted(name.partition(":")[2] for name in json.loads(names)) for names in (before, after))
    return old == new


def _round_to(seconds: float | None, parts: int) -> int | None:
    return None if seconds is None else round(seconds * parts)
