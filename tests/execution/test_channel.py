"""What a step host reports arrives as it was sent, and what is no report is none."""

from __future__ import annotations

import os
from typing import Any

from hypothesis import given
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
FLOATS = st.floats(allow_nan=False)


def full_result(text: str, number: int, real: float, inline: bytes) -> StepResult:
    """Return a result in which nothing is left out."""
    stamp = Stamp(number, number, number, number)
    artifact = Artifact(text, text, number, inline, (BlobFile(text, stamp),), (text,))
    return StepResult(
        node=text,
        attempt=number,
        token=text,
        outcome=Outcome.FAILED,
        key=text,
        started=real,
        seconds=real,
        outputs=(Output(text, artifact), Output(text, Artifact(text, text, 0))),
        metrics=((text, real),),
        failure=Failure(FailureKind.CONTRACT, text, ((text, text),), text, text, retryable=False),
        skipped=text,
        worker=text,
        peak_memory=number,
        observed=(ObservedInput("file", text, text),),
        log=text,
        warnings=(text, text),
        lost=(text,),
        uncached=text,
        checkpoints=True,
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


@given(TEXTS, NUMBERS, FLOATS, st.binary(max_size=8))
def test_a_result_arrives_as_it_was(text: str, number: int, real: float, inline: bytes) -> None:
    """Every field is exactly what it was, and of the same class, whatever texts and numbers are in it."""
    result = full_result(text, number, real, inline)
    start, end = StartReport(text, real, text), EndReport(result)

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
