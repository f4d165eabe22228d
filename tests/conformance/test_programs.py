"""Generated programs: an edit of meaning changes the fingerprint of what reaches it, an edit of layout changes none.

The numbers are those of the full count, `make conformance`; the gate makes a twentieth of the trials.
"""

from __future__ import annotations

import difflib
import math
import warnings
from collections import Counter
from collections.abc import Callable, Iterator

import pytest
from hypothesis import HealthCheck, Phase, given, note, seed, settings
from hypothesis import strategies as st

from tests.conformance.programs.choices import Choices
from tests.conformance.programs.edits import Change, Edit, changes_of, retargets, stops_reading
from tests.conformance.programs.grammar import programs
from tests.conformance.programs.judge import is_proven, judge
from tests.conformance.programs.layout import LAYOUTS, OF_PARTS, is_layout_only
from tests.conformance.programs.meaning import same_code
from tests.conformance.programs.model import MODULES, Item, Program
from tests.conformance.programs.trial import State, Trial, trial_of
from tests.conformance.scale import shards

SEMANTIC_EDITS, LAYOUT_EDITS = 10_000, 2_000
SHARD = 500
EDITS_EACH, LAYOUTS_EACH = 10, 10
ATTEMPTS = 60

# Shrinking a failure takes minutes.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200), pytest.mark.filterwarnings("ignore")]

Check = Callable[[Program, Choices], None]


def run_over_programs(check: Check, first_seed: int, count: int) -> None:
    """Give a check this many programs, always the same for a seed; a failing one is shrunk and printed."""

    @seed(first_seed)
    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        derandomize=False,
        report_multiple_bugs=False,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @given(program=programs(), data=st.data())
    def over_programs(program: Program, data: st.DataObject) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            check(program, Choices(data.draw))

    over_programs()


@pytest.mark.parametrize(("first_seed", "count"), shards(SEMANTIC_EDITS, SHARD))
def test_an_edit_of_meaning_changes_the_fingerprints_that_reach_it_and_no_other(first_seed: int, count: int) -> None:
    """Any edit in a reached place changes the fingerprint of every step that reaches it, and of no other step."""
    tally: Counter[str] = Counter()

    def check(program: Program, c: Choices) -> None:
        with trial_of(program) as trial:
            before = trial.state()
            assert_fingerprinted(before)
            made = 0
            for edit in drawn_edits(program, c):
                made += _judged(trial, before, edit, tally)
                if made == EDITS_EACH:
                    break

    run_over_programs(check, first_seed, _programs_for(count, EDITS_EACH))
    assert tally["reached"] >= count, tally


@pytest.mark.parametrize(("first_seed", "count"), shards(LAYOUT_EDITS, SHARD))
def test_an_edit_of_layout_changes_no_fingerprint(first_seed: int, count: int) -> None:
    """No comment, line break, docstring, moved function or unused addition changes a fingerprint or its parts."""
    tally: Counter[str] = Counter()

    def check(program: Program, c: Choices) -> None:
        with trial_of(program) as trial:
            before = trial.state()
            assert_fingerprinted(before)
            made = 0
            for _ in range(ATTEMPTS):
                made += _laid_out(trial, before, c)
                if made == LAYOUTS_EACH:
                    break
            tally["made"] += made

    run_over_programs(check, first_seed, _programs_for(count, LAYOUTS_EACH))
    assert tally["made"] >= count, tally


def _programs_for(count: int, each: int) -> int:
    # Some programs are drawn twice, or have too little that can be edited.
    return math.ceil(count / each * 1.15) + 1


def assert_fingerprinted(state: State) -> None:
    """Check that every step of a program as generated can be fingerprinted."""
    assert {name: reason for name, (_, reason) in state.fingerprints.items() if reason is not None} == {}


def drawn_edits(program: Program, c: Choices) -> Iterator[Edit]:
    """Yield edits that compile to something else, most of them where a step reaches."""
    reached = [item for item in program.items if program.reaching({item.node})]
    imports = [edit for binding in program.bindings for edit in retargets(program, binding)]
    known: dict[str, list[Change]] = {}
    for _ in range(ATTEMPTS):
        if imports and c.chance(8):
            edit = c.pick(imports)
        else:
            item: Item = c.pick(program.items if c.chance(8) else reached)
            if item.node not in known:
                known[item.node] = changes_of(program, item)
            if not known[item.node]:
                continue
            edit = c.pick(known[item.node])()
        before = program.text(edit.module)
        if _compiles(edit.text) and not same_code(before, edit.text) and not stops_reading(before, edit.text):
            yield edit


def _compiles(text: str) -> bool:
    try:
        compile(text, "edited", "exec")
    except SyntaxError:
        return False
    return True


def _judged(trial: Trial, before: State, edit: Edit, tally: Counter[str]) -> int:
    """Make an edit and judge it; return whether it was one of a reached place."""
    with trial.edited(edit.module, edit.text):
        try:
            after = trial.state()
        except Exception:  # noqa: BLE001  (an edited module may raise anything while it is imported)
            tally["not importable"] += 1
            return 0
    if not is_proven(edit, before, after):
        tally["unproven"] += 1
        return 0
    verdict = judge(trial.program, edit, before, after)
    if verdict.missed or verdict.needless:
        _show(trial.program.text(edit.module), edit.text, edit.what)
    assert verdict.missed == set(), f"false hit: {edit.what}"
    assert verdict.needless == set(), f"needless miss: {edit.what}"
    tally["reached" if verdict.affected else "unreached"] += 1
    return bool(verdict.affected)


def _laid_out(trial: Trial, before: State, c: Choices) -> int:
    """Change one file's layout; return whether there was something to change."""
    module = c.pick([name for name in MODULES if trial.program.of_module(name)])
    text = trial.program.text(module)
    allowed = LAYOUTS if module in trial.program.counting_whole() else LAYOUTS + OF_PARTS
    layout = c.pick(allowed)
    new = layout(c, text)
    if new == text or not _compiles(new) or not is_layout_only(text, new, layout):
        return 0
    with trial.edited(module, new):
        after = trial.state()
    if after.fingerprints != before.fingerprints or after.parts != before.parts:
        _show(text, new, layout.__name__)
    assert after.fingerprints == before.fingerprints, f"needless miss: {layout.__name__} of {module}"
    assert after.parts == before.parts, f"{layout.__name__} of {module} would be told as a change"
    return 1


def _show(before: str, after: str, what: str) -> None:
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), "before", what, lineterm="", n=2)
    note("\n".join(lines))
