"""The records of one batch as rows: looked up together, put together one after another, and written table by table.

What a record needs to know of those before it in the batch, such as which execution gave an input, or what stands under
an entry key by now, is kept here until all is written. So the rows and their ids are those that recording one by one
would give.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Sequence

from blake3 import blake3
from msgspec import Struct

from flowkit.lineage.bulk import insert_rows, select_among
from flowkit.lineage.content import Contents
from flowkit.lineage.identities import Identities
from flowkit.lineage.texts import clean_text, failure_to_json, to_bytes, to_json, to_prefix
from flowkit.records import ArgumentKind, ArgumentPart, Artifact, Digest, Execution, NodeRecord

_INTO = {
    "pipeline_node": "INSERT INTO pipeline_node (id, name, pipeline, step, map_index)",
    "entry": "INSERT INTO entry (id, entry_key, step, generation, execution)",
    "execution": "INSERT INTO execution (id, cache_key, entry, run, pipeline_node, code, environment, succeeded,"
    " created_ms)",
    "argument_value": "INSERT INTO argument_value (id, digest, kind, shown)",
    "argument": "INSERT INTO argument (execution, position, parameter, value)",
    "input": "INSERT INTO input (execution, position, parameter, artifact, maker)",
    "output": "INSERT INTO output (execution, position, name, artifact)",
    "metric": "INSERT INTO metric (execution, position, name, value)",
    "observed_input": "INSERT INTO observed_input (execution, position, kind, name, digest)",
    "uncached": "INSERT INTO uncached (execution, cause)",
    "node": "INSERT OR REPLACE INTO node (run, pipeline_node, outcome, reason, detail, attempts, started_ms,"
    " microseconds, worker, peak_memory, log, failure, execution)",
}
"""How each table is filled, in an order in which nothing refers to a row that is yet to come."""

_NEXT = """
    SELECT ifnull((SELECT max(id) FROM pipeline_node), 0) + 1, ifnull((SELECT max(id) FROM entry), 0) + 1,
        ifnull((SELECT max(id) FROM execution), 0) + 1, ifnull((SELECT max(id) FROM argument_value), 0) + 1"""

_ENTRIES = "SELECT entry_key, id, execution, generation FROM entry WHERE substr(entry_key, 1, 12) IN ({values})"

_PLACES = "SELECT name, step, map_index, id FROM pipeline_node WHERE pipeline = ? AND name IN ({values})"

# CROSS JOIN: by the name first. SQLite would go through all nodes of the run otherwise.
_MAKERS = (
    "SELECT p.name, n.execution FROM pipeline_node AS p CROSS JOIN node AS n ON n.pipeline_node = p.id AND n.run = ?"
    " WHERE p.name IN ({values})"
)

_PUBLISH = "UPDATE entry SET execution = ?, generation = ? WHERE id = ?"

_NAMED = "INSERT INTO observed_names (digest, names) VALUES (?, ?) ON CONFLICT DO NOTHING"

_OBSERVED = (
    "INSERT OR REPLACE INTO cache_key_observed (cache_key, names, execution)"
    " SELECT ?, id, ? FROM observed_names WHERE digest = ?"
)


class Standing(Struct, frozen=True):
    """The result under an entry key; its execution is None where verify found it gone."""

    entry: int
    execution: int | None
    generation: int


class Batch:
    """Rows for records, to be written at once.

    Args:
        connection: In a transaction; until `write` nobody else records anything in it.
        identities: Of that connection.
        executions: All that will be added.
    """

    def __init__(
        self, connection: sqlite3.Connection, identities: Identities, executions: Sequence[Execution] = ()
    ) -> None:
        self._connection = connection
        self._identities = identities
        self._next_place: int
        self._next_entry: int
        self._next_execution: int
        self._next_value: int
        self._next_place, self._next_entry, self._next_execution, self._next_value = connection.execute(
            _NEXT
        ).fetchone()
        # Entries come before the executions that will stand under them; one that is there already keeps the room for
        # that number. Rows that grew once their pages are full would leave these half empty.
        self._room = self._next_execution - 1 or None
        self._contents = Contents(connection, identities, list(_artifacts_of(executions)))
        self._standing: dict[Digest, Standing] = {}
        if executions:
            self._find_standing(executions)
        self._places: dict[tuple[int, str, int, int | None], int] = {}
        self._makers: dict[tuple[int, str], int | None] = {}
        self._rows: dict[str, list[tuple[object, ...]]] = defaultdict(list)
        self._published: dict[int, tuple[int, int]] = {}
        self._names: list[tuple[bytes, str]] = []
        self._observed: list[tuple[bytes, int, bytes]] = []

    def find_places(self, pipeline: int, nodes: Iterable[str]) -> None:
        """Look up the places of nodes of a pipeline, before any is asked for."""
        names = list({clean_text(node): None for node in nodes})
        for name, step, map_index, identity in select_among(self._connection, _PLACES, names, (pipeline,)):
            self._places[pipeline, name, step, map_index] = identity

    def find_makers(self, run: int, nodes: Iterable[str]) -> None:
        """Look up what nodes of a run gave that others take, before any of these is added."""
        names = list({clean_text(node): None for node in nodes})
        for name, execution in select_among(self._connection, _MAKERS, names, (run,)):
            self._makers.setdefault((run, name), execution)

    def place(self, pipeline: int, node: str, step: str, map_index: int | None) -> int:
        """Return the id of a node's place in its pipeline."""
        name, step_word = clean_text(node), self._identities.word(step)
        key = (pipeline, name, step_word, map_index)
        known = self._places.get(key)
        if known is None:
            known = self._places[key] = self._next_place
            self._next_place += 1
            self._rows["pipeline_node"].append((known, name, pipeline, step_word, map_index))
        return known

    def standing(self, execution: Execution) -> Standing | None:
        """Return what stands under an execution's entry key by now."""
        return self._standing.get(execution.entry_key)

    def add_result(self, execution: Execution, run: int, place: int, created_ms: int) -> int:
        """Add a success that later runs may reuse, unless another stands that it did not set out to replace."""
        standing = self._standing.get(execution.entry_key) or self._reserve_entry(execution)
        identity = self.add_execution(execution, standing.entry, run, place, True, created_ms)
        supersedes = execution.supersedes
        if standing.execution is None:
            self._publish(execution, Standing(standing.entry, identity, standing.generation))
        elif supersedes is not None and standing.generation == supersedes:
            self._publish(execution, Standing(standing.entry, identity, supersedes + 1))
        return identity

    def add_execution(
        self, execution: Execution, entry: int | None, run: int, place: int, succeeded: bool, created_ms: int
    ) -> int:
        """Add what a node did, with all that went in and came out, and return its id."""
        identity, self._next_execution = self._next_execution, self._next_execution + 1
        code = self._identities.code(execution.code)
        environment = self._identities.environment(execution.environment)
        key = to_bytes(execution.cache_key)
        self._rows["execution"].append((identity, key, entry, run, place, code, environment, succeeded, created_ms))
        self._add_account(identity, execution, run)
        if execution.observed:
            self._add_observed(identity, execution, key)
        if execution.uncached is not None:
            self._rows["uncached"].append((identity, self._identities.word(clean_text(execution.uncached))))
        return identity

    def add_node(self, record: NodeRecord, run: int, place: int, execution: int | None) -> None:
        """Add how a node ended; an earlier row of the same run is replaced."""
        words = self._identities.words
        self._makers[run, clean_text(record.node)] = execution
        self._rows["node"].append(
            (
                run,
                place,
                words[record.outcome],
                words[record.reason] if record.reason else None,
                words[record.detail] if record.detail else None,
                record.attempts,
                _round_to(record.started, 1000),
                _round_to(record.seconds, 1_000_000),
                words[record.worker] if record.worker else None,
                record.peak_memory or None,
                clean_text(record.log) if record.log is not None else None,
                failure_to_json(record.failure) if record.failure is not None else None,
                execution,
            )
        )

    def write(self) -> None:
        """Write everything; nothing may be added after."""
        self._contents.write()
        for table, into in _INTO.items():
            if table in self._rows:
                insert_rows(self._connection, into, self._rows[table])
        if self._published:
            changes = [(*stands, entry) for entry, stands in self._published.items()]
            self._connection.executemany(_PUBLISH, changes)
        if self._observed:
            self._connection.executemany(_NAMED, self._names)
            self._connection.executemany(_OBSERVED, self._observed)

    def _find_standing(self, executions: Sequence[Execution]) -> None:
        prefixes = [to_prefix(key) for key in {execution.entry_key: None for execution in executions}]
        for key, *standing in select_among(self._connection, _ENTRIES, prefixes):
            self._standing[key.hex()] = Standing(*standing)

    def _reserve_entry(self, execution: Execution) -> Standing:
        identity, self._next_entry = self._next_entry, self._next_entry + 1
        generation = 0 if execution.supersedes is None else execution.supersedes + 1
        step = self._identities.word(execution.parts.step)
        self._rows["entry"].append((identity, to_bytes(execution.entry_key), step, generation, self._room))
        return Standing(identity, None, generation)

    def _publish(self, execution: Execution, standing: Standing) -> None:
        assert standing.execution is not None
        self._standing[execution.entry_key] = standing
        self._published[standing.entry] = (standing.execution, standing.generation)

    def _add_account(self, identity: int, account: Execution, run: int) -> None:
        words, rows = self._identities.words, self._rows
        for position, part in enumerate(account.parts.arguments):
            rows["argument"].append((identity, position, words[part.parameter], self._argument_value(part)))
        producers = account.producers or (None,) * len(account.inputs)
        # Without a producer it is a constant, which was `put` for this very call, also where it had been dropped.
        constant = self._contents.made if account.producers else self._contents.intern
        for position, ((parameter, artifact), producer) in enumerate(zip(account.inputs, producers, strict=True)):
            name = words[parameter]
            if producer is None:
                rows["input"].append((identity, position, name, constant(artifact), None))
            else:
                # The execution whose outputs a node of this run gave, its own or the one that it reused.
                maker = self._makers.get((run, clean_text(producer)))
                rows["input"].append((identity, position, name, self._contents.intern(artifact), maker))
        for position, output in enumerate(account.outputs):
            rows["output"].append((identity, position, words[output.name], self._contents.made(output.artifact)))
        for position, (name_of_metric, value) in enumerate(account.metrics):
            rows["metric"].append((identity, position, words[name_of_metric], value))

    def _argument_value(self, part: ArgumentPart) -> int:
        """Return the id of an argument's value; only those that recur are looked for among what is remembered."""
        row = (to_bytes(part.digest), self._identities.words[part.kind], clean_text(part.shown))
        recurs = part.kind is not ArgumentKind.INPUT
        known = self._identities.values.get(row) if recurs else None
        if known is None:
            known, self._next_value = self._next_value, self._next_value + 1
            self._rows["argument_value"].append((known, *row))
            if recurs:
                self._identities.values[row] = known
        return known

    def _add_observed(self, identity: int, account: Execution, cache_key: bytes) -> None:
        words = self._identities.words
        for position, item in enumerate(account.observed):
            self._rows["observed_input"].append(
                (identity, position, words[item.kind], clean_text(item.name), item.digest)
            )
        names = to_json(sorted((item.kind, item.name) for item in account.observed))
        digest = blake3(names.encode()).digest()
        self._names.append((digest, names))
        self._observed.append((cache_key, identity, digest))


def _artifacts_of(executions: Iterable[Execution]) -> Iterable[Artifact]:
    for execution in executions:
        for _, artifact in execution.inputs:
            yield artifact
        for output in execution.outputs:
            yield output.artifact


def _round_to(seconds: float | None, parts: int) -> int | None:
    return None if seconds is None else round(seconds * parts)
