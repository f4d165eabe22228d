"""Names of libraries in a step's code mean the same in every process, whatever that has loaded and watches."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fingerprint.projects import fingerprint, write_project

LIBRARIES = {
    "pyarrow.compute": "sum",
    "pyarrow.dataset": "dataset",
    "pyarrow.parquet": "read_table",
    "scipy.stats": "norm",
    "sklearn.linear_model": "LogisticRegression",
    "xml.etree": "ElementTree",
    "xml.dom.minidom": "parseString",
    "os.path": "join",
    "concurrent.futures": "ThreadPoolExecutor",
    "numpy.linalg": "norm",
    "dask.dataframe": "read_csv",
    "polars": "read_csv",
    "pandas": "read_csv",
    "runpy": "run_path",
}
SPELLINGS = {
    "dotted": "import {module}\n    return {module}.{name}",
    "renamed": "import {module} as short\n    return short.{name}",
    "member": "from {module} import {name}\n    return {name}",
    "renamed member": "from {module} import {name} as short\n    return short.__doc__",
    "never read": "import {module}\n    return 1",
}
BOUND = {
    "polars member": ("from polars import read_csv", "read_csv"),
    "polars alias": ("import polars as pl\nrd = pl.read_csv", "rd"),
    "polars table": ("import polars as pl\nREAD = {'csv': pl.read_csv, 'eager': pl.scan_csv}", "READ['csv']"),
    "polars partial": (
        "import functools\nimport polars as pl\nrd = functools.partial(pl.read_csv, has_header=False)",
        "rd",
    ),
    "polars wrapped": (
        "import functools as ft\nimport polars as pl\n@ft.wraps(pl.read_csv)\ndef rd(x):\n    return pl.read_csv(x)",
        "rd",
    ),
    "polars method": (
        "import polars as pl\nclass Reader:\n    read = staticmethod(pl.read_csv)\n    other = pl.read_json",
        "Reader",
    ),
    "pyarrow compiled": ("from pyarrow import memory_map", "memory_map"),
    "pyarrow parquet": ("from pyarrow.parquet import read_table, ParquetFile", "(read_table, ParquetFile)"),
    "pyarrow base": ("from pyarrow.parquet import ParquetFile\nclass Mine(ParquetFile):\n    pass", "Mine"),
    "pyarrow initialiser": ("from pyarrow.parquet import ParquetFile\nmake = ParquetFile.__init__", "make"),
    "stat": ("from os import stat, lstat, access", "(stat, lstat, access)"),
    "environment": ("from os import environ, getenv, environb", "(environ.get, getenv, environb)"),
    "environment method": ("import os\nask = os.environ.__getitem__", "ask"),
    "environment class": ("import os\nKind = type(os.environ)", "Kind"),
    "environment kept": ("import os\nE = [os.environ]", "E[0].get('HOME')"),
    "paths": ("from pathlib import Path\nexists = Path.exists", "(Path, exists)"),
}

PROGRAM = """
import importlib, json, sys
from pathlib import Path

root, watch, *load = sys.argv[1:]
sys.path.insert(0, root)
if watch == "watched":
    from flowkit.execution.observing.watches import install_watches
    install_watches()
for name in load:
    importlib.import_module(name)
from flowkit.authoring.step import Step
from flowkit.fingerprint.code import CodeFingerprinter
from flowkit.project import Project
found = {}
for file in sorted(Path(root).glob("steps_*.py")):
    module = importlib.import_module(file.stem)
    made = CodeFingerprinter(Project(Path(root))).of_step(module.run.specification)
    found[file.stem] = [made.digest, list(made.distributions), made.uncacheable]
print(json.dumps(found))
"""


def fingerprints(root: Path, watch: str = "plain", load: tuple[str, ...] = ()) -> dict[str, list[object]]:
    """Return the fingerprint of every module's step of a project, made in a new process."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(root), watch, *load],
        env={**os.environ, "PYTHONHASHSEED": "random"},
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, list[object]] = json.loads(done.stdout)
    return found


def assert_same(names: dict[str, str], first: dict[str, list[object]], second: dict[str, list[object]]) -> None:
    assert len(first) == len(names)
    assert [shown for file, shown in names.items() if first[file] != second[file]] == []
    assert len({str(found[0]) for found in first.values()}) == len(names), "each differs from the others"


def write_steps(root: Path, cases: dict[str, str]) -> dict[str, str]:
    files, names = {}, {}
    for index, (shown, text) in enumerate(cases.items()):
        files[f"steps_{index:03}.py"] = text
        names[f"steps_{index:03}"] = shown
    write_project(root, files)
    return names


def inside(module: str, spelling: str) -> str:
    body = SPELLINGS[spelling].format(module=module, name=LIBRARIES[module])
    return f"import flowkit as fk\n\n\n@fk.step\ndef run() -> object:\n    {body}\n"


@pytest.mark.slow
def test_a_library_counts_alike_loaded_or_not(tmp_path: Path) -> None:
    """An import inside a step is its name and distribution; nobody can tell what else this process has imported."""
    cases = {f"{module} {spelling}": inside(module, spelling) for module in LIBRARIES for spelling in SPELLINGS}
    names = write_steps(tmp_path, cases)
    bare = fingerprints(tmp_path)
    assert_same(names, bare, fingerprints(tmp_path, load=tuple(LIBRARIES)))
    assert_same(names, bare, fingerprints(tmp_path, "watched", tuple(LIBRARIES)))
    by_name = {shown: bare[file] for file, shown in names.items()}
    for module, distribution in {
        "pyarrow.compute": "pyarrow",
        "scipy.stats": "scipy",
        "dask.dataframe": "dask",
    }.items():
        for spelling in SPELLINGS:
            assert by_name[f"{module} {spelling}"][1] == [distribution]


@pytest.mark.long
@pytest.mark.slow
def test_a_watched_reader_is_the_librarys_own(tmp_path: Path) -> None:
    """Whoever holds a watched function holds the library's own: a planner without watches sees the same code."""
    cases = {
        shown: f"import flowkit as fk\n{before}\n\n\n@fk.step\ndef run() -> object:\n    return {use}\n"
        for shown, (before, use) in BOUND.items()
    }
    names = write_steps(tmp_path, cases)
    plain = fingerprints(tmp_path)
    assert_same(names, plain, fingerprints(tmp_path, "watched"))
    assert_same(names, plain, fingerprints(tmp_path, "watched", ("pyarrow.parquet", "polars")))


@pytest.mark.slow
def test_a_watched_reader_can_be_pickled() -> None:
    """A step may hand a reader to a pool of processes: pickle finds it where the step found it."""
    program = (
        "import os, pickle\nfrom flowkit.execution.observing.watches import install_watches\ninstall_watches()\n"
        "import polars as pl, pyarrow as pa, pyarrow.parquet as pq\n"
        "for f in (pl.read_csv, pa.memory_map, pq.read_table, pq.ParquetFile, os.stat, os.access):\n"
        "    assert pickle.loads(pickle.dumps(f)) is f, f\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_standard_module_counts_alike_loaded_or_not(tmp_path: Path) -> None:
    """The rule in everyday form: a submodule that is loaded is not followed to where its things are defined."""
    files = {"steps.py": inside("xml.dom.minidom", "renamed member")}
    loaded = [name for name in sys.modules if name == "xml" or name.startswith("xml.")]
    kept = {name: sys.modules.pop(name) for name in loaded}
    try:
        without = fingerprint(tmp_path / "without", files)
        __import__("xml.dom.minidom")
        assert fingerprint(tmp_path / "with", files) == without
    finally:
        sys.modules.update(kept)


def test_a_projects_own_function_around_a_reader_counts(tmp_path: Path) -> None:
    """`functools.wraps` around a watched function marks nothing: the project's code behind it still counts."""
    text = (
        "import functools\nimport flowkit as fk\nfrom os import stat\n\n\n"
        "@functools.wraps(stat)\ndef mine(path):\n    return {}\n\n\n"
        "@fk.step\ndef run() -> object:\n    return mine('x')\n"
    )
    first, second = (fingerprint(tmp_path / str(rate), {"steps.py": text.format(rate)}) for rate in (1, 2))
    assert first.digest != second.digest
