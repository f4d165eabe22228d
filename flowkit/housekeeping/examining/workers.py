"""Whether steps can run: a pipeline of one step, in a project and a store of its own, run as a person would run it.

It goes the whole way, through Dask, a step host and the store, in a process that cannot take this one with it. On a
cluster its store lies beside the real one, so that the workers prove that they see that disk.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flowkit.errors.remote import hide_password
from flowkit.execution.dask_address import ALLOW_PLAIN_TCP
from flowkit.housekeeping.examining.checks import Check, ok, problem, warning
from flowkit.housekeeping.examining.store import existing_parent
from flowkit.signals import HeldSignals
from flowkit.store.remote import Remote

SECONDS = 75.0
"""How long it may take; a cluster without workers is waited for for a minute."""

_PIPELINE = """import flowkit as fk


@fk.step
def answer(question: int) -> int:
    return question + 1


@fk.pipeline
def examined() -> None:
    answer(41)
"""
_END_SECONDS = 4.0
_MAIN = "import sys; from flowkit.cli.main import main; sys.argv[0] = 'flowkit'; main()"
_NO_RECORDS = "0" * 64


def check_workers(store: Path, scheduler: str | None, seconds: float = SECONDS) -> Check:
    """Run a trivial step, on this machine or on the cluster at `scheduler`.

    Args:
        store: The configured store, beside which a cluster's workers are given one.
        scheduler: The address of a Dask scheduler.
        seconds: How long it may take.
    """
    where = f"the cluster at {scheduler}" if scheduler else "this machine"
    with HeldSignals() as signals, tempfile.TemporaryDirectory(prefix="flowkit-doctor-") as project:
        Path(project, "pyproject.toml").write_text('[project]\nname = "examined"\n', encoding="utf-8")
        Path(project, "examined.py").write_text(_PIPELINE, encoding="utf-8")
        beside = Path(tempfile.mkdtemp(prefix=".flowkit-doctor-", dir=_shared_place(store))) if scheduler else None
        try:
            return _run(Path(project), beside, scheduler, where, seconds, signals)
        finally:
            if beside is not None:
                shutil.rmtree(beside, ignore_errors=True)


def check_remote(url: str) -> Check:
    """Ask a remote for a result that nobody has."""
    remote = Remote(url)
    remote.read_records(_NO_RECORDS)
    if not remote.is_there():
        return warning(
            "remote",
            f"{hide_password(url)} is not there yet: the first run that shares a result makes it",
            "mend 'remote' or mount its disk, if others share results there already.",
        )
    return ok("remote", f"{hide_password(url)} answers")


def _shared_place(store: Path) -> Path:
    return store / "tmp" if (store / "tmp").is_dir() else existing_parent(store.parent)


def _run(
    project: Path, beside: Path | None, scheduler: str | None, where: str, seconds: float, signals: HeldSignals
) -> Check:
    arguments = ["run", "examined.py", "--json", "--workers", "1"]
    if scheduler is not None:
        arguments = ["run", "examined.py", "--json", "--scheduler", scheduler, "--store", str(beside)]
    variables = {
        name: value for name, value in os.environ.items() if not name.startswith("FLOWKIT_") or name == ALLOW_PLAIN_TCP
    }
    with subprocess.Popen(  # noqa: S603  (this Python, and words of ours; the address is one argument)
        [sys.executable, "-c", _MAIN, *arguments],
        cwd=project,
        env=variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Ctrl-C is for this process to hear, which then has the other one end once, in order.
        start_new_session=True,
    ) as process:
        try:
            with signals.heard():
                out, err = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            _end(process)
            found = f"a step on {where} did not end in {seconds:.0f} s"
            return problem("workers", found, "look at the scheduler's log.")
        except BaseException:
            _end(process)
            raise
    return judge(process.returncode, out, err, where)


def _end(process: subprocess.Popen[str]) -> None:
    """Have a run end with all that it started; kill it where it does not."""
    process.terminate()
    try:
        process.communicate(timeout=_END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()


def judge(code: int, out: str, err: str, where: str) -> Check:
    """Return what it means how the run of the trivial step ended.

    Args:
        code: Its exit code.
        out: What it printed: one JSON object.
        err: Its warnings.
        where: Where the step was to run.
    """
    try:
        told = json.loads(out)
    except ValueError:
        said = (err.strip() or out.strip() or "nothing").splitlines()[-1]
        return problem(
            "workers", f"a step on {where} could not be run (exit {code}): {said}", "run a pipeline with -v."
        )
    failure = _failure_in(told)
    if failure is not None:
        found = f"{failure['message']} ({where})"
        return problem("workers", found, failure.get("hint") or "run a pipeline with -v.")
    warned = [line.removeprefix("Warning: ") for line in err.splitlines() if line.startswith("Warning: ")]
    if warned:
        return warning("workers", warned[0], "install the same versions on every machine of the cluster.")
    return ok("workers", f"a step ran on {where}")


def _failure_in(told: Mapping[str, Any]) -> dict[str, Any] | None:
    errors = [told.get("error"), *(node.get("error") for node in told.get("nodes", ()))]
    return next((error for error in errors if error), None)
