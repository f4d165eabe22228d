"""Whether a result that is to be kept is what its step declares now; contracts are judged on it as on a new one."""

from __future__ import annotations

from typing import Any

from flowkit.contracts import contracts_in, enforce
from flowkit.contracts.border import Border
from flowkit.engine.workspace import Workspace
from flowkit.errors import AcceptanceError, FlowkitError
from flowkit.execution.dask_frames import names_dask_frame
from flowkit.graph.hint_text import format_hint
from flowkit.graph.valuecheck import check_value
from flowkit.records import Entry, Output, StepSpecification

_LIGHT = frozenset({"json", "str"})
"""Formats that are read at no cost and without running code."""


def refuse_misfit(workspace: Workspace, node: str, step: StepSpecification, entry: Entry) -> AcceptanceError | None:
    """Return the error of a result that the step could not give as it is declared now; None where it could.

    Args:
        workspace: The opened store.
        node: The node's name.
        step: Its step, as it is now.
        entry: The result.
    """
    declared = [output.name for output in step.outputs]
    given = [output.name for output in entry.outputs]
    if declared != given:
        return AcceptanceError.for_other_outputs(node, given, declared)
    for specification, output in zip(step.outputs, entry.outputs, strict=True):
        try:
            problem = _find_problem(workspace, step.name, output, specification.hint)
        except FlowkitError as error:
            problem = error.message
        if problem is not None:
            return AcceptanceError.for_misfit(node, output.name, format_hint(specification.hint), problem)
    return None


def _find_problem(workspace: Workspace, step: str, output: Output, hint: Any) -> str | None:
    """Return what is wrong with a stored value; None where nothing is, or where only loading code could tell.

    Raises:
        FlowkitError: It cannot be read as `hint`, or breaks its contract.
    """
    artifact = output.artifact
    if artifact.format in _LIGHT:
        return check_value(workspace.load(artifact, hint), hint)
    if artifact.format == "table" and contracts_in(hint) and not names_dask_frame(hint):
        enforce(workspace.load(artifact, hint), hint, where=Border.output_of(step, output.name))
    return None
