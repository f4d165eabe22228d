"""Errors of values that have no canonical encoding; exit code 2."""

from __future__ import annotations

from typing import ClassVar, Self

from flowkit.errors.base import FlowkitError

_KNOWN = "numbers, strings, bytes, lists, tuples, dicts, sets, dates, enums, dataclasses, pydantic models and paths"


class EncodingError(FlowkitError):
    """A parameter or constant that has no canonical encoding; the message names it and the place inside it."""

    exit_code: ClassVar[int] = 2

    @classmethod
    def for_unknown_type(cls, place: str, value: object) -> Self:
        """A type that has no encoding of its own."""
        return cls(
            f"The argument {place} cannot be compared between runs: it is a {_name_of(type(value))}.",
            (("known", _KNOWN),),
            "pass a plain value, or let a step make this one and pass its output.",
        )

    @classmethod
    def for_subclass(cls, place: str, value: object, base: type) -> Self:
        """An instance of a subclass of a type that is known."""
        return cls(
            f"The argument {place} cannot be compared between runs: {_name_of(type(value))} is a subclass of "
            f"{_name_of(base)}, and only the exact type has an encoding.",
            (),
            f"convert it to {_name_of(base)} before the call.",
        )

    @classmethod
    def for_cycle(cls, place: str) -> Self:
        """A container that holds itself."""
        return cls(
            f"The argument {place} cannot be compared between runs: it contains itself.",
            (),
            "pass a value without cycles.",
        )

    @classmethod
    def for_depth(cls, place: str) -> Self:
        """A value that is nested too deeply."""
        return cls(
            f"The argument {place} cannot be compared between runs: it is nested too deeply.",
            (),
            "pass a flatter value, or a file that holds it.",
        )

    @classmethod
    def for_time_zone(cls, place: str, zone: object) -> Self:
        """A time zone that is neither a fixed offset nor a named one."""
        return cls(
            f"The argument {place} cannot be compared between runs: its time zone is a {_name_of(type(zone))}.",
            (("time zone", repr(zone)),),
            "use zoneinfo.ZoneInfo or datetime.timezone.",
        )

    @classmethod
    def for_code(cls, place: str, value: object) -> Self:
        """A function or class whose code cannot be fingerprinted here."""
        name = getattr(value, "__qualname__", type(value).__name__)
        return cls(
            f"The argument {place} cannot be compared between runs: it is the code {name!r}, not fingerprinted here.",
            (),
            "call it inside the step instead of passing it.",
        )


def _name_of(kind: type) -> str:
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
