"""Sessions and runs from Python: warm workers, failed runs, and a run reopened from its record."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import flowkit as fk
from flowkit.errors import DefinitionError, NotRecordedError, StepError
from flowkit.project import Project
from flowkit.records import Outcome, RunStatus


@dataclass
class Score:
    """A value of a class of this project."""

    name: str
    points: float


@fk.step
def numbers(n: int) -> list[int]:
    """Give some numbers."""
    return list(range(n))


@fk.step
def half(number: int) -> float:
    """Fail for one of them."""
    if number == 13:
        raise ValueError("unlucky")
    return number / 2


@fk.step
def score(points: float) -> list[Score]:
    """Give a value that JSON alone cannot tell the class of."""
    return [Score("half", points)]


@fk.step(cache=False)
def host() -> int:
    """Say which process runs it."""
    return os.getpid()


@fk.pipeline
def scoring(n: int = 4, number: int = 3) -> None:
    """A plain step, a mapped one, a class, and a process."""
    numbers(n)
    score(half(number))
    half.named("halves")(fk.each([1, 2, 3]))


@fk.pipeline
def hosting() -> None:
    """Where a step runs."""
    host()


@pytest.fixture
def session(tmp_path: Path) -> Iterator[fk.Session]:
    with fk.Session(store=tmp_path / "store", inline=True, project=Project(Path(__file__).parents[1])) as opened:
        yield opened


def test_a_run_is_reopened_from_its_record(session: fk.Session) -> None:
    """`last` gives status, outcomes (lists for a mapped step) and values of the latest run, as the run itself did."""
    session.run(scoring, n=2)
    run = session.run(scoring)

    again = session.last(scoring)

    assert (again.id, again.status, set(again.nodes)) == (run.id, RunStatus.SUCCEEDED, set(run.nodes))
    assert again["numbers"].value() == [0, 1, 2, 3]
    assert again["score"].value() == [Score("half", 1.5)]
    assert again["halves"].outcome == [Outcome.REUSED] * 3
    assert again["halves"].value() == [0.5, 1.0, 1.5]
    assert again.report.parameters == {"n": 4, "number": 3}
    assert all(again[name].report.cache_key == run[name].report.cache_key for name in run.nodes)


def test_a_failed_run_is_returned_and_reopened(session: fk.Session) -> None:
    """A failed node's value raises and says why, in the run itself and in the reopened one; others keep theirs."""
    for run in (session.run(scoring, number=13), session.last(scoring)):
        assert run.status is RunStatus.FAILED
        assert (run["half"].outcome, run["score"].outcome) == (Outcome.FAILED, Outcome.BLOCKED)
        with pytest.raises(StepError, match="unlucky"):
            run["half"].value()
        assert run["numbers"].value() == [0, 1, 2, 3]


def test_only_a_pipeline_that_does_not_check_raises(session: fk.Session) -> None:
    """A wrong parameter raises before anything is recorded, and so does asking for a run that never was."""
    with pytest.raises(DefinitionError):
        session.run(scoring, n="many")  # type: ignore[arg-type]
    with pytest.raises(NotRecordedError):
        session.last(scoring)


def test_promotions_of_a_run_can_be_read(session: fk.Session) -> None:
    """`run.promotions` holds what was decided, also of a run that is reopened."""

    @fk.step
    def model() -> list[int]:
        return [1, 2, 3]

    @fk.step
    def measure(made: list[int]) -> fk.Metrics:
        return fk.Metrics(size=len(made))

    @fk.pipeline
    def promoting() -> None:
        made = model()
        fk.promote(made, to="sizes@champion", metrics=measure(made), gates=[fk.at_least("size", 2)])

    (decided,) = session.run(promoting).promotions
    assert (decided.model, decided.version, decided.accepted) == ("sizes", 1, True)
    assert session.last(promoting).promotions == (decided,)


@pytest.mark.slow
@pytest.mark.cluster
def test_workers_stay_warm_between_runs(tmp_path: Path) -> None:
    """Two runs of one session use the same step host; a session that is not closed does not hold the process up."""
    program = tmp_path / "program.py"
    program.write_text(
        "import os\nimport flowkit as fk\n\n\n"
        "@fk.step(cache=False)\ndef host() -> int:\n    return os.getpid()\n\n\n"
        "@fk.pipeline\ndef hosting() -> None:\n    host()\n\n\n"
        'if __name__ == "__main__":\n'
        "    session = fk.Session(workers=1)\n"
        '    first, second = (session.run(hosting)["host"].value() for _ in range(2))\n'
        "    print(first == second, first != os.getpid())\n"
    )
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "warm"\nversion = "0"\n')

    done = subprocess.run(
        [sys.executable, str(program)], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )

    assert (done.returncode, done.stdout.strip()) == (0, "True True"), done.stderr


@pytest.mark.slow
def test_a_run_is_reopened_after_an_edit_in_another_process(tmp_path: Path) -> None:
    """What was recorded can be read although the step is gone from the code, and another one is broken."""
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "gone"\nversion = "0"\n')
    module = tmp_path / "gone.py"
    head = "import flowkit as fk\n\n\n"
    step = "@fk.step\ndef number() -> int:\n    return 7\n\n\n"
    pipe = "@fk.pipeline\ndef gone() -> None:\n    number()\n"
    module.write_text(head + step + pipe)

    def call(line: str) -> str:
        command = [sys.executable, "-c", f"import flowkit as fk\nfrom gone import gone\n{line}"]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True).stdout

    call("fk.Session(inline=True).run(gone)")
    module.write_text(head + pipe.replace("number()", "raise ValueError"))

    said = call(
        "run = fk.Session.last(gone); print(run.status.value, run['number'].outcome.value, run['number'].value())"
    )

    assert said.strip() == "succeeded executed 7"
