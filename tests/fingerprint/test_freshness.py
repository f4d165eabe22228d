"""A text counts for a loaded module only where it is the one that the module was made from."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.fingerprint.projects import write_project

FILES = {
    "rows.py": "from pydantic import BaseModel\n\n\nclass Row(BaseModel):\n    rate: float = 0.1\n",
    "plug.py": "def f(x):\n    return x + 0.1\n",
    "steps.py": """
        import importlib
        import flowkit as fk
        import rows

        @fk.step
        def uses(x: float) -> float:
            return rows.Row().rate

        @fk.step
        def computes(x: float) -> float:
            return importlib.import_module("pl" + "ug").f(x)
    """,
}
PROGRAM = """
import importlib, json, sys
from pathlib import Path

root, step, *edited = sys.argv[1:]
sys.path.insert(0, root)
steps = importlib.import_module("steps")
importlib.import_module("plug")
for name in edited:
    file = Path(root, name)
    file.write_text(file.read_text().replace("0.1", "0.25"))
from flowkit.fingerprint.code import CodeFingerprinter
from flowkit.project import Project
print(json.dumps(CodeFingerprinter(Project(Path(root))).of_step(getattr(steps, step).specification).uncacheable))
"""


def uncacheable(root: Path, step: str, *edited: str) -> str | None:
    """Return why a step is not cached where files are edited between their import and the fingerprint."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(root), step, *edited],
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    found: str | None = json.loads(done.stdout)
    return found


def test_a_class_is_not_told_by_a_text_that_was_edited_after_its_import(tmp_path: Path) -> None:
    """Without cached bytecode only a file older than the process is believed; flowkit may be loaded after the edit."""
    write_project(tmp_path, FILES)

    assert uncacheable(tmp_path, "uses") is None
    assert "source cannot be verified" in str(uncacheable(tmp_path, "uses", "rows.py"))


def test_a_module_that_was_edited_after_its_import_is_not_told_by_its_text(tmp_path: Path) -> None:
    """A computed import gives the module as it is loaded: no result is recorded for the text that came later."""
    write_project(tmp_path, FILES)

    assert uncacheable(tmp_path, "computes") is None
    assert "plug.py was edited" in str(uncacheable(tmp_path, "computes", "plug.py"))
