"""What a step reads without declaring it counts: edit it, and exactly the steps that read it run again."""

from __future__ import annotations

import http.server
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.journeys.observed_data import write_all, write_texts
from tests.journeys.project import OrdersProject, Outcome

IMPORTS = {
    "functools.": "import functools",
    "glob.": "import glob",
    "gzip.": "import gzip",
    "json.": "import json",
    "os.": "import os",
    "sqlite3.": "import sqlite3",
    "subprocess.": "import subprocess",
    "ThreadPoolExecutor": "from concurrent.futures import ThreadPoolExecutor",
    "Path": "from pathlib import Path",
    "np.": "import numpy as np",
    "pd.": "import pandas as pd",
    "pl.": "import polars as pl",
    "pa.": "import pyarrow as pa",
    "pyarrow.csv": "import pyarrow.csv",
    "pyarrow.dataset": "import pyarrow.dataset",
    "pq.": "import pyarrow.parquet as pq",
}

HEAD = """
{imports}

import flowkit as fk
{helpers}

@fk.step
def reads(n: int) -> str:
    {body}


@fk.step
def beside(n: int) -> int:
    return n + 1


@fk.pipeline
def watched() -> None:
    reads(1)
    beside(1)
"""


class Watched(OrdersProject):
    """A project of one step that reads something, and one beside it."""

    @classmethod
    def make_reading(cls, root: Path, body: str, helpers: str = "", settings: str = "") -> Watched:
        (root / "pipelines").mkdir(parents=True)
        (root / "pyproject.toml").write_text(f'[project]\nname = "w"\nversion = "0"\n[tool.flowkit]\n{settings}\n')
        imports = "\n".join(line for sign, line in IMPORTS.items() if sign in body + helpers + HEAD)
        (root / "pipelines" / "watched.py").write_text(HEAD.format(imports=imports, body=body, helpers=helpers))
        project = cls(root)
        write_texts(root)
        return project

    def run(self, *arguments: str, **environment: str) -> Outcome:
        return self.flowkit("run", "pipelines/watched.py", "--json", "--inline", *arguments, **environment)


HELPERS = """

def helper() -> str:
    with open("data/x.txt") as file:
        return file.read()


@functools.lru_cache
def cached() -> str:
    return Path("data/x.txt").read_text()

"""


EARLY = {
    "member": ("from polars import read_csv", 'str(read_csv("data/x.csv"))'),
    "alias": ("rd = pl.read_csv", 'str(rd("data/x.csv"))'),
    "table": ('READ = {"csv": pl.read_csv}', 'str(READ["csv"]("data/x.csv"))'),
    "compiled": ("from pyarrow import memory_map", 'str(memory_map("data/x.txt").read())'),
    "status": ("from os import stat", 'str(stat("data").st_size > 0) + str(Path("data/x.txt").read_text())'),
    "environment": ("from os import environ", 'environ.get("HOME") + Path("data/x.txt").read_text()'),
}


@pytest.mark.slow
@pytest.mark.parametrize("how", [["--inline"], ["--workers", "1"]], ids=["inline", "worker"])
def test_readers_taken_by_name_at_the_top_are_watched(tmp_path: Path, how: list[str]) -> None:
    """In the driver as on a worker, which takes them for the library's own: nothing is refused, every read counts."""
    project = Watched.make(tmp_path / "p")
    steps = "".join(f"\n\n@fk.step\ndef {name}() -> str:\n    return {use}\n" for name, (_, use) in EARLY.items())
    top = "\n".join(
        ("from pathlib import Path", "import flowkit as fk", "import polars as pl", *(a for a, _ in EARLY.values()))
    )
    calls = "".join(f"    {name}()\n" for name in EARLY)
    (project.root / "pipelines" / "early.py").write_text(
        f"{top}\n{steps}\n\n@fk.pipeline\ndef early() -> None:\n{calls}"
    )
    write_all(project.root)

    def run() -> list[str]:
        return project.flowkit("run", "early", "--json", *how).named("executed")

    assert run() == list(EARLY)
    assert run() == []
    write_all(project.root, value=7)
    assert run() == list(EARLY)


def test_an_edit_of_an_undeclared_file_runs_its_reader(tmp_path: Path) -> None:
    """The rule in everyday form, and `why` names the file."""
    project = Watched.make_reading(tmp_path / "p", 'return Path("data/x.txt").read_text()')
    assert project.run().code == 0
    (project.root / "data" / "x.txt").write_text("2")

    why = project.flowkit("why", "pipelines/watched.py", "reads")
    run = project.run()

    assert "file data/x.txt" in why.out
    assert run.named("executed") == ["reads"]
    assert run.nodes["reads"]["detail"] == "file data/x.txt, which it read undeclared, changed"


@pytest.mark.slow
def test_a_declared_file_is_not_observed(tmp_path: Path) -> None:
    """A `Path` parameter counts already, with all below it, and so does a declared variable."""
    helpers = "from pathlib import Path\nimport os"
    project = Watched.make_reading(tmp_path / "p", "return 'x'", helpers, settings='undeclared = "error"')
    path = project.root / "pipelines" / "watched.py"
    path.write_text(
        path.read_text()
        .replace("@fk.step\ndef reads(n: int)", '@fk.step(env=("MODE",))\ndef reads(n: Path)')
        .replace("reads(1)", 'reads(Path("data"))')
        .replace("return 'x'", 'return (n / "x.txt").read_text() + os.environ.get("MODE", "")')
    )

    run = project.run()

    assert run.code == 0, run.out
    assert run.named("executed") == ["reads", "beside"]


def test_warn_and_error_name_what_is_read(tmp_path: Path) -> None:
    """`warn` says so in the run, `error` fails the node; both name file, variable and remedy, and lose nothing."""
    body = 'return open("data/x.txt").read() + os.getenv("MODE", "")'
    warned = Watched.make_reading(tmp_path / "w", body, settings='undeclared = "warn"').run()
    failed = Watched.make_reading(tmp_path / "e", body, settings='undeclared = "error"').run()

    assert warned.code == 0
    (text,) = warned.json["warnings"]
    assert "file data/x.txt, variable MODE" in text
    assert "type Path" in text
    assert "env=" in text
    assert failed.code == 1
    error = failed.nodes["reads"]["error"]
    assert error["message"] == "Step 'reads' reads without declaring it: file data/x.txt, variable MODE."
    assert failed.nodes["beside"]["outcome"] == "executed"


@pytest.mark.slow
def test_a_file_that_changes_while_the_step_runs_is_not_trusted(tmp_path: Path) -> None:
    """Nobody knows what was read: the result is used in this run and never again."""
    body = 'text = open("data/x.txt").read()\n    open("data/x.txt", "a").write("more")\n    return text'
    project = Watched.make_reading(tmp_path / "p", body)

    run = project.run()

    assert "changed while the step ran" in run.json["warnings"][0]
    assert "reads" in project.run().named("executed")


RENAMED = HELPERS.replace("@functools.lru_cache\ndef cached(", "def _cached(") + "cached = functools.cache(_cached)\n"
WARM = """
from pathlib import Path
import flowkit as fk
from pipelines.watched import watched

with fk.Session(inline=True) as session:
    for text in ("old", "new"):
        Path("data/x.txt").write_text(text)
        run = session.run(watched)
        print(run["reads"].outcome, run["reads"].value())
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "helpers",
    [HELPERS, RENAMED],
    ids=["decorated", "under another name"],
)
def test_a_warm_process_never_gives_what_was_kept_for_what_is_there_now(tmp_path: Path, helpers: str) -> None:
    """A file changes in a session that a function behind a cache has read: the step sees the new one."""
    project = Watched.make_reading(tmp_path / "p", "return cached()", helpers)

    done = subprocess.run([sys.executable, "-c", WARM], cwd=project.root, capture_output=True, text=True, check=True)

    assert done.stdout.split() == ["executed", "old", "executed", "new"]
    assert project.run().named("executed") == []


RECALLING = "def beside(n: int) -> str:\n    return cached()"


@pytest.mark.cluster
@pytest.mark.slow
def test_steps_on_workers_are_watched_too(tmp_path: Path) -> None:
    """On a step host the same holds, also for what a function that keeps its results read for an earlier node."""
    project = Watched.make_reading(tmp_path / "p", "return cached()", HELPERS)
    path = project.root / "pipelines" / "watched.py"
    path.write_text(path.read_text().replace("def beside(n: int) -> int:\n    return n + 1", RECALLING))
    arguments = ("run", "pipelines/watched.py", "--json", "--workers", "1")
    first = project.flowkit(*arguments)
    assert first.named("executed") == ["reads", "beside"], first.err
    (project.root / "data" / "x.txt").write_text("changed")

    second = project.flowkit(*arguments)

    assert sorted(second.named("executed")) == ["beside", "reads"]
    assert {node["reason"] for node in second.json["nodes"]} == {"observed"}
    assert os.listdir(project.root / ".flowkit")


ASKING = """
import json
import urllib.request

import flowkit as fk


@fk.step{options}
def ask(port: int, n: int) -> int:
    with urllib.request.urlopen(f"http://127.0.0.1:{{port}}/") as answer:
        return int(json.load(answer)) + n


@fk.pipeline
def asking(port: int) -> None:
    ask(port, fk.each([1, 2]))
"""
REMEDIES = {
    "": 1,
    "(network=True)": 0,
    '(max_age="1h")': 0,
    "(cache=False)": 0,
}


@pytest.fixture
def port() -> Iterator[int]:
    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"41")

        def log_message(self, *_: object) -> None:
            return

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


@pytest.mark.slow
@pytest.mark.parametrize(("options", "warnings"), REMEDIES.items(), ids=lambda value: str(value) or "cached")
def test_a_cached_step_that_asks_the_network_is_warned_about_once(
    tmp_path: Path, port: int, options: str, warnings: int
) -> None:
    """Two nodes of it give one warning, which names the remedies; each remedy silences it."""
    project = OrdersProject.make(tmp_path / "p")
    (project.root / "pipelines" / "asking.py").write_text(ASKING.format(options=options))

    run = project.flowkit("run", "asking", "--json", "--inline", "-p", f"port={port}")

    assert run.named("executed") == ["ask[0]", "ask[1]"], run.out
    assert len(run.json["warnings"]) == warnings
    if warnings:
        for remedy in ("'ask'", "network=True", "max_age", "cache=False"):
            assert remedy in run.json["warnings"][0]
