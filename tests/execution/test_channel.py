"""What a step host reports arrives as it was sent, and what is no report is none."""

from __future__ import annotations

import os
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from flowkit.execution.channel import EndReport, FrameReader, StartReport, pack_frame, pack_report, write_all
from flowkit.records import (
    Artifact,
    BlobFile,
    Failure,
    FailureKind,
    ObservedInput,
    Outcome,
    Output,
    Stamp,
    StepResult,
)

TEXTS = st.text(st.characters(), max_size=8)
"""Lone surrogates too, as names of files may have them."""
NUMBERS = st.integers(-(1 << 70), 1 << 70)
STAMPS = st.builds(Stamp, NUMBERS, NUMBERS, NUMBERS, NUMBERS)
FILES = st.builds(BlobFile, TEXTS, STAMPS)
INLINE = st.none() | st.binary(max_size=8)
ARTIFACTS = st.builds(Artifact, TEXTS, TEXTS, NUMBERS, INLINE, st.tuples(FILES), st.tuples(TEXTS))
FAILURES = st.builds(
    Failure, st.sampled_from(FailureKind), TEXTS, st.tuples(st.tuples(TEXTS, TEXTS)), TEXTS, TEXTS, st.booleans()
)
RESULTS = st.builds(
    StepResult,
    node=TEXTS,
    attempt=NUMBERS,
    token=TEXTS,
    outcome=st.sampled_from(Outcome),
    key=TEXTS,
    started=st.floats(allow_nan=False),
    seconds=st.floats(allow_nan=False),
    outputs=st.tuples(st.builds(Output, TEXTS, ARTIFACTS)),
    metrics=st.tuples(st.tuples(TEXTS, st.floats(allow_nan=False))),
    failure=st.none() | FAILURES,
    skipped=st.none() | TEXTS,
    worker=TEXTS,
    peak_memory=NUMBERS,
    observed=st.tuples(st.builds(ObservedInput, TEXTS, TEXTS, TEXTS)),
    log=st.none() | TEXTS,
    warnings=st.tuples(TEXTS),
    lost=st.tuples(TEXTS),
    uncached=st.none() | TEXTS,
    checkpoints=st.booleans(),
)


class Text(str):
    """A text of a class of the project's own."""

    __slots__ = ()


def carry(content: bytes) -> tuple[list[Any], bool]:
    """Send bytes through a pipe and return the messages that come out, and whether what came was garbled."""
    receive, send = os.pipe()
    try:
        write_all(send, content)
        reader = FrameReader(receive)
        return list(reader.available()), reader.garbled
    finally:
        os.close(receive)
        os.close(send)


@settings(max_examples=40)
@given(RESULTS, st.floats(allow_nan=False))
def test_a_result_arrives_as_it_was(result: StepResult, at: float) -> None:
    """Every field is exactly what it was, and of the same class, whatever texts and numbers are in it."""
    start, end = StartReport(result.token, at, result.key), EndReport(result)

    messages, garbled = carry(pack_report(start) + pack_report(end) + pack_frame(("done", False)))

    assert messages == [start, end, ("done", False)]
    assert repr(messages[1]) == repr(end)
    assert not garbled


def test_a_text_of_another_class_arrives_too() -> None:
    """What MessagePack has no form for is sent in another one."""
    result = StepResult("a", 1, "t", Outcome.SKIPPED, "k", 0.0, 0.0, skipped=Text("not today"))

    messages, _ = carry(pack_report(EndReport(result)))

    assert messages == [EndReport(result)]


def test_a_report_of_another_form_is_none() -> None:
    """After what is marked as a report and is none, nothing is taken for one."""
    whole = pack_report(StartReport("t", 0.0, "k"))
    other = whole[:12] + bytes([0xFF]) * (len(whole) - 12)

    assert carry(other + whole) == ([], True)
