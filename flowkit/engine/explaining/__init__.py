"""Explains nodes, compares runs: what changed, from the code that decides."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flowkit.lazy import lazy_names

if TYPE_CHECKING:
    from flowkit.engine.explaining.nodes import WhyReport as WhyReport
    from flowkit.engine.explaining.nodes import explain_planned as explain_planned

__getattr__ = lazy_names(__name__, {"WhyReport": "nodes", "explain_planned": "nodes"})
