"""Contracts cost no step host: pandera changes nothing in the process that checks the first one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.commands import spawn

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

PIPELINE = """
import os
from typing import Annotated

import pandas as pd
import pandera.pandas as pa

import flowkit as fk


class Process(pa.DataFrameModel):
    number: int = pa.Field(gt=0)


Processes = Annotated[pd.DataFrame, Process]


@fk.step
def first() -> Processes:
    return pd.DataFrame({"number": [os.getpid()]})


@fk.step
def second(before: Processes) -> Processes:
    return pd.concat([before, pd.DataFrame({"number": [os.getpid()]})], ignore_index=True)


@fk.step
def third(before: Processes) -> int:
    assert set(before["number"]) == {os.getpid()}, list(before["number"])
    return 1


@fk.pipeline
def checked() -> None:
    third(second(first()))
"""


def test_steps_with_contracts_share_a_process(tmp_path: Path) -> None:
    """One step host runs a chain of steps whose tables are checked, none of which changes pandas' options."""
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "checked"\nversion = "0"\n')
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "pipelines" / "checked.py").write_text(PIPELINE)

    done = spawn(tmp_path, "run", "checked", FLOWKIT_WORKERS="1")

    assert done.returncode == 0, done.stdout + done.stderr
