"""The generator and its judge: they must meet every kind of code, and be able to find a fault."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.conformance.programs import classes, data, functions
from tests.conformance.programs.choices import Choices
from tests.conformance.programs.edits import Edit, changes_of, stops_reading
from tests.conformance.programs.grammar import programs
from tests.conformance.programs.judge import judge
from tests.conformance.programs.layout import LAYOUTS, OF_PARTS, is_layout_only
from tests.conformance.programs.meaning import same_code, snapshot
from tests.conformance.programs.model import Item, Program
from tests.conformance.programs.trial import State, trial_of

PROGRAM = Program(
    items=[
        Item("near", "low", "function", "def low(x):\n    return x + 1", "{ref}({arg})"),
        Item("near", "other", "function", "def other(x):\n    return x - 1", "{ref}({arg})"),
        Item("flow", "first", "step", "@fk.step\ndef first(x: float) -> float:\n    return near.low(x)", ""),
        Item("flow", "second", "step", "@fk.step\ndef second(x: float) -> float:\n    return near.other(x)", ""),
    ]
)
PROGRAM.plain_imports["flow"] = ["import near"]
PROGRAM.steps = PROGRAM.items[2:]
PROGRAM.link("flow:first", "near:low")
PROGRAM.link("flow:second", "near:other")

KINDS = """
    function recursive generator lambda lambdas partial factory product decorated cached dispatched table borrowed
    registry conditional coroutine decorator number data known instance class mixin dataclass enum namedtuple described
    made filled tagged real exception managed step
"""


@pytest.mark.long
@pytest.mark.slow
def test_programs_hold_every_kind_of_definition_and_edit() -> None:
    """A few hundred trials meet each kind that the grammar knows, and each edit of layout finds something to change."""
    kinds: set[str] = set()
    layouts: set[str] = set()

    @seed(1)
    @settings(
        max_examples=400, deadline=None, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
    )
    @given(program=programs(), choices=st.data())
    def over_programs(program: Program, choices: st.DataObject) -> None:
        kinds.update(item.kind for item in program.items)
        item = program.items[-1]
        text = program.text(item.module)
        for layout in (*LAYOUTS, *OF_PARTS):
            if layout.__name__ not in layouts and (new := layout(Choices(choices.draw), text)) != text:
                assert is_layout_only(text, new, layout), layout.__name__
                layouts.add(layout.__name__)

    over_programs()
    assert set(KINDS.split()) <= kinds
    assert layouts == {layout.__name__ for layout in (*LAYOUTS, *OF_PARTS)}
    assert len({maker.__name__ for maker in (*functions.MAKERS, *data.MAKERS, *classes.MAKERS)}) > 25


def test_a_function_has_many_edits_and_each_is_of_its_own_text() -> None:
    """Every change of a definition leaves the rest of its file as it was."""
    edits = [change() for change in changes_of(PROGRAM, PROGRAM.items[0])]
    assert len({edit.text for edit in edits}) > 8
    assert all("def other(x):\n    return x - 1" in edit.text for edit in edits if edit.module == "near")
    assert all(not same_code(PROGRAM.text(edit.module), edit.text) for edit in edits)


def test_the_judge_finds_a_false_hit_and_a_needless_miss() -> None:
    """A fingerprint that stays when it must not, or changes when it need not, is named."""
    edit = Edit("an edit", "near", "", "near:low", PROGRAM.items[0])
    before = State({"first": ("a", None), "second": ("b", None)}, {}, {})
    blind = judge(PROGRAM, edit, before, before)
    nervous = judge(PROGRAM, edit, before, State({"first": ("c", None), "second": ("d", None)}, {}, {}))
    assert (blind.missed, blind.needless) == ({"first"}, set())
    assert (nervous.missed, nervous.needless) == (set(), {"second"})


def test_a_program_on_disk_is_imported_afresh_after_an_edit() -> None:
    """What is known of a program after an edit is of the edited text, and afterwards of the original again."""
    text = PROGRAM.text("near").replace("x + 1", "x + 2")
    with trial_of(PROGRAM) as trial:
        before = trial.state()
        with trial.edited("near", text):
            after = trial.state()
        again = trial.state()
    assert before.values["near:low"] != after.values["near:low"]
    assert before.values == again.values
    assert before.fingerprints["first"] != after.fingerprints["first"]
    assert before.fingerprints == again.fingerprints
    assert before.fingerprints["second"] == after.fingerprints["second"]


@pytest.mark.parametrize(
    ("one", "other"), [(1, True), (0.0, -0.0), (1, 1.0), ([1], (1,)), ({1: 2, 3: 4}, {3: 4, 1: 2})]
)
def test_values_are_told_apart_by_type_and_order(one: object, other: object) -> None:
    """The judge's own view of a value knows what equality does not."""
    assert snapshot(one) != snapshot(other)
    assert snapshot(one) == snapshot(one)


def test_an_edit_that_leaves_an_import_unread_is_known() -> None:
    """An import that nothing reads any more counts for its effect: such an edit touches the whole file."""
    before = "import near\n\ndef f(x):\n    return near.low(x)\n"
    assert stops_reading(before, before.replace("near.low(x)", "x"))
    assert not stops_reading(before, before.replace("low", "other"))
