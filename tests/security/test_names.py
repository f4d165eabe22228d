"""Wherever a name becomes a path, a query or a line of output, nothing outside is touched and the error is clear."""

from __future__ import annotations

import json
import os
import re
import sqlite3
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from flowkit.cache.key import compute_entry_key
from flowkit.codecs.trees import materialise, read_manifest
from flowkit.engine.remote.shared_records import read_shared_record
from flowkit.errors import CodecError, StoreError
from flowkit.records import Entry
from tests.cli.conftest import SOURCE
from tests.commands import Tell, caller
from tests.faults.scale import SCALE
from tests.security.hostile import HOSTILE, STATEMENTS
from tests.security.projects import make_project

KEY = "ab" * 32

KEPT_OF_FILES = ('INSERT INTO "file_digest"', 'INSERT INTO "folder_listing"')
"""What is remembered of files that were looked at, also by a plan: digests."""

SHARE = 1 if SCALE >= 1 else 6

Words = Callable[[str], tuple[str, ...]]

LOOKING: dict[str, Words] = {
    "check": lambda name: ("check", name),
    "plan": lambda name: ("plan", name),
    "show": lambda name: ("show", name),
    "why": lambda name: ("why", name, "load"),
    "why, its node": lambda name: ("why", "small", name),
    "why, a run's node": lambda name: ("why", "last", name),
    "logs": lambda name: ("logs", name, "load"),
    "logs, its node": lambda name: ("logs", "last", name),
    "diff": lambda name: ("diff", name, "last"),
    "lineage": lambda name: ("lineage", name),
    "lineage of a node": lambda name: ("lineage", f"last:{name}"),
    "artifact show": lambda name: ("artifact", "show", name),
    "artifact export": lambda name: ("artifact", "export", name, "exported.csv"),
    "models show": lambda name: ("models", "show", name),
    "models card": lambda name: ("models", "card", name),
    "models retire": lambda name: ("models", "retire", name),
    "models rollback": lambda name: ("models", "rollback", name),
    "models promote": lambda name: ("models", "promote", name, "--to", "champion"),
    "audit list": lambda name: ("audit", "list", name),
    "verify": lambda name: ("verify", name),
    "rerun": lambda name: ("rerun", name, "--inline"),
    "run": lambda name: ("run", name, "--inline"),
    "accept": lambda name: ("accept", "small", name),
    "an environment": lambda name: ("check", "small", "--env", name),
    "a parameter's name": lambda name: ("check", "small", "-p", f"{name}=1"),
    "a parameter's value": lambda name: ("check", "small", "-p", f"n={name}"),
    "a selector": lambda name: ("plan", "small", "--select", name),
    "what is forced": lambda name: ("plan", "small", "--force", name),
    "a scheduler": lambda name: ("plan", "small", "--scheduler", name),
    "a tag": lambda name: ("plan", "small", "--select", f"tag:{name}"),
    "a file": lambda name: ("plan", "small", "-p", f"file={name}"),
}
"""Commands that a text of a person's is part of, and that change nothing with these."""

MAY_BE_FINE = {
    "a scheduler","check", "plan", "show", "run", "why", "logs", "diff", "verify", "rerun", "a file", "what is forced",
               "a selector", "accept", "audit list", "an environment", "a tag"}  # fmt: skip
"""Where a text of the corpus may be a right one: `--help`, `*`, a parameter that takes any text."""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with one run, in a folder with other things that are nobody's business."""
    around = tmp_path_factory.mktemp("around")
    (around / "etc").mkdir()
    (around / "etc" / "passwd").write_text("secret")
    (around / "lineage.db").write_text("secret")
    return make_project(around / "deep" / "project", small=SOURCE)


@pytest.fixture
def call(project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Tell:
    monkeypatch.chdir(project)
    call = caller(capsys)
    (project / "data.txt").write_text("some data\n")
    if not (project / ".flowkit").exists():
        assert call("run", "small", "--inline", "-q").code == 0
        # It locks the store against a collection, by a file that stays.
        assert call("verify").code == 0
    return call


def everything(folder: Path) -> dict[str, tuple[int, int, int]]:
    """Return what stands in a folder, but for the database, which is compared by its rows, and what is only kept."""
    kept = {}
    for place, folders, files in os.walk(folder):
        for name in (*folders, *files):
            item = Path(place, name)
            status = item.lstat()
            if not {"__pycache__", "cache"}.intersection(item.parts) and not (
                name.startswith("lineage.db") and ".flowkit" in item.parts
            ):
                is_file = name in files
                kept[str(item)] = (status.st_mode, status.st_mtime_ns * is_file, status.st_size * is_file)
    return kept


def dump(project: Path) -> list[str]:
    with sqlite3.connect(project / ".flowkit" / "lineage.db") as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return [line for line in database.iterdump() if not line.startswith(KEPT_OF_FILES)]


def look_everywhere(project: Path, call: Tell, names: list[str]) -> Counter[str]:
    """Use every name in every place; nothing may change, and what is printed must obey a terminal's reader."""
    around = project.parents[1]
    before, kept = everything(around), dump(project)
    tried: Counter[str] = Counter()
    for place, words in LOOKING.items():
        for name in names:
            if name == "/" and place in ("lineage", "artifact show", "artifact export"):
                continue  # a folder of a person's choice, which would be hashed whole
            answer = call(*words(name))
            said = answer.out + answer.err
            tried[place] += 1
            fine = place in MAY_BE_FINE or name.startswith("-") or os.path.isdir(name)
            assert answer.code == 2 or (fine and answer.code in (0, 1, 4)), f"{place} {name!r}: {answer.code} {said}"
            assert "Traceback (most recent" not in answer.err, f"{place} {name!r}: {said}"
            assert not set(said) & set("\x1b\x07\x9b\r\x00\u202e"), f"{place} {name!r}: {said!r}"
            assert answer.code == 0 or "Error: " in answer.err, f"{place} {name!r}: {said!r}"
    assert everything(around) == before
    assert dump(project) == kept
    return tried


def test_no_name_reaches_anything(project: Path, call: Tell) -> None:
    """A share of the corpus in every place of the command line: no file, no row and no terminal notices."""
    look_everywhere(project, call, HOSTILE[7::60])


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_no_name_of_the_corpus_reaches_anything(project: Path, call: Tell, tell_figure: Callable[..., None]) -> None:
    """All of the corpus in every place of the command line; a share of it in the gate."""
    tried = look_everywhere(project, call, HOSTILE[::SHARE])

    assert len(HOSTILE) >= 200
    tell_figure("hostile names", places=len(LOOKING), names=sum(tried.values()), escapes=0)


@pytest.mark.parametrize(
    "place", ["logs", "logs, its node", "why, its node", "lineage", "models show", "diff", "rerun"]
)
def test_wildcards_and_statements_find_nothing(project: Path, call: Tell, place: str) -> None:
    """A name is compared as it is: `%`, `_`, quotes and statements in it match nothing that is there."""
    for name in STATEMENTS:
        answer = call(*LOOKING[place](name))
        assert answer.code == 2, f"{place} {name!r}: {answer.out}{answer.err}"


HOSTS = """
from pathlib import Path

import flowkit as fk
from tests.security.hostile import HOSTILE


@fk.step
def text(given: str) -> str:
    return given


@fk.step
def skips(given: str) -> str:
    raise fk.Skip(given)


@fk.step
def measures(given: str) -> fk.Metrics:
    return fk.Metrics(**{given: 1.0})


@fk.step
def raises(given: str) -> str:
    print(given.encode("utf-8", "replace"))
    raise ValueError(given)


@fk.step
def names_a_file(given: str) -> Path:
    folder = fk.scratch() / "found"
    folder.mkdir()
    try:
        (folder / given.replace("/", "|")).write_text(given.encode("utf-8", "replace").decode())
    except (ValueError, OSError):
        (folder / "none").write_text("no file can be called so")
    return folder


@fk.step
def reads_a_folder(folder: Path) -> list[str]:
    return [str(file.relative_to(folder)).encode("utf-8", "replace").decode() for file in folder.iterdir()]


@fk.step
def one() -> int:
    return 1


@fk.pipeline
def hosts(start: int = 0, end: int = 1000, every: int = 1, kind: str = "values") -> None:
    for name in HOSTILE[start:end:every]:
        if kind == "names":
            one.named(name)()
            continue
        if kind == "failures":
            raises(name)
            continue
        if kind == "files":
            reads_a_folder(names_a_file(name))
            continue
        text(name)
        skips(name)
        measures(name)
"""


def run_hosts(project: Path, call: Tell, every: int) -> None:
    (project / "pipelines" / "hosts.py").write_text(HOSTS)
    around = project.parents[1]
    before = {name: facts for name, facts in everything(around).items() if ".flowkit" not in name}

    run = call("run", "hosts", "--inline", "--json", "--force", "*", "-p", f"every={every}")
    files = call("run", "hosts", "--inline", "--json", "-p", f"every={8 * every}", "-p", "kind=files")
    failed = call("run", "hosts", "--inline", "-p", f"every={every}", "-p", "kind=failures")
    shown = [
        call("why", "last", "raises"),
        call("logs", "last", "raises"),
        call("run", "hosts", "--inline", "-v", "-p", f"every={every}"),
    ]

    nodes = json.loads(run.out)["nodes"]
    assert run.code == 0, run.err
    assert files.code == 0, files.err
    assert Counter(node["outcome"] for node in nodes) == Counter(
        {"executed": 2 * len(nodes) // 3, "skipped": len(nodes) // 3}
    )
    assert failed.code == 1
    for answer in (failed, *shown):
        assert not set(answer.out + answer.err) & set("\x1b\x07\x9b\r\x00\u202e")
        assert "bug of its own" not in answer.err
    assert {name: facts for name, facts in everything(around).items() if ".flowkit" not in name} == before
    with sqlite3.connect(project / ".flowkit" / "lineage.db") as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_values_are_only_values(project: Path, call: Tell) -> None:
    """A share of the corpus as arguments, metrics, reasons, messages and names of files that a step returns."""
    run_hosts(project, call, 20)


@pytest.mark.slow
def test_all_of_the_corpus_are_only_values(project: Path, call: Tell) -> None:
    """The whole corpus as that; a share of it in the gate."""
    run_hosts(project, call, SHARE)


@pytest.mark.parametrize("every", [pytest.param(20, id="share"), pytest.param(1, id="all", marks=pytest.mark.slow)])
def test_a_nodes_name_is_refused_where_it_is_unsafe(project: Path, call: Tell, every: int) -> None:
    """`.named` takes letters, digits and `_-.`: anything else is refused before a step runs, with the line."""
    (project / "pipelines" / "hosts.py").write_text(HOSTS)
    refused = 0
    for place in range(0, len(HOSTILE), every):
        words = ("check", "hosts", "-p", f"start={place}", "-p", f"end={place + 1}", "-p", "kind=names")
        answer = call(*words)
        is_safe = re.fullmatch(r"[^\W\d][\w.-]*", HOSTILE[place]) is not None and len(HOSTILE[place]) <= 200
        assert answer.code == (0 if is_safe else 2), f"{HOSTILE[place]!r}: {answer}"
        refused += answer.code == 2
    assert refused


@pytest.mark.parametrize("place", ["name", "entry", "below", "target"])
def test_a_tree_from_elsewhere_stays_in_its_folder(tmp_path: Path, place: str) -> None:
    """A manifest of files is written below the folder that it is for, or refused: no name and no link leads out."""
    inside = tmp_path / "around" / "inside"
    (tmp_path / "around" / "etc").mkdir(parents=True)
    (tmp_path / "around" / "etc" / "passwd").write_text("secret")
    (tmp_path / "around" / "lineage.db").write_text("secret")
    before = everything(tmp_path)
    for number, name in enumerate(HOSTILE):
        target = inside / str(number)
        try:
            tree = read_manifest(_manifest(place, name))
            written = materialise(tree, None, target)  # type: ignore[arg-type]
        except CodecError:
            continue
        assert written.parent == target
        assert target.resolve() in written.resolve().parents
        for folder, folders, files in os.walk(target):
            for item in (*folders, *files):
                assert inside in Path(os.path.realpath(f"{folder}/{item}")).parents, (place, name)
    after = everything(tmp_path)
    assert {path: facts for path, facts in after.items() if str(inside) not in path} == before


def _manifest(place: str, name: str) -> dict[str, object]:
    file = {"kind": "file", "name": "file", "content": None, "executable": False}
    entries: dict[str, list[dict[str, object]]] = {
        "name": [file],
        "entry": [{**file, "name": name}],
        "below": [{"kind": "folder", "name": "sub"}, {**file, "name": f"sub/{name}"}],
        "target": [{"kind": "link", "name": "link", "target": name}],
    }
    return {"kind": "folder", "name": name if place == "name" else "tree", "entries": entries[place]}


OUTPUT = {"name": "return", "digest": KEY, "format": "table", "bytes": 1, "inline": None, "blob": f"ab/{KEY[2:]}.table"}
RECORD = {
    "format": 1,
    "cache_key": KEY,
    "entry_key": compute_entry_key(KEY),
    "step": "s",
    "run": "r",
    "node": "n",
    "host": "h",
    "created": 1.0,
}


def read_record(field: str, name: str) -> Entry:
    output = {**OUTPUT, "refers": [], **({field: name} if field in OUTPUT else {})}
    if field == "refers":
        output["refers"] = [name]
    record = {**RECORD, "outputs": [output], **({field: name} if field in RECORD else {})}
    return read_shared_record(json.dumps(record).encode(), KEY)


@pytest.mark.parametrize(
    "field", ["cache_key", "entry_key", "digest", "blob", "inline", "refers", "run", "node", "host"]
)
def test_a_record_from_a_remote_names_no_path(field: str) -> None:
    """Digests and blobs in a shared record are hexadecimal, or it is refused; other names are short and printable."""
    assert read_record("run", "fine").run == "fine"
    for name in HOSTILE:
        try:
            entry = read_record(field, name)
        except (ValueError, StoreError):
            continue
        assert field in ("refers", "run", "node", "host"), f"{field} {name!r}: {entry}"
        assert name.isprintable()
        assert 0 < len(name) <= 400
