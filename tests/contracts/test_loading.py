"""pandera's schemas are built without dask.dataframe, and know its tables as soon as somebody annotates with them."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

from tests.commands import ROOT

PLAIN = """
    import sys
    import pandera.pandas as pa
    from flowkit.contracts import spare_dask

    class Plain(pa.DataFrameModel):
        number: int

    spare_dask()
    Plain.to_schema()
    assert not {"dask", "dask.dataframe"} & set(sys.modules)
"""
ANNOTATED = """
    from pandera.typing.dask import DataFrame, Series
    import dask.dataframe as dd
    import pandera.typing.dask

    assert issubclass(DataFrame, dd.DataFrame)
    assert pandera.typing.dask is sys.modules["pandera.typing.dask"]
    assert pandera.typing.dask.Series is Series

    class Annotated(pa.DataFrameModel):
        number: Series[int]

    assert str(Annotated.to_schema().columns["number"].dtype) == "int64"
    assert Series in pandera.typing.get_series_types()
    assert DataFrame in pandera.typing.get_dataframe_types()
"""
DASK_FIRST = """
    import sys
    import dask.dataframe
    import pandera.pandas as pa
    from flowkit.contracts import spare_dask

    spare_dask()
    import pandera.typing
    assert "pandera.typing.dask" not in sys.modules

    class Plain(pa.DataFrameModel):
        number: int

    Plain.to_schema()
    assert sys.modules["pandera.typing.dask"].DASK_INSTALLED
"""
DASK_LATER = """
    import dask.dataframe

    pandera_dask = sys.modules["pandera.typing.dask"]
    assert pandera_dask.DASK_INSTALLED
    assert pandera_dask.DataFrame in sys.modules["pandera.typing"].get_dataframe_types()
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "program", [PLAIN, PLAIN + ANNOTATED, DASK_FIRST, PLAIN + DASK_LATER], ids=["plain", "annotated", "first", "later"]
)
def test_dask_is_imported_when_somebody_uses_it(program: str) -> None:
    """Not for a plain model; its tables are recognised whether it came before the first schema or after it."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr


def test_without_pandera_nothing_happens() -> None:
    """Where nobody has imported pandera there is no contract, and it is not imported for that."""
    program = "import sys; from flowkit.contracts import spare_dask; spare_dask(); print('pandera' in sys.modules)"

    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "False"
