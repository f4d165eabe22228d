"""Lists in the documents are those of the code: commands, views, words, modules, links."""

from __future__ import annotations

import re
import sqlite3
import tomllib
from pathlib import Path

import pytest
import sqlite_utils
from msgspec.structs import fields

from flowkit.cli.main import SECTIONS
from flowkit.config import SETTING_KEYS, Settings
from flowkit.lineage.views import VIEWS
from flowkit.lineage.writer import LineageWriter
from flowkit.records import Forecast, Outcome, Reason, RunStatus

from .blocks import ROOT, documents

_ROW = re.compile(r"^\| `(?P<name>[^`]+)`[^|]*\|(?P<rest>.*)\|$", re.MULTILINE)
_LINK = re.compile(r"\]\((?P<target>[^)#:]+)\)")


def rows(path: str, heading: str) -> dict[str, str]:
    """Return the table rows below a heading: what stands in backquotes first, and the rest."""
    text = (ROOT / path).read_text(encoding="utf-8")
    section = re.split(r"^## ", text.split(f"## {heading}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]
    return {match["name"]: match["rest"].strip() for match in _ROW.finditer(section)}


def test_the_readme_lists_every_command_and_no_other() -> None:
    """README's table of commands is the command line's own."""
    listed = [row.split()[1] for row in rows("README.md", "Commands") if row.startswith("flowkit ")]
    assert listed == [name for section in SECTIONS.values() for name in section]


def test_the_readme_lists_every_subcommand() -> None:
    """A group of commands is listed with all that it has."""
    for row in rows("README.md", "Commands"):
        name, _, rest = row.removeprefix("flowkit ").partition(" ")
        entry = next((section[name] for section in SECTIONS.values() if name in section), None)
        group = getattr(__import__(entry.module, fromlist=["x"]), entry.attribute) if entry else None
        if hasattr(group, "commands"):
            assert sorted(rest.replace("\\|", "|").split("|")) == sorted(group.commands)


def test_the_documented_columns_are_those_of_the_views(tmp_path: Path) -> None:
    """docs/reference/lineage.md names every view with its columns, in order."""
    with LineageWriter(tmp_path / "lineage.db", present=lambda _: True):
        pass
    database = sqlite_utils.Database(sqlite3.connect(tmp_path / "lineage.db"))
    real = {view.name: ", ".join(column.name for column in view.columns) for view in database.views}
    assert set(real) == set(VIEWS)
    assert rows("docs/reference/lineage.md", "What is in it") == real


@pytest.mark.parametrize(
    ("heading", "words"), [("How a node ends", Outcome), ("How a run ends", RunStatus), ("Why a node ran", Reason)]
)
def test_the_glossary_has_every_word(heading: str, words: type[Outcome | RunStatus | Reason]) -> None:
    """Each outcome, status and reason is explained, and no word that is none."""
    assert sorted(rows("docs/reference/glossary.md", heading)) == sorted(word.value for word in words)


def test_the_glossary_has_every_forecast() -> None:
    """The words of a plan are there."""
    text = (ROOT / "docs/reference/glossary.md").read_text(encoding="utf-8")
    assert all(f"`{forecast.value}`" in text for forecast in Forecast)


def test_the_settings_are_those_that_are_read() -> None:
    """docs/reference/configuration.md has every key of `[tool.flowkit]`, its variable and its default, and no other."""
    listed = rows("docs/reference/configuration.md", "Keys")
    defaults = {field.name: field.default for field in fields(Settings)}
    assert sorted(listed) == sorted(SETTING_KEYS)
    for key, rest in listed.items():
        assert f"`FLOWKIT_{key.upper()}`" in rest
        default = defaults[key]
        shown = {None: "", True: "`true`", False: "`false`", (): "`[]`"}.get(default, f'`"{default}"`')
        assert key in ("store", "params", "resources", "retention") or shown in rest


def test_the_layers_are_those_that_are_checked() -> None:
    """docs/explanation/architecture.md lists the layers in the order that the import checks hold them in."""
    checked = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"][0]["layers"]
    text = (ROOT / "docs/explanation/architecture.md").read_text(encoding="utf-8")
    listed = [
        frozenset(re.findall(r"`(\w+)`", line.split("|")[1]))
        for line in text.split("## Layers")[1].splitlines()
        if line.startswith("| `")
    ]
    assert listed == [frozenset(re.findall(r"flowkit\.(\w+)", layer)) for layer in checked]


def test_every_module_has_a_place_in_the_architecture() -> None:
    """Each package and module at the top of flowkit is named in docs/explanation/architecture.md."""
    text = (ROOT / "docs/explanation/architecture.md").read_text(encoding="utf-8")
    found = [path for path in (ROOT / "flowkit").iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()]
    names = {path.stem for path in found if not path.stem.startswith("__")}
    assert {name for name in names if f"`{name}`" not in text} == set()


@pytest.mark.parametrize("document", documents(), ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    """A link within the project leads to a file or folder that is there."""
    targets = [match["target"] for match in _LINK.finditer(document.read_text(encoding="utf-8"))]
    assert [target for target in targets if not (document.parent / target).exists()] == []


def test_the_two_commands_are_what_make_does() -> None:
    """The plain commands of the README are those of the Makefile."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8").replace("$(JOBS)", "2").replace("$(BIN)", ".venv/bin")
    for command in re.findall(r"^\$ \.venv/bin/(?!python)(.+)$", text, re.MULTILINE):
        assert f".venv/bin/{command}" in makefile
    for extra in ("[examples]", "[dev]"):
        assert f'-e ".{extra}"' in text
        assert f'-e ".{extra}"' in makefile
