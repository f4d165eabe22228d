"""The reference page on errors shows the texts of the golden files."""

from __future__ import annotations

import re
from pathlib import Path

from flowkit import errors
from tests.errors.golden import GOLDEN

PAGE = Path(__file__).parents[2] / "docs/reference/errors.md"
_SHOWN = re.compile(r"<!-- golden: (?P<name>\S+) -->\n```text\n(?P<text>.*?)\n```\n", re.DOTALL)


def test_each_text_on_the_page_is_that_of_its_golden_file() -> None:
    """Every example names its golden file and is equal to it."""
    page = PAGE.read_text()
    shown = [(match["name"], match["text"]) for match in _SHOWN.finditer(page)]
    assert len(shown) == page.count("```text") >= 10
    for name, text in shown:
        assert text == (GOLDEN / f"{name}.txt").read_text().rstrip(), name


_CODES = {"StepError": 1, "DefinitionError": 2, "UsageError": 2, "StoreError": 4}


def test_the_families_on_the_page_are_real() -> None:
    """Every class that the page names exists, and the families have the exit codes of its table."""
    page = PAGE.read_text()
    named = set(re.findall(r"`(?:flowkit\.errors\.)?(\w+Error)`", page))
    assert named <= set(errors.__all__)
    assert {name: getattr(errors, name).exit_code for name in _CODES} == _CODES
    for name, code in _CODES.items():
        assert any(line.startswith(f"| {code} |") and f"`{name}`" in line for line in page.splitlines())
