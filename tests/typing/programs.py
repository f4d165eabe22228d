"""Every program that type checkers are to judge, in one folder: one process of each checker sees them all.

A document's files are put in a package of its own, named after it, since each document has its own `pipelines`. What
they import of each other is named by that package too.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from tests.docs.blocks import blocks_of
from tests.docs.test_documents import RUN

HERE = Path(__file__).parent
ROOT = HERE.parents[1]

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
        blocks = [block for block in reversed(blocks_of(document)) if block.path and block.path.endswith(".py")]
        _put_all(folder, document.stem.replace("-", "_").lower(), [(str(block.path), block.text) for block in blocks])
    files = [(str(path.relative_to(ROOT)), path.read_text()) for path in (ROOT / "pipelines").rglob("*.py")]
    _put_all(folder, "repository", files)
    _put_all(folder, "cases", [(name, (HERE / name).read_text()) for name in ("correct.py", "mistakes.py")])
    (folder / "pyrightconfig.json").write_text(json.dumps(PYRIGHT))


def _put_all(folder: Path, package: str, files: list[tuple[str, str]]) -> None:
    own = {Path(path).parts[0].removesuffix(".py") for path, _ in files}
    for path, text in files:
        _put(folder, package, path, _within(package, own, text))


def _within(package: str, own: set[str], text: str) -> str:
    """Return a program whose imports of the modules `own` find them in `package`."""
    names = "|".join(sorted(own))
    text = re.sub(rf"^from ({names})\b", rf"from {package}.\1", text, flags=re.MULTILINE)
    text = re.sub(rf"^import ({names})\.", rf"import {package}.\1.", text, flags=re.MULTILINE)
    return re.sub(rf"^import ({names})$", rf"from {package} import \1", text, flags=re.MULTILINE)


def _put(folder: Path, package: str, path: str, text: str) -> None:
    place = folder / package / path
    version = 1
    while place.exists():
        version += 1
        place = place.with_name(f"{Path(path).stem}_{version}.py")
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text)
