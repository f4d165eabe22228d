"""What a step reads without declaring it: files, folders' names, whether something is there, environment variables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flowkit.lazy import lazy_names

if TYPE_CHECKING:
    from flowkit.execution.observing.watches import install_watches as install_watches

__getattr__ = lazy_names(__name__, {"install_watches": "watches"})
