"""Files and tables that are not what a step needs, each met by a step of its own among others that go on."""

from __future__ import annotations

from tests.errors.golden import Case

_START = """from pathlib import Path
from typing import Annotated

import pandas as pd
import pandera.pandas as pa


class Trip(pa.DataFrameModel):
    fare: float = pa.Field(ge=0, coerce=False)
    taxi: str = pa.Field(unique=True)

    class Config:
        strict = True


@fk.step
def other() -> int:
    return 1


@fk.step
def load(file: Path) -> {given}:
    {line}


@fk.step
def count(rows: {given}) -> int:
    return len(rows)


@fk.pipeline
def shop(file: Path = Path("{file}")) -> None:
    count(load(file))
    other()
"""
_TRIPS = "Annotated[pd.DataFrame, Trip]"


def _read(
    name: str, line: str, content: str | bytes | None, *, file: str = "data/trips.csv", given: str = "pd.DataFrame"
) -> Case:
    files = {} if content is None else {file: content}
    target = "data/trips.csv" if file.endswith("part.csv") else file
    source = _START.replace("{given}", given).replace("{line}", line).replace("{file}", target)
    return Case(f"data-{name}", source, "run pipelines/shop.py --inline", 1, files)


def _trips(name: str, content: str) -> Case:
    return _read(f"contract-{name}", "return pd.read_csv(file)", content, given=_TRIPS)


_JSON = "import json; return pd.DataFrame(json.loads(file.read_text()))"
_ARROW = "import pyarrow.csv as c; return c.read_csv(file).to_pandas()"
_POLARS = "import polars as pl; return pl.read_csv(file).to_pandas()"
_ZIP = "import zipfile; zipfile.ZipFile(file); return pd.DataFrame()"
_GOOD = "fare,taxi\n1.5,a\n2.5,b\n"


def _argument(name: str, value: str) -> Case:
    start, _, body = _START.partition("@fk.pipeline")
    source = start + "\n\n@fk.pipeline" + body.replace("load(file)", value)
    source = source.replace("{given}", "object").replace("{line}", "return 1").replace("{file}", "data/trips.csv")
    return Case(f"argument-{name}", source, "run pipelines/shop.py --inline", 1, {"data/trips.csv": _GOOD})


ARGUMENTS = (
    _argument("generator", "(row for row in range(3))"),
    _argument("open-file", "open(file)"),
    _argument("plain-object", "type('Thing', (), {})()"),
)

DATA = (
    _read("missing-file", "return pd.read_csv(file)", None),
    _read("empty-csv", "return pd.read_csv(file)", ""),
    _read("not-utf8", "return pd.read_csv(file)", "fare,taxi\n1.5,caf\xe9\n".encode("latin-1")),
    _read("not-utf8-text", "return pd.DataFrame({'line': [file.read_text()]})", b"caf\xe9\n"),
    _read("ragged-csv", "return pd.read_csv(file)", "fare,taxi\n1.5,a\n2.5,b,c,d\n"),
    _read("ragged-polars", _POLARS, "fare,taxi\n1.5,a\n2.5,b,c,d\n"),
    _read("ragged-pyarrow", _ARROW, "fare,taxi\n1.5,a\n2.5,b,c\n"),
    _read("missing-csv-column", "return pd.read_csv(file, usecols=['miles'])", _GOOD),
    _read("truncated-parquet", "return pd.read_parquet(file)", b"PAR1\x15\x04", file="data/trips.parquet"),
    _read("no-parquet", "return pd.read_parquet(file)", _GOOD, file="data/trips.parquet"),
    _read(
        "malformed-json",
        _JSON,
        '{"fare": [1.5,\n 2.5,]}\n',
        file="data/trips.json",
    ),
    _read("malformed-json-pandas", "return pd.read_json(file)", '{"fare": [1.5,\n 2.5,]}\n', file="data/trips.json"),
    _read("no-excel", _ZIP, _GOOD, file="data/trips.xlsx"),
    _read("folder-for-file", "return pd.read_csv(file)", _GOOD, file="data/trips.csv/part.csv"),
    _read("wrong-return-type", "return len(pd.read_csv(file))", _GOOD),
    _read("returns-nothing", "pd.read_csv(file)", _GOOD),
    _read("raises", "return pd.read_csv(file)[['miles']]", _GOOD),
    _read("long-row", "raise ValueError(file.read_text())", "x" * 1_000_000),
    _trips("missing-column", "fare\n1.5\n"),
    _trips("extra-column", "fare,taxi,miles\n1.5,a,3\n"),
    _trips("dtype", "fare,taxi\n1.5,a\nfree,b\n"),
    _trips("null", "fare,taxi\n1.5,a\n,b\n,c\n2.5,d\n,e\n,f\n"),
    _trips("infinite", "fare,taxi\n1.5,a\n-inf,b\n"),
    _trips("duplicates", "fare,taxi\n1.5,a\n2.5,a\n3.5,b\n"),
    _trips("several", "fare,taxi\n-1.5,a\n2.5,a\n,b\n"),
)
