"""The three parts of an error, wherever it is met: Python, JSON, every golden file."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import flowkit as fk
from flowkit import errors
from flowkit.errors import ArgumentError, EdgeError, FlowkitError, HandleError, facts_to_json
from tests.accepting.refusals import REFUSALS
from tests.errors.cases_data import ARGUMENTS, DATA
from tests.errors.golden import GOLDEN, Case, ask
from tests.errors.test_champion import CASE
from tests.errors.test_definition import CASES

BY_NAME = {case.name: case for case in CASES}


@fk.step
def load() -> str:
    return "a"


@fk.step
def count(rows: int) -> int:
    return rows


@fk.pipeline
def compared() -> None:
    if load() == "a":
        count(1)


@fk.pipeline
def misfit() -> None:
    count(load())  # type: ignore[arg-type]


@fk.pipeline
def misnamed() -> None:
    count(rowz=1)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("pipeline", "family"), [(compared, HandleError), (misfit, EdgeError), (misnamed, ArgumentError)]
)
def test_python_gets_the_same_three_parts(pipeline: fk.Pipeline, family: type[FlowkitError], tmp_path: Path) -> None:
    """`Session.run` raises what the command prints: a sentence, the place among the facts, and a hint."""
    with fk.Session(store=tmp_path / "store") as session, pytest.raises(family) as caught:
        session.run(pipeline)
    error = caught.value
    assert error.message.endswith(".")
    assert any("test_parts.py:" in value for _, value in error.facts)
    assert error.hint


@pytest.mark.parametrize("name", ["handle-bool", "edge-plain", "module-raises", "parameter-type", "option-retries"])
def test_json_holds_the_same_three_parts(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--json` prints one object whose parts are those of the plain text."""
    case: Case = BY_NAME[name]
    case.write(tmp_path)
    monkeypatch.chdir(tmp_path)
    code, out = ask(capsys, f"{case.command} --json")
    error = json.loads(out)["error"]
    golden = (GOLDEN / f"{name}.txt").read_text()
    assert code == case.code
    assert f"Error: {error['message']}\n" in golden
    assert f"Hint: {error['hint']}\n" in golden
    assert all(value.splitlines()[0].replace(str(tmp_path), "<project>") in golden for value in error["facts"].values())


def test_facts_of_one_label_are_all_kept() -> None:
    """Two failing checks of one column are two lines of its fact, not the last one alone."""
    assert facts_to_json((("fare", "not null"), ("taxi", "unique"), ("fare", ">= 0"))) == {
        "fare": "not null\n>= 0",
        "taxi": "unique",
    }


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.txt")), ids=lambda path: path.stem)
def test_every_text_says_what_to_do(path: Path) -> None:
    """Each ends with one hint, holds no traceback of flowkit's own and none of its classes, and no endless line."""
    text = path.read_text()
    assert len(re.findall(r"^Hint: .{10,}", text, re.MULTILINE)) == 1
    assert not re.search(r"/flowkit/\w+/|NoneType|\bHandle\b|\bRef\(|met a bug", text)
    assert max(map(len, text.splitlines())) < 1_100


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.txt")), ids=lambda path: path.stem)
def test_every_hint_is_a_sentence(path: Path) -> None:
    """A hint ends as a sentence does, whatever it was put together from."""
    hint = re.search(r"^Hint: (.+?)(?=\n\n|\Z)", path.read_text(), re.MULTILINE | re.DOTALL)
    assert hint is not None
    assert hint[1].rstrip().endswith((".", "?"))


@pytest.mark.parametrize("path", sorted(Path(errors.__file__).parent.glob("*.py")), ids=lambda path: path.stem)
def test_every_named_constructor_s_hint_is_a_sentence(path: Path) -> None:
    """It holds for those too that no golden file shows: what a constructor spells out ends with a period."""
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    made = [call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "cls"]
    hints = [keyword.value for call in made for keyword in call.keywords if keyword.arg == "hint"]
    for hint in [*hints, *(call.args[2] for call in made if len(call.args) > 2)]:
        for end in _ends_of(hint):
            assert end == "" or end.endswith((".", "?")), f"{path.name}:{hint.lineno} … {end}"


def _ends_of(hint: ast.expr) -> Iterator[str]:
    """Yield the last part that is spelt out in each form that a hint can take."""
    if isinstance(hint, ast.Constant):
        yield str(hint.value)
    elif isinstance(hint, ast.JoinedStr):
        last = hint.values[-1]
        yield str(last.value) if isinstance(last, ast.Constant) else "{…}"
    elif isinstance(hint, (ast.IfExp, ast.BoolOp)):
        for part in (hint.body, hint.orelse) if isinstance(hint, ast.IfExp) else hint.values:
            yield from _ends_of(part)


def test_every_golden_file_has_its_case() -> None:
    """A file whose case is gone is removed with it."""

    cases = (*CASES, *ARGUMENTS, *DATA, *REFUSALS, CASE)
    assert {path.stem for path in GOLDEN.glob("*.txt")} == {case.name for case in cases}
