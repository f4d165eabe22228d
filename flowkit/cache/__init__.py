"""The cache's three decisions, each in one pure function: the key, whether a result is reused, and why not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flowkit.lazy import lazy_names

if TYPE_CHECKING:
    from flowkit.cache.reason import explain_miss as explain_miss
    from flowkit.cache.reason import with_data as with_data

# Where everything is reused nothing is to be explained.
__getattr__ = lazy_names(__name__, {"explain_miss": "reason", "with_data": "reason"})
