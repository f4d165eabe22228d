"""Settings: which source wins, that each value says where it came from, and that nothing unknown is ignored."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from flowkit.config import find_mistakes, load_settings
from flowkit.errors import SettingError
from flowkit.project import Project

FILE = """
[project]
name = "shop"

[tool.flowkit]
store = "stores/main"
workers = 3
code = ["../shared", "shop_common"]
params = { C = 0.5, csv = "data/a.csv" }

[tool.flowkit.env.prod]
store = "/srv/flowkit"
scheduler = "tcp://10.0.0.1:8786"
promotions = "dry-run"
params = { C = 2.0 }

[tool.flowkit.env.tiny]
workers = 1
"""


def _write(root: Path, text: str) -> Path:
    (root / "pyproject.toml").write_text(text)
    return root


def test_defaults_without_a_file(tmp_path: Path) -> None:
    """A folder without configuration gets the documented defaults, and each says that it is one."""
    settings = load_settings(Project(tmp_path), environ={})
    assert settings.store == tmp_path / ".flowkit"
    assert (settings.env, settings.scheduler, settings.workers) == ("default", None, None)
    assert (settings.pickle, settings.promotions, settings.code, settings.params) == ("allow", "allow", (), {})
    assert settings.origin("store") == "default"


def test_the_file_beats_the_defaults(tmp_path: Path) -> None:
    """`[tool.flowkit]` counts, and its relative store lies below the project's root."""
    settings = load_settings(Project(_write(tmp_path, FILE)), environ={})
    assert settings.store == tmp_path / "stores/main"
    assert settings.workers == 3
    assert settings.code == ("../shared", "shop_common")
    assert settings.origin("workers") == f"{tmp_path}/pyproject.toml [tool.flowkit]"


def test_an_environment_lies_on_top(tmp_path: Path) -> None:
    """An environment's section replaces single keys, and single parameters, of the section below it."""
    settings = load_settings(Project(_write(tmp_path, FILE)), env="prod", environ={})
    assert (str(settings.store), settings.workers, settings.promotions) == ("/srv/flowkit", 3, "dry-run")
    assert settings.params == {"C": 2.0, "csv": "data/a.csv"}
    assert settings.origin("params.C").endswith("[tool.flowkit.env.prod]")
    assert settings.origin("params.csv").endswith("[tool.flowkit]")


def test_a_variable_beats_every_section_and_a_flag_beats_the_variable(tmp_path: Path) -> None:
    """Precedence: flag, variable, environment's section, file, default."""
    root = _write(tmp_path, FILE)
    environ = {"FLOWKIT_WORKERS": "5", "FLOWKIT_CODE": "a, b", "FLOWKIT_PARAMS": '{"C": 9}'}

    by_variable = load_settings(Project(root), env="tiny", environ=environ)
    by_flag = load_settings(Project(root), env="tiny", flags={"workers": 7, "store": None}, environ=environ)

    assert (by_variable.workers, by_variable.origin("workers")) == (5, "FLOWKIT_WORKERS")
    assert (by_variable.code, by_variable.params["C"]) == (("a", "b"), 9)
    assert (by_flag.workers, by_flag.origin("workers")) == (7, "--workers")
    assert by_flag.store == root / "stores/main"


def test_a_flag_s_store_is_relative_to_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`--store x` is typed by a person who stands somewhere; configuration is relative to the root."""
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path / "below")
    assert load_settings(Project(tmp_path), flags={"store": "s"}, environ={}).store == tmp_path / "below" / "s"
    assert load_settings(Project(tmp_path), environ={"FLOWKIT_STORE": "s"}).store == tmp_path / "s"
    assert load_settings(Project(tmp_path), environ={"FLOWKIT_STORE": "~/s"}).store == Path(os.path.expanduser("~/s"))


def test_the_environment_can_be_named_by_a_variable(tmp_path: Path) -> None:
    """`FLOWKIT_ENV` names the environment where `--env` does not."""
    root = _write(tmp_path, FILE)
    assert load_settings(Project(root), environ={"FLOWKIT_ENV": "tiny"}).workers == 1
    assert load_settings(Project(root), env="prod", environ={"FLOWKIT_ENV": "tiny"}).env == "prod"


REFUSED: list[tuple[str, str, list[str]]] = [
    ("[tool.flowkit]\nstor = 'x'", "There is no setting 'stor'", ["did you mean 'store'?", "pyproject.toml"]),
    ("[tool.flowkit.env.prod]\nworkrs = 2", "There is no setting 'workrs'", ["'workers'", "[tool.flowkit.env.prod]"]),
    ("[tool.flowkit]\nworkers = '2'", "'workers' must be a whole number", ["'2' (str)", "[tool.flowkit]"]),
    ("[tool.flowkit]\nworkers = 0", "'workers' must be a whole number", ["0 (int)"]),
    ("[tool.flowkit]\nworkers = true", "'workers' must be a whole number", ["True (bool)"]),
    ("[tool.flowkit]\nstore = 3", "'store' must be the path of a folder", ["3 (int)"]),
    ("[tool.flowkit]\nstore = ''", "'store' must be the path of a folder", []),
    ("[tool.flowkit]\nscheduler = 'host'", "'scheduler' must be an address", ["tcp://"]),
    ("[tool.flowkit]\npickle = 'never'", "'pickle' must be 'allow' or 'deny'", []),
    ("[tool.flowkit]\npickle = ['allow']", "'pickle' must be 'allow' or 'deny'", []),
    ("[tool.flowkit]\npromotions = 'off'", "'promotions' must be 'allow' or 'dry-run'", []),
    ("[tool.flowkit]\ncode = 'x'", "'code' must be a list of module names", []),
    ("[tool.flowkit]\nparams = 1", "'params' must be a table", []),
    ("[tool.flowkit]\nresources = {gpu = -1}", "'resources' must be a table of amounts", ["pyproject.toml"]),
    ("[tool.flowkit]\nundeclared = 'loud'", "'undeclared' must be", []),
    ("[tool.flowkit]\nretention = 5", "'retention' must be a table such as", []),
    ("[tool.flowkit]\nretention = {run = 5}", "no setting 'retention.run'", ["did you mean 'retention.runs'?"]),
    ("[tool.flowkit]\nretention = {runs = 0}", "'retention.runs' must be a whole number", ["0 (int)"]),
    ("[tool.flowkit.retention]\nage = '3 fortnights'", "'retention.age' must be a duration", ["'3 fortnights' (str)"]),
    ("[tool]\nflowkit = 1", "'tool.flowkit' must be a table", []),
    ("[tool.flowkit]\nenv = 'prod'", "'env' must be a table", []),
    ("[tool.flowkit.env]\nprod = 1", "'prod' must be a table", []),
    ('[tool."fl\\u006fwkit"]\nstore = 5', "'store' must be", []),
    ("[tool.flowkit", "it is not valid TOML", ["pyproject.toml"]),
]


@pytest.mark.parametrize(("text", "message", "also"), REFUSED)
def test_what_is_not_known_is_refused_with_its_place(tmp_path: Path, text: str, message: str, also: list[str]) -> None:
    """An unknown key or an ill-typed value names the key, the file and section, what is wanted and what was given."""
    with pytest.raises(SettingError) as caught:
        load_settings(Project(_write(tmp_path, text)), environ={})
    assert message in caught.value.message
    for part in also:
        assert part in str(caught.value)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({"FLOWKIT_WORKERS": "many"}, "'workers' must be"),
        ({"FLOWKIT_PARAMS": "{"}, "'params' must be a JSON object"),
        ({"FLOWKIT_RESOURCES": "x"}, "'resources' must be a JSON object"),
    ],
)
def test_a_variable_that_does_not_fit_is_named(tmp_path: Path, environ: dict[str, Any], message: str) -> None:
    """A variable is judged like the file, and named as the place."""
    with pytest.raises(SettingError, match=message) as caught:
        load_settings(Project(tmp_path), environ=environ)
    assert next(iter(environ)) in str(caught.value)


def test_all_mistakes_are_found_at_once(tmp_path: Path) -> None:
    """Those of each section, of variables and of flags, each as `load_settings` would raise it."""
    text = "[tool.flowkit]\nworkers = 0\nretention = {run = 1}\n[tool.flowkit.env.prod]\nstor = 'x'\npickle = 'allow'"
    environ = {"FLOWKIT_PARAMS": "{", "FLOWKIT_PICKLE": "never", "FLOWKIT_STORE": "there"}
    found = find_mistakes(Project(_write(tmp_path, text)), {"scheduler": "host", "store": None}, environ)
    parts = ("'workers'", "'retention.run'", "'stor'", "'scheduler'", "'pickle'", "'params'")
    assert [part for part, error in zip(parts, found, strict=True) if part not in error.message] == []
    assert find_mistakes(Project(_write(tmp_path, FILE)), environ={}) == ()


def test_an_unknown_environment_lists_those_there_are(tmp_path: Path) -> None:
    """`--env` of a section that is not there is an error with the nearest one."""
    with pytest.raises(SettingError) as caught:
        load_settings(Project(_write(tmp_path, FILE)), env="prd", environ={})
    assert dict(caught.value.facts)["environments"] == "default, prod, tiny"
    assert caught.value.hint == "did you mean 'prod'?"


def test_a_file_that_is_not_utf_8_is_named_with_the_byte(tmp_path: Path) -> None:
    """A configuration file of another encoding says where it stops being UTF-8."""
    (tmp_path / "pyproject.toml").write_bytes(b"[tool.flowkit]\nstore = '\xff'\n")
    with pytest.raises(SettingError, match="not UTF-8 at byte 24"):
        load_settings(Project(tmp_path), environ={})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("remote", None),
        ("scheduler", None),
        ("workers", None),
        ("trust_remote", False),
        ("code", ()),
        ("resources", {}),
        ("params", {}),
    ],
)
def test_an_empty_variable_switches_an_optional_setting_off(tmp_path: Path, key: str, value: Any) -> None:
    """What there need not be is off under an empty variable, whatever the file says, and the variable is named."""
    file = "[tool.flowkit]\nremote = 's3://b/f'\nscheduler = 'tcp://a:1'\nworkers = 3\ntrust_remote = true\n"
    project = Project(_write(tmp_path, f"{file}code = ['m']\nresources = {{ gpu = 1 }}\n"))
    name = f"FLOWKIT_{key.upper()}"
    settings = load_settings(project, environ={name: ""})
    assert getattr(settings, key) == value
    assert settings.origin(key) == (name if key != "params" else "default")


@pytest.mark.parametrize("key", ["store", "pickle", "promotions", "undeclared"])
def test_an_empty_variable_of_what_must_be_is_refused(tmp_path: Path, key: str) -> None:
    """A setting that must have a value is not loosened by an empty variable."""
    with pytest.raises(SettingError) as caught:
        load_settings(Project(tmp_path), environ={f"FLOWKIT_{key.upper()}": ""})
    assert dict(caught.value.facts)["in"] == f"FLOWKIT_{key.upper()}"
