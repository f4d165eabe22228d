"""The shape of every error flowkit reports: a sentence, aligned facts, one hint."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Self

Facts = tuple[tuple[str, str], ...]

LONGEST_FACT = 400
_LONGEST_VALUE = 200


def cut(text: str, limit: int = LONGEST_FACT) -> str:
    """Return `text`, shortened in its middle where it is longer than `limit` characters."""
    if len(text) <= limit:
        return text
    head = limit * 2 // 3
    return f"{text[:head]} … {text[-(limit - head) :]}"


def show_value(value: object) -> str:
    """Return `repr(value)`, shortened; also of what has none, as a number of too many digits."""
    try:
        text = repr(value)
    except Exception as error:  # noqa: BLE001  (whatever a person's __repr__ raises, the error must be told)
        noun = "number" if isinstance(value, int) else type(value).__name__
        return f"a {noun} that cannot be shown ({type(error).__name__})"
    return cut(text, _LONGEST_VALUE)


def facts_to_json(facts: Facts) -> dict[str, str]:
    """Return facts by label; what several facts of one label say stands on lines of its own."""
    found: dict[str, str] = {}
    for label, value in facts:
        found[label] = f"{found[label]}\n{value}" if label in found else value
    return found


class FlowkitError(Exception):
    """An error that a person can act on.

    Subclasses set `exit_code` and offer named constructors, so the wording of a message lives in one place. Every
    subclass keeps this constructor's signature: that is what lets an error cross a process border by pickle.

    Args:
        message: One sentence that names the step, the value or the path.
        facts: Pairs of a label and a value, printed aligned below the sentence.
        hint: A command or an edit that mends it, without the leading word.

    Example:
        >>> import flowkit as fk
        >>> try:
        ...     fk.at_least("accuracy", float("nan"))
        ... except fk.FlowkitError as error:
        ...     print(type(error).__name__, error.exit_code)
        GateError 2
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, facts: Iterable[tuple[str, str]] = (), hint: str = "") -> None:
        kept: Facts = tuple((label, cut(value)) for label, value in facts)
        super().__init__(message, kept, hint)
        self.message = message
        self.facts = kept
        self.hint = hint

    def __str__(self) -> str:
        width = max((len(label) for label, _ in self.facts), default=0)
        lines = [self.message]
        for label, value in self.facts:
            first, *rest = value.splitlines() or [""]
            lines.append(f"  {label:<{width}}   {first}".rstrip())
            lines.extend(f"  {'':<{width}}   {line}" for line in rest)
        if self.hint:
            lines.append(f"Hint: {self.hint}")
        return "\n".join(lines)

    def with_facts(self, *facts: tuple[str, str]) -> Self:
        """Return the same error with more facts, as when a caller knows the file it happened in."""
        return type(self)(self.message, (*self.facts, *facts), self.hint)
