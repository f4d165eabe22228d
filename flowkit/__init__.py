"""flowkit: typed steps as plain functions, a cache that can be trusted, Dask workers, SQLite lineage.

The public names, and nothing else. They are loaded when first used, so that `flowkit --help` stays quick.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flowkit.lazy import lazy_names

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
    "FlowkitError": "errors",
    "Interval": "authoring.intervals",
    "Metrics": "authoring.types",
    "Promotion": "records",
    "Run": "results",
    "Secret": "authoring.secrets",
    "Session": "session.session",
    "Skip": "authoring.types",
    "Untracked": "authoring.types",
    "as_type": "authoring.promotion",
    "at_least": "authoring.gates",
    "at_most": "authoring.gates",
    "champion": "authoring.promotion",
    "checkpoints": "authoring.types",
    "codec": "codecs.custom",
    "collect": "authoring.fanout",
    "each": "authoring.fanout",
    "no_worse_than": "authoring.gates",
    "pipeline": "authoring.pipeline",
    "promote": "authoring.promotion",
    "run": "session.session",
    "scratch": "authoring.types",
    "step": "authoring.step",
}

__all__ = ["__version__", *sorted(_MODULES)]


__getattr__ = lazy_names(__name__, _MODULES)


def __dir__() -> list[str]:
    return __all__
