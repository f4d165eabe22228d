"""The lineage database: who made what from what. One writer, many readers, plain SQLite underneath."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flowkit.lazy import lazy_names

if TYPE_CHECKING:
    from flowkit.lineage.history import find_driven_by as find_driven_by
    from flowkit.lineage.holders import find_lock_holders as find_lock_holders

# What is asked only where another run is under way.
__getattr__ = lazy_names(__name__, {"find_driven_by": "history", "find_lock_holders": "holders"})
