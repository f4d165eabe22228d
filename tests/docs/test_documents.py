"""README.md and docs/ are run as their reader would run them."""

from __future__ import annotations

from pathlib import Path

import pytest

from .blocks import LANGUAGES, ROOT, Block, blocks_of, documents
from .project import Project

README = ROOT / "README.md"
PIPELINES = ROOT / "docs" / "pipelines.md"
CLUSTER = ROOT / "docs" / "cluster.md"
LINEAGE = ROOT / "docs" / "lineage.md"
RUN = (README, PIPELINES, CLUSTER, LINEAGE)
DRAWINGS = frozenset({"text"})

Walk = tuple[Project, list[str]]


@pytest.fixture(scope="session")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Walk:
    """The project that README's walk-through makes, and what did not come out as it says."""
    project = Project(tmp_path_factory.mktemp("reader"))
    return project, project.perform(blocks_of(README))


@pytest.mark.timeout(400)
def test_the_walk_through_of_the_readme_comes_out_as_shown(walk: Walk) -> None:
    """Every command of README.md gives the exit code and the lines that it shows."""
    assert not walk[1], "\n\n".join(walk[1])


@pytest.mark.timeout(400)
def test_the_queries_are_answered_by_the_store_of_the_walk_through(walk: Walk) -> None:
    """Every query of docs/lineage.md gives the rows that it shows, on the real store of README's walk-through."""
    project, problems = walk
    assert not problems, "the walk-through did not make the store that these queries are about"
    problems = project.perform(blocks_of(LINEAGE))
    assert not problems, "\n\n".join(problems)


@pytest.mark.timeout(400)
@pytest.mark.parametrize(("document", "folder"), [(PIPELINES, "examples"), (CLUSTER, "cluster")])
def test_a_guide_comes_out_as_shown(document: Path, folder: str, tmp_path: Path) -> None:
    """Every file, snippet and command of a guide works as it says."""
    problems = Project(tmp_path, folder).perform(blocks_of(document))
    assert not problems, "\n\n".join(problems)


@pytest.mark.parametrize("document", documents(), ids=lambda path: path.name)
def test_no_block_escapes(document: Path) -> None:
    """A block is of a language that is run, and stands in a document that is run, unless it is a drawing."""
    escaped = [
        f"{block}: {block.language or 'no language'}"
        for block in blocks_of(document)
        if block.language not in LANGUAGES or (document not in RUN and block.language not in DRAWINGS)
    ]
    assert not escaped


def test_what_is_not_run_is_little_and_has_a_reason() -> None:
    """Only blocks that set up an environment or need other programs are left out."""
    skipped: list[Block] = [block for path in RUN for block in blocks_of(path) if block.reason is not None]
    assert [(block.document, block.language) for block in skipped] == [
        ("README.md", "console"),
        ("README.md", "console"),
        ("docs/cluster.md", "console"),
        ("docs/lineage.md", "console"),
    ]
    assert all(block.reason for block in skipped)
