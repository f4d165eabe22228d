"""What a pipeline's author tests with: runs in a store of their own, given results, checks of determinism.

The fixture `flowkit_run` is there wherever flowkit is installed beside pytest. The names are loaded when first used:
pytest imports this package at every start, also for tests that know nothing of flowkit.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flowkit.testing.checks import assert_deterministic as assert_deterministic
    from flowkit.testing.checks import assert_round_trip as assert_round_trip
    from flowkit.testing.runner import PipelineRun as PipelineRun
    from flowkit.testing.runner import PipelineRunner as PipelineRunner

_MODULES = {
    "PipelineRun": "flowkit.testing.runner",
    "PipelineRunner": "flowkit.testing.runner",
    "assert_deterministic": "flowkit.testing.checks",
    "assert_round_trip": "flowkit.testing.checks",
}

__all__ = sorted(_MODULES)


def __getattr__(name: str) -> Any:
    module = _MODULES.get(name)
    if module is None:
        raise AttributeError(f"module 'flowkit.testing' has no attribute {name!r}")
    value = getattr(import_module(module), name)
    globals()[name] = value
    return value
