"""Errors of settings: keys, values and environments that configuration does not know."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from flowkit.errors.usage import UsageError
from flowkit.errors.wording import list_names, suggest


class SettingError(UsageError):
    """A key or value of `[tool.flowkit]` that is not known."""

    @classmethod
    def for_unknown_key(cls, key: str, place: str, known: Sequence[str]) -> Self:
        """A key that is no setting."""
        return cls(
            f"There is no setting {key!r}.",
            [("in", place), ("settings", ", ".join(known))],
            suggest(key, known, "use one of the settings above."),
        )

    @classmethod
    def for_value(cls, key: str, place: str, wanted: str, given: object) -> Self:
        """A value that the setting cannot have."""
        return cls(
            f"The setting {key!r} must be {wanted}.",
            [("given", f"{given!r} ({type(given).__name__})"), ("in", place)],
            f"change it to {wanted}.",
        )

    @classmethod
    def for_unknown_environment(cls, name: str, place: str, known: Sequence[str]) -> Self:
        """An environment without a section."""
        return cls(
            f"There is no environment {name!r}.",
            [("in", place), *list_names("environments", known)],
            suggest(name, known, f"add a section [tool.flowkit.env.{name}]."),
        )

    @classmethod
    def for_unreadable(cls, path: str, reason: str) -> Self:
        """A `pyproject.toml` that cannot be read or is not TOML."""
        return cls(f"The configuration cannot be read: {reason}.", [("file", path)], "mend that file.")
