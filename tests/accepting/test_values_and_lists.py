"""Acceptance of values that bring code along, of run-time lists, on workers, and on a terminal."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import threading

import pytest

from flowkit.errors import AcceptanceError
from flowkit.session.session import Session
from flowkit.targets import load_target
from tests.accepting.conftest import Shop, executed
from tests.commands import MAIN, ROOT, spawn

FITTING = """
import fitting
import flowkit as fk


@fk.step
def train(n: int) -> fitting.Model:
    return fitting.Model(n)


@fk.step
def predict(model: fitting.Model, more: list[fitting.Model], x: int = 3) -> int:
    return model.times(x) + len(more)


@fk.step
def names(n: int) -> list[str]:
    return [str(i) for i in range(n)]


@fk.step
def size(name: str) -> int:
    return len(name) * 2


@fk.pipeline
def fits(n: int = 3) -> None:
    model = train(n)
    predict(model, [model])
    size(fk.each(names(n)))
"""

MODEL = """
class Model:
    def __init__(self, n: int) -> None:
        self.n = n

    def times(self, x: int) -> int:
        return self.n * x
"""
TABLES = """
from typing import Annotated

import flowkit as fk
import pandas as pd
import pandera.pandas as pa


class Row(pa.DataFrameModel):
    n: int = pa.Field(ge=0)


@fk.step
def rows() -> Annotated[pd.DataFrame, Row]:
    return pd.DataFrame({"n": [1, 2]})


@fk.pipeline
def tables() -> None:
    rows()
"""
STEPS = "pipelines/fits.py"


@pytest.fixture
def fits(shop: Shop) -> Shop:
    """A pipeline whose model is an object of the project's, and with a list known only at run time; it has run."""
    (shop.root / STEPS).write_text(FITTING)
    (shop.root / "fitting.py").write_text(MODEL)
    run_fits(shop)
    return shop


def run_fits(shop: Shop, *words: str) -> dict[str, dict[str, object]]:
    answer = shop.tell("run", "fits", "--inline", "--json", *words)
    assert answer.code == 0, answer.out
    return {node["node"]: node for node in answer.json()["nodes"]}


def test_an_edit_of_a_stored_values_class_is_an_edit_of_code(fits: Shop) -> None:
    """The consumer of an object is another key when the object's class is edited: code, and no change of data."""
    fits.edit("fitting.py", "self.n * x", "x * self.n")
    answer = fits.tell("accept", "fits", "train", "predict", "--yes")
    assert answer.code == 0, answer.err
    assert executed(run_fits(fits)) == []


def test_other_content_of_another_class_is_still_refused(fits: Shop) -> None:
    """Where the object is another one too, its class's edit hides nothing."""
    fits.edit("fitting.py", "self.n * x", "x * self.n")
    run_fits(fits, "--select", "train", "-p", "n=2")
    refused = fits.tell("accept", "fits", "predict", "-p", "n=2", "--yes")
    assert refused.code == 2
    assert "an input has changed" in refused.err


def test_a_value_that_names_code_that_is_gone_is_refused(fits: Shop) -> None:
    """An object is stored with its class's name: one that was renamed could not be loaded any more."""
    fits.edit("fitting.py", "class Model", "class Fit")
    fits.edit(STEPS, "fitting.Model", "fitting.Fit")
    refused = fits.tell("accept", "fits", "train", "--yes")
    assert refused.code == 2
    assert "fitting:Model" in refused.err


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("def size(name: str) -> int", "def size(name: str) -> str", "is not what its step declares now"),
        ("def size(name: str) -> int", "def size(name: str) -> tuple[int, int]", "gives other outputs now"),
    ],
)
def test_what_is_kept_must_be_what_the_step_declares(fits: Shop, before: str, after: str, said: str) -> None:
    """A changed return annotation is judged on what would be kept."""
    fits.edit(STEPS, before, after)
    refused = fits.tell("accept", "fits", "size", "--yes")
    assert (refused.code, said in refused.err) == (2, True)
    assert fits.audit() == []


@pytest.mark.slow
def test_a_new_contract_is_judged_on_what_is_kept(fits: Shop) -> None:
    """A table that breaks the producer's contract of today is not kept; one that holds is."""
    (fits.root / "pipelines/tables.py").write_text(TABLES)
    assert fits.tell("run", "tables", "--inline").code == 0
    fits.edit("pipelines/tables.py", "ge=0", "ge=2")
    refused = fits.tell("accept", "tables", "rows", "--yes")
    assert (refused.code, "is not what its step declares now" in refused.err) == (2, True)
    fits.edit("pipelines/tables.py", "ge=2", "ge=1")
    assert fits.tell("accept", "tables", "rows", "--yes").code == 0


def test_elements_of_a_run_time_list(fits: Shop) -> None:
    """All of them are accepted by the step's name once the list is known; one alone, and an unknown list, are not."""
    fits.edit(STEPS, "len(name) * 2", "2 * len(name)")
    one = fits.tell("accept", "fits", "size[0]", "--yes")
    assert (one.code, "select all of its elements with 'size'" in one.err) == (2, True)
    unknown = fits.tell("accept", "fits", "size", "-p", "n=4", "--yes")
    assert unknown.code == 2
    assert "would run   names" in unknown.err
    assert fits.tell("accept", "fits", "size", "--yes").code == 0
    assert executed(run_fits(fits)) == []


def test_another_run_may_come_first(fits: Shop) -> None:
    """Between the question and the answer the node may run: then its own result stands, and nothing is recorded."""
    fits.edit(STEPS, "len(name) * 2", "2 * len(name)")
    fits.forget()
    pipeline = load_target("fits", None).pipeline
    with Session(inline=True) as session:
        report = session.propose(pipeline, {"n": 3}, ["size"], None)
        run_fits(fits)
        with pytest.raises(AcceptanceError, match="replaced by another run"):
            session.accept(pipeline, report)
    assert fits.audit() == []


def answer_on_terminal(shop: Shop, words: list[str], said: str) -> tuple[int, str]:
    """Call a command on a terminal, and answer what it asks."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1"}
    process = subprocess.Popen(
        [sys.executable, "-c", MAIN, *words], cwd=shop.root, env=environment, stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    seen = bytearray()

    def read() -> None:
        while True:
            try:
                piece = os.read(ours, 4096)
            except OSError:
                return
            if not piece:
                return
            seen.extend(piece)
            if b"[y/N]" in piece:
                os.write(ours, said.encode() + b"\n")

    reader = threading.Thread(target=read)
    reader.start()
    code = process.wait(timeout=60)
    reader.join(timeout=10)
    os.close(ours)
    return code, seen.decode()


@pytest.mark.slow
def test_a_person_is_asked_on_a_terminal(fits: Shop) -> None:
    """A no leaves everything as it was, with the code of an interruption; a yes is an acceptance."""
    fits.edit(STEPS, "len(name) * 2", "2 * len(name)")
    code, text = answer_on_terminal(fits, ["accept", "fits", "size"], "n")
    assert (code, "size[0], size[1], size[2]" in text) == (130, True)
    assert fits.audit() == []
    assert answer_on_terminal(fits, ["accept", "fits", "size"], "y")[0] == 0
    assert len(fits.audit()) == 3


@pytest.mark.slow
def test_step_hosts_hand_back_what_was_accepted(shop: Shop) -> None:
    """What rides in a packet behind a node that runs is reused where its edit was accepted, as any result is."""
    assert spawn(shop.root, "run", "shop").returncode == 0
    shop.edit("cleaning.py", "def strip(text: str)", "def strip(word: str)")
    shop.edit("cleaning.py", "float(text.", "float(word.")
    assert shop.accept("amounts").code == 0
    shop.edit("orders.txt", "$1 $2 $3", "$1  $2  $3")
    done = spawn(shop.root, "run", "shop", "--json")
    assert done.returncode == 0, done.stderr
    assert '"node": "amounts", "step": "amounts", "index": null, "outcome": "reused"' in done.stdout
    assert '"node": "read", "step": "read", "index": null, "outcome": "executed"' in done.stdout
