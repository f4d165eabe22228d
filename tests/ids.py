"""Names of parametrised cases that are the same in every process."""

from __future__ import annotations

import re


def stable_id(value: object) -> str:
    """Return a short name of a value without addresses, and without the order of sets."""
    text = re.sub(r" at 0x[0-9a-f]+", "", repr(value))
    if re.search(r"\{[^:}]*\}", text):
        return type(value).__name__
    return text[:40]
