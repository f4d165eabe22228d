"""What a pipeline's author tests with: runs in a store of their own, given results, checks of determinism.

The fixture `flowkit_run` is there wherever flowkit is installed beside pytest. The names are loaded when first used:
pytest imports this package at every start, also for tests that know nothing of flowkit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flowkit.lazy import lazy_names

if TYPE_CHECKING:
    from flowkit.testing.checks import assert_deterministic as assert_deterministic
    from flowkit.testing.checks import assert_round_trip as assert_round_trip
    from flowkit.testing.runner import PipelineRun as PipelineRun
    from flowkit.testing.runner import PipelineRunner as PipelineRunner

_MODULES = {
    "PipelineRun": "runner",
    "PipelineRunner": "runner",
    "assert_deterministic": "checks",
    "assert_round_trip": "checks",
}

__all__ = sorted(_MODULES)


__getattr__ = lazy_names(__name__, _MODULES)
