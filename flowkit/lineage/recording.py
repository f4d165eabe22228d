"""Turns records into rows: nodes, executions, and the entries that later runs may reuse.

Everything here runs inside the writer's transaction. Publication is compare-and-set: the first valid result of a
generation stands, and a rerun replaces it only if it is still the generation that the rerun set out to replace.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable, Sequence

from flowkit.lineage.acceptances import find_acceptance
from flowkit.lineage.batch import Batch, Standing
from flowkit.lineage.bulk import select_among
from flowkit.lineage.content import Contents
from flowkit.lineage.identities import Identities
from flowkit.records import Artifact, NodeRecord, Outcome

_DROPPED = """
    SELECT o.execution FROM output AS o JOIN dropped AS d ON d.artifact = o.artifact
    WHERE o.execution IN ({values})"""

_DIFFERING = """
    SELECT w.text, called.text, earlier.text FROM output AS mine JOIN word AS w ON w.id = mine.name
    LEFT JOIN output AS theirs ON theirs.execution = ? AND theirs.name = mine.name
    LEFT JOIN artifact AS made ON made.id = mine.artifact LEFT JOIN word AS called ON called.id = made.refers
    LEFT JOIN artifact AS stood ON stood.id = theirs.artifact LEFT JOIN word AS earlier ON earlier.id = stood.refers
    WHERE mine.execution = ? AND mine.artifact IS NOT theirs.artifact ORDER BY mine.position"""

Differing = tuple[str, ...]
"""Names of the outputs that differ from those of the result that stood under the same entry key, whether this one
replaces it or not: a sign of a step that does not give the same twice."""


class Recorder:
    """Writes records through one connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self.identities = Identities(connection)

    def record_nodes(self, records: Sequence[NodeRecord]) -> list[Differing]:
        """Write the nodes' rows, and their executions where there are some; an earlier row of a run is replaced.

        Returns:
            What differs, of each record.

        Raises:
            NotRecordedError: A run has not begun.
        """
        batch = Batch(self.connection, self.identities, [r.execution for r in records if r.execution is not None])
        self._look_up(batch, records)
        compared = [self._add(batch, record) for record in records]
        batch.write()
        return [self._differing(*pair) if pair is not None else () for pair in compared]

    def restamp(self, artifact: Artifact) -> None:
        """Write the files and stamps with which an artifact was verified."""
        contents = Contents(self.connection, self.identities, [artifact])
        contents.made(artifact)
        contents.write()

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
        batch = Batch(self.connection, self.identities, [execution])
        if made is None or batch.standing(execution) is not None or self.dropped_among([source]):
            return None
        run, created_ms = made
        place_of = self.identities.word(pipeline)
        batch.find_places(place_of, [record.node])
        if execution.producers:
            batch.find_makers(run, _known(execution.producers))
        place = batch.place(place_of, record.node, record.step, record.map_index)
        identity = batch.add_result(execution, run, place, created_ms)
        batch.write()
        return identity

    def accepted_as(self, record: NodeRecord, source: int) -> int | None:
        """Return the audit row by which the execution `source` stands under a node's key; None where it does not."""
        execution = record.execution
        assert execution is not None
        standing = Batch(self.connection, self.identities, [execution]).standing(execution)
        if standing is None or standing.execution is None:
            return None
        return find_acceptance(self.connection, standing.execution, source)

    def dropped_among(self, executions: Sequence[int]) -> set[int]:
        """Return the executions of which a collection has removed something that they gave."""
        return {execution for (execution,) in select_among(self.connection, _DROPPED, executions)}

    def _look_up(self, batch: Batch, records: Sequence[NodeRecord]) -> None:
        nodes: dict[str, list[str]] = {}
        producers: dict[str, list[str]] = {}
        for record in records:
            nodes.setdefault(record.run, []).append(record.node)
            if record.execution is not None and record.execution.producers:
                producers.setdefault(record.run, []).extend(_known(record.execution.producers))
        for run, names in nodes.items():
            batch.find_places(self.identities.run(run)[1], names)
        for run, names in producers.items():
            batch.find_makers(self.identities.run(run)[0], names)

    def _add(self, batch: Batch, record: NodeRecord) -> tuple[int, int] | None:
        """Add a record, and return its execution with the one that stood, where the two are to be compared."""
        run, pipeline = self.identities.run(record.run)
        place = batch.place(pipeline, record.node, record.step, record.map_index)
        execution = record.execution
        if execution is None:
            batch.add_node(record, run, place, record.entry)
            return None
        created = execution.created or (record.started or time.time()) + (record.seconds or 0.0)
        created_ms = round(created * 1000)
        succeeded = record.outcome in (Outcome.EXECUTED, Outcome.REUSED)
        standing: Standing | None = None
        if succeeded and execution.cached:
            standing = batch.standing(execution)
            identity = batch.add_result(execution, run, place, created_ms)
        else:
            identity = batch.add_execution(execution, None, run, place, succeeded, created_ms)
        batch.add_node(record, run, place, identity)
        stood = standing.execution if standing is not None and not execution.ages else None
        return (identity, stood) if stood is not None else None

    def _differing(self, execution: int, stood: int) -> Differing:
        rows = self.connection.execute(_DIFFERING, (stood, execution)).fetchall()
        return tuple(name for name, refers, before in rows if not _moved_only(before, refers))


def _known(producers: Iterable[str | None]) -> list[str]:
    return [producer for producer in producers if producer is not None]


def _moved_only(before: str | None, after: str | None) -> bool:
    """Whether the code that two artifacts name moved between modules: their bytes cannot be the same then."""
    if before is None or after is None or before == after:
        return False
    old, new = (sorted(name.partition(":")[2] for name in json.loads(names)) for names in (before, after))
    return old == new
