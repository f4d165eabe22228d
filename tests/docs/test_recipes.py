"""The page of the recipes lists each of them once, under its own title."""

from __future__ import annotations

import re

from .blocks import ROOT

FOLDER = ROOT / "docs" / "how-to"
INDEX = (FOLDER / "index.md").read_text(encoding="utf-8")
LINES = re.findall(r"^- \[(?P<title>[^\]]+)\]\((?P<page>[^)]+)\): (?P<about>.+)\.$", INDEX, re.MULTILINE)


def test_each_recipe_is_listed_once() -> None:
    """No page is missing, none is listed twice, and each entry is one line."""
    assert len(LINES) == INDEX.count("\n- ")
    assert sorted(page for _, page, _ in LINES) == sorted(
        path.name for path in FOLDER.glob("*.md") if path.stem != "index"
    )


def test_a_recipe_is_listed_by_its_title() -> None:
    """What a reader clicks on is what the page is called."""
    titles = {page: (FOLDER / page).read_text(encoding="utf-8").split("\n", 1)[0] for _, page, _ in LINES}
    assert titles == {page: f"# {title}" for title, page, _ in LINES}


def test_recipes_are_grouped() -> None:
    """Each stands below a heading, and no heading is empty."""
    groups = re.split(r"^## .+\n", INDEX, flags=re.MULTILINE)
    assert "- [" not in groups[0]
    assert all("- [" in group for group in groups[1:])
