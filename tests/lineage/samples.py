"""Records as a run makes them, for tests of lineage and registry."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from blake3 import blake3

from flowkit.cache.key import compute_cache_key, compute_entry_key
from flowkit.lineage.writer import LineageWriter
from flowkit.records import (
    ArgumentKind,
    ArgumentPart,
    Artifact,
    BlobFile,
    CodeFingerprint,
    CodePart,
    Digest,
    EnvironmentFingerprint,
    Execution,
    KeyParts,
    NodeRecord,
    ObservedInput,
    Outcome,
    Output,
    Reason,
    RunRecord,
    Stamp,
)

STARTED = 1_795_000_000.5


def digest_of(text: str) -> Digest:
    return blake3(text.encode()).hexdigest()


def make_run(run: str = "run-1", pipeline: str = "taxi", started: float = STARTED, **more: Any) -> RunRecord:
    values: dict[str, Any] = {
        "target": "pipelines/taxi.py:taxi",
        "env": "default",
        "parameters": (("C", "0.5"),),
        "argv": ("flowkit", "run"),
        "git_commit": "abc123",
        "git_dirty": False,
        "user": "ada",
        "host": "box",
    }
    return RunRecord(run=run, pipeline=pipeline, started=started, **{**values, **more})


def make_code(text: str = "def train(): ...") -> CodeFingerprint:
    parts = (
        CodePart("pipelines.taxi:train", "ast", digest_of(text), text),
        CodePart("pipelines.cleaning:strip", "ast", digest_of("strip"), "def strip(): ..."),
    )
    return CodeFingerprint(
        digest_of(f"code {text}"), parts, frozenset({"pipelines.taxi", "pipelines.cleaning"}), frozenset({"pandas"})
    )


ENVIRONMENT = EnvironmentFingerprint(digest_of("environment"), {"python": "3.11", "package:pandas": "3.0.1"})


def make_inline(text: str) -> Artifact:
    payload = text.encode()
    return Artifact(digest_of(f"json {text}"), "json", len(payload), payload)


def make_blob(text: str, inode: int = 7) -> Artifact:
    digest = digest_of(f"table {text}")
    file = BlobFile(f"{digest[:2]}/{digest[2:]}.table", Stamp(9000, 1_700_000_000_123_456_789, 1_700_000_001, inode))
    return Artifact(digest, "table", 9000, None, (file,))


def make_execution(
    step: str = "train",
    C: Any = 0.5,
    inputs: Sequence[tuple[str, Artifact]] = (),
    outputs: Sequence[Artifact] = (),
    code: CodeFingerprint | None = None,
    observed: Sequence[ObservedInput] = (),
    **more: Any,
) -> Execution:
    code = code or make_code()
    arguments = (
        ArgumentPart("C", digest_of(f"C {C!r}"), ArgumentKind.PARAMETER, repr(C)),
        *(ArgumentPart(name, digest_of(item.digest), ArgumentKind.INPUT, "rows") for name, item in inputs),
    )
    parts = KeyParts(step, code.digest, ENVIRONMENT.digest, arguments)
    key = compute_cache_key(parts)
    names = ["return"] if len(outputs) == 1 else [str(index) for index in range(len(outputs))]
    return Execution(
        parts,
        key,
        compute_entry_key(key, observed),
        code,
        ENVIRONMENT,
        tuple(inputs),
        tuple(Output(name, artifact) for name, artifact in zip(names, outputs, strict=True)),
        observed=tuple(observed),
        **more,
    )


def make_node(
    execution: Execution | None, run: str = "run-1", node: str | None = None, map_index: int | None = None, **more: Any
) -> NodeRecord:
    step = execution.parts.step if execution is not None else str(node)
    values: dict[str, Any] = {
        "outcome": Outcome.EXECUTED,
        "reason": Reason.NEW,
        "detail": "it has not succeeded in this store yet",
        "attempts": 1,
        "started": STARTED + 1,
        "seconds": 0.25,
        "worker": "host-0",
        "peak_memory": 123_456_789,
    }
    return NodeRecord(run=run, node=node or step, step=step, map_index=map_index, execution=execution, **values | more)


def open_writer(path: Path, **more: Any) -> LineageWriter:
    return LineageWriter(path, **{"present": lambda file: True, **more})
