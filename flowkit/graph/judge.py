"""The only place that asks beartype, for annotations beyond classes, unions, containers and arrays."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from flowkit.contracts import bare_type


def is_narrower(given: Any, wanted: Any) -> bool | None:
    """Whether every value of `given` is one of `wanted`; None where beartype cannot tell."""
    from beartype.door import is_subhint

    return _ask(is_subhint, bare_type(given), bare_type(wanted))


def is_of_hint(value: Any, hint: Any) -> bool | None:
    """Whether `value` is of the annotation `hint`; None where beartype cannot tell."""
    from beartype.door import is_bearable

    return _ask(is_bearable, value, bare_type(hint))


def _ask(question: Callable[[Any, Any], bool], first: Any, second: Any) -> bool | None:
    from beartype.roar import BeartypeDecorHintPep585DeprecationWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BeartypeDecorHintPep585DeprecationWarning)
        try:
            return question(first, second)
        except Exception:  # noqa: BLE001  (for hints it does not know it raises many kinds, TypeError among them)
            return None
