"""Wherever a person types a name, a misspelt one is answered with the nearest that there is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import flowkit as fk
from flowkit.cli.main import run_command
from tests.cli.conftest import TINY


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A project whose pipeline has run once."""
    folder = tmp_path_factory.mktemp("misspelt")
    (folder / "pyproject.toml").write_text("[tool.flowkit.env.prod]\npickle = 'allow'\n")
    (folder / "pipelines").mkdir()
    (folder / "pipelines" / "small.py").write_text(TINY)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert run_command(["run", "small", "--inline", "-q"]) == 0
        yield folder


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        ("chek small", "check"),
        ("models shw small", "show"),
        ("artifact exprt x y", "export"),
        ("audit lst", "list"),
        ("config shw", "show"),
        ("run small --inlin", "--inline"),
        ("run smal", "small"),
        ("run pipelines/smal.py", "pipelines/small.py"),
        ("run pipelines/small.py:smal", "small"),
        ("run pipelines.smal:small", "pipelines.small"),
        ("run pipelines.small:smal", "small"),
        ("run small -p cuont=1", "count"),
        ("run small --env prd", "prod"),
        ("run small --select laod", "load"),
        ("run small --force fti", "fit"),
        ("run small --select tag:haevy", "heavy"),
        ("why small laod", "load"),
        ("why last laod", "load"),
        ("logs last laod", "load"),
        ("lineage last:laod", "load"),
        ("artifact show last:fit.retrn", "return"),
        ("models list smal", "small"),
        ("models show smal:1", "small"),
        ("models show small@champoin", "champion"),
        ("models rollback small@champoin", "champion"),
        ("models promote smal:1", "small"),
        ("lineage smal@champion", "small"),
    ],
)
def test_a_misspelt_name_is_answered(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], line: str, meant: str
) -> None:
    """Exit code 2, and the hint is the name that was meant."""
    monkeypatch.chdir(root)
    assert run_command(line.split()) == 2
    assert f"did you mean '{meant}'?" in capsys.readouterr().err.lower()


def test_a_misspelt_filter_is_answered(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A list that is empty because of its filter says what was meant."""
    monkeypatch.chdir(root)
    assert run_command(["runs", "--pipeline", "smal"]) == 0
    assert "Did you mean 'small'?" in capsys.readouterr().out


def test_a_misspelt_setting_is_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A key of the configuration."""
    (tmp_path / "pyproject.toml").write_text("[tool.flowkit]\nstoer = 'x'\n")
    monkeypatch.chdir(tmp_path)
    assert run_command(["config", "show"]) == 2
    assert "did you mean 'store'?" in capsys.readouterr().err


def test_a_misspelt_step_option_is_answered() -> None:
    """An option of the decorator."""
    with pytest.raises(fk.FlowkitError, match="did you mean 'retries'"):
        fk.step(retires=2)  # type: ignore[call-overload]


def test_python_can_suggest_a_public_name() -> None:
    """The error bears what Python's own suggestion needs."""
    with pytest.raises(AttributeError) as caught:
        fk.stpe  # type: ignore[attr-defined]  # noqa: B018
    assert (caught.value.name, caught.value.obj) == ("stpe", fk)
