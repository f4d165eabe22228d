"""Lets a result stand for edited code, by the word of a person."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flowkit.lazy import lazy_names

if TYPE_CHECKING:
    from flowkit.engine.accepting.proposals import AcceptReport as AcceptReport
    from flowkit.engine.accepting.proposals import accept as accept
    from flowkit.engine.accepting.proposals import propose_acceptance as propose_acceptance

__getattr__ = lazy_names(
    __name__, {"AcceptReport": "proposals", "accept": "proposals", "propose_acceptance": "proposals"}
)
