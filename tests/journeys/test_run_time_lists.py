"""A list that is known only at run time, through the command line: the input grows, shrinks, breaks and is mended."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

INBOX = '''
"""Counts the words of every file in a folder."""

from pathlib import Path

import flowkit as fk


@fk.step
def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.txt"))


@fk.step(tags=("words",))
def count(file: Path) -> int:
    found = len(file.read_text().split())
    if not found:
        raise fk.Skip("an empty file")
    return found


@fk.step
def weigh(words: int, factor: int) -> int:
    return words * factor


@fk.step
def total(counts: list[int]) -> int:
    return sum(counts)


@fk.pipeline
def inbox(folder: Path = Path("inbox"), factor: int = 1) -> None:
    total(fk.collect(weigh(count(fk.each(files(folder))), factor)))
'''


class Inbox:
    """The project in a folder of its own."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "pyproject.toml").write_text('[project]\nname = "inbox"\nversion = "0"\n')
        (root / "pipelines").mkdir()
        (root / "pipelines" / "inbox.py").write_text(INBOX)
        (root / "inbox").mkdir()
        self.put(a="one two", b="three")

    def put(self, **texts: str) -> None:
        for name, text in texts.items():
            (self.root / "inbox" / f"{name}.txt").write_text(text)

    def call(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "flowkit", *arguments]
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
        return subprocess.run(command, cwd=self.root, capture_output=True, text=True, env=environment, check=False)

    def json(self, *arguments: str) -> dict[str, Any]:
        done = self.call(*arguments, "--json")
        assert done.stdout, done.stderr
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    def run(self, *arguments: str) -> dict[str, str]:
        return outcomes(self.json("run", "inbox", *arguments))


@pytest.fixture
def inbox(tmp_path: Path) -> Inbox:
    return Inbox(tmp_path)


def outcomes(answer: dict[str, Any]) -> dict[str, str]:
    return {node["node"]: node["outcome"] for node in answer["nodes"]}


def ran(found: dict[str, str]) -> set[str]:
    return {name for name, outcome in found.items() if outcome == "executed"}


@pytest.mark.long
@pytest.mark.cluster
def test_a_folder_that_grows_and_shrinks(inbox: Inbox) -> None:
    """Every change of the input runs what it must, on workers, and nothing that was done before."""
    assert ran(inbox.run()) == {"files", "count[0]", "count[1]", "weigh[0]", "weigh[1]", "total"}
    assert ran(inbox.run()) == set()

    inbox.put(c="four five six")
    assert ran(inbox.run()) == {"files", "count[2]", "weigh[2]", "total"}

    inbox.put(b="changed words")
    # `weigh` of two words is known from the first file.
    assert ran(inbox.run()) == {"files", "count[1]", "total"}

    (inbox.root / "inbox" / "a.txt").unlink()
    found = inbox.run()
    assert ran(found) == {"files", "total"}
    assert "count[2]" not in found

    assert ran(inbox.run("-p", "factor=2")) == {"weigh[0]", "weigh[1]", "total"}

    inbox.put(b="")
    found = inbox.run("--inline")
    assert found["count[0]"] == found["weigh[0]"] == "skipped"
    assert inbox.call("artifact", "show", "last:total").stdout.splitlines()[-1] == "3"

    for file in (inbox.root / "inbox").iterdir():
        file.unlink()
    assert set(inbox.run("--inline")) == {"files", "total"}


def test_what_the_commands_say_before_and_after(inbox: Inbox) -> None:
    """`check`, `show`, `plan`, `why`, `--select`, `--force`, `lineage`, `rerun`: templates, then elements."""
    assert "4 nodes, 3 edges" in inbox.call("check", "inbox").stdout
    assert inbox.call("show", "inbox").stdout.split() == ["total", "└─", "weigh[*]", "└─", "count[*]", "└─", "files"]
    shown = inbox.json("show", "inbox")
    assert [(node["node"], node["index"], node["kind"]) for node in shown["nodes"]][1] == ("count[*]", None, "step")
    assert ("files", "count[*]") in [(edge["producer"], edge["consumer"]) for edge in shown["edges"]]
    assert '"count[*]"' in inbox.call("show", "inbox", "--format", "mermaid").stdout
    assert outcomes(inbox.json("plan", "inbox"))["count[*]"] == "unknown"
    unnamed = inbox.call("why", "inbox", "count")
    assert "which elements it has is known once what makes its list has run" in unnamed.stderr
    assert "name 'count[*]', which stands for all of them" in unnamed.stderr
    assert inbox.json("why", "inbox", "count[*]")["outcome"] == "unknown"

    inbox.run("--inline")

    planned = inbox.json("plan", "inbox", "-p", "factor=3")
    assert outcomes(planned) == {
        "files": "reuse",
        "count[0]": "reuse",
        "count[1]": "reuse",
        "weigh[0]": "run",
        "weigh[1]": "run",
        "total": "unknown",
    }
    assert inbox.json("why", "inbox", "weigh[1]", "-p", "factor=3")["reason"] == "parameter"
    assert inbox.json("why", "last", "count[1]")["outcome"] == "executed"
    for name in ("count", "count[*]"):
        unnamed = inbox.call("why", "inbox", name)
        assert unnamed.returncode == 2
        assert "The node 'count' is mapped in 'inbox': it has 2 elements." in unnamed.stderr
        assert "name one of them, such as 'count[0]'" in unnamed.stderr
    unknown = inbox.call("why", "inbox", "count[9]")
    assert unknown.returncode == 2
    assert "count[1]" in unknown.stderr

    assert set(inbox.run("--inline", "--select", "count[*]")) == {"files", "count[0]", "count[1]"}
    assert set(inbox.run("--inline", "--select", "tag:words")) == {"files", "count[0]", "count[1]"}
    assert ran(inbox.run("--inline", "--force", "count")) == {"count[0]", "count[1]"}
    refused = inbox.call("run", "inbox", "--select", "count[1]")
    assert refused.returncode == 2
    assert "known only when the pipeline runs" in refused.stderr

    made = inbox.json("lineage", "last:weigh[1]", "--direction", "up")["nodes"]
    assert not any("each" in node["node"] for node in made)
    assert inbox.call("rerun", "--inline", "-q").stdout.startswith("succeeded")
    assert "each(" not in inbox.call("runs").stdout + inbox.call("logs", "last").stdout


def test_lineage_passes_through_a_list(inbox: Inbox) -> None:
    """An element comes from what made its list, one step away, and from the files before that."""
    inbox.run("--inline", "-p", "factor=5")

    made = inbox.json("lineage", "last:count[0]", "--direction", "up")["nodes"]

    assert [(node["depth"], node["node"]) for node in made] == [(1, "count[0]"), (2, "files")]
    used = inbox.json("lineage", "last:files", "--direction", "down")["nodes"]
    assert {(node["depth"], node["node"]) for node in used} >= {(1, "count[0]"), (1, "count[1]"), (2, "weigh[0]")}


def test_a_reused_list_starts_no_worker_and_loads_nothing_heavy(inbox: Inbox) -> None:
    """What takes a list apart is looked up like any node: the driver never decodes a list."""
    inbox.run("--inline")
    script = (
        "import sys; from flowkit.cli.main import main; sys.argv[1:] = ['run', 'inbox', '-q']\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = {'pandas', 'numpy', 'pyarrow', 'pandera', 'pydantic', 'beartype', 'networkx', 'sqlite_utils',"
        " 'distributed', 'rich', 'cloudpickle'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )

    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=inbox.root, capture_output=True, text=True, env=environment, check=True
    )

    assert "6 reused" in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_failed_list_is_told_as_one_node(inbox: Inbox) -> None:
    """The exit code is 1, the mapped call is blocked under the name that the plan gave it, and a fix goes on."""
    source = inbox.root / "pipelines" / "inbox.py"
    source.write_text(INBOX.replace('return sorted(folder.glob("*.txt"))', 'raise OSError("offline")'))

    done = inbox.call("run", "inbox", "--inline")

    assert done.returncode == 1
    assert "count[*]  blocked  (files failed)" in done.stdout
    source.write_text(INBOX)
    assert inbox.run("--inline")["total"] == "executed"
