"""What a process brings to every node that it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from msgspec import Struct, field

from flowkit.cache.arguments import ArgumentCode
from flowkit.codecs.registry import CodecRegistry
from flowkit.execution.capture import Capture
from flowkit.execution.compute import ComputeDesk
from flowkit.execution.isolation import Isolation, WorkFolder
from flowkit.execution.memory_use import Leavings
from flowkit.execution.observing.boundaries import Boundaries
from flowkit.execution.survivors import Survivors
from flowkit.store.base import Store


class HostContext(Struct, frozen=True):
    """What a process brings to every node that it runs.

    Attributes:
        root: The project's root, in which steps run.
        folder: The store's folder, below which logs lie.
        worker: The name of this worker in results.
        code: Gives the fingerprints of the code that arguments bring along.
        interruptible: Whether a `KeyboardInterrupt` is a person's Ctrl-C, as in the driver, and so goes through.
        boundaries: What can be an input of a step at all.
        undeclared: What becomes of a step that reads something undeclared.
        keeps_checkpoints: Whether what a step keeps under its key is there again for its next attempt.
        desk: Connects a step's own Dask computations to the run's cluster; None where Dask's own default holds.
        disposable: Whether another process can take this one's place once a step has changed what others may reach.
        survivors: Ends what steps leave running; None where the process has other children than theirs.
        isolation: Puts back what steps change of the process.
        leavings: Tells how much memory earlier steps hold; None where that is not theirs alone.
    """

    root: str
    folder: Path
    store: Store
    codecs: CodecRegistry
    work: WorkFolder
    capture: Capture
    worker: str
    boundaries: Boundaries
    undeclared: Literal["track", "warn", "error"] = "track"
    keeps_checkpoints: bool = True
    code: ArgumentCode | None = None
    interruptible: bool = False
    disposable: bool = False
    desk: ComputeDesk | None = None
    survivors: Survivors | None = None
    isolation: Isolation = field(default_factory=Isolation)
    leavings: Leavings | None = None
