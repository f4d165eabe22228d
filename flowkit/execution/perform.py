"""One attempt of one node, alike in a step host and in the driver: key, load, call, prove, encode, put.

Nothing here knows of packets, pipes or processes.
"""

from __future__ import annotations

import contextvars
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

from msgspec import Struct, field

from flowkit.authoring.types import give_places
from flowkit.cache.arguments import ArgumentCode, ColumnViews, describe_argument
from flowkit.cache.key import compute_cache_key
from flowkit.codecs.registry import CodecRegistry
from flowkit.errors import LostArtifactError, StepInputError
from flowkit.execution.arguments import ArgumentLoader, Resolve, changed_files, files_of
from flowkit.execution.base import NodeOrder
from flowkit.execution.borders import StepBorders
from flowkit.execution.capture import Capture, describe_lost_log, flush_streams
from flowkit.execution.compute import ComputeDesk
from flowkit.execution.failure import Circumstances, describe_failure, skip_reason
from flowkit.execution.isolation import (
    Isolation,
    WorkFolder,
    read_peak_memory,
    reset_peak_memory,
    warn_of_marred,
)
from flowkit.execution.masking import mask_observed, mask_result, read_secrets
from flowkit.execution.memory_use import Leavings, give_back
from flowkit.execution.observing.boundaries import Boundaries
from flowkit.execution.observing.recorder import RECORDER, Observation
from flowkit.execution.observing.wording import (
    describe_hidden,
    describe_unstable,
    name_undeclared,
    warn_of_hidden,
    warn_of_network,
    warn_of_undeclared,
)
from flowkit.execution.outputs import OutputWriter
from flowkit.execution.steps import FoundStep
from flowkit.execution.survivors import Survivors, warn_of_survivors, warn_of_threads
from flowkit.graph.arguments import FileInput
from flowkit.records import (
    Digest,
    Failure,
    KeyParts,
    ObservedInput,
    Outcome,
    Output,
    StepResult,
    StepSpecification,
)
from flowkit.store.base import Store
from flowkit.store.checkpoints import Checkpoints
from flowkit.store.folder import StoreFolder

_Result = TypeVar("_Result")


_MUCH = 16 << 20
"""Bytes that a step took beyond what its process held: what it freed of them is not kept for the next one."""


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


class _Account(Struct):
    """What an attempt has come to so far."""

    outputs: tuple[Output, ...] = ()
    metrics: dict[str, float] = field(default_factory=dict)
    failure: Failure | None = None
    skipped: str | None = None
    lost: tuple[Digest, ...] = ()
    warnings: tuple[str, ...] = ()
    observed: tuple[ObservedInput, ...] = ()
    uncached: str | None = None
    checkpoints: Checkpoints | None = None

    def open_checkpoints(self) -> Path:
        assert self.checkpoints is not None, "they are there before the step is called"
        return self.checkpoints.open()

    @property
    def outcome(self) -> Outcome:
        if self.failure is not None:
            return Outcome.FAILED
        return Outcome.EXECUTED if self.skipped is None else Outcome.SKIPPED


def node_key(
    order: NodeOrder,
    borders: StepBorders,
    resolve: Resolve,
    code: ArgumentCode | None = None,
    views: ColumnViews | None = None,
) -> Digest:
    """Return the node's cache key: the given one, or computed from its arguments.

    Raises:
        EncodingError: An argument has no canonical encoding.
    """
    if order.key is not None:
        return order.key
    parts = [
        order.parts.get(border.name)
        or describe_argument(border.name, order.arguments[border.name], resolve, code, border.selections, views)
        for border in borders.parameters
        if not border.untracked and border.name in order.arguments
    ]
    return compute_cache_key(KeyParts(order.step.name, order.step.code, order.step.environment, tuple(parts)))


def perform(order: NodeOrder, key: Digest, step: FoundStep, resolve: Resolve, context: HostContext) -> StepResult:
    """Run one attempt and return what came of it. Whatever the step raises is part of the result.

    Args:
        order: The node.
        key: Its cache key.
        step: The step, as it was found and proven in this process.
        resolve: Gives the artifact behind a reference, None where its producer was skipped.
        context: This process.

    Raises:
        KeyboardInterrupt: A person pressed Ctrl-C, in an interruptible context.
    """
    started, clock = time.time(), time.perf_counter()
    account = _Account()
    printed = False
    if context.survivors is not None:
        context.survivors.begin(limited=order.step.options.memory is not None)
    reset_peak_memory()
    held = read_peak_memory()
    log = f"{context.folder}/{order.log}"
    context.capture.begin(log)
    try:
        _attempt_isolated(order, key, step, resolve, context, account)
        # While what they print is still this attempt's.
        _end_survivors(order.step.name, context, account)
    finally:
        if account.checkpoints is not None:
            account.checkpoints.release()
        printed = _keep_log(order.step.name, log, context.capture, account)
        context.work.reset()
    if (peak := read_peak_memory()) - held > _MUCH:
        give_back()
    result = StepResult(
        node=order.node,
        attempt=order.attempt,
        token=order.token,
        outcome=account.outcome,
        key=key,
        started=started,
        seconds=time.perf_counter() - clock,
        outputs=account.outputs,
        metrics=tuple(account.metrics.items()),
        failure=account.failure,
        skipped=account.skipped,
        worker=context.worker,
        peak_memory=peak,
        observed=account.observed,
        log=order.log if printed else None,
        warnings=account.warnings,
        lost=account.lost,
        uncached=account.uncached,
        checkpoints=account.checkpoints is not None and account.checkpoints.used,
    )
    return mask_result(result)


def _keep_log(step: str, log: str, capture: Capture, account: _Account) -> bool:
    """Save what the attempt has printed; where that cannot be, the result stands all the same, with a warning."""
    try:
        return capture.end(log)
    except OSError as error:
        account.warnings += (describe_lost_log(step, error),)
        return False


def _end_survivors(step: str, context: HostContext, account: _Account) -> None:
    if context.survivors is None:
        return
    processes, threads = context.survivors.end(), context.survivors.threads()
    if account.failure is not None:
        return
    if processes:
        account.warnings += (warn_of_survivors(step, processes),)
    if threads:
        account.warnings += (warn_of_threads(step, threads),)


def failed_result(
    order: NodeOrder, key: Digest, error: BaseException, context: HostContext, started: float
) -> StepResult:
    """Return the result of an attempt that failed before its step could be called."""
    around = Circumstances(order.step.name, Path(context.root), [file.path for file in files_of(order.arguments)])
    result = StepResult(
        node=order.node,
        attempt=order.attempt,
        token=order.token,
        outcome=Outcome.FAILED,
        key=key,
        started=started,
        seconds=max(0.0, time.time() - started),
        failure=describe_failure(error, around),
        worker=context.worker,
    )
    return mask_result(result)


def _attempt_isolated(
    order: NodeOrder, key: Digest, step: FoundStep, resolve: Resolve, context: HostContext, account: _Account
) -> None:
    isolation, desk, work = context.isolation, context.desk, context.work
    isolation.begin(context.root)
    if desk is not None:
        desk.begin(order.token)
    try:
        store = StoreFolder(context.folder)
        account.checkpoints = Checkpoints(store, key, work.beside, kept=context.keeps_checkpoints)
        _attempt(order, step, resolve, context, account)
    finally:
        if desk is not None:
            desk.end()
        isolation.end()
    if isolation.error is not None:
        account.warnings += (warn_of_marred(order.step.name, isolation.error, context.disposable),)


def _attempt(order: NodeOrder, step: FoundStep, resolve: Resolve, context: HostContext, account: _Account) -> None:
    files: Sequence[FileInput] = ()
    try:
        files = files_of(order.arguments)
        read_secrets(order.arguments)
        with RECORDER.observing(
            context.boundaries,
            declared=[file.path for file in files],
            variables=order.step.options.env,
            reaches=step.reaches,
        ) as observation:
            outputs, metrics = _work(order, step, resolve, context, account)
        _judge(observation, step.specification.name, context.undeclared, account)
    except BaseException as error:
        if context.interruptible and isinstance(error, KeyboardInterrupt):
            raise
        _record_end(error, files, step.specification, context, account)
        return
    account.outputs, account.metrics = outputs, metrics
    _note_network(observation, order, account)
    _note_changed_files(files, order, account)
    if account.checkpoints is not None and account.checkpoints.refused:
        account.warnings = (
            *account.warnings,
            f"Step '{order.step.name}': another attempt of the same node holds its checkpoints, so this one began "
            "afresh and kept none.",
        )


def _work(
    order: NodeOrder, step: FoundStep, resolve: Resolve, context: HostContext, account: _Account
) -> tuple[tuple[Output, ...], dict[str, float]]:
    """Load, call, prove and store; contracts and codecs may run the project's own code before and after the call."""
    loader = ArgumentLoader(context.store, context.folder, context.codecs, context.work, resolve, context.code)
    values: Mapping[str, Any] = _at_border(lambda: loader.load(order, step.borders))
    # In an empty context, as in a new process: decimal's precision and other context variables end with the step.
    returned = contextvars.Context().run(
        _call_in_one_process, step.specification.function, values, context.work.path, account.open_checkpoints
    )
    return _at_border(lambda: OutputWriter(context.store, context.codecs).write(returned, step.borders))


def _at_border(work: Callable[[], _Result]) -> _Result:
    """Do what flowkit does around a step: by this function's name the watches tell its reads from the project's."""
    return work()


def _note_network(observation: Observation, order: NodeOrder, account: _Account) -> None:
    options = order.step.options
    if observation.connected and options.cache and not options.network and options.max_age is None:
        account.warnings += (warn_of_network(order.step.name),)


def _judge(
    observation: Observation, step: str, undeclared: Literal["track", "warn", "error"], account: _Account
) -> None:
    """Take note of what a step has read undeclared.

    Raises:
        StepInputError: There is something, and the project does not allow it.
    """
    account.observed, hidden = mask_observed(observation.inputs) if observation.inputs else ((), ())
    if hidden:
        account.uncached = describe_hidden(hidden)
        if told := [item for item in hidden if item not in observation.inherited]:
            account.warnings += (warn_of_hidden(step, told),)
    if observation.unstable:
        account.uncached = describe_unstable(observation.unstable)
        account.warnings += (f"Step '{step}': {account.uncached}; this result will not be reused.",)
    named = name_undeclared(observation) if undeclared != "track" else ()
    if not named:
        return
    if undeclared == "error":
        raise StepInputError.for_undeclared(step, named)
    account.warnings += (warn_of_undeclared(step, named),)


def _call_in_one_process(
    function: Callable[..., Any], values: Mapping[str, Any], scratch: Path, open_checkpoints: Callable[[], Path]
) -> Any:
    """Call a step; a copy of this process that it forked and let come back ends here, before it reports as well."""
    owner = os.getpid()
    code = 1
    try:
        give_places(scratch, open_checkpoints)
        returned = function(**values)
        code = 0
        return returned
    finally:
        if os.getpid() != owner:
            flush_streams()
            os._exit(code)


def _record_end(
    error: BaseException,
    files: Sequence[FileInput],
    specification: StepSpecification,
    context: HostContext,
    account: _Account,
) -> None:
    account.skipped = skip_reason(error)
    if account.skipped is not None:
        return
    around = Circumstances(specification.name, Path(context.root), [file.path for file in files])
    account.failure = describe_failure(error, around)
    if isinstance(error, LostArtifactError):
        account.lost = (error.digest,)


def _note_changed_files(files: Sequence[FileInput], order: NodeOrder, account: _Account) -> None:
    changed = changed_files(files)
    if not changed:
        return
    names = ", ".join(f"'{path}'" for path in changed)
    account.uncached = f"input {names} changed while the step ran"
    account.warnings += (f"Step '{order.step.name}': {account.uncached}; this result will not be reused.",)
