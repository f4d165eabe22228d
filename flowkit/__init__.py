"""flowkit: typed steps as plain functions, a cache that can be trusted, Dask workers, SQLite lineage.

The public names, and nothing else. They are loaded when first used, so that `flowkit --help` stays quick.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from flowkit.authoring.fanout import collect as collect
    from flowkit.authoring.fanout import each as each
    from flowkit.authoring.gates import at_least as at_least
    from flowkit.authoring.gates import at_most as at_most
    from flowkit.authoring.gates import no_worse_than as no_worse_than
    from flowkit.authoring.intervals import Interval as Interval
    from flowkit.authoring.pipeline import pipeline as pipeline
    from flowkit.authoring.promotion import as_type as as_type
    from flowkit.authoring.promotion import champion as champion
    from flowkit.authoring.promotion import promote as promote
    from flowkit.authoring.secrets import Secret as Secret
    from flowkit.authoring.step import step as step
    from flowkit.authoring.types import Metrics as Metrics
    from flowkit.authoring.types import Skip as Skip
    from flowkit.authoring.types import Untracked as Untracked
    from flowkit.authoring.types import checkpoints as checkpoints
    from flowkit.authoring.types import scratch as scratch
    from flowkit.codecs.custom import codec as codec
    from flowkit.errors import FlowkitError as FlowkitError
    from flowkit.records import Promotion as Promotion
    from flowkit.results import Run as Run
    from flowkit.session.session import Session as Session
    from flowkit.session.session import run as run

_MODULES = {
    "FlowkitError": "flowkit.errors",
    "Interval": "flowkit.authoring.intervals",
    "Metrics": "flowkit.authoring.types",
    "Promotion": "flowkit.records",
    "Run": "flowkit.results",
    "Secret": "flowkit.authoring.secrets",
    "Session": "flowkit.session.session",
    "Skip": "flowkit.authoring.types",
    "Untracked": "flowkit.authoring.types",
    "as_type": "flowkit.authoring.promotion",
    "at_least": "flowkit.authoring.gates",
    "at_most": "flowkit.authoring.gates",
    "champion": "flowkit.authoring.promotion",
    "checkpoints": "flowkit.authoring.types",
    "codec": "flowkit.codecs.custom",
    "collect": "flowkit.authoring.fanout",
    "each": "flowkit.authoring.fanout",
    "no_worse_than": "flowkit.authoring.gates",
    "pipeline": "flowkit.authoring.pipeline",
    "promote": "flowkit.authoring.promotion",
    "run": "flowkit.session.session",
    "scratch": "flowkit.authoring.types",
    "step": "flowkit.authoring.step",
}

__all__ = ["__version__", *sorted(_MODULES)]


def __getattr__(name: str) -> Any:
    module = _MODULES.get(name)
    if module is None:
        # Both are given, as Python then suggests the nearest name.
        raise AttributeError(f"module 'flowkit' has no attribute {name!r}", name=name, obj=sys.modules[__name__])
    value = getattr(import_module(module), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
