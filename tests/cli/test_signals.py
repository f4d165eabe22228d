"""A prompt and the signals that end it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands import ROOT

PROMPT = """
import os, signal, sys
from flowkit.cli.signals import end_on_signals, read_line
from flowkit.signals import Interrupted

class Swallowing:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGTERM)

end_on_signals()
signal.signal(signal.SIGWINCH, lambda number, frame: None)
{before}
try:
    print("asks", flush=True)
    print("read", read_line(sys.stdin).strip())
except Interrupted:
    print("interrupted")
"""


def ask(before: str) -> subprocess.Popen[str]:
    """Start a process that asks; it may do something before."""
    asking = subprocess.Popen(
        [sys.executable, "-c", PROMPT.format(before=before)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert asking.stdout is not None
    assert asking.stdout.readline() == "asks\n"
    return asking


def test_a_signal_that_python_drops_is_heard_by_the_next_prompt() -> None:
    """What a handler raises is dropped within `__del__` and the like; the prompt does not wait for an answer then."""
    asking = ask("Swallowing()")

    assert asking.stdout is not None
    assert asking.stdout.read() == "interrupted\n"
    assert asking.wait() == 0


@pytest.mark.parametrize(("number", "said"), [(signal.SIGWINCH, "read yes"), (signal.SIGTERM, "interrupted")])
def test_a_signal_while_a_prompt_waits(number: signal.Signals, said: str) -> None:
    """One that ends a command ends it; any other leaves the question as it is."""
    asking = ask("")
    asking.send_signal(number)

    out, _ = asking.communicate("yes\n" if said == "read yes" else None)

    assert out == f"{said}\n"


STARTING = """
import os, runpy, sys

class Pressing:
    def find_spec(self, name, path=None, target=None):
        if name == "flowkit.cli.main":
            os.kill(os.getpid(), {number})

sys.meta_path.insert(0, Pressing())
runpy.run_module("flowkit", run_name="__main__")
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_while_the_command_is_imported_ends_it_as_documented(number: signal.Signals) -> None:
    """Nothing has begun then: it leaves with 130, without a traceback."""
    done = subprocess.run(
        [sys.executable, "-c", STARTING.format(number=int(number))],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


DROPPED = """
import os, sys, time

class Dropping:
    def __del__(self):
        os.kill(os.getpid(), {number})

class Pressing:
    def find_spec(self, name, path=None, target=None):
        if name == "flowkit.cli.history":
            Dropping()
            time.sleep(20)

sys.argv = ["flowkit", "runs"]
sys.meta_path.insert(0, Pressing())
from flowkit.__main__ import main
main()
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_that_python_drops_ends_the_command_a_moment_later(number: signal.Signals) -> None:
    """It leaves with 130 at once, and what Python would print of the dropped exception is not told."""
    done = subprocess.run(
        [sys.executable, "-c", DROPPED.format(number=int(number))],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=15,
        check=False,
    )

    assert (done.returncode, done.stdout, done.stderr) == (130, "", "\nInterrupted.\n")


LOST = """
import os
import signal
import sys
import weakref

import flowkit as fk

# As a library's own hook does, which then hears of it alone.
sys.unraisablehook = sys.__unraisablehook__


class Dropped:
    pass


@fk.step
def one() -> int:
    return 1


@fk.pipeline
def lost() -> None:
    one()


dropped = Dropped()
# What a handler raises within such a callback Python prints and passes over.
callback = weakref.ref(dropped, lambda _: os.kill(os.getpid(), signal.SIGINT))
del dropped
"""


def test_a_signal_that_python_drops_is_heard_by_the_run_that_follows(tmp_path: Path) -> None:
    """The command ends as interrupted, with nothing executed."""
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "l"\nversion = "0"\n')
    (tmp_path / "lost.py").write_text(LOST)

    done = subprocess.run(
        [sys.executable, "-m", "flowkit", "run", "lost.py", "--inline", "--json"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 130, done.stderr
    assert [node["outcome"] for node in json.loads(done.stdout)["nodes"]] == ["cancelled"]
