"""Figure 6: whatever becomes of a stored file, it is noticed before it is decoded, and the next run heals it.

A round damages a stored value of every kind in one way, with stamps as the damage leaves them, with the old time put
back, or with a record that believes the file to be unchanged, as a disk that rots leaves it. Then the pipeline runs,
every value is read, and it runs again.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from flowkit.errors import LostArtifactError
from flowkit.lineage.artifacts import stored_artifacts
from flowkit.lineage.reader import Reader
from flowkit.results import Run
from flowkit.session.session import Session
from flowkit.store import LocalStore, StoreFolder
from flowkit.store.names import blob_name
from flowkit.store.packs import MAGIC
from flowkit.targets import load_target
from tests.commands import Tell as Command
from tests.commands import caller
from tests.faults.conftest import Tell
from tests.faults.damages import DAMAGES, Damage, clear_strays, overwrite, remove_whatever
from tests.faults.kinds import KINDS, make_project

pytestmark = pytest.mark.slow

_FILES = """
    SELECT o.node, a.id, l.position, lower(hex(b.digest)), w.text, b.id
    FROM node_outputs AS o JOIN artifact AS a ON lower(hex(a.digest)) = o.artifact
    LEFT JOIN artifact_file AS l ON l.artifact = a.id LEFT JOIN blob_file AS b ON b.id = l.file
    LEFT JOIN word AS w ON w.id = b.suffix
    WHERE o.node LIKE 'make_%' AND o.run = (SELECT run FROM runs ORDER BY rowid LIMIT 1)
    ORDER BY o.node, l.position"""


@dataclass
class Counts:
    """What a campaign did and found."""

    damaged: int = 0
    harmless: int = 0
    noticed: int = 0
    decoded: int = 0
    wrong: int = 0
    unhealed: int = 0
    troubles: list[str] = field(default_factory=list)

    @property
    def violations(self) -> int:
        return self.decoded + self.wrong + self.unhealed + (self.damaged - self.harmless - self.noticed)


class Project:
    """The project with a value of every kind in its store."""

    def __init__(self, root: Path) -> None:
        self.root = make_project(root)
        self.store = root / ".flowkit"
        self.decoded = root / "decoded.log"

    def run(self, workers: int | None = None) -> Run:
        with Session(inline=workers is None, workers=workers) as session:
            return session.run(load_target("kinds").pipeline)

    def execute(self, statement: str, *values: object) -> None:
        with sqlite3.connect(self.store / "lineage.db") as connection:
            connection.execute(statement, values)
        connection.close()

    def reasons(self, run: Run) -> dict[str, tuple[str, str | None]]:
        """Return (outcome, reason) of each node of a run."""
        with Reader(self.store / "lineage.db") as reader:
            rows = reader.select("SELECT node, outcome, reason FROM nodes WHERE run = ?", (run.id,))
        return {node: (outcome, reason) for node, outcome, reason in rows}

    def find_lost(self) -> list[str]:
        """Hash all that is stored, and return what is not whole."""
        lost = []
        store = LocalStore(StoreFolder.open(self.store), in_place=True)
        with Reader(self.store / "lineage.db") as reader:
            for artifact in stored_artifacts(reader):
                try:
                    store.prove(artifact)
                except LostArtifactError as error:
                    lost.append(str(error))
        return lost

    def files(self) -> dict[str, list[tuple[Path, int]]]:
        """Return the files of each kind with their rows, its own first; none of what lies in the database."""
        with sqlite3.connect(self.store / "lineage.db") as connection:
            rows = connection.execute(_FILES).fetchall()
        connection.close()
        found: dict[str, list[tuple[Path, int]]] = {}
        for node, _, _, digest, suffix, row in rows:
            some = found.setdefault(node.removeprefix("make_"), [])
            if suffix is not None:
                some.append((self.store / "blobs" / blob_name(digest, suffix), row))
        return found

    def believe(self, path: Path, row: int) -> None:
        """Let the record say of a file as it is now that it was verified."""
        status = os.stat(path)
        stamp = (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
        self.execute("UPDATE blob_file SET size = ?, mtime_ns = ?, ctime_ns = ?, inode = ? WHERE id = ?", *stamp, row)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A project in whose store a value of each kind lies; each round leaves it healed."""
    root = tmp_path_factory.mktemp("corruption") / "kinds"
    before = Path.cwd()
    os.makedirs(root)
    os.chdir(root)
    made = Project(root)
    assert made.run().status == "succeeded"
    files = made.files()
    assert set(files) == set(KINDS)
    assert {kind for kind, some in files.items() if not some} == {"small", "metrics"}
    assert len(files["wider_table"]) == 2, "the wider table is to refer into the file of the table that it is made of"
    yield made
    os.chdir(before)


def judge(project: Project, run: Run, damaged: set[str], counts: Counts, what: str, harmless: set[str]) -> None:
    """Count what a run made of a damage: every value right, what was damaged noticed, nothing decoded wrong."""
    counts.damaged += len(damaged)
    reasons = project.reasons(run)
    for kind in KINDS:
        if run[f"read_{kind}"].outcome != "executed" or run[f"read_{kind}"].value() is not True:
            counts.wrong += 1
            counts.troubles.append(f"{what}: {run[f'read_{kind}']!r}")
        outcome = reasons[f"make_{kind}"]
        if kind in damaged and outcome == ("executed", "lost"):
            counts.noticed += 1
        elif kind in harmless and outcome == ("reused", None):
            counts.harmless += 1
        elif kind in damaged & SHARING and outcome == ("reused", None):
            # The part was at hand, as the other table was made again; whoever reads the file itself notices.
            later = project.reasons(project.run())[f"make_{kind}"]
            counts.noticed += later == ("executed", "lost")
        elif kind in damaged:
            counts.troubles.append(f"{what}: make_{kind} {outcome}")
    if project.decoded.exists() and "wrong" in project.decoded.read_text():
        counts.decoded += 1
        counts.troubles.append(f"{what}: the decoder was given damaged bytes")
    project.decoded.unlink(missing_ok=True)
    lost = project.find_lost()
    counts.unhealed += len(lost)
    counts.troubles += [f"{what}: after the run {error}" for error in lost]


def is_harmless(damage: Damage, path: Path) -> bool:
    """A flipped byte between a container's segments belongs to no value."""
    return damage.name.endswith("padding") and path.read_bytes().startswith(MAGIC)


def as_left(project: Project, path: Path, row: int, before: os.stat_result) -> None:
    """Leave the stamp as the damage made it."""


def time_put_back(project: Project, path: Path, row: int, before: os.stat_result) -> None:
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def believed(project: Project, path: Path, row: int, before: os.stat_result) -> None:
    project.believe(path, row)


STAMPS: tuple[Callable[[Project, Path, int, os.stat_result], None], ...] = (as_left, time_put_back, believed)
ROUNDS = [(damage, stamps) for damage in DAMAGES for stamps in (STAMPS if damage.keeps_file else STAMPS[:1])]


def apply(project: Project, damage: Damage, stamps: Callable[..., None], kinds: set[str]) -> dict[Path, bytes | None]:
    """Damage each kind's own file, and return what lies there now; None where that is no regular file."""
    left: dict[Path, bytes | None] = {}
    for kind, some in project.files().items():
        if kind not in kinds or not some:
            continue
        path, row = some[0]
        before = path.stat()
        damage.harm(path)
        if damage.keeps_file:
            stamps(project, path, row, before)
        left[path] = path.read_bytes() if path.is_file() and not path.is_symlink() else None
    return left


def kept(project: Project) -> set[bytes]:
    """Empty the quarantine and return what lay there."""
    found = set()
    for path in (project.store / "quarantine").iterdir():
        if path.is_file():
            found.add(path.read_bytes())
        remove_whatever(path)
    return found


SHARING = {"wider_table"}
"""What holds the same parts as another kind, in its own file or by reference."""

IN_FILES = set(KINDS) - {"small", "metrics"}


def test_no_damage_of_a_file_gives_a_wrong_value(project: Project, tell_figure: Tell) -> None:
    """Every kind of blob, damaged in every way: noticed before it is decoded, kept aside, made again, right."""
    counts = Counts()
    for damage, stamps in ROUNDS:
        what = f"{damage.name}, {stamps.__name__}"
        left = apply(project, damage, stamps, IN_FILES)
        harmless = {kind for kind, some in project.files().items() if some and is_harmless(damage, some[0][0])}

        judge(project, project.run(), IN_FILES, counts, what, harmless)
        aside = kept(project)
        lost = [path.name for path, content in left.items() if content is not None and content not in aside]
        if not damage.name.endswith("padding") and lost:
            counts.troubles.append(f"{what}: not kept: {lost}")
            counts.unhealed += 1
        clear_strays(project.store / "blobs")

    tell_figure(
        "6 corruption of files",
        rounds=len(ROUNDS),
        damaged=counts.damaged,
        noticed=counts.noticed,
        in_padding=counts.harmless,
        decoded_damaged=counts.decoded,
        wrong_values=counts.wrong,
        violations=counts.violations,
    )
    assert counts.violations == 0, "\n".join(counts.troubles)


def test_a_file_with_the_content_of_another_is_noticed(project: Project, tell_figure: Tell) -> None:
    """Blobs that have changed places, each of them sound by itself."""
    counts = Counts()
    for stamps in STAMPS:
        own = [some[0] for _, some in sorted(project.files().items()) if some]
        contents = [path.read_bytes() for path, _ in own]
        for (path, row), content in zip(own, contents[1:] + contents[:1], strict=True):
            before = path.stat()
            overwrite(path, content)
            stamps(project, path, row, before)

        judge(project, project.run(), IN_FILES, counts, f"swapped, {stamps.__name__}", set())
        kept(project)

    tell_figure("6 corruption by swapping", damaged=counts.damaged, violations=counts.violations)
    assert counts.violations == 0, "\n".join(counts.troubles)


def test_damage_of_a_file_that_another_table_refers_to_is_noticed(project: Project, tell_figure: Tell) -> None:
    """Where a table's chunks lie in another table's file, damage of that one loses neither of them for good."""
    counts = Counts()
    chosen = [damage for damage in DAMAGES if not damage.name.endswith("padding")]
    for kind in ("pandas_table", "wider_table"):
        for damage in chosen[::3]:
            apply(project, damage, believed, {kind})
            judge(project, project.run(), {kind}, counts, f"{damage.name} of {kind}", set())
            clear_strays(project.store / "blobs")
            kept(project)

    tell_figure("6 corruption of packs referred to", damaged=counts.damaged, violations=counts.violations)
    assert counts.violations == 0, "\n".join(counts.troubles)


def test_damage_of_a_value_in_the_database_is_noticed(project: Project, tell_figure: Tell) -> None:
    """Values of up to 4 KB are cells: each byte flipped, cut, emptied or gone, the value is made again."""
    counts = Counts()
    in_database = {"small", "metrics"}
    ids = "SELECT a.id FROM node_outputs AS o JOIN artifact AS a ON lower(hex(a.digest)) = o.artifact WHERE o.node IN"
    for harm in (
        "CAST(X'11' || substr(inline, 2) AS BLOB)",
        "CAST(substr(inline, 1, 7) || X'11' || substr(inline, 9) AS BLOB)",
        "substr(inline, 1, length(inline) - 1)",
        "X''",
        "NULL",
    ):
        project.execute(f"UPDATE artifact SET inline = {harm} WHERE id IN ({ids} ('make_small', 'make_metrics'))")
        judge(project, project.run(), in_database, counts, harm, set())

    tell_figure("6 corruption in the database", damaged=counts.damaged, violations=counts.violations)
    assert counts.violations == 0, "\n".join(counts.troubles)


def test_step_hosts_notice_damage_too(project: Project, tell_figure: Tell) -> None:
    """On workers: a reused value whose record believes the damaged file is found lost by its reader and made again."""
    counts = Counts()
    for damage in (DAMAGES[1], DAMAGES[3]):
        apply(project, damage, believed, IN_FILES)
        judge(project, project.run(workers=2), IN_FILES, counts, damage.name, set())
        kept(project)

    tell_figure("6 corruption found by step hosts", damaged=counts.damaged, violations=counts.violations)
    assert counts.violations == 0, "\n".join(counts.troubles)


def test_all_of_the_store_is_whole_in_the_end(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    """After all rounds a run makes nothing anew, and `verify` finds nothing."""
    verify: Command = caller(capsys)

    run = project.run()
    answer = verify("verify", "--json")

    assert {str(run[f"make_{kind}"].outcome) for kind in KINDS} == {"reused"}
    assert (answer.code, answer.json()["findings"]) == (0, [])
