"""Objects of libraries as globals: what they are told counts, what they keep for themselves does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from flowkit.fingerprint.code import CodeFingerprinter
from flowkit.project import Project
from tests.fingerprint.projects import fingerprint, imported, steps_file, two_files, write_project

USED = {
    "templates": (
        "import jinja2\nG = jinja2.Environment(loader=jinja2.DictLoader({'a': '<<x||y>>'}))",
        "return G.get_template('a').render()",
    ),
    "a table": (
        "import sqlalchemy as sa\nG = sa.Table('t', sa.MetaData(), sa.Column('a', sa.<<Integer||String>>))",
        "return str(G) + str(G.select()) + str(G.c.a == 1) + str(G.join(G.alias(), G.c.a == 1))",
    ),
    "a fitted vectorizer": (
        "from sklearn.feature_extraction.text import CountVectorizer\nG = CountVectorizer().fit(['a <<bb||cc>>'])\n"
        "G._stop_words_id = id(object())",
        "G._stop_words_id += 1\nreturn G.transform(['bb'])",
    ),
}


@pytest.mark.parametrize("case", USED, ids=str)
def test_use_changes_no_object_and_an_edit_does(case, tmp_path: Path) -> None:
    """Templates that were compiled, names that were worked out and identities are no data; what was told is."""
    first, second = two_files(*USED[case])
    root = write_project(tmp_path / "used", first)
    with imported(root) as module:
        fingerprinter = CodeFingerprinter(Project(root))
        before = fingerprinter.of_step(module.run.specification)
        module.run.function(1.0)
        assert fingerprinter.of_step(module.run.specification) == before
    assert before.uncacheable is None
    assert fingerprint(tmp_path / "2", second).digest != before.digest


SINKS = {
    "console": "from rich.console import Console\nG = Console(<<||stderr=True>>)",
    "handler": "import logging\nG = logging.StreamHandler(<<||__import__('sys').stdout>>)",
    "stream": "import sys\nG = sys.<<stdout||stderr>>",
    "stream of the process": "import sys\nG = sys.<<__stdout__||__stderr__>>",
}


@pytest.mark.parametrize("case", SINKS, ids=str)
def test_where_words_go_does_not_count(case, tmp_path: Path) -> None:
    """A console, a handler and a stream are like a logger: they hold nothing that a result could be made from."""
    first, second = two_files(SINKS[case], "return len(str(G))")
    found = fingerprint(tmp_path / "1", first)
    assert found.uncacheable is None
    assert fingerprint(tmp_path / "2", second).digest == found.digest


def test_a_handler_of_ones_own_is_an_object(tmp_path: Path) -> None:
    """A project's class of a handler may do anything: it does not pass for a sink."""
    text = "import logging\nclass Own(logging.Handler):\n    def emit(self, record): self.rate = {}\nG = Own()"
    first, second = (
        fingerprint(tmp_path / str(rate), {"steps.py": steps_file(text.format(rate), "return G")}) for rate in (1, 2)
    )
    assert first.uncacheable is not None or first.digest != second.digest
