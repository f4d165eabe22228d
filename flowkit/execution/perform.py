"""One attempt of one node, alike in a step host and in the driver: load, call, prove, encode, put.

Nothing here knows of packets, pipes or processes.
"""

from __future__ import annotations

import contextvars
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from msgspec import Struct

from flowkit.authoring.types import give_places
from flowkit.execution.arguments import ArgumentLoader, Resolve, files_of
from flowkit.execution.base import NodeOrder
from flowkit.execution.capture import describe_lost_log, flush_streams
from flowkit.execution.failure import Circumstances, describe_failure
from flowkit.execution.host_context import HostContext
from flowkit.execution.isolation import read_peak_memory, reset_peak_memory, warn_of_marred
from flowkit.execution.masking import read_secrets
from flowkit.execution.memory_use import give_back
from flowkit.execution.observing.recorder import RECORDER
from flowkit.execution.outputs import OutputWriter
from flowkit.execution.reads import judge_undeclared, note_changed_files, note_network
from flowkit.execution.result_draft import ResultDraft
from flowkit.execution.steps import FoundStep
from flowkit.execution.survivors import warn_of_survivors, warn_of_threads
from flowkit.graph.arguments import FileInput
from flowkit.records import Digest, Output, StepResult
from flowkit.store.checkpoints import Checkpoints
from flowkit.store.folder import StoreFolder

_Result = TypeVar("_Result")

_MUCH = 16 << 20
"""Bytes that a step took beyond what its process held: what it freed of them is not kept for the next one."""


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
    draft = ResultDraft(order, key, context.worker, started)
    attempt = _Attempt(order, step, resolve, context, draft)
    if context.survivors is not None:
        context.survivors.begin(limited=order.step.options.memory is not None)
    reset_peak_memory()
    held = read_peak_memory()
    log = f"{context.folder}/{order.log}"
    context.capture.begin(log)
    try:
        attempt.run()
        # While what they print is still this attempt's.
        attempt.end_survivors()
    finally:
        attempt.release_checkpoints()
        printed = attempt.keep_log(log)
        context.work.reset()
    if (peak := read_peak_memory()) - held > _MUCH:
        give_back()
    return draft.complete(
        time.perf_counter() - clock,
        peak_memory=peak,
        log=order.log if printed else None,
        checkpoints=attempt.checkpoints is not None and attempt.checkpoints.used,
    )


def failed_result(
    order: NodeOrder, key: Digest, error: BaseException, context: HostContext, started: float
) -> StepResult:
    """Return the result of an attempt that failed before its step could be called."""
    draft = ResultDraft(order, key, context.worker, started)
    around = Circumstances(order.step.name, Path(context.root), [file.path for file in files_of(order.arguments)])
    draft.failure = describe_failure(error, around)
    return draft.complete(max(0.0, time.time() - started))


class _Attempt(Struct):
    """One attempt while it goes on.

    Attributes:
        draft: What it has come to so far.
        checkpoints: Where the step may keep its progress; there before it is called.
    """

    order: NodeOrder
    step: FoundStep
    resolve: Resolve
    context: HostContext
    draft: ResultDraft
    checkpoints: Checkpoints | None = None

    # -- around the step ---------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Do the step's work, and put back what it has changed of its process."""
        isolation, desk, context = self.context.isolation, self.context.desk, self.context
        isolation.begin(context.root)
        if desk is not None:
            desk.begin(self.order.token)
        try:
            store = StoreFolder(context.folder)
            self.checkpoints = Checkpoints(store, self.draft.key, context.work.beside, kept=context.keeps_checkpoints)
            self._observe()
        finally:
            if desk is not None:
                desk.end()
            isolation.end()
        if isolation.error is not None:
            self.draft.warn(warn_of_marred(self.order.step.name, isolation.error, context.disposable))

    def end_survivors(self) -> None:
        """End what the step has left running, and tell of it unless the step has failed."""
        survivors = self.context.survivors
        if survivors is None:
            return
        processes, threads = survivors.end(), survivors.threads()
        if self.draft.failure is not None:
            return
        if processes:
            self.draft.warn(warn_of_survivors(self.order.step.name, processes))
        if threads:
            self.draft.warn(warn_of_threads(self.order.step.name, threads))

    def release_checkpoints(self) -> None:
        """Let go of them, for the next attempt of the same node."""
        if self.checkpoints is not None:
            self.checkpoints.release()

    def keep_log(self, log: str) -> bool:
        """Save what was printed; where that cannot be, the result stands all the same, with a warning."""
        try:
            return self.context.capture.end(log)
        except OSError as error:
            self.draft.warn(describe_lost_log(self.order.step.name, error))
            return False

    # -- the step ----------------------------------------------------------------------------------------------------

    def _observe(self) -> None:
        """Do it under watch, and take note of how it ended and of what it read."""
        order, context, draft = self.order, self.context, self.draft
        name = self.step.specification.name
        files: Sequence[FileInput] = ()
        try:
            files = files_of(order.arguments)
            read_secrets(order.arguments)
            with RECORDER.observing(
                context.boundaries,
                declared=[file.path for file in files],
                variables=order.step.options.env,
                reaches=self.step.reaches,
            ) as observation:
                outputs, metrics = self._work()
            judge_undeclared(observation, name, context.undeclared, draft)
        except BaseException as error:
            if context.interruptible and isinstance(error, KeyboardInterrupt):
                raise
            draft.end_by(error, Circumstances(name, Path(context.root), [file.path for file in files]))
            return
        draft.outputs, draft.metrics = outputs, metrics
        note_network(observation, order.step, draft)
        note_changed_files(files, order.step, draft)
        if self.checkpoints is not None and self.checkpoints.refused:
            draft.warn(_warn_of_held_checkpoints(order.step.name))

    def _work(self) -> tuple[tuple[Output, ...], dict[str, float]]:
        """Load, call, prove and store; around the call contracts and codecs may run the project's own code."""
        order, borders, context = self.order, self.step.borders, self.context
        loader = ArgumentLoader(context.store, context.folder, context.codecs, context.work, self.resolve, context.code)
        values: Mapping[str, Any] = _at_border(lambda: loader.load(order, borders))
        # In an empty context, as in a new process: decimal's precision and other context variables end with the step.
        returned = contextvars.Context().run(
            _call_in_one_process,
            self.step.specification.function,
            values,
            context.work.path,
            self._open_checkpoints,
        )
        return _at_border(lambda: OutputWriter(context.store, context.codecs).write(returned, borders))

    def _open_checkpoints(self) -> Path:
        assert self.checkpoints is not None, "they are there before the step is called"
        return self.checkpoints.open()


def _at_border(work: Callable[[], _Result]) -> _Result:
    """Do what flowkit does around a step: by this function's name the watches tell its reads from the project's."""
    return work()


def _call_in_one_process(
    function: Callable[..., Any], values: Mapping[str, Any], scratch: Path, open_checkpoints: Callable[[], Path]
) -> Any:
    """Call a step; a copy of this process that it forked and let come back ends here, before it reports as well.

    By this function's name the watches know where the step begins.
    """
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


def _warn_of_held_checkpoints(step: str) -> str:
    held = "another attempt of the same node holds its checkpoints"
    return f"Step '{step}': {held}, so this one began afresh and kept none."
