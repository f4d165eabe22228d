"""What is no input is not taken for one: no warning, nothing observed, and nothing runs again for it."""

from __future__ import annotations

import http.server
import shutil
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.commands import ROOT
from tests.conformance.project_folder import Project
from tests.conformance.quiet_tables import QUIET, Quiet
from tests.docs.blocks import blocks_of
from tests.journeys.project import Outcome

pytestmark = pytest.mark.slow

STRICT = 'undeclared = "error"'

PIPELINE = '''"""All steps of which nothing is observed."""

import flowkit as fk
{imports}


@fk.pipeline
def quiet() -> None:
{calls}
'''


class Answer(http.server.BaseHTTPRequestHandler):
    """Answers whatever is asked."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"41")

    do_POST = do_GET

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """A server on this machine, as the network."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def twice(tmp_path_factory: pytest.TempPathFactory, port: int) -> tuple[Project, Outcome, Outcome]:
    """Return the project and what two runs did, in which nothing may be read undeclared."""
    project = Project.make(tmp_path_factory.mktemp("quiet") / "project", STRICT)
    project.write("data/x.txt", "x")
    for case in QUIET:
        project.write(f"steps/{case.step}.py", case.text.replace("PORT", str(port)))
    imports = "\n".join(f"from steps.{case.step} import {case.step}" for case in QUIET)
    calls = "\n".join(f"    {case.step}()" for case in QUIET)
    project.write("pipelines/quiet.py", PIPELINE.format(imports=imports, calls=calls))
    first, second = (project.flowkit("run", "quiet", "--inline", "--json") for _ in range(2))
    return project, first, second


@pytest.mark.parametrize("case", QUIET, ids=[case.step for case in QUIET])
def test_no_false_alarm(twice: tuple[Project, Outcome, Outcome], case: Quiet) -> None:
    """Where nothing may be read undeclared the step passes; nothing is observed of it, and it is reused."""
    project, first, second = twice
    node = first.nodes[case.step]
    assert (node["outcome"], node["error"]) == ("executed", None)
    with closing(sqlite3.connect(project.root / ".flowkit" / "lineage.db")) as database:
        rows = database.execute("SELECT kind, name FROM observed_inputs WHERE node = ?", (case.step,)).fetchall()
    assert bool(rows) is case.leaves
    assert second.nodes[case.step]["outcome"] == "reused"


def test_nobody_is_warned(twice: tuple[Project, Outcome, Outcome]) -> None:
    """None of them has a warning, in neither run."""
    assert [warning for done in twice[1:] for warning in done.json["warnings"]] == []


@pytest.mark.cluster
@pytest.mark.timeout(240)
@pytest.mark.parametrize("pipeline", ["breast_cancer", pytest.param("wine", marks=pytest.mark.long)])
def test_the_examples_read_nothing_undeclared(tmp_path: Path, pipeline: str) -> None:
    """The first example and the README's pipeline pass where nothing may be read undeclared, and are reused whole."""
    project = Project.make(tmp_path / "project", STRICT)
    shutil.copytree(
        ROOT / "pipelines", project.root / "pipelines", dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__")
    )
    (wine,) = (block.text for block in blocks_of(ROOT / "README.md") if block.path == "pipelines/wine.py")
    project.write("pipelines/wine.py", wine)

    first = project.run(pipeline, "--workers", "2")
    second = project.run(pipeline, "--workers", "2", PYTHONHASHSEED="7")

    assert first.json["warnings"] == second.json["warnings"] == []
    assert len(first.named("executed")) > 4
    assert second.named("executed") == []
