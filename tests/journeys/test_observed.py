"""What a step reads without declaring it counts: edit it, and exactly the steps that read it run again."""

from __future__ import annotations

import http.server
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow.parquet
import pytest

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


def write_texts(root: Path, value: int = 1) -> None:
    """Write the data as text."""
    data = root / "data"
    (data / "sub").mkdir(parents=True, exist_ok=True)
    (data / "x.txt").write_text(f"{value}")
    (data / "sub" / "y.txt").write_text(f"{value}")


def write_all(root: Path, value: int = 1) -> None:
    """Write the same small data in every form."""
    write_texts(root, value)
    data = root / "data"
    (data / "x.json").write_text(f'{{"a": {value}}}')
    frame = pd.DataFrame({"a": [value, 2]})
    frame.to_csv(data / "x.csv", index=False)
    frame.to_parquet(data / "x.parquet")
    frame.to_feather(data / "x.feather")
    frame.to_pickle(data / "x.pkl")
    frame.to_csv(data / "x.csv.gz", index=False, compression={"method": "gzip", "mtime": 1})
    pl.from_pandas(frame).write_ndjson(data / "x.ndjson")
    pl.from_pandas(frame).write_ipc(data / "x.arrow")
    parts = data / "parts"
    parts.mkdir(exist_ok=True)
    pyarrow.parquet.write_table(pyarrow.Table.from_pandas(frame), parts / "one.parquet")
    np.save(data / "x.npy", np.array([value]))
    with sqlite3.connect(data / "x.db") as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS t (a)")
        connection.execute("DELETE FROM t")
        connection.execute("INSERT INTO t VALUES (?)", (value,))
    connection.close()


READS = {
    "open": 'return open("data/x.txt").read()',
    "pathlib": 'return Path("data/x.txt").read_text()',
    "os.open": 'return str(os.read(os.open("data/x.txt", os.O_RDONLY), 9))',
    "json": 'return str(json.load(open("data/x.json")))',
    "numpy": 'return str(np.load("data/x.npy"))',
    "gzip": 'return gzip.open("data/x.csv.gz").read().decode()',
    "pandas csv": 'return str(pd.read_csv("data/x.csv"))',
    "pandas csv by pyarrow": 'return str(pd.read_csv("data/x.csv", engine="pyarrow"))',
    "pandas parquet": 'return str(pd.read_parquet("data/x.parquet"))',
    "pandas feather": 'return str(pd.read_feather("data/x.feather"))',
    "pandas pickle": 'return str(pd.read_pickle("data/x.pkl"))',
    "pyarrow parquet": 'return str(pq.read_table("data/x.parquet"))',
    "pyarrow parquet file": 'return str(pq.ParquetFile("data/x.parquet").read())',
    "pyarrow dataset": 'return str(pyarrow.dataset.dataset("data/parts").to_table())',
    "pyarrow csv": 'return str(pyarrow.csv.read_csv("data/x.csv"))',
    "pyarrow map": 'return str(pa.memory_map("data/x.txt").read())',
    "polars csv": 'return str(pl.read_csv("data/x.csv"))',
    "polars parquet": 'return str(pl.read_parquet("data/x.parquet"))',
    "polars scan": 'return str(pl.scan_parquet("data/x.parquet").collect())',
    "polars ndjson": 'return str(pl.read_ndjson("data/x.ndjson"))',
    "polars ipc": 'return str(pl.read_ipc("data/x.arrow"))',
    "polars glob": 'return str(pl.read_parquet("data/parts/*.parquet"))',
    "sqlite": 'return str(sqlite3.connect("data/x.db").execute("SELECT a FROM t").fetchall())',
    "in a thread": 'return ThreadPoolExecutor(1).submit(Path("data/x.txt").read_text).result()',
    "a helper": "return helper()",
    "a cached helper": "return cached() + cached()",
    "an argument of a program": 'return subprocess.check_output(["cat", "data/x.txt"], text=True)',
    "a folder of its own": 'return " ".join(p.read_text() for p in sorted(Path("data/sub").iterdir()))',
}
HELPERS = """

def helper() -> str:
    with open("data/x.txt") as file:
        return file.read()


@functools.lru_cache
def cached() -> str:
    return Path("data/x.txt").read_text()

"""


@pytest.mark.slow
@pytest.mark.parametrize("body", READS.values(), ids=READS)
def test_a_read_counts_however_it_is_done(tmp_path: Path, body: str) -> None:
    """Nothing changed: reused. The content changed: that step runs, for `observed`; changed back: the first result."""
    project = Watched.make_reading(tmp_path / "p", body, HELPERS)
    write_all(project.root)
    first = project.run()
    assert first.named("executed") == ["reads", "beside"], first.err
    assert project.run().named("executed") == []

    write_all(project.root, value=7)
    changed = project.run()
    assert changed.named("executed") == ["reads"]
    assert changed.nodes["reads"]["reason"] == "observed"
    assert "which it read undeclared, changed" in changed.nodes["reads"]["detail"]

    write_all(project.root, value=1)
    back = project.run()
    if "sqlite" in body or "to_" in body:
        return  # its file's bytes differ although its rows are the same
    assert back.named("executed") == []
    assert back.nodes["reads"]["from_run"] == first.json["run"]


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
    project = Watched.make_reading(tmp_path / "p", READS["pathlib"])
    assert project.run().code == 0
    (project.root / "data" / "x.txt").write_text("2")

    why = project.flowkit("why", "pipelines/watched.py", "reads")
    run = project.run()

    assert "file data/x.txt" in why.out
    assert run.named("executed") == ["reads"]
    assert run.nodes["reads"]["detail"] == "file data/x.txt, which it read undeclared, changed"


APPEARANCES: dict[str, tuple[str, Callable[[Path], object]]] = {
    "a file that was looked for": (
        'return "yes" if Path("data/flag").exists() else "no"',
        lambda root: (root / "data" / "flag").touch(),
    ),
    "a file that could not be opened": (
        'try:\n        return open("data/flag").read()\n    except FileNotFoundError:\n        return "no"',
        lambda root: (root / "data" / "flag").write_text("x"),
    ),
    "a name in a listed folder": (
        'return str(sorted(os.listdir("data/sub")))',
        lambda root: (root / "data" / "sub" / "z.txt").touch(),
    ),
    "a name that a pattern matches": (
        'return str(sorted(glob.glob("data/sub/*.txt")))',
        lambda root: (root / "data" / "sub" / "z.txt").touch(),
    ),
    "a file that is gone": (
        'return "yes" if os.path.isfile("data/x.txt") else "no"',
        lambda root: (root / "data" / "x.txt").unlink(),
    ),
    "a name in a folder that the step would have made": (
        'Path("data").mkdir(exist_ok=True)\n    return str(sorted(os.listdir("data")))',
        lambda root: (root / "data" / "z.txt").touch(),
    ),
    "what is in a file that the step failed to make": (
        'try:\n        open("data/x.txt", "x")\n    except OSError:\n        pass\n'
        '    return Path("data/x.txt").read_text()',
        lambda root: (root / "data" / "x.txt").write_text("2"),
    ),
    "what a link leads to that the step made": (
        'Path("cur").unlink(missing_ok=True)\n    os.symlink("data/x.txt", "cur")\n    return open("cur").read()',
        lambda root: (root / "data" / "x.txt").write_text("2"),
    ),
    "a file of the name of a variable": (
        'return os.environ.get("FLAG", "") + str(os.path.exists("FLAG"))',
        lambda root: (root / "FLAG").touch(),
    ),
    "a folder in the place of a file": (
        'return str(sorted(folder for folder, _, _ in os.walk("data")))',
        lambda root: ((root / "data" / "x.txt").unlink(), (root / "data" / "x.txt").mkdir()),
    ),
    "a file that a pool looks for": (
        'return str(list(ThreadPoolExecutor(1).map(os.path.exists, ["data/flag"])))',
        lambda root: (root / "data" / "flag").touch(),
    ),
    "a file below an open folder": (
        'return str(os.read(os.open("x.txt", os.O_RDONLY, dir_fd=os.open("data", os.O_RDONLY)), 9))',
        lambda root: (root / "data" / "x.txt").write_text("2"),
    ),
    "a file that a program finds where it starts": (
        'return subprocess.check_output(["cat", "x.txt"], cwd="data", text=True)',
        lambda root: (root / "data" / "x.txt").write_text("2"),
    ),
    "a link in the place of a file": (
        'return str(Path("data/x.txt").is_symlink())',
        lambda root: ((root / "data" / "x.txt").unlink(), (root / "data" / "x.txt").symlink_to("sub/y.txt")),
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize(("body", "happen"), APPEARANCES.values(), ids=APPEARANCES)
def test_what_appears_or_goes_counts(tmp_path: Path, body: str, happen: Callable[[Path], object]) -> None:
    """A step that looked for something runs again when that comes or goes."""
    project = Watched.make_reading(tmp_path / "p", body)
    assert project.run().code == 0
    assert project.run().named("executed") == []

    happen(project.root)

    assert project.run().named("executed") == ["reads"]
    assert project.run().named("executed") == []


VARIABLES = {
    "getenv": 'return os.getenv("MODE", "none")',
    "environ": 'return os.environ.get("MODE", "none")',
    "in": 'return str("MODE" in os.environ)',
    "expandvars": 'return os.path.expandvars("$MODE")',
    "environb": 'return str(os.environb.get(b"MODE"))',
}


@pytest.mark.slow
@pytest.mark.parametrize("body", VARIABLES.values(), ids=VARIABLES)
def test_a_variable_that_is_read_counts(tmp_path: Path, body: str) -> None:
    """Set, changed, unset: the step that asks for it runs again, and its value is nowhere in the store."""
    project = Watched.make_reading(tmp_path / "p", body)
    without = project.run()
    assert without.named("executed") == ["reads", "beside"], without.err

    assert project.run(MODE="canary-one").named("executed") == ["reads"]
    assert project.run(MODE="canary-one").named("executed") == []
    assert project.run().nodes["reads"]["from_run"] == without.json["run"]
    rows = project.flowkit("lineage", "last:reads", "--json")
    assert rows.code == 0
    with sqlite3.connect(project.root / ".flowkit" / "lineage.db") as database:
        kinds = set(database.execute("SELECT kind, name FROM observed_inputs"))
        digests = {digest for (digest,) in database.execute("SELECT digest FROM observed_inputs")}
    assert kinds == {("variable", "MODE")}
    assert not any("canary" in digest for digest in digests)


QUIET = {
    "what the step wrote": ('Path("out.txt").write_text(str(n)) and None\n    return Path("out.txt").read_text()'),
    "scratch": '(fk.scratch() / "a").write_text("x") and None\n    return (fk.scratch() / "a").read_text()',
    "a temporary file": (
        "import tempfile\n    with tempfile.NamedTemporaryFile() as file:\n        file.write(b'x')\n"
        "        file.flush()\n        return open(file.name).read()"
    ),
    "the system's files": 'return open("/proc/self/stat").read()[:1] and "x"',
    "a folder it makes": 'os.makedirs("made", exist_ok=True)\n    return "x"',
    "imports": "import sklearn.datasets\n    return str(sklearn.datasets.load_iris().data.sum())",
    "a plot": (
        'import matplotlib\n    matplotlib.use("Agg")\n    import matplotlib.pyplot as plt\n'
        '    figure = plt.figure()\n    figure.gca().plot([1, 2])\n    figure.savefig(fk.scratch() / "a.png")\n'
        '    return "x"'
    ),
    "a pool of processes": (
        "import multiprocessing\n    with multiprocessing.get_context('spawn').Pool(1) as pool:\n"
        "        return str(pool.map(abs, [-1]))"
    ),
    "joblib": "import joblib\n    return str(joblib.Parallel(2)(joblib.delayed(abs)(i) for i in range(3)))",
    "what it looks for and then writes": (
        'out = Path("out.txt")\n    if out.exists():\n        out.unlink()\n    out.write_text("x")\n'
        "    return out.read_text()"
    ),
    "what is known of packages": 'import importlib.metadata\n    return importlib.metadata.version("click")',
    "the home folder": "return str(Path.home().name is not None)",
    "resolving": 'return str(Path("data/x.txt").resolve().name)',
}


@pytest.mark.slow
@pytest.mark.parametrize("body", QUIET.values(), ids=QUIET)
def test_no_false_alarm(tmp_path: Path, body: str) -> None:
    """What is no input is not taken for one: nothing observed, and nothing to warn of."""
    project = Watched.make_reading(tmp_path / "p", body, settings='undeclared = "error"')
    run = project.run()
    assert run.code == 0, run.out
    assert run.json["warnings"] == []
    assert project.run().named("executed") == []


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
