"""Parameters: what a text means under an annotation, which source wins, and that a recorded value comes back."""

from __future__ import annotations

import dataclasses
import datetime
import enum
import math
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

import pandas as pd
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowkit.authoring.pipeline import Pipeline
from flowkit.authoring.types import Untracked
from flowkit.errors import ArgumentError, ParameterError
from flowkit.parameters import UNKEPT, dump_parameters, load_parameters, parse_parameters, show_parameters
from tests.ids import stable_id


class Kind(enum.Enum):
    SMALL = "s"
    LARGE = 2


@dataclasses.dataclass(frozen=True)
class Window:
    first: int
    file: Path | None = None


class Model(pydantic.BaseModel):
    rate: float
    file: Path = Path("x.csv")


def _pipeline(hint: Any, *default: Any) -> Pipeline[..., None]:
    """Return a pipeline with one parameter `x` of that annotation."""

    def one(x: Any) -> None: ...

    one.__annotations__ = {"x": hint, "return": None}
    if default:
        one.__defaults__ = default
    return Pipeline(one)


TEXTS: list[tuple[Any, str, Any]] = [
    (int, "5", 5),
    (int, "-1_000", -1000),
    (float, "0.5", 0.5),
    (float, "1", 1.0),
    (float, "-inf", -math.inf),
    (bool, "true", True),
    (bool, "No", False),
    (bool, "0", False),
    (str, "5", "5"),
    (str, "", ""),
    (str, "a=b", "a=b"),
    (str, "null", "null"),
    (str, "[1]", "[1]"),
    (str | None, "null", None),
    (str | None, "x", "x"),
    (int | None, "None", None),
    (int | None, "3", 3),
    (int | str, "3", 3),
    (int | str, "x", "x"),
    (str | int, "3", 3),
    (float | bool, "true", True),
    (Path | None, "null", None),
    (Untracked[int], "4", 4),
    (Kind, "s", Kind.SMALL),
    (Kind, "LARGE", Kind.LARGE),
    (Kind, "2", Kind.LARGE),
    (Literal["a", 3], "3", 3),
    (Literal["a", 3], "a", "a"),
    (Any, '{"a": 1}', {"a": 1}),
    (Any, "text", "text"),
    (list[int], "[1, 2]", [1, 2]),
    (list[int] | None, "[1]", [1]),
    (int | list[int], "[1]", [1]),
    (dict[str, float], '{"a": 1}', {"a": 1.0}),
    (tuple[int, str], '[1, "b"]', (1, "b")),
    (set[str], '["b"]', {"b"}),
    (list, "[1, null]", [1, None]),
    (dict, "{}", {}),
    (datetime.date, "2026-03-01", datetime.date(2026, 3, 1)),
    (Decimal, "1.50", Decimal("1.50")),
    (Annotated[int, pydantic.Field(gt=0)], "1", 1),
    (Window, '{"first": 1}', Window(1)),
    (list[Window], '[{"first": 1}]', [Window(1)]),
]


@pytest.mark.parametrize(("hint", "text", "expected"), TEXTS, ids=stable_id)
def test_a_text_is_read_by_the_annotation(hint: Any, text: str, expected: Any) -> None:
    """`-p x=…` gives exactly the value, and the type, that the annotation asks for."""
    value = parse_parameters(_pipeline(hint), [f"x={text}"])["x"]
    assert value == expected
    assert type(value) is type(expected)


def test_a_path_starts_in_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative path of `-p` is made absolute, in containers, dataclasses and models too; configured ones are not."""
    monkeypatch.chdir(tmp_path)
    assert parse_parameters(_pipeline(Path), ["x=a/../b.csv"]) == {"x": tmp_path / "b.csv"}
    assert parse_parameters(_pipeline(list[Path]), ['x=["a", "/b"]']) == {"x": [tmp_path / "a", Path("/b")]}
    window = parse_parameters(_pipeline(Window), ['x={"first": 1, "file": "f"}'])["x"]
    assert window == Window(1, tmp_path / "f")
    assert parse_parameters(_pipeline(Model), ['x={"rate": 1, "file": "f"}'])["x"].file == tmp_path / "f"
    assert parse_parameters(_pipeline(Path), ["x=~/f"])["x"] == Path("~/f").expanduser()
    assert parse_parameters(_pipeline(Path), [], {"x": "data/a.csv"}) == {"x": Path("data/a.csv")}
    assert parse_parameters(_pipeline(Path, Path("d.csv")), []) == {"x": Path("d.csv")}


def test_a_value_from_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`@file.json` stands for the file's JSON, judged by the annotation."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ids.json").write_text("[3, 4]")
    assert parse_parameters(_pipeline(list[int]), ["x=@ids.json"]) == {"x": [3, 4]}
    assert parse_parameters(_pipeline(str), ["x=@handle"]) == {"x": "@handle"}
    with pytest.raises(ParameterError) as caught:
        parse_parameters(_pipeline(list[str]), ["x=@ids.json"])
    assert "-p x=@ids.json" in str(caught.value)
    for name, content in (("gone.json", None), ("bad.json", "{")):
        if content is not None:
            (tmp_path / name).write_text(content)
        with pytest.raises(ParameterError, match=f"file '{name}'"):
            parse_parameters(_pipeline(list[int]), [f"x=@{name}"])


def test_given_beats_configured_beats_default() -> None:
    """The command line wins over the configuration, which wins over the signature; others' parameters are no matter."""
    pipeline = _pipeline(float, 1.0)
    assert parse_parameters(pipeline, []) == {"x": 1.0}
    assert parse_parameters(pipeline, [], {"x": 2, "other": 5}) == {"x": 2.0}
    assert parse_parameters(pipeline, ["x=3"], {"x": 2}) == {"x": 3.0}


CONFIGURED: list[tuple[Any, Any, Any]] = [
    (int, 5, 5),
    (float, 5, 5.0),
    (bool, True, True),
    (str | None, "x", "x"),
    (Path | None, "x", Path("x")),
    (Kind, "LARGE", Kind.LARGE),
    (Kind, 2, Kind.LARGE),
    (Literal[1, "1"], "1", "1"),
    (tuple[int, ...], [1, 2], (1, 2)),
    (datetime.date, datetime.date(2026, 1, 1), datetime.date(2026, 1, 1)),
    (Window, {"first": 2}, Window(2)),
]


@pytest.mark.parametrize(("hint", "value", "expected"), CONFIGURED, ids=stable_id)
def test_a_configured_value_is_read_by_the_annotation(hint: Any, value: Any, expected: Any) -> None:
    """What TOML holds becomes what the annotation asks for."""
    found = parse_parameters(_pipeline(hint), [], {"x": value})["x"]
    assert found == expected
    assert type(found) is type(expected)


BAD: list[tuple[Any, str, str]] = [
    (int, "1.5", "not a whole number"),
    (int, "", "not a whole number"),
    (float, "abc", "not a number"),
    (bool, "maybe", "write true or false"),
    (int | None, "x", "not a whole number"),
    (Kind, "medium", "none of s, 2, SMALL, LARGE"),
    (Literal["a", "b"], "c", "none of a, b"),
    (list[int], "[1, ", "not JSON"),
    (list[int], '[1, "x"]', "at 1: "),
    (list[int], "5", "array"),
    (Annotated[int, pydantic.Field(gt=0)], "0", "greater than 0"),
    (datetime.date, "tomorrow", "date"),
    (Path, "", "it is empty"),
]


@pytest.mark.parametrize(("hint", "text", "problem"), BAD, ids=stable_id)
def test_a_bad_text_names_parameter_annotation_and_value(hint: Any, text: str, problem: str) -> None:
    """A value that does not fit is told with the parameter, its annotation, what was given and why not."""
    with pytest.raises(ParameterError) as caught:
        parse_parameters(_pipeline(hint), [f"x={text}"])
    facts = dict(caught.value.facts)
    assert facts["parameter"].startswith("x: ")
    assert facts["given"] == text
    assert problem in facts["problem"]
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(("hint", "value"), [(float, "0.5"), (int, True), (int, 1.0), (list[int], "x"), (bool, 1)])
def test_a_bad_configured_value_names_its_place(hint: Any, value: Any) -> None:
    """A configured value is not converted behind a person's back: a wrong type is an error that says where."""
    with pytest.raises(ParameterError) as caught:
        parse_parameters(_pipeline(hint), [], {"x": value})
    assert dict(caught.value.facts)["from"] == "[tool.flowkit] params"


def test_other_mistakes() -> None:
    """An unknown name suggests the nearest; a missing one, a repeated one and a text without `=` say what to write."""
    pipeline = _pipeline(int)
    with pytest.raises(ArgumentError, match="no parameter 'y'"):
        parse_parameters(pipeline, ["y=1"])
    with pytest.raises(ArgumentError, match="needs 'x'"):
        parse_parameters(pipeline, [])
    with pytest.raises(ParameterError, match="given twice"):
        parse_parameters(pipeline, ["x=1", "x=2"])
    for text in ("x", "=1", ""):
        with pytest.raises(ParameterError, match="not of the form name=value"):
            parse_parameters(pipeline, [text])
    with pytest.raises(ParameterError, match="cannot be given as text"):
        parse_parameters(_pipeline(pd.DataFrame), ["x=[1]"])


def test_a_nearest_name_is_suggested() -> None:
    """`min_acuracy` is answered with `min_accuracy`."""

    def taxi(min_accuracy: float = 0.5) -> None: ...

    with pytest.raises(ArgumentError) as caught:
        parse_parameters(Pipeline(taxi), ["min_acuracy=1"])
    assert caught.value.hint == "did you mean 'min_accuracy'?"


def test_shown_values_are_json() -> None:
    """Reports show any value in a form that strict JSON can hold."""
    shown = show_parameters(
        {"a": Path("x"), "b": Kind.LARGE, "c": math.nan, "d": (1, {2}), "e": Window(1), "f": Model(rate=1)}
    )
    assert shown == {
        "a": "x",
        "b": 2,
        "c": "nan",
        "d": [1, [2]],
        "e": {"first": 1, "file": None},
        "f": {"rate": 1.0, "file": "x.csv"},
    }


KEPT: list[tuple[Any, Any]] = [
    (float, math.nan),
    (float, math.inf),
    (float, 1),
    (Path, Path("rel/a.csv")),
    (Kind, Kind.SMALL),
    (int | None, None),
    (Path | str, Path("x")),
    (Path | str, "x"),
    (int | str, "5"),
    (int | float, 5),
    (int | float, 5.0),
    (bool | int, True),
    (Kind | str, "LARGE"),
    (Kind | str, Kind.LARGE),
    (Literal[1, "1"], "1"),
    (list[float], [1.0, math.inf]),
    (tuple[int, str], (1, "b")),
    (set[int], {3, 1}),
    (dict[str, Path], {"a": Path("b")}),
    (list[Path | str], [Path("a")]),
    (datetime.datetime, datetime.datetime(2026, 1, 1, 5, tzinfo=datetime.UTC)),
    (Decimal, Decimal("1.50")),
    (bytes, b"\xff\x00"),
    (Window, Window(1, Path("x"))),
    (Model, Model(rate=2)),
    (Any, [1, {"a": None}]),
]


@pytest.mark.parametrize(("hint", "value"), KEPT, ids=stable_id)
def test_a_recorded_value_comes_back_or_is_not_recorded(hint: Any, value: Any) -> None:
    """What `rerun` reads is the very value of the run, of the same type, and never another one."""
    pipeline = _pipeline(hint)
    text = dump_parameters(pipeline, {"x": value})["x"]
    if text == UNKEPT:
        assert hint == list[Path | str]
        return
    found = load_parameters(pipeline, {"x": text})["x"]
    assert type(found) is type(value)
    assert repr(found) == repr(value) or found == value


@given(st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(st.characters(codec="utf-8"))))
def test_every_plain_value_comes_back(value: Any) -> None:
    """Plain values come back through their JSON text, under their own type and in a union."""
    for hint in (type(value), bool | int | float | str | None):
        pipeline = _pipeline(hint)
        found = load_parameters(pipeline, dump_parameters(pipeline, {"x": value}))["x"]
        assert type(found) is type(value)
        assert repr(found) == repr(value)


def test_what_cannot_be_kept_is_not_invented() -> None:
    """A table as a parameter is not recorded: a rerun takes the default, or says that it cannot."""
    pipeline = _pipeline(pd.DataFrame)
    recorded = dump_parameters(pipeline, {"x": pd.DataFrame({"a": [1]})})
    assert recorded == {"x": UNKEPT}
    with pytest.raises(ParameterError, match="cannot be repeated"):
        load_parameters(pipeline, recorded)
    frame = pd.DataFrame({"a": [2]})
    assert load_parameters(_pipeline(pd.DataFrame, frame), recorded)["x"] is frame


def test_a_rerun_after_the_signature_changed() -> None:
    """A parameter added since takes its default; one that is gone is named."""

    def now(a: int, b: int = 2) -> None: ...

    assert load_parameters(Pipeline(now), {"a": "1"}) == {"a": 1, "b": 2}
    with pytest.raises(ArgumentError, match="no parameter 'old'"):
        load_parameters(Pipeline(now), {"a": "1", "old": "3"})
    with pytest.raises(ParameterError) as caught:
        load_parameters(Pipeline(now), {"a": '"text"'})
    assert dict(caught.value.facts)["from"] == "the recorded run"


def test_plain_parameters_load_nothing_heavy() -> None:
    """Plain annotations are read, shown and kept without pydantic, pandas or beartype."""
    code = """
import sys
from pathlib import Path
from flowkit.authoring.pipeline import Pipeline
from flowkit.parameters import *
def f(a: int, b: float = 1.0, c: str | None = None, d: Path = Path("x"), e: bool = True) -> None: ...
p = Pipeline(f)
values = parse_parameters(p, ["a=1", "b=2", "c=x", "d=y", "e=no"], {"b": 3})
load_parameters(p, dump_parameters(p, values)), show_parameters(values)
print(sorted({"pydantic", "pandas", "beartype", "numpy", "pandera", "networkx"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
