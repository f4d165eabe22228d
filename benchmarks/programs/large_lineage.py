"""Ask a large lineage database what an artifact comes from and what came from it: `fill|ask ARTIFACTS`.

`fill` makes the database with flowkit's own schema and, for words, code and environment, flowkit's own writer: a run of
three nodes is recorded first. The rest is inserted in bulk, as the writer would have it but for the arguments, which
these questions do not read: pipelines of a thousand nodes in as many runs as it takes, every second one a chain, the
others a fan-out whose last node takes all. Each node gives an artifact of its own, but the first of a chain gives the
same in all runs, as a `0` or an empty list comes from everywhere.

`ask` tells medians in milliseconds, over runs at even distances, of a process that has asked before: of ancestors and
descendants that are a whole run of a thousand (fewer in a smaller database), and beside it of a bare recursive query
over ids alone.
"""

import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from hashlib import blake2b
from pathlib import Path
from statistics import median

import shapes
from told import megabytes_in, tell

import flowkit as fk
from flowkit.lineage.ancestry import ancestors, descendants
from flowkit.lineage.reader import Reader

DATABASE = Path(__file__).resolve().parent / ".flowkit" / "lineage.db"
NODES_A_RUN, ASKED, REPEATED = 1000, 20, 5

_BY_KEY = "SELECT id FROM execution WHERE substr(cache_key, 1, 12) = ?"
_FLOOR = """
    WITH RECURSIVE found (id) AS (
        SELECT ?
        UNION
        SELECT i.maker FROM found JOIN input AS i ON i.execution = found.id WHERE i.maker IS NOT NULL
    )
    SELECT id FROM found"""


def digest_of(*parts: object) -> bytes:
    """Return a digest that looks like one."""
    return blake2b(repr(parts).encode(), digest_size=32).digest()


def artifact_of(run: int, node: int) -> bytes:
    """Return the digest of what a node gave in a run; the first node of all chains gives the same."""
    return digest_of("shared") if is_chain(run) and node == 0 else digest_of("artifact", run, node)


def is_chain(run: int) -> bool:
    """Whether a run is of the chain, not of the fan-out."""
    return run % 2 == 0


def makers_of(run: int, node: int, size: int) -> list[int]:
    """Return the nodes that a node of a run takes something from."""
    if node == 0:
        return []
    if is_chain(run):
        return [node - 1]
    return [0] if node < size - 1 else list(range(1, node)) or [0]


def sizes(artifacts: int) -> list[int]:
    """Return the number of nodes of each run."""
    whole, rest = divmod(artifacts, NODES_A_RUN)
    return [NODES_A_RUN] * whole + ([rest] if rest else [])


def fill(artifacts: int) -> None:
    """Make the database."""
    with fk.Session(workers=1, inline=True) as session:
        session.run(shapes.chain, size=3)
    connection = sqlite3.connect(DATABASE)
    connection.executescript("PRAGMA synchronous = off; PRAGMA cache_size = -400000;")
    with connection:
        rows = _Rows(connection)
        for run, size in enumerate(sizes(artifacts)):
            rows.add_run(run, size)
    connection.close()


class _Rows:
    """Inserts runs that look like the one that the writer has recorded."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._places: dict[bool, int] = {}
        self._shared: int | None = None
        tables = ("run", "node", "execution", "entry", "artifact", "pipeline_node", "output")
        self._like = {table: self._first(table) for table in tables}
        self._parameter = self._first("input")["parameter"]
        self._next = {
            table: connection.execute(f"SELECT max(id) + 1 FROM {table}").fetchone()[0]
            for table in ("run", "pipeline_node", "execution", "artifact", "entry")
        }

    def add_run(self, number: int, size: int) -> None:
        """Insert a run with all of its nodes."""
        run, place = self._take("run", 1), self._place(is_chain(number))
        execution, entry = self._take("execution", size), self._take("entry", size)
        artifacts = self._artifacts(number, size)
        self._insert("run", [{"id": run, "run": name_of(number)}])
        for node in range(size):
            key = digest_of("key", number, node)
            mine = {"execution": execution + node}
            self._insert("entry", [{"id": entry + node, "entry_key": key, **mine}])
            where = {"run": run, "pipeline_node": place + node}
            self._insert("execution", [{"id": execution + node, "cache_key": key, "entry": entry + node, **where}])
            self._insert("node", [{**where, **mine}])
            self._insert("output", [{**mine, "artifact": artifacts[node]}])
            self._insert("input", list(self._inputs(number, node, size, execution, artifacts)))

    def _artifacts(self, number: int, size: int) -> list[int]:
        """Insert what the nodes of a run give, and return its ids."""
        new = [node for node in range(size) if node or not is_chain(number) or self._shared is None]
        start = self._take("artifact", len(new))
        ids = {node: start + place for place, node in enumerate(new)}
        self._insert("artifact", [{"id": ids[node], "digest": artifact_of(number, node)} for node in new])
        if is_chain(number) and self._shared is None:
            self._shared = ids[0]
        return [ids.get(node, self._shared or 0) for node in range(size)]

    def _inputs(
        self, number: int, node: int, size: int, execution: int, artifacts: list[int]
    ) -> Iterator[dict[str, object]]:
        for position, maker in enumerate(makers_of(number, node, size)):
            given = {"artifact": artifacts[maker], "maker": execution + maker}
            yield {"execution": execution + node, "position": position, "parameter": self._parameter, **given}

    def _place(self, chain: bool) -> int:
        """Return the first of the rows for the nodes of a pipeline, which all of its runs share."""
        if chain not in self._places:
            start = self._places[chain] = self._take("pipeline_node", NODES_A_RUN)
            kind = "chain" if chain else "fan"
            names = [{"id": start + node, "name": f"{kind}#{node}"} for node in range(NODES_A_RUN)]
            self._insert("pipeline_node", names)
        return self._places[chain]

    def _first(self, table: str) -> dict[str, object]:
        """Return a row that the writer has recorded."""
        cursor = self._connection.execute(f"SELECT * FROM {table} LIMIT 1")
        return dict(zip((column[0] for column in cursor.description), cursor.fetchone(), strict=True))

    def _take(self, table: str, count: int) -> int:
        start = self._next[table]
        self._next[table] += count
        return start

    def _insert(self, table: str, rows: list[dict[str, object]]) -> None:
        """Insert rows; what they do not say is as in the recorded one."""
        full = [{**self._like.get(table, {}), **row} for row in rows]
        if full:
            names, marks = ", ".join(full[0]), ", ".join(f":{name}" for name in full[0])
            self._connection.executemany(f"INSERT INTO {table} ({names}) VALUES ({marks})", full)


def name_of(run: int) -> str:
    """Return a run's name."""
    return f"20260101-000000-{run:06x}"


def ask(artifacts: int) -> dict[str, float]:
    """Return the medians, having seen that the answers have as many nodes as they must."""
    runs = sizes(artifacts)
    chains = [run for run in range(len(runs)) if is_chain(run)]
    fans = [run for run in range(len(runs)) if not is_chain(run)]
    with Reader(DATABASE) as reader:
        ancestors(reader, artifact_of(0, 0).hex())
        up = {
            "chain_up_ms": [(run, runs[run] - 1, runs[run]) for run in chains],
            "fan_up_ms": [(run, runs[run] - 1, runs[run]) for run in fans],
        }
        # The first of a chain is shared by all of them; what came from the second is all but these two.
        down = {
            "chain_down_ms": [(run, 1, runs[run] - 2) for run in chains if runs[run] > 1],
            "fan_down_ms": [(run, 0, runs[run] - 1) for run in fans],
        }
        figures = {
            **{name: _median_of(lambda one: ancestors(reader, one), asked) for name, asked in up.items() if asked},
            **{name: _median_of(lambda one: descendants(reader, one), asked) for name, asked in down.items() if asked},
        }
        shared = artifact_of(0, 0).hex()
        figures["shared_down_ms"] = _often(lambda one: descendants(reader, one), shared)
        last = reader.select(_BY_KEY, (digest_of("key", 0, runs[0] - 1)[:12],))[0]
        figures["bare_query_ms"] = _often(lambda one: tuple(reader.select(_FLOOR, last)), shared)
    return figures


def _median_of(question: Callable[[str], tuple[object, ...]], asked: list[tuple[int, int, int]]) -> float:
    some = asked[:: max(1, len(asked) // ASKED)]
    if len(some) < REPEATED:
        some = some * REPEATED
    return median(_milliseconds(question, artifact_of(run, node).hex(), expected) for run, node, expected in some)


def _often(question: Callable[[str], tuple[object, ...]], digest: str) -> float:
    return median(_milliseconds(question, digest) for _ in range(REPEATED))


def _milliseconds(question: Callable[[str], tuple[object, ...]], digest: str, expected: int | None = None) -> float:
    begun = time.perf_counter()
    rows = question(digest)
    taken = time.perf_counter() - begun
    assert expected is None or len(rows) == expected, (len(rows), expected)
    return taken * 1000


if __name__ == "__main__":
    if sys.argv[1] == "fill":
        fill(int(sys.argv[2]))
        tell(database_mb=megabytes_in(DATABASE))
    else:
        tell(**ask(int(sys.argv[2])))
