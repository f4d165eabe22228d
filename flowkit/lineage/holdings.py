"""What the store holds, and what is known of it that decides on whether it stays: who uses it, and what makes it again.

Only artifacts in files are told of. Small ones lie in the database, and what came in as a path is not in the store.
"""

# ruff: noqa: S608  (queries are put together from the constants of this module and of `tables` only)

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from msgspec import Struct

from flowkit.lineage.makers import Maker, load_makers
from flowkit.lineage.reader import Reader
from flowkit.records import Digest, RunStatus, VersionState

_HELD = """
    SELECT a.id, a.digest, f.text, a.bytes
    FROM artifact AS a
    JOIN word AS f ON f.id = a.format
    WHERE a.inline IS NULL AND EXISTS (SELECT 1 FROM artifact_file AS l WHERE l.artifact = a.id)
    ORDER BY a.id"""

_FILES = "SELECT artifact, file FROM artifact_file ORDER BY artifact, position"

_SIZES = """
    SELECT b.id, b.size FROM blob_file AS b WHERE EXISTS (SELECT 1 FROM artifact_file AS l WHERE l.file = b.id)"""

_RUNS = """
    SELECT r.id, r.run, r.pipeline, p.text, r.started, s.text, r.driver
    FROM run AS r
    JOIN word AS p ON p.id = r.pipeline
    JOIN word AS s ON s.id = r.status
    ORDER BY r.id"""

# CROSS JOIN: nodes first. What failed used its inputs too.
_USES = """
    SELECT t.artifact, r.pipeline, max(r.id)
    FROM node AS n
    CROSS JOIN {table} AS t ON t.execution = n.execution
    JOIN run AS r ON r.id = n.run
    JOIN artifact AS a ON a.id = t.artifact AND a.inline IS NULL
    {where}
    GROUP BY t.artifact, r.pipeline"""

_PINS = """
    SELECT p.artifact, u.who, u.detail FROM pin AS p JOIN audit_record AS u ON u.sequence = p.audit"""

KEPT_STATES = f"'{VersionState.REGISTERED.value}', '{VersionState.ROLLED_BACK.value}'"
"""Of versions in these states the content stays, as SQL; so it does where an alias points to the version."""

_VERSIONS = f"""
    SELECT v.artifact, m.name || ':' || v.version || ifnull(' (' || group_concat(l.name, ', ') || ')', '')
    FROM model_version AS v
    JOIN model AS m ON m.id = v.model
    LEFT JOIN model_alias AS l ON l.version = v.id
    GROUP BY v.id
    HAVING v.state IN ({KEPT_STATES}) OR count(l.name) > 0
    ORDER BY m.name, v.version"""

_DROPPED = "SELECT artifact FROM dropped"

IsDriven = Callable[[str, str], bool]
"""Whether the driver of a run lives, by the run's id and what identifies the driver."""


class Use(NamedTuple):
    """The latest run of one pipeline that made, reused or took an artifact; both are the database's own numbers."""

    pipeline: int
    run: int


class HeldRun(Struct, frozen=True):
    """A run, as far as it decides on what stays.

    Attributes:
        pipeline: The database's number of the pipeline, whose name is `called`.
        live: Whether it goes on.
    """

    run: str
    pipeline: int
    called: str
    started: float
    succeeded: bool
    live: bool


class Holding(Struct, frozen=True):
    """An artifact that lies in files.

    Attributes:
        id: The database's number.
        files: The database's numbers of the files that hold it.
        models: Versions that it is the content of and that are in use, such as `taxi:7 (champion)`.
        pin: Who pinned it and why; None where nobody did.
        live: A run that goes on and has made, reused or taken it.
        uses: By pipeline.
    """

    id: int
    digest: Digest
    format: str
    bytes: int
    files: tuple[int, ...]
    models: tuple[str, ...] = ()
    pin: str | None = None
    live: str | None = None
    uses: tuple[Use, ...] = ()


class Holdings(Struct, frozen=True):
    """All that a store holds in files, at one moment.

    Attributes:
        sizes: Bytes of each file by its number.
        runs: By the database's number.
        makers: What makes an artifact again, by the artifact's number; also of those dropped before.
        dropped: The numbers of artifacts that were dropped before.
    """

    artifacts: tuple[Holding, ...]
    sizes: Mapping[int, int]
    runs: Mapping[int, HeldRun]
    makers: Mapping[int, Maker]
    dropped: frozenset[int]

    @property
    def last_run(self) -> int:
        """The number of the newest run, 0 where there is none."""
        return max(self.runs, default=0)

    @property
    def live_since(self) -> float | None:
        """When the oldest run began that goes on; None where none does."""
        return min((run.started for run in self.runs.values() if run.live), default=None)


def load_holdings(reader: Reader, is_driven: IsDriven) -> Holdings:
    """Return what the store holds."""
    with reader.at_one_moment():
        runs = _load_runs(reader, is_driven)
        live = [number for number, run in runs.items() if run.live]
        used_now = {artifact: runs[use.run].run for artifact, uses in _load_uses(reader, live).items() for use in uses}
        files: dict[int, list[int]] = {}
        for artifact, file in reader.select(_FILES):
            files.setdefault(artifact, []).append(file)
        uses, models, pins = _load_uses(reader), _gather(reader.select(_VERSIONS)), _load_pins(reader)
        artifacts = tuple(
            Holding(
                number,
                digest.hex(),
                format_name,
                size,
                tuple(files[number]),
                models.get(number, ()),
                pins.get(number),
                used_now.get(number),
                tuple(uses.get(number, ())),
            )
            for number, digest, format_name, size in reader.select(_HELD)
        )
        dropped = frozenset(number for (number,) in reader.select(_DROPPED))
        sizes: dict[int, int] = dict(reader.select(_SIZES))
        return Holdings(artifacts, sizes, runs, load_makers(reader), dropped)


def _load_runs(reader: Reader, is_driven: IsDriven) -> dict[int, HeldRun]:
    return {
        number: HeldRun(
            run,
            pipeline,
            called,
            started,
            status == RunStatus.SUCCEEDED,
            status == RunStatus.RUNNING and is_driven(run, driver),
        )
        for number, run, pipeline, called, started, status, driver in reader.select(_RUNS)
    }


def _load_uses(reader: Reader, runs: Sequence[int] | None = None) -> dict[int, list[Use]]:
    """Return by artifact the latest run of each pipeline that used it; of these runs only, where they are given."""
    latest: dict[tuple[int, int], int] = {}
    for table in ("output", "input"):
        query = _USES.format(table=table, where="" if runs is None else "WHERE n.run IN ({values})")
        rows = reader.select(query) if runs is None else reader.select_among(query, runs)
        for artifact, pipeline, run in rows:
            latest[artifact, pipeline] = max(run, latest.get((artifact, pipeline), 0))
    uses: dict[int, list[Use]] = {}
    for (artifact, pipeline), run in latest.items():
        uses.setdefault(artifact, []).append(Use(pipeline, run))
    return uses


def _load_pins(reader: Reader) -> dict[int, str]:
    return {
        artifact: f"pinned by {who or 'an unknown user'}" + (f": {reason}" if reason else "")
        for artifact, who, reason in reader.select(_PINS)
    }


def _gather(rows: Iterable[tuple[int, str]]) -> dict[int, tuple[str, ...]]:
    found: dict[int, tuple[str, ...]] = {}
    for number, text in rows:
        found[number] = (*found.get(number, ()), text)
    return found
