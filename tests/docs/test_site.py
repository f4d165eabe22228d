"""The documents build without a warning, and the built reference has every name, command and option."""

from __future__ import annotations

import html
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

import flowkit
from flowkit.cli.main import cli

from .blocks import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

PAGES = sorted(path.relative_to(ROOT / "docs").with_suffix("") for path in (ROOT / "docs").rglob("*.[mr][ds]*"))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the built pages, made as `make docs` makes it."""
    folder = tmp_path_factory.mktemp("site")
    recipe = next(line for line in (ROOT / "Makefile").read_text().splitlines() if "sphinx-build" in line)
    options = recipe.split("sphinx-build", 1)[1].split()[:-2]
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", *options, "-d", str(folder / "doctrees"), "docs", str(folder / "html")],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "--fail-on-warning" in options
    return folder / "html"


def text_of(page: Path) -> str:
    """Return what a reader sees of a built page."""
    return html.unescape(re.sub(r"<[^>]+>", "", page.read_text(encoding="utf-8")))


def commands(command: click.Command, path: tuple[str, ...] = ("flowkit",)) -> Iterator[tuple[str, click.Command]]:
    """Yield every command with how it is called."""
    yield " ".join(path), command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            yield from commands(found, (*path, name))


def test_every_page_is_in_the_table_of_contents(site: Path) -> None:
    """The side bar of the first page leads to each of the others."""
    start = (site / "index.html").read_text(encoding="utf-8")
    linked = set(re.findall(r'href="([^"#]+)\.html"', start))
    assert {str(page) for page in PAGES} - linked - {"index"} == set()


def test_the_reference_has_every_public_name(site: Path) -> None:
    """Each name of `flowkit` has an entry of its own."""
    page = (site / "reference" / "api.html").read_text(encoding="utf-8")
    assert [name for name in flowkit.__all__ if f'id="flowkit.{name}"' not in page] == []


def test_the_reference_has_every_command_and_option(site: Path) -> None:
    """Each command is there, and each of its options where it is described."""
    shown = text_of(site / "reference" / "commands.html")
    for called, command in commands(cli):
        at = shown.find(f"\n{called} [OPTIONS]")
        assert at >= 0, called
        section = shown[at : shown.find(" [OPTIONS]", at + len(called) + 12)]
        options = [option for option in command.params if isinstance(option, click.Option) and not option.hidden]
        missing = [name for option in options for name in option.opts if name not in section]
        assert not missing, f"{called}: {missing}"


def test_what_is_shown_of_a_command_is_its_help(site: Path) -> None:
    """Help is plain text: no character of it is taken for markup."""
    shown = " ".join(text_of(site / "reference" / "commands.html").split())
    for called, command in commands(cli):
        for paragraph in (command.help or "").split("\n\n"):
            if "\b" not in paragraph:
                assert " ".join(paragraph.split()) in shown, called
