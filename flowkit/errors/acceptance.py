"""Errors of results that cannot stand for edited code; exit code 2, and nothing was recorded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from flowkit.errors.usage import UsageError
from flowkit.errors.wording import list_names


class AcceptanceError(UsageError):
    """An edit that cannot be accepted."""

    @classmethod
    def for_registry(cls, node: str) -> Self:
        """A promotion or a champion's node, which has no code of its own."""
        return cls(
            f"There is nothing to accept of {node!r}: it asks the registry anew in every run.",
            [],
            "accept the steps before it, such as the one that trains the model.",
        )

    @classmethod
    def for_new(cls, node: str, pipeline: str) -> Self:
        """A node without any success in this store."""
        return cls(
            f"There is no result of {node!r} to keep: it has never succeeded in this store.",
            [("pipeline", pipeline)],
            "run it. If only its name is new, name the node it was: --from OLDNODE.",
        )

    @classmethod
    def for_unknown_former(cls, node: str, former: str, pipeline: str) -> Self:
        """A former name under which nothing has succeeded."""
        return cls(
            f"There is no result of {former!r} that {node!r} could keep: it has never succeeded in this store.",
            [("pipeline", pipeline)],
            "give --from the node's name in an earlier run; `flowkit runs` and `flowkit diff` show them.",
        )

    @classmethod
    def for_uncached(cls, node: str, detail: str) -> Self:
        """A node whose results are not kept for reuse."""
        return cls(
            f"The result of {node!r} is not one to keep: {detail}.",
            [],
            "run it; what needs it is still reused where it gives the same bytes.",
        )

    @classmethod
    def for_lost(cls, node: str) -> Self:
        """A result whose artifacts are gone or damaged."""
        return cls(
            f"The result of {node!r} cannot be kept: what it gave is gone from the store, or damaged.",
            [],
            "run it, so that it is made again.",
        )

    @classmethod
    def for_expired(cls, node: str) -> Self:
        """A result that is older than the step admits."""
        return cls(
            f"The result of {node!r} cannot be kept: it is older than max_age.",
            [],
            "run it; an edit that changes nothing makes no result younger.",
        )

    @classmethod
    def for_failed(cls, node: str, *, ever_succeeded: bool) -> Self:
        """A node whose edited code has failed with these very inputs."""
        hint = "mend it, or go back to the code that succeeded."
        return cls(
            f"The edit of {node!r} cannot be accepted: its code as it is now ran with these inputs, and failed.",
            [],
            hint if ever_succeeded else "mend it, and run it; it has never succeeded in this store.",
        )

    @classmethod
    def for_failed_before(cls, node: str, failed: Sequence[str]) -> Self:
        """A node whose inputs are not known, since nodes before it fail as their code is now."""
        return cls(
            f"The result of {node!r} cannot be kept: what it takes is not known.",
            list_names("failed", failed),
            f"mend {failed[0]!r} and run it first.",
        )

    @classmethod
    def for_changed(cls, node: str, what: str, changes: Sequence[tuple[str, str]], run: str | None, hint: str) -> Self:
        """A node of which more than the code has changed.

        Args:
            node: Its name.
            what: What has changed, such as `an input`.
            changes: What changed and how, in pairs.
            run: The run that it is compared with.
            hint: What to do.
        """
        facts = [*([("compared with", f"run {run}")] if run else []), *changes]
        return cls(f"The result of {node!r} cannot be kept: {what} has changed, not only its code.", facts, hint)

    @classmethod
    def for_gone_code(cls, node: str, names: Sequence[str]) -> Self:
        """A result whose stored values name project code that is no longer there."""
        return cls(
            f"The result of {node!r} cannot be kept: it holds objects of code that is no longer there.",
            list_names("missing", names),
            "keep the old name as well, such as `Old = New` in that module, or run it.",
        )

    @classmethod
    def for_new_reads(cls, node: str, readers: Sequence[tuple[str, str]]) -> Self:
        """Edited code that reads files or variables where the code before read none: nothing has watched which.

        Args:
            node: Its name.
            readers: (function, what it calls to read).
        """
        return cls(
            f"The result of {node!r} cannot be kept: its edited code reads files or variables, and did not before.",
            [("newly read", f"{function} uses {reader}") for function, reader in readers],
            "run it, so that what it reads is noticed; or declare that: a parameter of type Path for a file, "
            "env=('NAME',) for a variable.",
        )

    @classmethod
    def for_other_outputs(cls, node: str, given: Sequence[str], declared: Sequence[str]) -> Self:
        """A step that declares other outputs than the result has."""
        return cls(
            f"The result of {node!r} cannot be kept: its step gives other outputs now.",
            [("kept would be", ", ".join(given)), ("declared", ", ".join(declared))],
            "run it; what it returns is no matter of wording.",
        )

    @classmethod
    def for_misfit(cls, node: str, output: str, hint: str, problem: str) -> Self:
        """A result that is not what the step's annotation says now."""
        return cls(
            f"The result of {node!r} cannot be kept: it is not what its step declares now.",
            [("output", f"{output}: {hint}"), ("problem", problem)],
            "run it; a new annotation or contract is judged on what the step gives.",
        )

    @classmethod
    def for_unread(cls, node: str, detail: str) -> Self:
        """A node whose inputs cannot be read, so that they cannot be compared."""
        return cls(
            f"The result of {node!r} cannot be kept: its inputs cannot be compared.",
            [("because", detail)],
            "mend that first; what an edit may leave alone is a result of these very inputs.",
        )

    @classmethod
    def for_upstream(cls, node: str, waiting: Sequence[str], former: str | None = None) -> Self:
        """A node whose inputs are not known, since nodes before it would run.

        Args:
            node: Its name.
            waiting: Those before it that would run.
            former: The name that it had before, where it was renamed: such a node is accepted in a command of its own.
        """
        first = waiting[0] if waiting else node
        if former is None:
            hint = (
                f"accept those in the same command, such as `flowkit accept TARGET {first} {node}`, or run them first."
            )
        else:
            hint = (
                f"accept those first, such as `flowkit accept TARGET {first}`, or run them; then "
                f"`flowkit accept TARGET {node} --from {former}`."
            )
        return cls(
            f"The result of {node!r} cannot be kept: what it takes is not known.",
            list_names("would run", waiting),
            hint,
        )

    @classmethod
    def for_absent(cls, node: str, detail: str) -> Self:
        """A node that would be skipped."""
        return cls(
            f"There is no result of {node!r} to keep: {detail}.",
            [],
            "it runs once there is what it needs.",
        )

    @classmethod
    def for_overtaken(cls, node: str) -> Self:
        """A result that was replaced while the question was asked."""
        return cls(
            f"The result of {node!r} was replaced by another run while you decided; nothing was recorded of it.",
            [],
            "look again with `flowkit plan`.",
        )

    @classmethod
    def for_several_renamed(cls, nodes: Sequence[str]) -> Self:
        """`--from` with more than one node."""
        return cls(
            "Only one node at a time can be accepted under a former name.",
            list_names("nodes", nodes),
            "accept the others first, without --from; then this one: `flowkit accept TARGET NODE --from OLDNODE`.",
        )

    @classmethod
    def for_unanswered(cls) -> Self:
        """Nobody to ask."""
        return cls(
            "There is no terminal to ask on whether the edit changes nothing; nothing was recorded.",
            [],
            "look at what is accepted, then say so with --yes.",
        )

    def besides(self, others: Sequence[str]) -> Self:
        """Return the same error with the nodes that cannot be accepted either."""
        return self.with_facts(*list_names("also refused", others))
