"""Every program that type checkers are to judge, in one folder: one process of each checker sees them all.

A document's files are put in a package of its own, named after it, since each document has its own `pipelines`.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from tests.docs.blocks import blocks_of
from tests.docs.test_documents import RUN

HERE = Path(__file__).parent
ROOT = HERE.parents[1]

_IMPORT = re.compile(r"^(from|import) pipelines\b", re.MULTILINE)

PYRIGHT = {
    "typeCheckingMode": "basic",
    "pythonVersion": "3.11",
    "extraPaths": [str(ROOT)],
    # Of scikit-learn, which has no annotations, it would guess types from the code, and wrongly: of `load_wine().frame`
    # that there is none. mypy's `ignore_missing_imports` is the same choice.
    "useLibraryCodeForTypes": False,
}


def gather_programs(folder: Path) -> None:
    """Write all programs below `folder`, with pyright's settings."""
    for document in RUN:
        # From the last: an import finds the file as the document leaves it, earlier versions stand beside it.
        for block in reversed(blocks_of(document)):
            if block.path and block.path.endswith(".py"):
                _put(folder, document.stem.replace("-", "_").lower(), block.path, block.text)
    for path in (ROOT / "pipelines").rglob("*.py"):
        _put(folder, "repository", str(path.relative_to(ROOT)), path.read_text())
    for name in ("correct.py", "mistakes.py"):
        _put(folder, "cases", name, (HERE / name).read_text())
    (folder / "pyrightconfig.json").write_text(json.dumps(PYRIGHT))


def _put(folder: Path, package: str, path: str, text: str) -> None:
    place = folder / package / path
    version = 1
    while place.exists():
        version += 1
        place = place.with_name(f"{Path(path).stem}_{version}.py")
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(_IMPORT.sub(rf"\1 {package}.pipelines", text))
