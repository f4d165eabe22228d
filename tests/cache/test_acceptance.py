"""Whether an edit may be accepted: the pure decision, on its own."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from flowkit.cache.acceptance import (
    Unedited,
    decide_acceptance,
    describe_edit,
    find_same_content,
    undo_edit,
    variables_of,
)
from flowkit.cache.current import Current
from flowkit.cache.key import compute_cache_key
from flowkit.cache.reason import Miss
from flowkit.records import (
    ArgumentKind,
    ArgumentPart,
    CodeFingerprint,
    CodePart,
    Entry,
    EnvironmentFingerprint,
    KeyParts,
    LatestSuccess,
    Reason,
)

A, B, C = "a" * 64, "b" * 64, "c" * 64
ENTRY = Entry(1, A, B, 0, "run", "train", 1000.0, ())
PARTS = KeyParts("train", A, B, (ArgumentPart("rows", B, ArgumentKind.INPUT, "split"),))
CODE = CodeFingerprint(A, (CodePart("m:train", "ast", A, "def train"),))
EDITED = CodeFingerprint(C, (CodePart("m:fit", "ast", C, "def fit"),))
ENVIRONMENT = EnvironmentFingerprint(B, {"python": "3.11", "variable:TZ": C})
BEFORE = LatestSuccess("run1", compute_cache_key(PARTS), PARTS, CODE, ENVIRONMENT)
NOW = Current(replace(PARTS, code=C), EDITED, ENVIRONMENT)


def missed(reason: Reason) -> Miss:
    return Miss(reason, "because")


FOUND = Unedited(BEFORE, ENTRY, None)


@pytest.mark.parametrize("reason", list(Reason))
def test_only_a_node_that_an_edit_made_run_may_keep_a_result(reason: Reason) -> None:
    """What is forced, uncached, lost, expired or failed must run, whatever its code was before."""
    must = {Reason.FORCED, Reason.UNCACHED, Reason.LOST, Reason.EXPIRED, Reason.FAILED}
    verdict = decide_acceptance(missed(reason), [FOUND])
    assert verdict == (missed(reason) if reason in must else FOUND)


@pytest.mark.parametrize(
    ("without", "told"),
    [
        ([Reason.INPUT], Reason.INPUT),
        ([Reason.LOST], Reason.LOST),
        ([Reason.CODE], Reason.PARAMETER),
        ([Reason.CODE, Reason.OBSERVED], Reason.OBSERVED),
        ([], Reason.PARAMETER),
    ],
)
def test_a_refusal_says_what_else_has_changed(without: list[Reason], told: Reason) -> None:
    """Nothing is found without the edit either: the reason is why, and never the edit itself."""
    unedited = [Unedited(BEFORE, None, missed(reason)) for reason in without]
    verdict = decide_acceptance(missed(Reason.PARAMETER), unedited)
    assert isinstance(verdict, Miss)
    assert verdict.reason is told


def test_an_earlier_code_is_found_where_the_latest_is_not() -> None:
    """Of several accepted codes, the first under which there is a result."""
    assert decide_acceptance(missed(Reason.CODE), [Unedited(BEFORE, None, missed(Reason.CODE)), FOUND]) == FOUND


def test_undoing_an_edit_gives_the_key_that_there_was() -> None:
    """With today's arguments, and with what the earlier code reaches of today's environment."""
    assert compute_cache_key(undo_edit(NOW, BEFORE, ENVIRONMENT).parts) == BEFORE.cache_key
    other = replace(NOW, parts=replace(NOW.parts, arguments=(replace(PARTS.arguments[0], digest=C),)))
    assert compute_cache_key(undo_edit(other, BEFORE, ENVIRONMENT).parts) != BEFORE.cache_key
    upgraded = replace(ENVIRONMENT, digest=C)
    assert compute_cache_key(undo_edit(NOW, BEFORE, upgraded).parts) != BEFORE.cache_key


def test_code_that_an_argument_names_is_no_data() -> None:
    """An argument of the same artifacts whose digest differs has other code in it; any other difference is data."""
    (rows,) = PARTS.arguments
    now = replace(PARTS, arguments=(replace(rows, digest=C),))
    took, took_other = [("rows", A)], [("rows", B)]
    assert find_same_content(now, PARTS, took, took, {"rows"}) == {"rows"}
    assert find_same_content(PARTS, PARTS, took, took, {"rows"}) == frozenset()
    assert find_same_content(now, PARTS, took, took_other, {"rows"}) == frozenset()
    assert find_same_content(now, PARTS, took, took, ()) == frozenset()
    assert find_same_content(now, PARTS, [], [], {"rows"}) == frozenset()
    shown = replace(PARTS, arguments=(replace(rows, digest=C, shown="[split]"),))
    assert find_same_content(shown, PARTS, took, took, {"rows"}) == frozenset()
    edited = Current(now, CODE, ENVIRONMENT)
    assert compute_cache_key(undo_edit(edited, BEFORE, ENVIRONMENT, {"rows"}).parts) == BEFORE.cache_key
    (change,) = describe_edit(edited, BEFORE, ENVIRONMENT, {"rows"})
    assert (change.kind, change.name) == (Reason.CODE, "code that 'rows' names")


def test_the_steps_own_function_is_one_change_whatever_it_is_called() -> None:
    """A renamed function is told as a diff of the two, not as one that is gone and one that is new."""
    (change,) = describe_edit(NOW, BEFORE, ENVIRONMENT)
    assert (change.name, change.before, change.after) == ("m:fit", "def train", "def fit")


def test_packages_that_only_the_edit_asks_for_are_part_of_it() -> None:
    """What the new code reaches besides is told with the edit."""
    more = EnvironmentFingerprint(C, {**ENVIRONMENT.values, "package:numpy": "2.0"})
    kinds = [change.kind for change in describe_edit(replace(NOW, environment=more), BEFORE, ENVIRONMENT)]
    assert kinds == [Reason.CODE, Reason.ENVIRONMENT]
    assert variables_of(ENVIRONMENT) == ("TZ",)
