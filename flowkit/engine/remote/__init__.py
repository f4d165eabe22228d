"""Shares results with other machines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flowkit.lazy import lazy_names

if TYPE_CHECKING:
    from flowkit.engine.remote.sharing import Sharing as Sharing

__getattr__ = lazy_names(__name__, {"Sharing": "sharing"})
