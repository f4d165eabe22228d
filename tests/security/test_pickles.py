"""A pickle runs code when it is loaded: it is loaded only from a store that this project trusts, its digest checked."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from flowkit.cache.key import compute_entry_key
from flowkit.codecs.registry import CodecRegistry
from flowkit.errors import FlowkitError
from flowkit.store import LocalStore, StoreFolder
from tests.commands import Tell, caller
from tests.security.bombs import PAYLOADS, encode, pickled, write_blob
from tests.security.projects import make_project

SUFFIXES = {
    "bytes": ".bytes",
    "json": ".json",
    "json-files": ".tree",
    "npy": ".npy",
    "path": ".tree",
    "str": ".txt",
    "table": ".table",
}
"""The formats that a remote is believed to be harmless in."""


@pytest.fixture
def sign(tmp_path: Path) -> Iterator[Path]:
    """Where a bomb would leave its mark; there is none when the test has ended."""
    sign = tmp_path / "the bomb went off"
    yield sign
    assert not sign.exists()


@pytest.mark.parametrize("payload", PAYLOADS)
@pytest.mark.parametrize("format_name", SUFFIXES)
def test_no_other_format_runs_what_it_holds(tmp_path: Path, sign: Path, format_name: str, payload: str) -> None:
    """Whatever bytes stand in a format that is no pickle, reading them runs none and calls nothing that they name."""
    sign.with_suffix(".csv").write_text("a\n1\n")
    store = LocalStore(StoreFolder.create_or_open(tmp_path / "store"))
    stored = store.open(store.put(encode(format_name, PAYLOADS[payload](sign), SUFFIXES[format_name])))

    for hint in (object, pd.DataFrame, dict[str, Any]):
        try:
            CodecRegistry().decode(stored, hint, tmp_path / "files")
        except FlowkitError:
            continue
        except Exception:  # noqa: BLE001  (damaged content; what matters is what it has run)
            continue


@pytest.mark.parametrize("format_name", ["opaque", "pickle"])
def test_denied_pickles_are_not_loaded(tmp_path: Path, sign: Path, format_name: str) -> None:
    """Under `pickle = "deny"` a stored pickle is refused before it is loaded, and the error names the setting."""
    store = LocalStore(StoreFolder.create_or_open(tmp_path / "store"))
    stored = store.open(store.put(encode(format_name, pickled(sign), ".pkl")))

    with pytest.raises(FlowkitError, match="pickle"):
        CodecRegistry("deny").decode(stored, object, tmp_path / "files")


def test_a_polars_dtype_is_only_a_dtype(tmp_path: Path) -> None:
    """A stored table's word for a dtype cannot be another of polars' functions, such as one that reads a file."""
    from flowkit.codecs.tables_polars import unpack_dtype

    secret = tmp_path / "secret.csv"
    secret.write_text("a\n1\n")
    for packed in (["read_csv", str(secret)], ["scan_csv", str(secret)], ["Config"], ["col", "a"], ["__name__"], [1],
                   ["List", ["read_csv", str(secret)]], ["Struct", ["a", ["read_csv", str(secret)]]],
                   ["Categorical", "a", "b", "read_csv"]):  # fmt: skip
        with pytest.raises((FlowkitError, TypeError, ValueError, AttributeError)):
            unpack_dtype(packed)
    assert unpack_dtype(["List", ["Datetime", "us", None]]) is not None


MODEL = """
import random

import flowkit as fk


@fk.step
def make(seed: int) -> list[random.Random]:
    return [random.Random(seed), random.Random(seed + 1)]


@fk.step
def use(makers: list[random.Random], again: int = 0) -> float:
    return makers[0].random()


@fk.pipeline
def model(again: int = 0) -> None:
    use(make(7), again)
"""


def plant(blob: Path, content: bytes, *, stamped: bool) -> None:
    """Put other content where a blob stands, with the old one's size and times as far as anybody can."""
    before = blob.stat()
    size = before.st_size
    assert len(content) <= size
    blob.chmod(0o600)
    with blob.open("r+b") as file:
        file.write(content + bytes(size - len(content)) if stamped else content)
        if not stamped:
            file.truncate(len(content))
    if stamped:
        os.utime(blob, ns=(before.st_atime_ns, before.st_mtime_ns))
    blob.chmod(stat.S_IMODE(before.st_mode))


@pytest.mark.parametrize("stamped", [False, True])
def test_a_pickle_planted_in_the_store_is_not_loaded(
    tmp_path: Path, sign: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], stamped: bool
) -> None:
    """The digest is checked first: the planted blob goes into quarantine, and its step runs again."""
    project = make_project(tmp_path / "project", model=MODEL)
    monkeypatch.chdir(project)
    call = caller(capsys)
    assert call("run", "model", "--inline", "-q").code == 0
    (blob,) = (project / ".flowkit" / "blobs").glob("*/*.pkl")
    plant(blob, pickled(sign), stamped=stamped)

    run = call("run", "model", "--inline", "--json", "-p", "again=1")

    assert run.code == 0, run.err
    nodes = {node["node"]: (node["outcome"], node["reason"]) for node in run.json()["nodes"]}
    assert nodes["make"] == ("executed", "lost")
    assert list((project / ".flowkit" / "quarantine").iterdir())


SHARED = """
from dataclasses import dataclass

import flowkit as fk


@dataclass
class Point:
    x: int


@fk.step
def value(name: str) -> object:
    return name


@fk.step
def point(name: str) -> list[Point]:
    return [Point(1)]


@fk.step
def use(value: object) -> str:
    return type(value).__name__


@fk.pipeline
def shared(names: list[str]) -> None:
    for name in names:
        use(value(name))
    point("honest")
    point("forged")
"""

DANGER = """
from pathlib import Path

Path("the bomb went off").touch()


def main() -> None:
    pass
"""


class Remote:
    """A remote that somebody else can write to, and the keys that a project will ask it for."""

    def __init__(self, folder: Path, keys: dict[str, str]) -> None:
        self.folder = folder
        self.keys = keys

    def answer(self, node: str, format_name: str, payload: bytes, suffix: str, refers: tuple[str, ...] = ()) -> None:
        """Write a record for the key of a node, flawless but for what it holds."""
        encoded = encode(format_name, payload, suffix)
        blob = write_blob(self.folder, encoded)
        output = {"name": "return", "digest": encoded.digest, "format": format_name, "bytes": encoded.bytes,
                  "inline": None, "blob": blob, "refers": list(refers)}  # fmt: skip
        key = self.keys[node]
        record = {"format": 1, "cache_key": key, "entry_key": compute_entry_key(key), "step": "value", "run": "r",
                  "node": node, "host": "h", "created": 1.0, "outputs": [output]}  # fmt: skip
        target = self.folder / "entries" / key / f"{compute_entry_key(key)}.json"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(json.dumps(record))


CASES = [
    (format_name, payload) for format_name in (*SUFFIXES, "opaque", "pickle", "custom:Bomb") for payload in PAYLOADS
]


def nodes_of(call: Tell, *words: str) -> dict[str, dict[str, Any]]:
    answer = call(*words)
    return {node["node"]: node for node in answer.json()["nodes"]}


@pytest.mark.parametrize("trusted", [False, True])
def test_what_a_remote_holds_runs_nothing(
    tmp_path: Path, sign: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], trusted: bool
) -> None:
    """Right digests, wrong intent: pickles and registered codecs are made here instead, and the rest runs nothing.

    That `trust_remote = true` lets the bombs go off shows that they are live.
    """
    settings = f'remote = "{tmp_path / "remote"}"\n' + ("trust_remote = true" if trusted else "")
    project = make_project(tmp_path / "project", settings, shared=SHARED)
    (project / "danger.py").write_text(DANGER)
    monkeypatch.chdir(project)
    call = caller(capsys)
    names = json.dumps([f"{format_name} {payload}" for format_name, payload in CASES])
    words = ("shared", "--json", "-p", f"names={names}")
    remote = Remote(
        tmp_path / "remote", {name: node["cache_key"] for name, node in nodes_of(call, "plan", *words).items()}
    )
    ids = ["value", *(f"value#{number}" for number in range(2, len(CASES) + 1))]
    for node, (format_name, payload) in zip(ids, CASES, strict=True):
        remote.answer(node, format_name, PAYLOADS[payload](sign), SUFFIXES.get(format_name, ".pkl"))
    content = b'[{"$dataclass":["pipelines.shared:Point",{"x":1}]}]'
    remote.answer("point", "json", content, ".json", ("pipelines.shared:Point",))
    remote.answer("point#2", "json", content, ".json", ("danger:main",))

    run = call("run", *words, "--inline")

    nodes = {node["node"]: node for node in json.loads(run.out)["nodes"]}
    assert nodes["point"]["outcome"] == "reused"
    if trusted:
        assert sign.exists()
        sign.unlink()
        (project / "the bomb went off").unlink(missing_ok=True)
        return
    made_here = {node for node, (format_name, _) in zip(ids, CASES, strict=True) if format_name not in SUFFIXES}
    assert {nodes[node]["outcome"] for node in made_here} == {"executed"}
    assert nodes["point#2"]["outcome"] == "executed"
    assert not (project / "the bomb went off").exists()
    assert any("could run code" in text for text in json.loads(run.out)["warnings"])
