"""What goes and what stays: the pure decision, rule by rule."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from flowkit.housekeeping.collecting.decision import Decision, Plan, Retention, decide
from flowkit.lineage.holdings import HeldRun, Holding, Holdings, Use
from flowkit.lineage.makers import Maker

NOW = 1_000_000.0
DAY = 86_400.0


def run(number: int, *, pipeline: int = 1, days: float = 0.0, succeeded: bool = True, live: bool = False) -> HeldRun:
    """Return a run that began some days ago."""
    return HeldRun(f"run-{number}", pipeline, f"p{pipeline}", NOW - days * DAY, succeeded, live)


def holding(number: int, *, size: int = 100, used: tuple[Use, ...] = (), **more: object) -> Holding:
    """Return an artifact in a file of its own of the same number, used by run 1 of pipeline 1 unless it is said."""
    base = Holding(number, f"{number:064x}", "table", size, (number,), uses=used or (Use(1, 1),))
    return replace(base, **more)  # type: ignore[arg-type]


def store(
    *artifacts: Holding,
    runs: dict[int, HeldRun] | None = None,
    makers: dict[int, Maker] | None = None,
    dropped: frozenset[int] = frozenset(),
    sizes: dict[int, int] | None = None,
) -> Holdings:
    """Return holdings in which each artifact is made in a second unless it is said."""
    known = {item.id: Maker(item.id, "run-1", f"n{item.id}", 1.0) for item in artifacts}
    of_files = {file: item.bytes for item in artifacts for file in item.files}
    return Holdings(artifacts, sizes or of_files, runs or {1: run(1, days=10)}, {**known, **(makers or {})}, dropped)


def gone(plan: Plan) -> list[int]:
    """Return the artifacts that go, in order."""
    return [fate.holding.id for fate in plan.dropped]


def reason_of(plan: Plan, number: int) -> str:
    """Return why an artifact goes or stays."""
    return next(fate.reason for fate in plan.fates if fate.holding.id == number)


def test_without_retention_everything_recorded_stays() -> None:
    """A collection that nobody told what to keep drops nothing that a run made."""
    plan = decide(store(holding(1), holding(2)), Retention(), NOW)

    assert gone(plan) == []
    assert reason_of(plan, 1) == "no retention is asked for"


def test_the_latest_runs_of_each_pipeline_keep_what_they_used() -> None:
    """By pipeline: a busy one does not push out what another one made long ago."""
    runs = {1: run(1), 2: run(2), 3: run(3), 4: run(4, pipeline=2)}
    held = store(holding(1, used=(Use(1, 1),)), holding(2, used=(Use(1, 2),)), holding(3, used=(Use(2, 4),)), runs=runs)

    assert gone(decide(held, Retention(runs=1), NOW)) == [1, 2]
    plan = decide(held, Retention(runs=2), NOW)
    assert gone(plan) == [1]
    assert reason_of(plan, 1) == "none of the latest 2 successful runs of a pipeline used it"
    assert reason_of(plan, 2) == "used by run run-2"


def test_failed_runs_push_nothing_out_and_keep_what_they_made() -> None:
    """A night of failures must not cost the last good result, nor what the failed runs can go on with."""
    runs = {1: run(1), 2: run(2, succeeded=False), 3: run(3, succeeded=False)}
    held = store(holding(1, used=(Use(1, 1),)), holding(2, used=(Use(1, 2),)), runs=runs)

    assert gone(decide(held, Retention(runs=1), NOW)) == []
    assert gone(decide(held, Retention(runs=2), NOW)) == []


def test_age_counts_from_the_last_use() -> None:
    """What an old run made and a new one reused is young."""
    runs = {1: run(1, days=40), 2: run(2, days=1)}
    held = store(holding(1, used=(Use(1, 2),)), holding(2, used=(Use(1, 1),)), runs=runs)

    plan = decide(held, Retention(age=30 * DAY), NOW)

    assert gone(plan) == [2]
    assert "longer ago than is kept" in reason_of(plan, 2)


def test_what_either_of_runs_and_age_keeps_stays() -> None:
    """Asked for both, an artifact goes only where neither keeps it."""
    runs = {1: run(1, days=40), 2: run(2, days=35), 3: run(3, days=20), 4: run(4, days=20)}
    held = store(*(holding(number, used=(Use(1, number),)) for number in (1, 2, 3, 4)), runs=runs)

    assert gone(decide(held, Retention(runs=1, age=30 * DAY), NOW)) == [1, 2]
    assert gone(decide(held, Retention(runs=3, age=30 * DAY), NOW)) == [1]


def test_what_people_and_live_runs_rely_on_never_goes() -> None:
    """Models in use, pins, and what a run that goes on used or began after, stay under every retention, with why."""
    roots = {
        1: ({"models": ("taxi:7 (champion)",)}, "the content of model taxi:7 (champion)"),
        2: ({"pin": "pinned by ann: for the report"}, "pinned by ann: for the report"),
        3: ({"live": "run-9"}, "in use by run run-9, which goes on"),
        4: ({}, "stored while a run went on that has not ended"),
        5: ({}, "none"),
    }
    held = store(*(holding(number, **more) for number, (more, _) in roots.items()))  # type: ignore[arg-type]
    held = replace(held, runs={1: run(1, days=99), 2: run(2)})

    plan = decide(held, Retention(runs=1, age=1.0, bytes=1), NOW, fresh=frozenset({4}))

    assert gone(plan) == [5]
    assert {number: reason_of(plan, number) for number in (1, 2, 3, 4)} == {
        number: roots[number][1] for number in (1, 2, 3, 4)
    }
    assert all(fate.special for fate in plan.fates if fate.decision is Decision.KEEP)


def test_a_limit_in_bytes_takes_first_what_is_large_and_quick_to_make_again() -> None:
    """Bytes for each second of making it again decide, and no more goes than must."""
    makers = {number: Maker(number, "run-1", f"n{number}", seconds) for number, seconds in ((1, 10), (2, 1), (3, 100))}
    held = store(holding(1, size=500), holding(2, size=100), holding(3, size=900), makers=makers)

    assert gone(decide(held, Retention(bytes=1400), NOW)) == [2]
    assert gone(decide(held, Retention(bytes=1399), NOW)) == [2, 1]
    assert gone(decide(held, Retention(bytes=1), NOW)) == [2, 1, 3]
    assert gone(decide(held, Retention(bytes=1500), NOW)) == []


def test_what_is_gone_upstream_counts_as_time_to_make_again() -> None:
    """Once an hour's work is dropped, what is made from it in a second takes an hour and a second."""
    makers = {
        1: Maker(1, "run-1", "slow", 3600.0),
        2: Maker(2, "run-1", "quick", 1.0, inputs=(1,)),
        3: Maker(3, "run-1", "other", 50.0),
    }
    held = store(holding(2), holding(3), makers=makers, dropped=frozenset({1}))

    plan = decide(held, Retention(bytes=100), NOW)

    assert gone(plan) == [3]
    assert next(fate.seconds for fate in plan.fates if fate.holding.id == 2) == 3601.0
    assert gone(decide(replace(held, dropped=frozenset()), Retention(bytes=100), NOW)) == [2]


def test_what_cannot_be_made_again_goes_only_by_age_or_runs() -> None:
    """A limit in bytes never takes it; an express retention does, and says what that means."""
    lack = "the code of n1 has changed since"
    makers = {1: Maker(1, "run-1", "n1", 1.0, lack=lack), 2: Maker(2, "run-1", "n2", 1.0, inputs=(3,))}
    held = store(holding(1), holding(2), makers=makers, dropped=frozenset({3}), runs={1: run(1), 2: run(2)})

    plan = decide(held, Retention(bytes=1), NOW)
    assert gone(plan) == []
    assert reason_of(plan, 1) == f"it cannot be made again: {lack}"
    assert reason_of(plan, 2) == "it cannot be made again: no step made it: it was given as an argument"

    plan = decide(held, Retention(runs=1), NOW)
    assert set(gone(plan)) == {1, 2}
    assert reason_of(plan, 1).endswith(f"it cannot be made again: {lack}")


def test_a_file_goes_with_the_last_artifact_that_needs_it() -> None:
    """Dropping one of two that share a file frees nothing of it; a limit does not take what frees nothing."""
    shared = store(
        holding(1, files=(10,)),
        holding(2, files=(20, 10)),
        holding(3, files=(30,), pin="pinned"),
        holding(4, files=(40, 30)),
        sizes={10: 900, 20: 50, 30: 500, 40: 0},
    )

    plan = decide(shared, Retention(bytes=550), NOW)

    assert gone(plan) == [2, 1]
    assert [fate.freed for fate in plan.dropped] == [50, 900]
    plan = decide(shared, Retention(bytes=1), NOW)
    assert gone(plan) == [2, 1]
    assert reason_of(plan, 4) == "others that stay share its files"


@st.composite
def stores(draw: st.DrawFn) -> Holdings:
    """Draw holdings with shared files, chains of makers, and pins."""
    count = draw(st.integers(1, 12))
    sizes = {file: draw(st.integers(0, 1000)) for file in range(count + 2)}
    artifacts, makers = [], {}
    for number in range(count):
        others = draw(st.sets(st.integers(0, count + 1), max_size=2))
        pin = "pinned" if draw(st.integers(0, 4)) == 0 else None
        artifacts.append(holding(number, files=tuple({number, *others}), pin=pin))
        inputs = draw(st.sets(st.integers(0, number - 1), max_size=2)) if number else set[int]()
        seconds = draw(st.one_of(st.none(), st.floats(0, 100)))
        makers[number] = Maker(number, "run-1", f"n{number}", seconds, tuple(inputs))
    return Holdings(tuple(artifacts), sizes, {1: run(1)}, makers, frozenset())


@settings(max_examples=80, deadline=None)
@given(held=stores(), limit=st.integers(1, 8000))
def test_a_limit_is_reached_or_nothing_more_could_go(held: Holdings, limit: int) -> None:
    """Whatever shares files: the sizes add up, pins stay, and above the limit nothing is left that would free bytes."""
    plan = decide(held, Retention(bytes=limit), NOW)

    kept = [fate for fate in plan.fates if fate.decision is Decision.KEEP]
    files = {file for fate in kept for file in fate.holding.files}
    before = {file for item in held.artifacts for file in item.files}
    assert plan.freed == sum(held.sizes[file] for file in before - files)
    assert all(fate.holding.pin is None for fate in plan.dropped)
    unnamed = sum(held.sizes[file] for file in held.sizes if file not in before)
    left = plan.bytes - plan.freed
    if left > limit:
        for fate in kept:
            others = {file for other in kept if other is not fate for file in other.holding.files}
            frees = sum(held.sizes[file] for file in set(fate.holding.files) - others)
            assert fate.holding.pin is not None or frees == 0 or fate.seconds is None, (fate, unnamed)
