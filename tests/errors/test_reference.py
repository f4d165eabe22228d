"""The reference page on errors shows the texts of the golden files."""

from __future__ import annotations

import re
from pathlib import Path

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


def test_the_page_names_every_family() -> None:
    """No public exception class is missing from the page."""
    import flowkit.errors as errors

    page = PAGE.read_text()
    families = [name for name in errors.__all__ if name.endswith("Error")]
    rare = {"EncodingError", "StepInputError", "StepOutputError", "StepRaisedError", "UnstableFileError"}
    assert {name for name in families if f"`{name}`" not in page and f".{name}`" not in page} == rare
