"""What a step is called with: plain values as they were encoded, and everything else read back from the store.

A consumer always receives decode(encode(x)), also where the value was made in the same process a moment ago.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from flowkit import execution
from flowkit.cache.arguments import ArgumentCode, selection_for
from flowkit.codecs.base import Stored
from flowkit.codecs.registry import CodecRegistry
from flowkit.contracts import ColumnSelection
from flowkit.errors import CodecError, StepInputError
from flowkit.execution.base import NodeOrder
from flowkit.execution.borders import ParameterBorder, StepBorders
from flowkit.execution.dask_frames import names_dask_frame
from flowkit.execution.isolation import WorkFolder
from flowkit.fingerprint.canonical import ATOMS, canonicalise
from flowkit.fingerprint.stamps import stamp_path
from flowkit.graph.arguments import (
    LEAVES,
    FileInput,
    Gather,
    Ref,
    StoredConstant,
    item_hint,
    leaves_of,
    replace_leaves,
)
from flowkit.graph.hint_text import format_hint
from flowkit.records import Artifact
from flowkit.store.base import Store

Resolve = Callable[[Ref], Artifact | None]


class ArgumentLoader(Struct, frozen=True):
    """Turns argument trees into values.

    Attributes:
        folder: The store's folder.
        resolve: Gives the artifact behind a reference, None where its producer was skipped.
        code: Gives the fingerprints of functions and classes that are passed as values.
    """

    store: Store
    folder: Path
    codecs: CodecRegistry
    work: WorkFolder
    resolve: Resolve
    code: ArgumentCode | None = None

    def load(self, order: NodeOrder, borders: StepBorders) -> dict[str, Any]:
        """Return what to call the step with, by parameter.

        Raises:
            StepInputError: An input file is not there.
            LostArtifactError: An artifact is gone or damaged.
            ContractError: A table breaks the contract of its parameter.
            ValueTypeError: A value is not of its parameter's type.
            CodecError: A value cannot be given as its parameter's type.
        """
        values = {}
        for border in borders.parameters:
            if border.name in order.arguments:
                values[border.name] = self._load_one(order, border, borders.step)
        return values

    def _load_one(self, order: NodeOrder, border: ParameterBorder, step: str) -> Any:
        tree = order.arguments[border.name]
        if type(tree) in ATOMS:
            return tree
        value = self._load_tree(tree, border, step)
        return border.prove(value, step) if border.name not in order.validated and leaves_of(tree) else value

    def _load_tree(self, tree: Any, border: ParameterBorder, step: str) -> Any:
        selection = selection_for(tree, border.selections)

        def load(item: Any, hint: Any) -> Any:
            return self._load_leaf(item, hint, selection, step) if isinstance(item, LEAVES) else item

        # Its copy is the step's own: what the step does to it never reaches another attempt.
        code = self.code.of_value if self.code is not None else None
        try:
            return replace_leaves(canonicalise(tree, _leave_leaves, code), load, border.hint)
        except CodecError as error:
            raise error.with_facts(("parameter", f"{border.name}: {format_hint(border.hint)}")) from error

    def _load_leaf(self, leaf: Any, hint: Any, selection: ColumnSelection | None, step: str) -> Any:
        if isinstance(leaf, FileInput):
            if not os.path.lexists(leaf.path):
                raise StepInputError.for_missing_file(step, str(leaf.path))
            return leaf.path
        if isinstance(leaf, StoredConstant):
            return self._decode(leaf.artifact, hint, selection)
        if isinstance(leaf, Gather):
            kept = [artifact for artifact in map(self.resolve, leaf.refs) if artifact is not None]
            hint = item_hint(hint)
            return [self._decode(artifact, hint, selection) for artifact in kept]
        artifact = self.resolve(leaf)
        return None if artifact is None else self._decode(artifact, hint, selection)

    def _decode(self, artifact: Artifact, hint: Any, selection: ColumnSelection | None) -> Any:
        if names_dask_frame(hint) and artifact.format == "table":
            return execution.open_dask_frame(artifact, self.store, self.folder, self.codecs.pickle)
        stored: Stored = self.store.open(artifact)
        folder = self.work.inputs() if _becomes_files(artifact) else self.work.path
        return self.codecs.decode(stored, hint, folder, selection=selection)


def files_of(arguments: Mapping[str, Any]) -> list[FileInput]:
    """Return every file and folder that came in as a `Path`."""
    return [leaf for tree in arguments.values() for leaf in leaves_of(tree) if isinstance(leaf, FileInput)]


def changed_files(files: Iterable[FileInput]) -> list[Path]:
    """Return the input files and folders that are no longer as they were when their content was hashed."""
    return [file.path for file in files if stamp_path(file.path) != file.stamp]


def _becomes_files(artifact: Artifact) -> bool:
    # Only these codecs write below the folder they are handed, and names of files may repeat.
    return artifact.format in ("path", "json-files") or artifact.format.startswith("custom:")


def _leave_leaves(item: object) -> bytes | None:
    return b"" if isinstance(item, LEAVES) else None
