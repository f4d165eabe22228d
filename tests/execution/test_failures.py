"""What a person is told when a step fails."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from flowkit.authoring.types import Skip
from flowkit.errors import ContractError, LostArtifactError, StoreError
from flowkit.execution.failure import Circumstances, describe_failure, skip_reason
from flowkit.execution.traces import format_trace
from flowkit.records import FailureKind


def caught(function: Any, *arguments: Any) -> BaseException:
    try:
        function(*arguments)
    except BaseException as error:  # noqa: BLE001
        return error
    raise AssertionError("it raised nothing")


def read_text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def test_an_exception_is_told_with_step_place_and_own_words() -> None:
    """A step's exception names the step, the type, the text and the user's innermost line."""
    error = caught(json.loads, "{")

    failure = describe_failure(error, Circumstances("load", Path(__file__).parent))

    assert failure.kind is FailureKind.RAISED
    assert failure.message.startswith("Step 'load' raised JSONDecodeError: Expecting property name")
    assert "test_failures.py:" in dict(failure.facts)["at"]
    assert failure.retryable


def test_a_trace_keeps_only_the_users_frames() -> None:
    """Source lines are shown; the frames of flowkit, of libraries and of Python itself go."""
    from flowkit.execution.bundle import Bundle

    trace = format_trace(caught(Bundle.parse, b"x"))

    assert "caught" in trace
    assert "function(*arguments)" in trace
    assert "json.decoder.JSONDecodeError: Expecting value" in trace
    assert "raise JSONDecodeError" not in trace
    assert "flowkit/execution" not in trace


def test_the_cause_of_an_exception_is_kept_without_flowkits_frames() -> None:
    """Chained exceptions are part of the trace, stripped alike."""

    def fail() -> None:
        try:
            json.loads("{")
        except ValueError as error:
            raise KeyError("tips") from error

    trace = format_trace(caught(fail))

    assert trace.index("JSONDecodeError") < trace.index("direct cause") < trace.index("KeyError: 'tips'")


@pytest.mark.parametrize(
    ("raised", "kind", "words", "retryable"),
    [
        (SystemExit(3), FailureKind.EXITED, "Step 'load' called sys.exit(3).", False),
        (SystemExit(), FailureKind.EXITED, "Step 'load' called sys.exit().", False),
        (KeyboardInterrupt(), FailureKind.EXITED, "Step 'load' raised KeyboardInterrupt.", False),
        (MemoryError(), FailureKind.MEMORY, "Step 'load' ran out of memory.", True),
        (ContractError("Step 'load' broke it."), FailureKind.CONTRACT, "Step 'load' broke it.", False),
        (StoreError("Full."), FailureKind.STORE, "Full.", False),
        (LostArtifactError.for_damage("a" * 64, "json", "", "gone"), FailureKind.LOST, "is lost: gone", False),
        (ValueError("x" * 10_000), FailureKind.RAISED, "Step 'load' raised ValueError: xxx", True),
    ],
)
def test_each_kind_of_end_has_its_words(raised: BaseException, kind: FailureKind, words: str, retryable: bool) -> None:
    """Kind, wording and whether to try again follow from what was raised; long texts are cut."""

    def fail() -> None:
        raise raised

    failure = describe_failure(caught(fail), Circumstances("load", Path("/nowhere")))

    assert (failure.kind, failure.retryable) == (kind, retryable)
    assert words in failure.message
    assert len(failure.message) < 6_000


def test_an_exception_whose_text_fails_is_still_told() -> None:
    """A `__str__` that raises does not hide the failure."""

    class Awkward(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no text")

    failure = describe_failure(Awkward(), Circumstances("load", Path("/nowhere")))

    assert "Awkward: <its text cannot be shown: RuntimeError>" in failure.message


def test_what_no_terminal_takes_is_told_as_escapes() -> None:
    """Control characters and what no encoding has are escaped, in message, facts and trace; line ends stay."""

    def fail() -> None:
        raise ValueError("caf\udce9 \x1b[31m\nred")

    failure = describe_failure(caught(fail), Circumstances("load\x07", Path("/nowhere")))

    assert failure.message == r"Step 'load\x07' raised ValueError: caf\udce9 \x1b[31m"
    assert dict(failure.facts)["step"] == r"load\x07"
    assert "\\udce9 \\x1b[31m\nred" in failure.traceback
    failure.traceback.encode()


def test_skip_is_no_failure() -> None:
    """`Skip` gives its reason; anything else is no skip."""
    assert skip_reason(Skip("no new rows")) == "no new rows"
    assert skip_reason(ValueError("no new rows")) is None


def read_csv(path: Path) -> Any:
    import pandas as pd

    return pd.read_csv(path)


def read_parquet(path: Path) -> Any:
    import pandas as pd

    return pd.read_parquet(path)


@pytest.mark.parametrize(
    ("content", "read", "words"),
    [
        (None, read_text, "which does not exist"),
        (b"", read_csv, "the file is empty"),
        (b"fare\n" + b"1\n" * 700_000 + b"caf\xe9\n", read_text, "it is not UTF-8 at byte 1400008"),
        ("folder", read_text, "it is a folder"),
    ],
    ids=["missing", "empty", "latin-1", "folder"],
)
def test_a_declared_input_that_cannot_be_read_is_named(
    tmp_path: Path, content: bytes | str | None, read: Any, words: str
) -> None:
    """The failure is of kind input and names step, path and remedy; a byte offset counts from the file's beginning."""
    path = tmp_path / "taxi.csv"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content == "folder":
        path.mkdir()

    failure = describe_failure(caught(read, path), Circumstances("load", tmp_path, [path]))

    assert failure.kind is FailureKind.INPUT
    assert "'load'" in failure.message
    assert "'taxi.csv'" in failure.message
    assert words in failure.message
    assert failure.hint
    assert not failure.retryable


def test_a_truncated_parquet_file_is_named(tmp_path: Path) -> None:
    """A declared Parquet file that is cut short is to blame, whatever its reader says."""
    import pandas as pd

    path = tmp_path / "taxi.parquet"
    pd.DataFrame({"fare": range(1000)}).to_parquet(path)
    path.write_bytes(path.read_bytes()[:-20])

    failure = describe_failure(caught(read_parquet, path), Circumstances("load", tmp_path, [path]))

    assert failure.kind is FailureKind.INPUT
    assert "truncated or no parquet file" in failure.message


def test_a_file_that_was_not_declared_is_an_exception_like_any_other(tmp_path: Path) -> None:
    """Only declared inputs are blamed: another missing file is the step's own affair."""
    declared = tmp_path / "taxi.csv"
    declared.write_text("fare\n1\n")

    failure = describe_failure(caught(read_text, tmp_path / "else.csv"), Circumstances("load", tmp_path, [declared]))

    assert failure.kind is FailureKind.RAISED


def test_a_bad_value_in_a_good_file_does_not_blame_the_file(tmp_path: Path) -> None:
    """A step's own ValueError stays one although the step has input files."""
    declared = tmp_path / "taxi.csv"
    declared.write_text("fare\nx\n")

    failure = describe_failure(caught(int, "x"), Circumstances("load", tmp_path, [declared]))

    assert failure.kind is FailureKind.RAISED
