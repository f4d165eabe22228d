"""Whether a value is a dask DataFrame, or may be by its annotation. Where no module has imported dask there is none."""

from __future__ import annotations

import sys
from typing import Any

from flowkit.codecs.hints import origins


def is_dask_frame(value: object) -> bool:
    """Say whether `value` is a dask DataFrame."""
    library = sys.modules.get("dask.dataframe")
    return library is not None and type(value) is library.DataFrame


def names_dask_frame(hint: Any) -> bool:
    """Say whether an annotation itself admits a dask DataFrame."""
    library = sys.modules.get("dask.dataframe")
    return library is not None and library.DataFrame in origins(hint)
