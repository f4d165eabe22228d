"""From a node to its cache key: fingerprints of its step, its arguments bound to content, the key of it all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from msgspec import Struct

from flowkit.cache.arguments import Resolve, artifacts_in, describe_argument
from flowkit.cache.code import StepCode
from flowkit.cache.current import Current
from flowkit.cache.key import compute_cache_key
from flowkit.codecs.registry import CodecRegistry
from flowkit.contracts import Selections, selections_in
from flowkit.errors import CodecError, EncodingError
from flowkit.execution.observing.imports import importing
from flowkit.fingerprint.encode import encode_value
from flowkit.fingerprint.files import FileDigests, digest_path
from flowkit.fingerprint.stamps import stamp_path
from flowkit.graph.arguments import LEAVES, SETTLED, FileInput, StoredConstant, has_refs, replace_leaves
from flowkit.graph.graph import Node
from flowkit.project import Project
from flowkit.records import (
    ArgumentPart,
    Artifact,
    CodeFingerprint,
    Digest,
    EnvironmentFingerprint,
    KeyParts,
    ParameterSpecification,
    StepSpecification,
)
from flowkit.store.base import Store
from flowkit.store.views import TableViews


class Environments(Protocol):
    """Gives the environment fingerprint of what a step reaches."""

    def at_one_moment(self) -> AbstractContextManager[None]:
        """Look at what is installed once for all that is asked inside."""
        ...

    def read(self, distributions: frozenset[str], variables: tuple[str, ...], /) -> EnvironmentFingerprint:
        """Return the fingerprint of these distributions and variables."""
        ...


class PreparedStep(Struct, frozen=True):
    """A step with its fingerprints, and what its contracts keep of the tables that it takes, by parameter."""

    step: StepSpecification
    code: CodeFingerprint
    environment: EnvironmentFingerprint
    selections: Mapping[str, Selections]


class BoundNode(Struct, frozen=True):
    """A node whose constant arguments have been read: files hashed, tables stored.

    Attributes:
        arguments: Argument trees in which `Ref` and `Gather` are the only leaves without content.
        parts: The key's share of every argument that needs no other node.
    """

    node: Node
    prepared: PreparedStep
    arguments: Mapping[str, Any]
    parts: Mapping[str, ArgumentPart]


class KeyedNode(Struct, frozen=True):
    """A node whose inputs are all known, with its key.

    Attributes:
        inputs: (parameter, artifact) for every artifact that the arguments name.
        producers: The node that gave each of them; None for files and constants.
    """

    bound: BoundNode
    current: Current
    key: Digest
    inputs: tuple[tuple[str, Artifact], ...]
    producers: tuple[str | None, ...]

    @property
    def name(self) -> str:
        """The node's name."""
        return self.bound.node.name


class KeyMaker:
    """Computes keys for the nodes of one run. Steps and constants are read once.

    Args:
        project: Where relative paths start.
        store: Takes constant tables, arrays and estimators.
        files: Remembers digests of input files between runs.
        locate: Gives the path under which a step is handed an input file.

    Attributes:
        views: What steps see of tables.
    """

    def __init__(
        self,
        project: Project,
        store: Store,
        codecs: CodecRegistry,
        code: StepCode,
        environments: Environments,
        files: FileDigests | None,
        locate: Callable[[Path], Path] = lambda path: path,
    ) -> None:
        self._project = project
        self._root = str(project.root.resolve())
        self._store = store
        self._codecs = codecs
        self._code = code
        self._environments = environments
        self._files = files
        self._locate = locate
        self.views = TableViews(store)
        self._steps: dict[StepSpecification, PreparedStep] = {}
        self._bound: dict[str, BoundNode] = {}

    def prepare_all(self, steps: Iterable[StepSpecification]) -> None:
        """Fingerprint steps as they are at one moment; what several of them reach is read once."""
        with self._code.at_one_moment(), self._environments.at_one_moment():
            for step in steps:
                self.prepare(step)

    def prepare(self, step: StepSpecification) -> PreparedStep:
        """Return a step with its fingerprints."""
        known = self._steps.get(step)
        if known is None:
            # It may import modules that only the step would, in the process in which the step may run.
            with importing(self._root):
                code = self._code.of_unpacking(step) if step.unpacks else self._code.of_step(step)
            environment = self._environments.read(code.distributions, step.options.env)
            selections = {parameter.name: selections_in(parameter.hint) for parameter in step.parameters}
            known = self._steps[step] = PreparedStep(step, code, environment, selections)
        return known

    def bind(self, node: Node) -> BoundNode:
        """Return a node with its constant arguments read.

        Raises:
            InputError: A file is missing or cannot be read.
            EncodingError: A constant has neither a canonical encoding nor a codec.
            CodecError: A constant is, or holds, a live thing.
        """
        known = self._bound.get(node.name)
        if known is None:
            known = self._bound[node.name] = self._bind(node)
        return known

    def unbind(self, node: str) -> None:
        """Forget the constants of a node, so that they are stored again when its key is next computed."""
        self._bound.pop(node, None)

    def key(self, node: Node, resolve: Resolve) -> KeyedNode:
        """Return the key of a node whose inputs `resolve` knows.

        Raises:
            InputError: A file is missing or cannot be read.
            EncodingError: A constant has no canonical encoding.
        """
        bound = self.bind(node)
        prepared = bound.prepared
        parts = [
            bound.parts.get(parameter.name)
            or self._describe(prepared, parameter.name, bound.arguments[parameter.name], resolve)
            for parameter in prepared.step.parameters
            if not parameter.untracked
        ]
        whole = KeyParts(prepared.step.name, prepared.code.digest, prepared.environment.digest, tuple(parts))
        taken = [
            (name, artifact, producer)
            for name, value in bound.arguments.items()
            for artifact, producer in artifacts_in(value, resolve)
        ]
        return KeyedNode(
            bound,
            Current(whole, prepared.code, prepared.environment),
            compute_cache_key(whole),
            tuple((name, artifact) for name, artifact, _ in taken),
            tuple(producer for _, _, producer in taken),
        )

    def _bind(self, node: Node) -> BoundNode:
        step = node.step
        if step is None:
            raise TypeError(f"{node.name} calls no step")
        arguments = {
            parameter.name: self._bind_argument(parameter, node.arguments[parameter.name])
            for parameter in step.parameters
        }
        prepared = self.prepare(step)
        parts = {
            parameter.name: self._describe(prepared, parameter.name, arguments[parameter.name], _no_node)
            for parameter in step.parameters
            if not parameter.untracked and not has_refs(arguments[parameter.name])
        }
        return BoundNode(node, prepared, arguments, parts)

    def _describe(self, prepared: PreparedStep, parameter: str, value: Any, resolve: Resolve) -> ArgumentPart:
        return describe_argument(parameter, value, resolve, self._code, prepared.selections[parameter], self.views)

    def _bind_argument(self, parameter: ParameterSpecification, argument: Any) -> Any:
        if type(argument) in SETTLED:
            return argument
        try:
            return replace_leaves(argument, self._bind_item, parameter.hint)
        except CodecError as error:
            raise error.with_facts(("parameter", parameter.name)) from error

    def _bind_item(self, item: Any, hint: Any) -> Any:
        if isinstance(item, LEAVES):
            return item
        if isinstance(item, Path):
            return self._read_file(item)
        if type(item).__module__ == "builtins":
            return item
        try:
            encode_value(item, None, self._code.of_value)
        except EncodingError:
            return self._store_constant(item, hint)
        return item

    def _read_file(self, path: Path) -> FileInput:
        absolute = self._project.root / path
        given = self._locate(absolute)
        stamp = stamp_path(given)
        kind, digest, size = digest_path(absolute, self._files)
        return FileInput(given, Artifact(digest, str(kind), size), stamp)

    def _store_constant(self, item: Any, hint: Any) -> Any:
        """Return a table, array or estimator as stored content; anything else as it is, to be refused by its name."""
        codec = self._codecs.choose(item, hint)
        if codec.format == "opaque":
            return item
        return StoredConstant(self._store.put(codec.encode(item, hint)))


def _no_node(_: object) -> Artifact | None:
    raise LookupError("an argument without references asked for one")


Clock = Callable[[], float]
"""Gives seconds since the epoch."""
