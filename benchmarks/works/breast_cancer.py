"""`breast-cancer`, `breast-cancer-reused`: the example pipeline, from the measurements to a promoted model.

Cold beside raw `dask.distributed`, which runs the same functions and stores, checks and promotes nothing. Its copy of
them is made of the example's own text, so it cannot fall behind. Reused beside importing the pipeline's module, of
which scikit-learn, pandas and pandera are the most.
"""

from __future__ import annotations

import ast
import shutil
from pathlib import Path

from benchmarks.measure import Limit, Variant, Work, python
from benchmarks.programs_of import COLD, COLD_COMMAND, DISTRIBUTED, IMPORT, REUSED, REUSED_COMMAND, Program, importing
from benchmarks.projects import SOURCE_ROOT

_EXAMPLE = SOURCE_ROOT / "pipelines" / "breast_cancer.py"


def copy_example(folder: Path) -> None:
    """Put the example where a project has it."""
    (folder / "pipelines").mkdir(exist_ok=True)
    shutil.copyfile(_EXAMPLE, folder / "pipelines" / _EXAMPLE.name)


def write_plain(folder: Path) -> None:
    """Write the example's functions without anything of flowkit's, as a person would who does without it."""
    (folder / "plain_cancer.py").write_text(without_flowkit(_EXAMPLE.read_text()))


def without_flowkit(source: str) -> str:
    """Return a pipeline's module without its import of flowkit, its decorators and its pipelines; Metrics is a dict."""
    module = ast.parse(source)
    module.body = [node for node in module.body if not _belongs_to_flowkit(node)]
    for node in module.body:
        if isinstance(node, ast.FunctionDef):
            node.decorator_list = [item for item in node.decorator_list if not _names_flowkit(item)]
    return ast.unparse(ast.fix_missing_locations(_Plain().visit(module)))


def _belongs_to_flowkit(node: ast.stmt) -> bool:
    if isinstance(node, ast.Import):
        return any(alias.name == "flowkit" for alias in node.names)
    return isinstance(node, ast.FunctionDef) and any("pipeline" in ast.unparse(item) for item in node.decorator_list)


def _names_flowkit(node: ast.expr) -> bool:
    return any(isinstance(part, ast.Name) and part.id == "fk" for part in ast.walk(node))


class _Plain(ast.NodeTransformer):
    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        return ast.Name("dict", ast.Load()) if ast.unparse(node) == "fk.Metrics" else node


_PROGRAM = Program(
    "pipelines.breast_cancer", "breast_cancer", {"executed": 11, "skipped": 2}, {"reused": 13}, copy_example
)

BREAST_CANCER = Work(
    name="breast-cancer",
    about="the example pipeline to its promotion, beside the same functions on raw distributed; first run",
    variants=(
        Variant(DISTRIBUTED, lambda folder: python("cancer_distributed.py"), write_plain),
        _PROGRAM.cold(),
        _PROGRAM.cold_command(),
    ),
    beside=DISTRIBUTED,
    limits=(Limit(COLD, most=1.0, beside=DISTRIBUTED), Limit(COLD_COMMAND, most=1.0, beside=DISTRIBUTED)),
)

BREAST_CANCER_REUSED = Work(
    name="breast-cancer-reused",
    about="the same where everything is stored, beside importing its module",
    variants=(importing("pipelines.breast_cancer", copy_example), _PROGRAM.again(), _PROGRAM.again_command()),
    beside=IMPORT,
    limits=(Limit(REUSED, most=1.1, beside=IMPORT), Limit(REUSED_COMMAND, most=1.1, beside=IMPORT)),
)
