"""Projects of one pipeline a file."""

from __future__ import annotations

from pathlib import Path


def make_project(folder: Path, settings: str = "", **pipelines: str) -> Path:
    """Write a project into a folder and return that.

    Args:
        folder: Made if need be.
        settings: Lines of `[tool.flowkit]`.
        pipelines: Sources by the name of their file.
    """
    (folder / "pipelines").mkdir(parents=True, exist_ok=True)
    (folder / "pyproject.toml").write_text(f'[project]\nname = "safe"\nversion = "0"\n[tool.flowkit]\n{settings}\n')
    for name, source in pipelines.items():
        (folder / "pipelines" / f"{name}.py").write_text(source)
    return folder
