"""Targets that name no pipeline, and modules that cannot be imported."""

from __future__ import annotations

from tests.errors.golden import FILE, Case

_GOOD = """

@fk.step
def count() -> int:
    return 1


@fk.pipeline
def shop() -> None:
    count()
"""
_SECOND = """

@fk.pipeline
def market() -> None:
    count()
"""
_WHOLE = f"import flowkit as fk\n{_GOOD}"

TARGETS = (
    Case("target-missing-file", _GOOD, "check pipelines/shopp.py"),
    Case("target-missing-folder", _GOOD, "check nowhere/shop.py"),
    Case("target-folder", _GOOD, "check pipelines"),
    Case("target-not-python", _GOOD, "check data.csv", files={"data.csv": "a\n1\n"}),
    Case("target-two-pipelines", _GOOD + _SECOND),
    Case("target-unknown-pipeline", _GOOD + _SECOND, f"check {FILE}:markt"),
    Case("target-no-pipeline", "\n\n@fk.step\ndef count() -> int:\n    return 1\n"),
    Case("target-unknown-name", _GOOD, "check shopp"),
    Case("target-ambiguous-name", "", "check shop", files={"pipelines/old.py": _WHOLE, "pipelines/new.py": _WHOLE}),
    Case("target-missing-module", _GOOD, "check pipelines.shopp:shop"),
    Case("target-not-a-pipeline", _GOOD, f"check {FILE}:count"),
    Case("module-syntax", "\n\n@fk.step\ndef count( -> int:\n    return 1\n"),
    Case("module-indentation", "\n\ndef count() -> int:\nreturn 1\n"),
    Case("module-missing-import", "import pandsa\n" + _GOOD),
    Case(
        "module-missing-name",
        "from pipelines.cleaning import strp\n" + _GOOD,
        files={"pipelines/cleaning.py": "def strip() -> None: ...\n"},
    ),
    Case("module-raises", "\nLIMITS = {'low': 1}\nLIMIT = LIMITS['high']\n" + _GOOD),
    Case("module-exits", "import sys\n\nsys.exit(3)\n" + _GOOD),
    Case(
        "module-helper-syntax", "import pipelines.cleaning\n" + _GOOD, files={"pipelines/cleaning.py": "def strip(:\n"}
    ),
    Case("module-not-utf8", files={FILE: b"# caf\xe9\n" + _WHOLE.encode()}),
)
