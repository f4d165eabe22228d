"""What pandera imports late, imported before a step runs."""

from __future__ import annotations

import sys

_MODELS = "pandera.api.pandas.model"


def finish_pandera() -> None:
    """Import what pandera imports when it builds its first schema, where somebody has imported pandera for pandas.

    `dask.dataframe` is among it where it is installed, and that sets an option of pandas: found within a step it would
    look as if the step had done so, and cost the process in which each first contract is checked.
    """
    if _MODELS not in sys.modules:
        return
    from pandera.pandas import DataFrameModel

    class OneColumn(DataFrameModel):
        column: int

    OneColumn.to_schema()
