"""The stores of every schema that are kept, and the project that made them."""

from __future__ import annotations

import shutil
import tarfile
from pathlib import Path

from flowkit.lineage.schema import SCHEMA_VERSION
from tests.commands import ROOT

STORES = ROOT / "tests" / "golden" / "stores"


def unpack(schema: int, project: Path) -> Path:
    """Put the store of a schema into the project, in place of the one there is."""
    shutil.rmtree(project / ".flowkit", ignore_errors=True)
    with tarfile.open(STORES / f"schema-{schema}.tar.xz") as archive:
        archive.extractall(project, filter="tar")
    return (project / "store").rename(project / ".flowkit")


def make_project(folder: Path) -> Path:
    """Make a project with a store of today's schema and return its folder."""
    shutil.copytree(STORES / "project", folder)
    unpack(SCHEMA_VERSION, folder)
    return folder
