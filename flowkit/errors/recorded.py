"""Errors of what was asked for and is not in the store; exit code 2."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from flowkit.errors.usage import UsageError
from flowkit.errors.wording import list_names, suggest


class NotRecordedError(UsageError):
    """A run, node, artifact or model that the store does not know."""

    @classmethod
    def for_run(cls, text: str, known: Sequence[str]) -> Self:
        """An id, or the beginning of one, that no run bears."""
        return cls(
            f"No run is called {text!r}." if known else "No run has been recorded in this store yet.",
            list_names("latest", known),
            suggest(text, known, "see the runs with `flowkit runs`." if known else "start one with `flowkit run`."),
        )

    @classmethod
    def for_no_run_before(cls, run: str, pipeline: str) -> Self:
        """The first run of a pipeline, where the one before it is asked for."""
        return cls(
            f"There is no run of {pipeline!r} before {run!r}.",
            [],
            "name two runs: flowkit diff RUN RUN; `flowkit runs` lists them.",
        )

    @classmethod
    def for_ambiguous(cls, what: str, text: str, candidates: Sequence[str]) -> Self:
        """A prefix that several runs or artifacts share."""
        return cls(
            f"{text!r} could be more than one {what}.",
            list_names("candidates", candidates),
            "give more of its characters.",
        )

    @classmethod
    def for_artifact(cls, text: str) -> Self:
        """A digest, or the beginning of one, that no artifact has."""
        return cls(
            f"No artifact has a digest that starts with {text!r}.",
            [],
            "give 4 or more of its hexadecimal digits; see the artifacts with `flowkit artifact list`.",
        )

    @classmethod
    def for_model(cls, model: str, known: Sequence[str]) -> Self:
        """A model of which no version was registered."""
        return cls(
            f"No model is called {model!r}.",
            list_names("models", known),
            suggest(model, known, "see the models with `flowkit models list`."),
        )

    @classmethod
    def for_version(cls, model: str, version: int, known: Sequence[int]) -> Self:
        """A version that the model does not have."""
        return cls(
            f"The model {model!r} has no version {version}.",
            list_names("versions", [str(number) for number in known]),
            f"see them with `flowkit models show {model}`.",
        )

    @classmethod
    def for_alias(cls, model: str, alias: str, known: Sequence[str]) -> Self:
        """An alias that points to no version of the model."""
        return cls(
            f"The model {model!r} has no {alias!r}.",
            list_names("aliases", known),
            suggest(alias, known, f"promote a version to it: flowkit models promote {model}:N --to {alias}."),
        )

    @classmethod
    def for_node(cls, run: str, node: str, known: Sequence[str]) -> Self:
        """A node that the run, or the pipeline, does not have; one that is mapped has elements instead."""
        node = node.removesuffix("[*]") if node not in known else node
        elements = [name for name in known if name.endswith("]") and name.rpartition("[")[0] == node]
        if elements == [f"{node}[*]"]:
            return cls(
                f"The node {node!r} is mapped in {run!r}: which elements it has is known once what makes its list has "
                "run.",
                [],
                f"name {elements[0]!r}, which stands for all of them.",
            )
        if elements:
            # By length first, so that [10] comes after [9].
            elements.sort(key=lambda name: (len(name), name))
            count = f"{len(elements)} element{'s' if len(elements) > 1 else ''}"
            return cls(
                f"The node {node!r} is mapped in {run!r}: it has {count}.",
                list_names("mapped", elements),
                f"name one of them, such as {elements[0]!r}.",
            )
        return cls(
            f"There is no node {node!r} in {run!r}.",
            list_names("nodes", known),
            suggest(node, known, "use one of the nodes above."),
        )

    @classmethod
    def for_no_output(cls, run: str, node: str, outcome: str) -> Self:
        """A node without an output: failed, blocked, skipped or cancelled, or a promotion."""
        if outcome in ("executed", "reused"):
            return cls(
                f"The node {node!r} of run {run!r} decides on a model; it gives no artifact.",
                [("outcome", outcome)],
                "see what was decided with `flowkit models list` and `flowkit audit list`.",
            )
        return cls(
            f"The node {node!r} gave nothing in run {run!r}.",
            [("outcome", outcome)],
            f"see why with `flowkit why {run} {node}`.",
        )

    @classmethod
    def for_output(cls, node: str, output: str, known: Sequence[str]) -> Self:
        """An output that the node did not give, or none named of several (`output` is empty)."""
        said = f"gave no output {output!r}" if output else f"gave {len(known)} outputs, and none is named"
        return cls(
            f"The node {node!r} {said}.",
            list_names("outputs", known),
            suggest(
                output, known, f"write it as {node}.{known[0]}." if known else "look at its log: it has no output."
            ),
        )

    @classmethod
    def for_file(cls, path: str, digest: str) -> Self:
        """A file whose content no run has met."""
        return cls(
            f"The content of '{path}' has not been an input or output of any run.",
            [("digest", digest)],
            "it may have changed since; see the artifacts there are with `flowkit artifact list`.",
        )

    @classmethod
    def for_log(cls, run: str, node: str, outcome: str, lost: str) -> Self:
        """A node without captured output, or whose log (`lost`) is gone."""
        if lost:
            return cls(
                f"The log of {node!r} in run {run!r} is gone.", [("log", lost)], "run the node again with --force."
            )
        if outcome in ("executed", "reused", "failed"):
            message, hint = f"{node!r} printed nothing in run {run!r}.", "print in the step, and run it with --force."
        else:
            message, hint = f"{node!r} did not run in run {run!r}.", f"see why with `flowkit why {run} {node}`."
        return cls(message, [("outcome", outcome)], hint)

    @classmethod
    def for_attempt(cls, run: str, node: str, attempt: int, known: Sequence[int]) -> Self:
        """An attempt that there was not, or that printed nothing."""
        return cls(
            f"There is no log of attempt {attempt} of {node!r} in run {run!r}.",
            list_names("attempts with a log", [str(number) for number in known]),
            "leave --attempt away to see all that it printed.",
        )

    @classmethod
    def for_unstarted(cls, run: str, node: str, known: Sequence[str]) -> Self:
        """A node of a run that goes on, of which nothing is recorded yet."""
        return cls(
            f"Nothing is recorded of {node!r} in run {run!r} yet: it has not ended, or there is no such node.",
            list_names("ended", known),
            "wait for it with --follow; `flowkit show` lists the nodes of a pipeline.",
        )

    @classmethod
    def for_not_begun(cls, run: str, node: str, known: Sequence[str]) -> Self:
        """A node of a run that crashed, which had printed nothing by then."""
        return cls(
            f"Nothing is recorded of {node!r} in run {run!r}, which crashed: it had not printed anything by then, or "
            "there is no such node.",
            list_names("nodes", known),
            suggest(node, known, f"see what is there with `flowkit logs {run}`."),
        )
