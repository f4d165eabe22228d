"""What a person may mean by WHAT: a digest's beginning, RUN:NODE[.OUTPUT], taxi:7, taxi@champion, or a file."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import NoReturn

from msgspec import Struct

from flowkit.cli.looking import StoreView
from flowkit.errors import NotRecordedError, UsageError
from flowkit.fingerprint.files import digest_path
from flowkit.lineage.ancestry import is_observed
from flowkit.lineage.artifacts import find_artifact, find_artifacts
from flowkit.lineage.history import artifacts_of, find_run, nodes_of
from flowkit.lineage.listings import folders_with
from flowkit.records import RETURN, Artifact, Output
from flowkit.registry.models import resolve
from flowkit.registry.references import parse_reference

RUN = re.compile(r"last|\d{4,}[0-9a-f-]*")
"""What the beginning of a run's id looks like; no pipeline and no model is called so."""

_DIGEST = re.compile(r"[0-9a-fA-F]{4,64}")


class Named(Struct, frozen=True):
    """An artifact, and how it was found: `run` and `node` where a node was named."""

    artifact: Artifact
    label: str
    run: str | None = None
    node: str | None = None

    @property
    def given_by(self) -> tuple[str, str] | None:
        """The run and the node, where a node was named."""
        return (self.run, self.node) if self.run is not None and self.node is not None else None


def find_what(view: StoreView, text: str, *, in_folders: bool = False) -> Named:
    """Return the artifact that `text` means.

    Args:
        view: The store.
        text: What the person wrote.
        in_folders: Whether a file that only came in with its folder means that folder.

    Raises:
        NotRecordedError: Nothing recorded is called so.
        UsageError: It has none of the forms, or names several outputs at once.
    """
    before, colon, after = text.partition(":")
    if colon and after and RUN.fullmatch(before):
        return _of_node(view, before, after)
    if text and os.path.exists(text) and not _DIGEST.fullmatch(text):
        return _of_file(view, Path(text), in_folders=in_folders)
    if _DIGEST.fullmatch(text):
        return Named(found := find_artifact(view.reader, text), found.digest)
    if "@" in text or colon:
        digest = resolve(view.reader, parse_reference(text)).artifact
        return Named(find_artifacts(view.reader, [digest])[digest], text)
    raise UsageError.for_other_reference(
        text,
        "an artifact",
        "a digest's first digits, RUN:NODE[.OUTPUT], taxi:7, taxi@champion, or a file that is there",
    )


def _of_node(view: StoreView, run: str, text: str) -> Named:
    identity = find_run(view.reader, run)
    outputs = artifacts_of(view.reader, identity)
    node, name = text, None
    if node not in outputs:
        node, _, name = text.rpartition(".")
    if not outputs.get(node):
        _refuse_empty(view, identity, text)
    output = _choose(node, name, outputs[node])
    label = f"{identity}:{node}" + ("" if output.name == RETURN else f".{output.name}")
    return Named(output.artifact, label, identity, node)


def _refuse_empty(view: StoreView, run: str, text: str) -> NoReturn:
    """Say that there is no such node, or what became of it instead of an output."""
    outcomes = {row.node: row.outcome for row in nodes_of(view.reader, run)}
    node = text if text in outcomes else text.rpartition(".")[0]
    if node in outcomes:
        raise NotRecordedError.for_no_output(run, node, outcomes[node])
    raise NotRecordedError.for_node(run, text, list(outcomes))


def _choose(node: str, name: str | None, outputs: tuple[Output, ...]) -> Output:
    named = {output.name: output for output in outputs}
    if name is None and len(outputs) == 1:
        return outputs[0]
    if name is None or name not in named:
        raise NotRecordedError.for_output(node, name or "", list(named))
    return named[name]


def _of_file(view: StoreView, path: Path, *, in_folders: bool) -> Named:
    kind, digest, size = digest_path(path)
    found = find_artifacts(view.reader, [digest])
    if digest in found:
        return Named(found[digest], str(path))
    if in_folders and is_observed(view.reader, digest):
        return Named(Artifact(digest, kind, size), f"{path}, read undeclared:")
    around = list(folders_with(view.reader, digest)) if in_folders else []
    if not around:
        raise NotRecordedError.for_file(str(path), digest)
    folder, name = around[0]
    others = len(dict(around)) - 1
    more = f" and {others:,} earlier {'state' if others == 1 else 'states'} of it" if others else ""
    return Named(find_artifacts(view.reader, [folder])[folder], f"{path} as {name} in a folder{more}:")
