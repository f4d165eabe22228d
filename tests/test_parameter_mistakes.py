"""What a person may type or write for a parameter, and must read a clear sentence about: never a traceback."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict

import flowkit as fk
from flowkit.authoring.pipeline import Pipeline
from flowkit.errors import FlowkitError, ParameterError, StepDefinitionError
from flowkit.parameters import dump_parameters, load_parameters, parse_parameters
from tests.journeys.project import OrdersProject


@dataclass
class Inner:
    rate: float = 0.1


@dataclass
class Settings:
    depth: int = 3
    inner: Inner = field(default_factory=Inner)
    many: list[Inner] = field(default_factory=list)


class Model(BaseModel):
    rounds: int = Field(default=1, alias="n")


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")


class Keys(TypedDict, total=False):
    depth: int


@fk.step
def nothing() -> int:
    return 1


def pipeline_of(hint: Any) -> Pipeline[..., None]:
    def one(x: Any) -> None:
        nothing()

    one.__annotations__["x"] = hint
    return fk.pipeline(one)


@pytest.mark.parametrize(
    ("hint", "text", "said"),
    [
        (Settings, '{"dept": 3}', "there is no field 'dept'; did you mean 'depth'?"),
        (Settings, '{"inner": {"rat": 1}}', "at inner: there is no field 'rat'; did you mean 'rate'?"),
        (Settings, '{"many": [{}, {"rat": 1}]}', "at many[1]: there is no field 'rat'"),
        (Settings | None, '{"dept": 3}', "did you mean 'depth'?"),
        (dict[str, Inner], '{"a": {"zzz": 1}}', "at a: there is no field 'zzz'; it has rate"),
        (Model, '{"m": 3}', "there is no field 'm'"),
        (Keys, '{"dept": 3}', "did you mean 'depth'?"),
        (list[int], "[true]", "at [0]: it is true, not a number"),
        (list[float], "[1.5, false]", "at [1]: it is false, not a number"),
        (tuple[int, str], '[true, "a"]', "at [0]: it is true"),
        (Settings, '{"depth": true}', "at depth: it is true, not a number"),
        (int, "9" * 5000, "it has 5000 digits, too many"),
        (list[int], "[" + "9" * 5000 + "]", "digits"),
        (list[int], "[" * 100_000, "nested too deeply"),
        (Any, "[" * 100_000, "nested too deeply"),
        (list[Any], "[" * 3_000 + "]" * 3_000, "recursion|nested too deeply"),
        (Path, "~nobody-by-that-name/x", "there is no user 'nobody-by-that-name'"),
        (list[Path], '["~nobody-by-that-name/x"]', "there is no user"),
        (Path, "a\0b", "NUL"),
        (list[Path], '["a\\u0000b"]', "NUL"),
    ],
)
def test_mistakes_are_told(hint: Any, text: str, said: str) -> None:
    """A dropped key, a changed value, an endless number or a path that cannot be is a usage error that says so."""

    pattern = said if "|" in said else re.escape(said)
    with pytest.raises(ParameterError, match=pattern) as caught:
        parse_parameters(pipeline_of(hint), [f"x={text}"])
    assert caught.value.exit_code == 2
    assert len(str(caught.value)) < 2_000


@pytest.mark.parametrize(
    ("hint", "text", "value"),
    [
        (Settings, '{"inner": {"rate": 1}}', Settings(inner=Inner(1.0))),
        (Model, '{"n": 3}', Model(n=3)),
        (Open, '{"any": 3}', Open.model_validate({"any": 3})),
        (list[bool], "[true]", [True]),
        (list[int | bool], "[true]", [True]),
        (list[Any], "[true]", [True]),
        (bytes, "abc é", "abc é".encode()),
        (list[Inner | Settings], '[{"depth": 2}]', [Settings(2)]),
    ],
)
def test_what_is_meant_so_is_taken(hint: Any, text: str, value: Any) -> None:
    """Fields, aliases, open models, booleans where they fit, and bytes as UTF-8 text are read."""
    values = parse_parameters(pipeline_of(hint), [f"x={text}"])
    assert values == {"x": value}


@pytest.mark.parametrize("value", [b"", b"text", b"\xff\0"])
def test_bytes_come_back_for_a_rerun(value: bytes) -> None:
    """Bytes are recorded as base64, whatever they hold."""
    one = pipeline_of(bytes)
    assert load_parameters(one, dump_parameters(one, {"x": value})) == {"x": value}


def test_a_file_of_json_is_judged_alike(tmp_path: Path) -> None:
    """`@file.json` with an unknown key, endless nesting or a NUL is told with the file's name."""
    for content, said in (('{"dept": 1}', "depth"), ("[" * 100_000, "nested too deeply"), ("{", "not JSON")):
        (tmp_path / "x.json").write_text(content)
        with pytest.raises(ParameterError, match=said) as caught:
            parse_parameters(pipeline_of(Settings), [f"x=@{tmp_path / 'x.json'}"])
        assert "x.json" in str(caught.value)


@pytest.mark.parametrize("name", [3, "", "a b", "1a", ("a",)])
def test_a_name_of_a_call_is_checked(name: object) -> None:
    """`.named` takes a name; anything else is an error that says what a name is."""

    @fk.pipeline
    def naming() -> None:
        nothing.named(name)()  # type: ignore[arg-type]

    with pytest.raises(StepDefinitionError, match="cannot be the name"):
        naming.build({})


@pytest.mark.slow
def test_the_command_line_tells_mistakes_without_a_traceback(tmp_path: Path) -> None:
    """Each mistake ends with exit code 2 and one error, also as JSON."""
    project = OrdersProject.make(tmp_path / "typed")
    for given in ("scale=[", "source=~nobody-by-that-name/x", "scale=" + "[" * 50_000, "nosuch=1"):
        done = project.flowkit("check", "pipelines/orders.py", "-p", given)
        assert (done.code, "Traceback" in done.err) == (2, False), done.err
        assert done.err.startswith("Error: ")
    done = project.flowkit("plan", "pipelines/orders.py", "--json", "-p", "scale=x")
    assert (done.code, set(json.loads(done.out)["error"])) == (2, {"type", "message", "facts", "hint"})


INTERVALS = """
import flowkit as fk


@fk.step
def day(interval: fk.Interval) -> str:
    return str(interval.day)


@fk.pipeline(schedule="0 6 * * *", timezone="Europe/Berlin")
def daily(interval: fk.Interval) -> None:
    day(interval)
"""


@pytest.mark.slow
def test_an_interval_is_given_recorded_and_repeated(tmp_path: Path) -> None:
    """`-p interval=` gives a day of the schedule's zone; `rerun` repeats it; `check` says when the next run is due."""
    project = OrdersProject.make(tmp_path / "daily")
    (project.root / "pipelines" / "daily.py").write_text(INTERVALS)
    given = project.flowkit("run", "pipelines/daily.py", "--inline", "--json", "-p", "interval=2026-03-01")
    again = project.flowkit("rerun", "--inline", "--json")
    text = "2026-02-28T23:00:00Z/2026-03-01T23:00:00Z[Europe/Berlin]"
    assert [run.json["parameters"] for run in (given, again)] == [{"interval": text}] * 2
    assert (given.named("executed"), again.named("reused")) == (["day"], ["day"])

    planned = project.flowkit("plan", "pipelines/daily.py", "--json")
    assert planned.json["parameters"]["interval"].endswith("[Europe/Berlin]")
    assert planned.nodes["day"]["reason"] == "parameter"
    assert text in planned.nodes["day"]["detail"]

    checked = project.flowkit("check", "pipelines/daily.py")
    assert "schedule '0 6 * * *' in Europe/Berlin: next at 2" in checked.out
    schedule = project.flowkit("check", "pipelines/daily.py", "--json").json["schedule"]
    assert (schedule["cron"], schedule["catchup"], schedule["overlap"]) == ("0 6 * * *", "latest", "skip")


def test_errors_are_flowkits_own() -> None:
    """A schedule and a parameter error are both errors that a command tells in three parts."""
    with pytest.raises(FlowkitError) as caught:
        fk.pipeline(schedule="never")
    assert (caught.value.exit_code, bool(caught.value.hint)) == (2, True)
