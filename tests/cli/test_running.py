"""`check`, `plan`, `run`, `rerun`, `why` and `show`, each in a process of its own as a person or a script calls it."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.conftest import Recorded
from tests.commands import MAIN, ROOT, Tell, edit, spawn
from tests.ids import PACKAGE

INLINE = "--inline"


def test_the_life_of_a_pipeline(project: Path) -> None:
    """Plan, run, reuse, change a parameter, ask why: each step of the way says what happened and what to do next."""
    planned = json.loads(spawn(project, "plan", "small", "--json").stdout)
    assert [node["outcome"] for node in planned["nodes"]].count("run") >= 1

    first = spawn(project, "run", "small", INLINE)
    assert first.returncode == 0, first.stderr
    assert re.search(r"^load  executed  \S+ m?s  \(new: ", first.stdout, re.M)
    assert "evaluate  accuracy 0.6" in first.stdout
    assert "small:1 → small@champion  accepted" in first.stdout
    assert "accuracy >= 0.5" in first.stdout
    look = re.search(r"look further: flowkit (why \S+ \S+)", first.stdout)
    assert look is not None
    assert spawn(project, *look[1].split()).returncode == 0

    second = spawn(project, "run", "small")
    assert second.returncode == 0
    assert " executed" not in second.stdout
    assert re.search(r"^succeeded in .*: 8 reused  run ", second.stdout, re.M)

    edit(project / "pipelines/small.py", "return sum(rows) * by", "return sum(rows) * by + 1")
    why = spawn(project, "why", "small", "scale[0]")
    assert "-    return sum(rows) * by\n+    return sum(rows) * by + 1\n" in why.stdout
    plan = spawn(project, "plan", "small")
    assert re.search(r"^scale\[0\] +run +code: ", plan.stdout, re.M)
    third = json.loads(spawn(project, "run", "small", INLINE, "--json").stdout)
    executed = {node["node"] for node in third["nodes"] if node["outcome"] == "executed"}
    assert {"scale[0]", "scale[1]", "scale[2]", "fit"} <= executed
    assert "load" not in executed


def test_json_stands_alone_on_stdout(project: Path) -> None:
    """`run --json` prints one object with the documented fields, and nothing else on stdout, whatever steps print."""
    done = spawn(project, "run", "small", INLINE, "--json", "-p", "n=4", "-p", "least=0")
    assert done.stdout.count("\n") == 1
    report = json.loads(done.stdout)
    assert list(report)[:9] == [
        "format",
        "run",
        "pipeline",
        "env",
        "status",
        "exit_code",
        "started",
        "seconds",
        "parameters",
    ]
    assert report["parameters"] == {"n": 4, "file": "data.txt", "least": 0.0}
    node = report["nodes"][0]
    assert {"node", "step", "index", "outcome", "reason", "detail", "cache_key", "attempts", "outputs"} <= set(node)


def test_a_failed_run_prints_how_to_go_on(project: Path) -> None:
    """Exit code 1, the failure in three parts with the person's own frames, and a command that works as printed."""
    failed = spawn(project, "run", "small", INLINE, "-p", "n=20", "--store", "kept here")
    assert failed.returncode == 1
    assert "Step 'check' raised ValueError: 20 rows" in failed.stderr
    assert "pipelines/small.py" in failed.stderr
    assert "/flowkit/" not in failed.stderr
    assert re.search(r"^fit  blocked", failed.stdout, re.M)
    command = re.search(r"To go on: flowkit (.*)", failed.stderr)
    assert command is not None
    assert "--store" in command[1]

    edit(project / "pipelines/small.py", "len(rows) > 10", "len(rows) > 100")
    script = f'flowkit() {{ {sys.executable} -c "{MAIN}" "$@"; }}; flowkit {command[1]} --json'
    done = subprocess.run(
        ["bash", "-c", script], cwd=project, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    rerun = json.loads(done.stdout)
    assert rerun["parameters"]["n"] == 20
    outcomes = {node["node"]: node["outcome"] for node in rerun["nodes"]}
    assert outcomes["load"] == outcomes["scale[1]"] == "reused"
    assert outcomes["check"] == outcomes["fit"] == "executed"


def test_from_another_folder_the_command_says_where_to(project: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A run that was started elsewhere is repeated from its own project."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    done = spawn(elsewhere, "run", str(project / "pipelines/small.py"), INLINE, "-p", "n=20")
    assert f"To go on: cd {project} && flowkit rerun 2" in done.stderr
    assert (project / ".flowkit").is_dir()
    assert not (elsewhere / ".flowkit").exists()


def test_a_refused_promotion(tell: Tell) -> None:
    """A refusal leaves exit code 0, and 3 where promotion was required; it says which gate, and by how much."""
    refused = tell("run", "small", INLINE, "-p", "least=2")
    assert refused.code == 0
    assert "refused: accuracy >= 2.0 is not met" in refused.out
    assert tell("run", "small", INLINE, "-p", "least=2", "--require-promotion").code == 3


def test_select_and_force(tell: Tell) -> None:
    """`--select` runs what is wanted and what it needs; `--force` runs what could be reused."""
    chosen = tell("run", "small", INLINE, "--select", "check", "--json").json()
    assert [node["node"] for node in chosen["nodes"]] == ["load", "check"]
    forced = tell("run", "small", INLINE, "--select", "check", "--force", "tag:io", "--json").json()
    assert {node["node"]: node["reason"] for node in forced["nodes"]} == {"load": "forced", "check": None}
    unknown = tell("run", "small", "--select", "chek")
    assert (unknown.code, "did you mean 'check'?" in unknown.err) == (2, True)


def test_environment_and_configured_parameters(project: Path, tell: Tell) -> None:
    """`--env` lays a section over the configuration; a rerun repeats it, with its parameters."""
    (project / "pyproject.toml").write_text(
        "[tool.flowkit.params]\nn = 3\n[tool.flowkit.env.prod]\nparams = { n = 4 }\nstore = 'prod-store'\n"
    )
    run = tell("run", "small", INLINE, "--env", "prod", "--json", "-p", "least=0").json()
    assert (run["env"], run["parameters"]["n"]) == ("prod", 4)
    assert (project / "prod-store/lineage.db").exists()
    again = tell("rerun", "--env", "prod", "--json").json()
    assert (again["env"], again["parameters"]) == ("prod", run["parameters"])


def test_a_run_outlives_its_reader(project: Path) -> None:
    """A run whose output nobody reads any more goes on to its end, with its own exit code."""
    command = f'{sys.executable} -c "{MAIN}" run small --inline -v -p n=20 | true; echo ${{PIPESTATUS[0]}}'
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.stdout == "1\n"
    assert "Step 'check' raised" in done.stderr
    assert "BrokenPipe" not in done.stderr
    assert json.loads(spawn(project, "runs", "--json").stdout)["runs"][0]["status"] == "failed"


def test_quiet_and_verbose(tell: Tell) -> None:
    """-q leaves the outcome; -v tells every node with its log."""
    loud = tell("run", "small", INLINE, "-v").out
    assert "load  started" in loud
    assert "  log runs/" in loud
    calm = tell("run", "small", "-q").out
    assert [line.split(" ")[0] for line in calm.splitlines()][-1] == "succeeded"
    assert "load" not in calm


def test_show(tell: Tell) -> None:
    """`show` draws the same graph in four ways, without running or storing anything."""
    tree = tell("show", "small").out
    assert tree.splitlines()[0] == "promote"
    assert "scale[0…2]" in tree
    mermaid = tell("show", "small", "--format", "mermaid").out
    assert mermaid.startswith("flowchart TD\n")
    assert mermaid.count("-->") == 11
    dot = tell("show", "small", "--format", "dot").out
    assert '"load" -> "scale[1]";' in dot
    drawn = tell("show", "small", "--json").json()
    assert len(drawn["nodes"]) == 8
    assert {"producer": "load", "output": "return", "consumer": "check", "parameter": "rows"} in drawn["edges"]


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("def check(rows: list[int]) -> int:", "def check(rows: list[str]) -> int:", "cannot take what 'load' gives"),
        ("rows = load(n, file)", "rows = load(n, flie=file)", "has no parameter 'flie'"),
        (
            "rows = load(n, file)",
            "rows = load(n, file)\n    1 / 0",
            "body of pipeline 'small' raised ZeroDivisionError",
        ),
        ("rows = load(n, file)", "rows = load(n, file)\n    len(rows)", "cannot be asked for its length"),
        ("def check(rows: list[int]) -> int:", "def check(rows: list[int]):", "no annotation for the return value"),
    ],
)
def test_what_does_not_check_runs_nothing(tell: Tell, project: Path, before: str, after: str, message: str) -> None:
    """A pipeline that does not check is refused with exit code 2 before anything runs, without flowkit's frames."""
    edit(project / "pipelines/small.py", before, after)
    done = tell("run", "small", INLINE)
    assert done.code == 2
    assert message in done.err
    assert "Traceback" not in done.err
    assert PACKAGE not in done.err
    assert not (project / ".flowkit/lineage.db").exists()


def test_a_missing_input_fails_its_node(tell: Tell, project: Path) -> None:
    """A file that is not there fails the node that reads it, with exit code 1, its path, and a recorded run."""
    done = tell("run", "small", INLINE, "-p", "file=no/such.csv")
    assert done.code == 1
    assert f"{project}/no/such.csv" in done.err
    assert tell("runs", "--json").json()["runs"][0]["status"] == "failed"


def test_an_unwritable_store(tell: Tell) -> None:
    """A store that cannot be made is exit code 4, as JSON too."""
    done = tell("run", "small", "--store", "/proc/flowkit", "--json")
    assert done.code == 4
    assert done.json()["error"]["type"] == "StoreError"


def _on_terminal(folder: Path, *arguments: str, columns: int = 100, **variables: str) -> str:
    """Return what `flowkit` writes to a terminal of that width."""
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", MAIN, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm", "COLUMNS": str(columns), **variables},
        stdin=slave,
        stdout=slave,
        stderr=slave,
    )
    os.close(slave)
    written = b""
    while process.poll() is None or select.select([master], [], [], 0)[0]:
        if select.select([master], [], [], 0.1)[0]:
            try:
                written += os.read(master, 65536)
            except OSError:
                break
    os.close(master)
    assert process.wait(60) == 0, written.decode()
    return written.decode()


@pytest.mark.cluster
def test_a_terminal_gets_a_live_view_and_a_table(project: Path) -> None:
    """On a terminal a run is drawn while it goes on; NO_COLOR takes the colours, and a pipe gets neither."""
    edit(project / "pipelines/small.py", "return sum(rows) * by", "import time; time.sleep(0.3); return sum(rows) * by")
    live = _on_terminal(project, "run", "small")
    assert "\x1b[?25l" in live
    assert "running" in live
    assert "\x1b[32m" in live
    assert re.search(r"load\s+.*executed", live)
    forced = _on_terminal(project, "run", "small", "--force", "check", NO_COLOR="1")
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]", forced)


@pytest.mark.parametrize("columns", [80, 200])
def test_tables_fit_the_terminal(recorded_project: Recorded, columns: int) -> None:
    """No line is wider than the terminal, and a run's id is never broken."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", _on_terminal(recorded_project.root, "runs", columns=columns))
    assert max(len(line) for line in text.splitlines()) <= columns
    assert recorded_project.good in text


@pytest.mark.cluster
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run(project: Path, number: signal.Signals) -> None:
    """Ctrl-C and SIGTERM end a run with exit code 130; it is recorded as cancelled, and says how to go on."""
    edit(project / "pipelines/small.py", "return sum(rows) * by", "import time; time.sleep(60); return sum(rows) * by")
    process = subprocess.Popen(
        [sys.executable, "-c", MAIN, "run", "small", "-v"],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("scale[0]  started"):
            break
    began = time.monotonic()
    process.send_signal(number)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130, errors
    assert time.monotonic() - began < 5
    assert "To go on: flowkit rerun 2" in errors
    assert json.loads(spawn(project, "runs", "--json").stdout)["runs"][0]["status"] == "cancelled"


def test_a_reused_run_loads_nothing_heavy(recorded_project: Recorded, tmp_path: Path) -> None:
    """A run in which everything is reused imports none of the heavy libraries, networkx and rich included."""
    heavy = "numpy pandas pyarrow pandera pydantic beartype networkx sqlite_utils distributed dask rich cloudpickle"
    code = (
        "import sys; from flowkit.cli.main import run_command; code = run_command(sys.argv[1:]);"
        f"print(code, sorted(set({heavy.split()!r}) & set(sys.modules)), file=sys.stderr)"
    )
    store = ["--store", str(tmp_path / "store")]
    assert spawn(recorded_project.root, "run", "small", INLINE, *store).returncode == 0
    done = subprocess.run(
        [sys.executable, "-c", code, "run", "small", "--select", "fit", *store],
        cwd=recorded_project.root,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.stderr == "0 []\n"


def test_a_raised_bar_refuses_the_champion_and_leaves_it_in_place(tell: Tell) -> None:
    """The alias stays and the node is reused, but today's gates are judged: exit code 3 where promotion is required."""
    assert tell("run", "small", INLINE).code == 0
    for least, refused in (("0", False), ("2", True)):
        foreseen = tell("plan", "small", "-p", f"least={least}", "--json").json()["nodes"][-1]
        assert (foreseen["outcome"], "today's gates would refuse it: " in foreseen["detail"]) == ("reuse", refused)
    again = tell("run", "small", INLINE, "-p", "least=2", "--require-promotion", "--json")
    assert again.code == 3
    (row,) = again.json()["promotions"]
    assert (row["version"], row["accepted"], row["gates"][0]["passed"]) == (1, False, False)
    assert row["reason"].startswith("version 1 holds the alias, and today's gates would refuse it: ")
    promote = next(node for node in again.json()["nodes"] if node["step"] == "promote")
    assert promote["outcome"] == "reused"
    assert promote["detail"] == "champion is small:1 already; today's gates would refuse it"
    said = tell("run", "small", INLINE, "-p", "least=2")
    assert said.code == 0
    assert "small:1 → small@champion  refused: version 1 holds the alias, and today's gates" in said.out
    assert [row["action"] for row in tell("audit", "list", "--json").json()["audit"]] == ["promote"]


def test_an_interruption_while_a_class_is_made_is_one(tmp_path: Path) -> None:
    """Python wraps what a signal raises within `__set_name__` into a RuntimeError; the command ends as interrupted."""
    (tmp_path / "flow.py").write_text(
        "import os, signal\n\nimport flowkit as fk\n\n\nclass Stops:\n    def __set_name__(self, owner, name):\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n\n\nclass Holder:\n    field = Stops()\n\n\n"
        "@fk.pipeline\ndef flow() -> None:\n    pass\n"
    )

    done = spawn(tmp_path, "check", "flow.py")

    assert (done.returncode, done.stderr) == (130, "Interrupted.\n")
