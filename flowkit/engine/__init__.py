"""Decides and performs runs: a pure state machine, the shell that feeds it, plans, and explanations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flowkit.lazy import lazy_names

if TYPE_CHECKING:
    from flowkit.engine.contents import compare_inputs as compare_inputs
    from flowkit.engine.contents import open_contents as open_contents
    from flowkit.engine.planner import Planner as Planner
    from flowkit.engine.promotions import Promotions as Promotions

# What a run does not need that reuses everything and promotes nothing.
__getattr__ = lazy_names(
    __name__,
    {
        "Planner": "planner",
        "Promotions": "promotions",
        "compare_inputs": "contents",
        "open_contents": "contents",
    },
)
