"""The three decisions of the cache: the key, whether to reuse, and why not. Tables of cases."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from flowkit.cache.arguments import describe_argument
from flowkit.cache.current import Current
from flowkit.cache.key import compute_cache_key, compute_entry_key
from flowkit.cache.reason import explain_miss
from flowkit.cache.reuse import Found, decide_reuse
from flowkit.graph.arguments import Gather, Ref
from flowkit.records import (
    ArgumentKind,
    ArgumentPart,
    Artifact,
    CodeFingerprint,
    CodePart,
    Entry,
    EnvironmentFingerprint,
    KeyParts,
    LatestSuccess,
    ObservedInput,
    Reason,
    StepOptions,
)

A, B, C = "a" * 64, "b" * 64, "c" * 64
ENTRY = Entry(1, A, B, 0, "run", "node", 1000.0, ())
PARTS = KeyParts(
    "train",
    A,
    B,
    (ArgumentPart("C", A, ArgumentKind.PARAMETER, "1.0"), ArgumentPart("rows", B, ArgumentKind.INPUT, "split")),
)


def test_every_part_counts_in_the_key() -> None:
    """Step, code, environment, each argument's name and digest, and the format's version: none can be left out."""
    first, second = PARTS.arguments
    variants = [
        replace(PARTS, step="other"),
        replace(PARTS, code=C),
        replace(PARTS, environment=C),
        replace(PARTS, arguments=(first,)),
        replace(PARTS, arguments=(first, replace(second, digest=C))),
        replace(PARTS, arguments=(first, replace(second, parameter="row"))),
        replace(PARTS, arguments=(replace(first, digest=B), replace(second, digest=A))),
    ]
    keys = [compute_cache_key(parts) for parts in [PARTS, *variants]] + [compute_cache_key(PARTS, key_format=2)]
    assert len(set(keys)) == len(keys)


def test_the_order_and_the_text_of_arguments_do_not_count() -> None:
    """Keyword order and what is shown to people change nothing."""
    first, second = PARTS.arguments
    assert compute_cache_key(replace(PARTS, arguments=(second, replace(first, shown="x")))) == compute_cache_key(PARTS)


names = st.text(max_size=6)


@given(first=st.lists(st.tuples(names, names), max_size=3), second=st.lists(st.tuples(names, names), max_size=3))
def test_two_different_sets_of_observations_have_two_entry_keys(first: list, second: list) -> None:
    """No way of cutting names and digests differently gives one message."""

    def key(pairs: list[tuple[str, str]]) -> str:
        return compute_entry_key(A, [ObservedInput("file", name, digest) for name, digest in pairs])

    assert (key(first) == key(second)) == (sorted(first) == sorted(second))


@pytest.mark.parametrize(
    ("found", "options", "forced", "uncacheable", "entry", "reason"),
    [
        (Found(ENTRY), StepOptions(), False, False, ENTRY, None),
        (Found(None), StepOptions(), False, False, None, None),
        (Found(ENTRY), StepOptions(), True, False, None, Reason.FORCED),
        (Found(ENTRY, present=False), StepOptions(cache=False), True, True, None, Reason.FORCED),
        (Found(ENTRY), StepOptions(cache=False), False, False, None, Reason.UNCACHED),
        (Found(ENTRY), StepOptions(), False, True, None, Reason.UNCACHED),
        (Found(ENTRY, present=False), StepOptions(), False, False, None, Reason.LOST),
        (Found(ENTRY, present=False), StepOptions(max_age=1), False, False, None, Reason.LOST),
        (Found(ENTRY), StepOptions(max_age=99), False, False, None, Reason.EXPIRED),
        (Found(ENTRY), StepOptions(max_age=100), False, False, ENTRY, None),
        (Found(None), StepOptions(max_age=1), False, False, None, None),
    ],
)
def test_reuse(
    found: Found, options: StepOptions, forced: bool, uncacheable: bool, entry: Entry | None, reason: Reason | None
) -> None:
    """Forced before uncached before lost before expired; an entry exactly as old as `max_age` still serves."""
    decision = decide_reuse(found, options, forced=forced, uncacheable=uncacheable, now=1100.0)
    assert (decision.entry, decision.reason) == (entry, reason)


@pytest.mark.parametrize(("now", "reused"), [(999.0, True), (941.0, True), (939.0, False), (-1e9, False)])
def test_a_result_from_a_time_that_has_not_come_expires(now: float, reused: bool) -> None:
    """A minute is forgiven, as two machines' clocks differ; where nothing ages a clock is of no account."""
    aging = decide_reuse(Found(ENTRY), StepOptions(max_age=1e6), forced=False, uncacheable=False, now=now)
    lasting = decide_reuse(Found(ENTRY), StepOptions(), forced=False, uncacheable=False, now=now)

    assert (aging.entry == ENTRY, aging.is_ahead) == (reused, not reused)
    assert aging.reason is (None if reused else Reason.EXPIRED)
    assert lasting.entry == ENTRY


CODE = CodeFingerprint(A, (CodePart("m:train", "ast", A, "def train"), CodePart("h:clean", "ast", B, "def clean")))
ENVIRONMENT = EnvironmentFingerprint(B, {"python": "3.11", "package:pandas": "3.0"})
CURRENT = Current(PARTS, CODE, ENVIRONMENT)
LATEST = LatestSuccess("run1", C, PARTS, CODE, ENVIRONMENT)

OTHER_HELPER = CodeFingerprint(C, (CODE.parts[0], replace(CODE.parts[1], digest=C, source="def clean2")))
NEW_HELPER = CodeFingerprint(C, (*CODE.parts, CodePart("h:more", "ast", C, "def more")))
OTHER_STEP = CodeFingerprint(C, (replace(CODE.parts[0], digest=C), CODE.parts[1]))
OTHER_C = replace(PARTS, arguments=(replace(PARTS.arguments[0], digest=C, shown="0.5"), PARTS.arguments[1]))
OTHER_ROWS = replace(PARTS, arguments=(PARTS.arguments[0], replace(PARTS.arguments[1], digest=C)))
BOTH = replace(PARTS, arguments=(OTHER_C.arguments[0], OTHER_ROWS.arguments[1]))
UPGRADED = EnvironmentFingerprint(C, {"python": "3.11", "package:pandas": "3.1"})


@pytest.mark.parametrize(
    ("current", "reason", "detail"),
    [
        (replace(CURRENT, code=OTHER_HELPER), Reason.CODE, "helper h:clean changed"),
        (replace(CURRENT, code=NEW_HELPER), Reason.CODE, "helper h:more is new"),
        (replace(CURRENT, code=OTHER_STEP), Reason.CODE, "m:train changed"),
        (replace(CURRENT, parts=OTHER_C), Reason.PARAMETER, "C: 1.0 → 0.5"),
        (replace(CURRENT, parts=OTHER_ROWS), Reason.INPUT, "rows changed"),
        (replace(CURRENT, parts=BOTH), Reason.PARAMETER, "C: 1.0 → 0.5"),
        (replace(CURRENT, environment=UPGRADED), Reason.ENVIRONMENT, "pandas: 3.0 → 3.1"),
        (replace(CURRENT, code=OTHER_STEP, parts=BOTH, environment=UPGRADED), Reason.CODE, "m:train changed"),
        (CURRENT, Reason.UNCACHED, "its latest result was not kept for reuse"),
    ],
)
def test_the_first_difference_is_the_reason(current: Current, reason: Reason, detail: str) -> None:
    """Code before parameter before input before environment, each with the thing that differs."""
    miss = explain_miss(None, failed_before=False, latest=LATEST, current=current)
    assert (miss.reason, miss.detail) == (reason, detail)


def test_what_was_decided_comes_first_then_failure_then_novelty() -> None:
    """What was decided holds whatever changed; then comes a key that only failed; then a node that is new."""
    changed = replace(CURRENT, code=OTHER_STEP)
    forced = explain_miss(Reason.FORCED, failed_before=True, latest=LATEST, current=changed)
    failed = explain_miss(None, failed_before=True, latest=LATEST, current=changed)
    new = explain_miss(None, failed_before=False, latest=None, current=changed)
    assert [miss.reason for miss in (forced, failed, new)] == [Reason.FORCED, Reason.FAILED, Reason.NEW]
    assert [change.name for change in forced.changes] == ["m:train"]


def test_an_argument_counts_by_the_artifacts_it_names() -> None:
    """A reference by its artifact, a collection by its elements in order without skipped ones, a constant by value."""
    artifacts = {Ref("a"): Artifact(A, "json", 1), Ref("b"): Artifact(B, "json", 1)}

    def part(value: object) -> ArgumentPart:
        return describe_argument("x", value, artifacts.get)

    assert part(Ref("a")).digest != part(Ref("b")).digest
    assert part(Ref("a")).kind is ArgumentKind.INPUT
    assert part(1).kind is ArgumentKind.PARAMETER
    assert part(Gather((Ref("a"), Ref("b")))).digest != part(Gather((Ref("b"), Ref("a")))).digest
    assert part(Gather((Ref("a"), Ref("skipped")))).digest == part(Gather((Ref("a"),))).digest
    assert part([Ref("a"), 1]).digest != part([Ref("a"), True]).digest
    assert part(Ref("skipped")).digest == part(None).digest
