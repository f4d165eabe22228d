"""README.md and docs/ are run as their reader would run them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from .blocks import LANGUAGES, ROOT, blocks_of, documents
from .project import Project

README = ROOT / "README.md"


@pytest.fixture(scope="session")
def walked(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, list[str]]:
    """The project that README's walk-through makes, and what did not come out as it says."""
    project = Project(tmp_path_factory.mktemp("reader"))
    return project, project.perform(blocks_of(README))


def test_the_walk_through_of_the_readme_comes_out_as_shown(walked: tuple[Project, list[str]]) -> None:
    """Every command of README.md gives the exit code and the lines that it shows."""
    assert not walked[1], "\n\n".join(walked[1])


def test_the_guide_to_pipelines_comes_out_as_shown(tmp_path: Path) -> None:
    """Every file, snippet and command of docs/pipelines.md works as it says."""
    problems = Project(tmp_path, "examples").perform(blocks_of(ROOT / "docs" / "pipelines.md"))
    assert not problems, "\n\n".join(problems)


def test_the_guide_to_clusters_comes_out_as_shown(tmp_path: Path) -> None:
    """The settings and the refusal in docs/cluster.md are as it says."""
    problems = Project(tmp_path, "cluster").perform(blocks_of(ROOT / "docs" / "cluster.md"))
    assert not problems, "\n\n".join(problems)


def test_the_queries_are_answered_by_the_store_of_the_walk_through(
    walked: tuple[Project, list[str]], tmp_path: Path
) -> None:
    """Every query of docs/lineage.md gives the rows that it shows, on the real store of README's walk-through."""
    made = walked[0]
    project = Project(made.home, str(made.folder.relative_to(made.home)))
    problems = project.perform(blocks_of(ROOT / "docs" / "lineage.md"))
    assert not problems, "\n\n".join(problems)
