"""README.md and docs/ are run as their reader would run them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.dask_cluster import dask_cluster

from . import postgres
from .blocks import LANGUAGES, ROOT, Block, blocks_of, documents
from .project import Project
from .warm import warm_python

README = ROOT / "README.md"
LANGUAGE = ROOT / "docs" / "reference" / "language.md"
LINEAGE = ROOT / "docs" / "reference" / "lineage.md"
TUTORIAL = ROOT / "docs" / "tutorial" / "first-model.md"
ALONE = ("docs/how-to/*.md", "docs/explanation/*.md", "docs/reference/configuration.md", "docs/fingerprints.md")
GUIDES = tuple(sorted(page for pattern in ALONE for page in ROOT.glob(pattern) if page.stem != "index"))
"""Each is a project of its own, begun in an empty folder."""
RUN = (README, TUTORIAL, LANGUAGE, LINEAGE, *GUIDES)
DRAWINGS = frozenset({"text"})

Walk = tuple[Project, list[str]]


@pytest.fixture(scope="session")
def python() -> Iterator[Sequence[str]]:
    """What starts Python with the dear libraries imported; README.md is run by new interpreters all the same."""
    with warm_python({"PYTHONPATH": str(ROOT)}) as command:
        yield command


@pytest.fixture(scope="session")
def walk(tmp_path_factory: pytest.TempPathFactory, python: Sequence[str]) -> Walk:
    """The project that the tutorial makes, and what did not come out as it says."""
    project = Project(tmp_path_factory.mktemp("reader"), python=python)
    return project, project.perform(blocks_of(TUTORIAL))


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_the_readme_comes_out_as_shown(tmp_path: Path) -> None:
    """Every command of README.md gives the exit code and the lines that it shows."""
    problems = Project(tmp_path).perform(blocks_of(README))
    assert not problems, "\n\n".join(problems)


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_the_tutorial_comes_out_as_shown(walk: Walk) -> None:
    """Every command of the tutorial gives the exit code and the lines that it shows."""
    assert not walk[1], "\n\n".join(walk[1])


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_the_queries_are_answered_by_the_store_of_the_tutorial(walk: Walk) -> None:
    """Every query of docs/reference/lineage.md gives the rows that it shows, on the store of the tutorial."""
    project, problems = walk
    assert not problems, "the tutorial did not make the store that these queries are about"
    problems = project.perform(blocks_of(LINEAGE))
    assert not problems, "\n\n".join(problems)


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_the_reference_of_the_language_comes_out_as_shown(tmp_path: Path, python: Sequence[str]) -> None:
    """Every file, snippet and command of docs/reference/language.md works as it says."""
    problems = Project(tmp_path, "examples", python=python).perform(blocks_of(LANGUAGE))
    assert not problems, "\n\n".join(problems)


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("document", GUIDES, ids=lambda path: path.stem)
def test_a_guide_comes_out_as_shown(document: Path, tmp_path: Path, python: Sequence[str]) -> None:
    """Every file, snippet and command of a guide works as it says, with a real server where it asks one."""
    with ExitStack() as stack:
        text = document.read_text(encoding="utf-8")
        variables = {}
        if "$SHOP_URL" in text:
            variables["SHOP_URL"] = stack.enter_context(postgres.server())
        if "$SCHEDULER" in text:
            cluster = stack.enter_context(dask_cluster(tmp_path.with_name("cluster")))
            cluster.add_worker()
            variables["SCHEDULER"] = cluster.address
        problems = Project(tmp_path, document.stem, variables, python).perform(blocks_of(document))
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
    """Only blocks that set up an environment or need other programs are left out, one or two a document."""
    skipped: list[Block] = [block for path in RUN for block in blocks_of(path) if block.reason is not None]
    assert all(block.reason and block.language == "console" for block in skipped)
    assert max(Counter(block.document for block in skipped).values()) <= 2
