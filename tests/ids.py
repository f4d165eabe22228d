"""Names of parametrised cases that are the same in every process, and of the folder whose frames nobody sees."""

from __future__ import annotations

import re
from pathlib import Path

import flowkit


def stable_id(value: object) -> str:
    """Return a short name of a value without addresses, and without the order of sets."""
    text = re.sub(r" at 0x[0-9a-f]+", "", repr(value))
    if re.search(r"\{[^:}]*\}", text):
        return type(value).__name__
    return text[:40]


PACKAGE = str(Path(flowkit.__file__).parent) + "/"
"""The folder of flowkit's own code, whose frames no message may show."""
