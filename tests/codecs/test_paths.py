"""Files and folders by content and base name; private copies; nothing leaves the folder."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from flowkit.codecs.base import Encoded, digest_payload
from flowkit.codecs.paths import PathCodec
from flowkit.codecs.trees import stays_inside
from flowkit.errors import CodecError
from tests.codecs.memory_stored import MemoryStored
from tests.codecs.round_trip import REGISTRY, digest_of, received


@dataclass
class Report:
    title: str
    page: Path


def make_tree(root: Path) -> Path:
    (root / "sub" / "empty").mkdir(parents=True)
    (root / "a.txt").write_bytes(b"aaa")
    (root / "sub" / "run.sh").write_bytes(b"#!/bin/sh\n")
    (root / "sub" / "run.sh").chmod(0o755)
    (root / "sub" / "void").write_bytes(b"")
    (root / "sub" / "link").symlink_to("../a.txt")
    (root / "a-b").write_bytes(b"aaa")
    return root


def describe(root: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for place in sorted(root.rglob("*")):
        name = str(place.relative_to(root))
        if place.is_symlink():
            found[name] = ("link", os.readlink(place))
        elif place.is_dir():
            found[name] = "folder"
        else:
            found[name] = (place.read_bytes(), os.access(place, os.X_OK))
    return found


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def test_a_file_reads_back_under_its_base_name(tmp_path: Path, out: Path) -> None:
    """A consumer gets a file of its own with the name and content of the returned one."""
    (tmp_path / "rows.csv").write_bytes(b"a,b\n1,2\n")
    back = received(tmp_path / "rows.csv", Path, out)
    assert back == out / "rows.csv"
    assert back.read_bytes() == b"a,b\n1,2\n"


def test_a_folder_reads_back_as_it_was(tmp_path: Path, out: Path) -> None:
    """Empty folders, empty files, executable bits and inner links survive."""
    tree = make_tree(tmp_path / "tree")
    back = received(tree, Path, out)
    assert back == out / "tree"
    assert describe(back) == describe(tree)


def test_the_copy_is_private_and_writable(tmp_path: Path, out: Path) -> None:
    """Writing to what was received changes neither the store nor the source nor the next consumer's copy."""
    tree = make_tree(tmp_path / "tree")
    os.chmod(tree / "a.txt", 0o444)
    stored = MemoryStored(REGISTRY.encode(tree, Path))
    first = REGISTRY.decode(stored, Path, out / "1")
    (first / "a.txt").write_bytes(b"changed")
    (first / "new").write_bytes(b"new")
    assert describe(REGISTRY.decode(stored, Path, out / "2")) == describe(tree)


def test_two_paths_of_one_name_do_not_meet(tmp_path: Path, out: Path) -> None:
    """Artifacts with the same base name in one folder are both received, each under its own name."""
    for name, content in (("x", b"1"), ("y", b"2"), ("z", b"3")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "data").write_bytes(content)
    back = [received(tmp_path / name / "data", Path, out) for name in "xyz"]
    assert [path.read_bytes() for path in back] == [b"1", b"2", b"3"]
    assert {path.name for path in back} == {"data"}


def test_content_and_base_name_count_and_the_place_does_not(tmp_path: Path) -> None:
    """The same tree elsewhere, touched, or made in another order is the same; any change inside it is not."""
    base = digest_of(make_tree(tmp_path / "1" / "tree"))
    same = make_tree(tmp_path / "2" / "tree")
    os.utime(same / "a.txt", (1, 1))
    assert digest_of(same) == base
    seen = {base, digest_of(make_tree(tmp_path / "other"))}

    def changed(number: int) -> Path:
        return make_tree(tmp_path / f"c{number}" / "tree")

    (changed(1) / "a.txt").write_bytes(b"aab")
    (changed(2) / "new").write_bytes(b"")
    (changed(3) / "a.txt").rename(tmp_path / "c3" / "tree" / "b.txt")
    link = changed(4) / "sub" / "link"
    link.unlink()
    link.symlink_to("../a-b")
    (changed(5) / "sub" / "run.sh").chmod(0o644)
    (changed(6) / "sub" / "empty").rmdir()
    solid = changed(7) / "sub" / "link"
    solid.unlink()
    solid.write_bytes(b"aaa")
    seen |= {digest_of(tmp_path / f"c{number}" / "tree") for number in range(1, 8)}
    assert len(seen) == 9


def test_a_file_and_a_text_of_its_name_differ(tmp_path: Path) -> None:
    """A path is never stored as the text of its name."""
    (tmp_path / "a").write_bytes(b"")
    assert digest_of(tmp_path / "a") != digest_of(str(tmp_path / "a"))


def test_equal_files_are_one_chunk_and_empty_ones_none(tmp_path: Path) -> None:
    """Content that occurs twice in a tree is stored once, and streamed from its file."""
    encoded = PathCodec().encode(make_tree(tmp_path / "tree"), Path)
    assert sorted(chunk.size for chunk in encoded.chunks) == [3, 10]
    assert all(isinstance(chunk.content, Path) for chunk in encoded.chunks)


def test_names_that_are_not_text_survive(tmp_path: Path, out: Path) -> None:
    """A file name is bytes to the system; one that is not UTF-8 is kept as it is."""
    (tmp_path / "tree").mkdir()
    place = os.fsencode(tmp_path / "tree") + b'/\xff\xfe \n"'
    with open(place, "wb") as file:
        file.write(b"x")
    received(tmp_path / "tree", Path, out)
    assert os.listdir(os.fsencode(out / "tree")) == [b'\xff\xfe \n"']


def test_a_link_out_of_the_tree_is_kept_by_content(tmp_path: Path, out: Path) -> None:
    """A link that leads outside to a file becomes that file; what is received depends on nothing outside."""
    (tmp_path / "secret").write_bytes(b"outside")
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "absolute").symlink_to(tmp_path / "secret")
    (tmp_path / "tree" / "climbing").symlink_to("../secret")
    stored = MemoryStored(REGISTRY.encode(tmp_path / "tree", Path))
    (tmp_path / "tree" / "climbing").unlink()
    back = REGISTRY.decode(stored, Path, out)
    assert describe(back) == {"absolute": (b"outside", False), "climbing": (b"outside", False)}


def test_a_returned_link_counts_by_what_it_leads_to(tmp_path: Path, out: Path) -> None:
    """A path that is itself a link to a file or folder is stored as that, under the link's name."""
    make_tree(tmp_path / "v1")
    (tmp_path / "current").symlink_to("v1")
    assert describe(received(tmp_path / "current", Path, out)) == describe(tmp_path / "v1")
    assert (out / "current").is_dir()
    assert not (out / "current").is_symlink()


def test_what_cannot_be_stored_is_named(tmp_path: Path) -> None:
    """Missing paths, links to folders outside, pipes and unreadable paths are errors that name the path."""
    with pytest.raises(CodecError, match="nothing is there"):
        digest_of(tmp_path / "gone")
    with pytest.raises(CodecError, match="root folder"):
        digest_of(Path("/"))
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "out").symlink_to(tmp_path)
    with pytest.raises(CodecError, match=r"tree/out.*link to"):
        digest_of(tmp_path / "tree")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(CodecError, match="neither a file nor a folder"):
        digest_of(tmp_path / "pipe")
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(CodecError, match="file/below' cannot be stored: Not a directory"):
        digest_of(tmp_path / "file" / "below")


def test_paths_inside_values_are_stored_by_content(tmp_path: Path, out: Path) -> None:
    """A path in a list, dict or dataclass counts by content and is received as a private copy."""
    (tmp_path / "page").write_bytes(b"one")
    report = Report("t", tmp_path / "page")
    first = digest_of(report, Report)
    back = received({"all": [report], "page": tmp_path / "page"}, dict[str, Any] | Report, out)
    assert back["all"][0].page.read_bytes() == back["page"].read_bytes() == b"one"
    assert len({back["all"][0].page, back["page"], tmp_path / "page"}) == 3
    (tmp_path / "page").write_bytes(b"two")
    assert digest_of(report, Report) != first


# --- hostile manifests -----------------------------------------------------------------------------------------------

CLIMBS = [
    *("..", "../x", "a/../../x", "a/..", "./x", ".", "", "/", "/x", "//x", "a//b", "a/", "/..", "a/./b", "../../x"),
    *("..\0", "a\0b", "\0", "../" * 20 + "etc/passwd", "/etc/passwd", "/proc/self/mem", "a/b/../../../x"),
]
PREFIXES = ["", "a/", "a/b/", "/", "./", "../", "a/../", "\0", "//"]
HOSTILE = sorted({prefix + climb for prefix in PREFIXES for climb in CLIMBS})


def stored_manifest(manifest: Any) -> MemoryStored:
    payload = json.dumps(manifest).encode()
    return MemoryStored(Encoded("path", digest_payload("path", payload), payload, ".tree"))


def in_folder(*entries: dict[str, Any], name: Any = "tree") -> MemoryStored:
    parents = [{"kind": "folder", "name": "a"}, {"kind": "folder", "name": "a/b"}]
    return stored_manifest({"kind": "folder", "name": name, "entries": [*parents, *entries]})


def empty_file(name: Any) -> dict[str, Any]:
    return {"kind": "file", "name": name, "executable": False, "content": None}


def refused(stored: MemoryStored, out: Path) -> None:
    with pytest.raises(CodecError):
        PathCodec().decode(stored, Path, out)
    assert not out.exists()


def test_the_corpus_is_large() -> None:
    """At least two hundred hostile names are tried."""
    assert len(HOSTILE) >= 150
    assert len(HOSTILE) + len(LINKS) >= 200


@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
def test_no_name_in_a_manifest_leaves_the_folder(name: str, out: Path) -> None:
    """A hostile entry or base name is refused before anything is written."""
    refused(in_folder(empty_file(name)), out)
    refused(in_folder({"kind": "folder", "name": name}), out)
    refused(in_folder({"kind": "link", "name": name, "target": "a"}), out)
    refused(in_folder(name=name), out)
    refused(stored_manifest({"kind": "file", "name": name, "entries": [empty_file(name)]}), out)


LINKS = ["", "/", "/etc", "..", "../..", "../x", "a/..", "a/../..", "a/../../x", "./..", "./../x", ".//../x", "b\0",
         "a/../a", "../" * 9, "/a", "//a", "a/b/../..", "a/./../..", "..//..", "...//../.."]  # fmt: skip


@pytest.mark.parametrize("target", LINKS, ids=ascii)
def test_no_link_in_a_manifest_leads_out(target: str, out: Path) -> None:
    """A link that could lead out of the tree, also by way of other links, is refused before anything is written."""
    refused(in_folder({"kind": "link", "name": "l", "target": target}), out)


@pytest.mark.parametrize(
    "manifest",
    [
        None,
        [],
        {"kind": "pipe", "name": "a", "entries": []},
        {"kind": "folder", "name": 1, "entries": []},
        {"kind": "file", "name": "a", "entries": []},
        {"kind": "file", "name": "a", "entries": [empty_file("b")]},
        {"kind": "file", "name": "a", "entries": [{"kind": "link", "name": "a", "target": "a"}]},
        {"kind": "folder", "name": "a", "entries": [empty_file("x/y")]},
        {"kind": "folder", "name": "a", "entries": [empty_file("x"), empty_file("x")]},
        {"kind": "folder", "name": "a", "entries": [empty_file("x"), empty_file("x/y")]},
        {"kind": "folder", "name": "a", "entries": [{"kind": "link", "name": "x", "target": "."}, empty_file("x/y")]},
        {"kind": "folder", "name": "a", "entries": [{"kind": "device", "name": "x"}]},
        {"kind": "folder", "name": "a", "entries": [{"kind": "link", "name": "x", "target": 3}]},
        {"kind": "folder", "name": "a", "entries": [{"kind": "link", "name": "x"}]},
    ],
)
def test_a_manifest_that_does_not_add_up_is_refused(manifest: Any, out: Path) -> None:
    """Wrong kinds, doubled names, and entries below a file or a link are refused before anything is written."""
    refused(stored_manifest(manifest), out)


def test_links_inside_the_tree_are_allowed() -> None:
    """`..` at the start of a link's text may climb as far as the tree's root and no further."""
    assert stays_inside("a/b/l", "../../x")
    assert stays_inside("l", ".")
    assert not stays_inside("a/l", "../../x")


def test_an_existing_link_is_not_followed(tmp_path: Path, out: Path) -> None:
    """A link that lies where a copy should go is left alone, and what it leads to is untouched."""
    (tmp_path / "victim").write_bytes(b"precious")
    out.mkdir()
    (out / "data").symlink_to(tmp_path / "victim")
    (tmp_path / "data").write_bytes(b"new")
    back = received(tmp_path / "data", Path, out)
    assert back.read_bytes() == b"new"
    assert (tmp_path / "victim").read_bytes() == b"precious"
