"""What an attempt has read beside its arguments, and what follows for its result.

It may count as an input, keep the result from being reused, be told to the step's author, or fail the step.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from flowkit.errors import StepInputError
from flowkit.execution.arguments import changed_files
from flowkit.execution.base import StepOrder
from flowkit.execution.masking import mask_observed
from flowkit.execution.observing.recorder import Observation
from flowkit.execution.observing.wording import (
    describe_hidden,
    describe_unstable,
    name_undeclared,
    warn_of_hidden,
    warn_of_network,
    warn_of_undeclared,
    warn_of_unstable,
)
from flowkit.execution.result_draft import ResultDraft
from flowkit.graph.arguments import FileInput


def judge_undeclared(
    observation: Observation, step: str, undeclared: Literal["track", "warn", "error"], draft: ResultDraft
) -> None:
    """Take note of what a step has read undeclared.

    Raises:
        StepInputError: There is something, and the project does not allow it.
    """
    draft.observed, hidden = mask_observed(observation.inputs) if observation.inputs else ((), ())
    if hidden:
        draft.uncached = describe_hidden(hidden)
        if told := [item for item in hidden if item not in observation.inherited]:
            draft.warn(warn_of_hidden(step, told))
    if observation.unstable:
        draft.uncached = describe_unstable(observation.unstable)
        draft.warn(warn_of_unstable(step, draft.uncached))
    named = name_undeclared(observation) if undeclared != "track" else ()
    if not named:
        return
    if undeclared == "error":
        raise StepInputError.for_undeclared(step, named)
    draft.warn(warn_of_undeclared(step, named))


def note_network(observation: Observation, step: StepOrder, draft: ResultDraft) -> None:
    """Warn where a step asked the network, and nothing in its declaration says that this is known."""
    options = step.options
    if observation.connected and options.cache and not options.network and options.max_age is None:
        draft.warn(warn_of_network(step.name))


def note_changed_files(files: Iterable[FileInput], step: StepOrder, draft: ResultDraft) -> None:
    """Keep a result from being reused whose declared files changed meanwhile: nobody knows what the step read."""
    changed = changed_files(files)
    if not changed:
        return
    names = ", ".join(f"'{path}'" for path in changed)
    draft.uncached = f"input {names} changed while the step ran"
    draft.warn(warn_of_unstable(step.name, draft.uncached))
