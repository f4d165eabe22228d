"""What edited code newly reads was never watched: refused where that is plain, said where it may be."""

from __future__ import annotations

import pytest

from tests.accepting.conftest import Shop, executed
from tests.cli.test_json import validate

STEPS = "pipelines/shop.py"
RETURN = 'return float(text.lstrip("$")) * RATE'
NOTE = "counts only once it has run"
READING = {
    "open": (
        'import json\n\n\nRATE = 2\n\n\ndef rate() -> float:\n    return json.load(open("rate.json"))\n',
        "* rate()",
    ),
    "read_text": (
        'from pathlib import Path\n\n\ndef rate() -> int:\n    return int(Path("r").read_text())\n',
        "* rate()",
    ),
    "environ": ("import os\n", '* int(os.environ["RATE"])'),
    "getenv": ("from os import getenv\n", '* int(getenv("RATE") or 2)'),
}


@pytest.mark.parametrize("reader", READING)
def test_code_that_begins_to_read_is_refused(ran: Shop, reader: str) -> None:
    """The kept result has the old code's observations: what the new code reads would never be looked at again."""
    begin, rate = READING[reader]
    ran.edit("cleaning.py", "RATE = 2\n", begin)
    ran.edit("cleaning.py", "* RATE", rate)
    refused = ran.accept("amounts")
    assert refused.code == 2
    assert f"uses {reader}" in refused.err
    assert "parameter of type Path" in refused.err
    assert ran.audit() == []


def test_a_variable_that_is_declared_may_be_read(ran: Shop) -> None:
    """A constant that becomes a declared variable: it is in the key from now on."""
    ran.edit(STEPS, 'return f"{now} here"', "return f\"{now} {os.environ['SHOP_ZONE']}\"")
    answer = ran.accept("zoned")
    assert (answer.code, NOTE in answer.out) == (0, True)


def test_another_way_to_read_the_same_is_said_not_refused(ran: Shop) -> None:
    """A file that is an argument, and one that was read undeclared before: nothing tells that another is read."""
    ran.edit(STEPS, "return source.read_text().split()", "return open(source).read().split()")
    ran.edit(STEPS, 'return Path("notes.txt").read_text()', 'return open("notes.txt").read()')
    answer = ran.accept("read", "looked", "--json").json()
    validate("accept", answer)
    assert [NOTE in node["notes"][0] for node in answer["nodes"]] == [True, True]
    (ran.root / "notes.txt").write_text("another note")
    assert executed(ran.run()) == ["looked"]


@pytest.mark.parametrize(
    "edits",
    [
        [
            ("cleaning.py", "def strip(text: str)", "def strip(word: str)"),
            ("cleaning.py", "float(text.", "float(word."),
        ],
        [("cleaning.py", "def strip(", "def read_csv("), (STEPS, "import strip", "import read_csv as strip")],
        [(STEPS, "strip(text) * scale", "scale * strip(text)")],
    ],
)
def test_a_plain_rename_is_neither(ran: Shop, edits: list[tuple[str, str, str]]) -> None:
    """Other names of variables and helpers, whatever they are, and another order name nothing that could read."""
    for edit in edits:
        ran.edit(*edit)
    answer = ran.accept("amounts")
    assert (answer.code, NOTE in answer.out) == (0, False)


def test_code_that_names_something_new_is_said_to_be_unwatched(ran: Shop) -> None:
    """Another function or text may read anything: a sentence says so before the question, and the audit keeps it."""
    ran.edit("cleaning.py", RETURN, 'return float(text.replace("$", "")) * RATE')
    assert NOTE in ran.accept("amounts").out
    (row,) = ran.audit()
    assert NOTE in row["evidence"]["notes"][0]
