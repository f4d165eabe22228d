"""Steps that read, write and look for much that is no input of theirs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Quiet:
    """A step of which nothing is to be observed.

    Attributes:
        step: Its name.
        body: Its body; `PORT` in it is a server's on this machine.
        above: The text above it.
        options: Of the step.
        leaves: Whether it looks for files that are not there, and makes them: they count as it left them.
    """

    step: str
    body: str
    above: str = ""
    options: str = ""
    leaves: bool = False

    @property
    def text(self) -> str:
        return f"{_IMPORTS}\n{self.above}\n\n@fk.step{self.options}\ndef {self.step}() -> str:\n    {self.body}\n"


_IMPORTS = '''"""A step of which nothing is observed."""

import importlib.metadata
import importlib.resources
import json
import logging
import multiprocessing
import os
import shutil
import sqlite3
import tempfile
import zipfile
import zoneinfo
from datetime import datetime
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import polars as pl
import requests

import flowkit as fk
'''

_PLOT = """import matplotlib
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    plt.style.use("ggplot")
    figure, axes = plt.subplots(2)
    axes[0].plot([1, 2], label="$x^2$ and text")
    axes[0].legend()
    axes[1].imshow(np.eye(3), cmap="viridis")
    for suffix in ("png", "svg", "pdf"):
        figure.savefig(fk.scratch() / f"plot.{suffix}")
    return str((fk.scratch() / "plot.png").stat().st_size > 0)"""
_TRAIN = """from sklearn.datasets import load_digits
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.model_selection import cross_val_score
    rows, target = load_digits(return_X_y=True)
    return str(cross_val_score(RandomForestClassifier(5, random_state=0, n_jobs=2), rows, target, cv=2).round(6))"""
_KEEP_MODEL = """from sklearn.datasets import load_iris
    from sklearn.linear_model import LogisticRegression
    rows, target = load_iris(return_X_y=True)
    joblib.dump(LogisticRegression(max_iter=500).fit(rows, target), "model.joblib")
    return str(joblib.load("model.joblib").score(rows, target))"""
_SCALE = """from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.linear_model import Ridge
    rows = np.arange(20.0).reshape(10, 2)
    pipeline = make_pipeline(StandardScaler(), Ridge(), memory="pipeline_cache")
    return str(pipeline.fit(rows, rows[:, 0]).predict(rows).round(3).tolist())"""
_SQLITE = """with sqlite3.connect("made.db") as database:
        database.execute("CREATE TABLE IF NOT EXISTS t (n)")
        database.execute("DELETE FROM t")
        database.execute("INSERT INTO t VALUES (7)")
    database.close()
    with sqlite3.connect("made.db") as database:
        rows = database.execute("SELECT n FROM t").fetchall()
    database.close()
    return str(rows)"""
_SQLITE_WAL = """database = sqlite3.connect("waiting.db")
    database.execute("PRAGMA journal_mode = WAL")
    with database:
        database.execute("CREATE TABLE IF NOT EXISTS t (n)")
        database.execute("INSERT INTO t VALUES (7)")
    count = database.execute("SELECT max(n) FROM t").fetchone()
    database.close()
    return str(count)"""
_ZIP = """with zipfile.ZipFile("made.zip", "w") as archive:
        archive.writestr("a.txt", "a")
    with zipfile.ZipFile("made.zip") as archive:
        archive.extractall("unpacked")
    return Path("unpacked/a.txt").read_text()"""
_TEMPORARY = """with tempfile.NamedTemporaryFile() as file:
        file.write(b"x")
        file.flush()
        text = open(file.name).read()
    folder = tempfile.mkdtemp()
    Path(folder, "a").write_text(text)
    names = os.listdir(folder)
    shutil.rmtree(folder)
    return str(names)"""
_TABLES = """frame = pd.DataFrame({"a": [1, 2]})
    frame.to_parquet("made.parquet")
    frame.to_csv("made.csv")
    pl.DataFrame({"a": [1]}).write_parquet("made_too.parquet")
    np.savez("made.npz", a=np.arange(3))
    sums = [pd.read_parquet("made.parquet").a.sum(), pd.read_csv("made.csv").a.sum()]
    return str([*sums, pl.scan_parquet("made_too.parquet").collect().height, np.load("made.npz")["a"].sum()])"""
_REMAKE = """out = Path("remade.txt")
    if out.exists():
        out.unlink()
    out.write_text("x")
    return out.read_text()"""
_REPLACE = """Path("new.json.part").write_text(json.dumps({"a": 1}))
    os.replace("new.json.part", "new.json")
    return str(json.loads(Path("new.json").read_text()))"""
_POOL = """with multiprocessing.get_context("spawn").Pool(1) as pool:
        return str(pool.map(abs, [-1]))"""
_SETTING_UP = """
os.environ.setdefault("QUIET_THREADS", "1")
OUT = Path("made_at_import")
OUT.mkdir(exist_ok=True)
(OUT / "mark").write_text("x")
logging.basicConfig(filename=OUT / "quiet.log")
LOG = logging.getLogger("quiet")
"""

QUIET = [
    Quiet("what_the_step_wrote", 'Path("out.txt").write_text("1") and None\n    return Path("out.txt").read_text()'),
    Quiet("scratch_folder", '(fk.scratch() / "a").write_text("x")\n    return (fk.scratch() / "a").read_text()'),
    Quiet("temporary_files", _TEMPORARY),
    Quiet("the_systems_files", 'return open("/proc/self/stat").read()[:1] and "x"'),
    Quiet("a_folder_it_makes", 'os.makedirs("made", exist_ok=True)\n    return "x"'),
    Quiet("what_it_looks_for_and_then_writes", _REMAKE),
    Quiet("what_it_writes_and_then_names", _REPLACE),
    Quiet("an_archive_that_it_makes", _ZIP),
    Quiet("tables_that_it_makes", _TABLES),
    Quiet("the_home_folder", "return str(Path.home().name is not None)"),
    Quiet("resolving", 'return str(Path("data/x.txt").resolve().name)'),
    Quiet("what_is_known_of_packages", 'return importlib.metadata.version("click")'),
    Quiet("files_of_packages", 'return str(importlib.resources.files("sklearn").joinpath("__init__.py").is_file())'),
    Quiet("time_zones", 'return str(datetime(2026, 3, 1, tzinfo=zoneinfo.ZoneInfo("Asia/Tokyo")).utcoffset())'),
    Quiet("a_database_that_it_makes", _SQLITE),
    Quiet("a_database_with_a_log_that_it_makes", _SQLITE_WAL),
    Quiet("matplotlib_plots", _PLOT),
    Quiet("sklearn_in_parallel", _TRAIN),
    Quiet("sklearn_kept_model", _KEEP_MODEL),
    Quiet("sklearn_pipeline_with_memory", _SCALE, leaves=True),
    Quiet("joblib_memory", 'return str(joblib.Memory("joblib_cache", verbose=0).cache(helper)(3))',
          "\ndef helper(n: int) -> int:\n    return n + 1\n", leaves=True),
    Quiet("joblib_in_parallel", "return str(joblib.Parallel(2)(joblib.delayed(abs)(i) for i in range(3)))"),
    Quiet("a_pool_of_processes", _POOL),
    Quiet("requests_over_the_network",
          'return requests.get("http://127.0.0.1:PORT/", timeout=10).text', options="(network=True)"),
    Quiet("a_session_of_requests",
          'with requests.Session() as session:\n        return str(session.post("http://127.0.0.1:PORT/", json={}).ok)',
          options="(network=True)"),
    Quiet("a_module_that_sets_itself_up", 'LOG.error("logged")\n    return "x"', _SETTING_UP),
]  # fmt: skip
