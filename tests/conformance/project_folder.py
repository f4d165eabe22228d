"""A project on disk, edited and run as its user would: a fresh process for every command."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tests.commands import spawn
from tests.journeys.project import Outcome


@dataclass
class Project:
    """A folder with pipelines, run as its user would: a fresh process for every command."""

    root: Path

    @classmethod
    def make(cls, root: Path, settings: str = "") -> Project:
        (root / "pipelines").mkdir(parents=True)
        (root / "data").mkdir()
        (root / "pyproject.toml").write_text(f'[project]\nname = "p"\nversion = "0"\n[tool.flowkit]\n{settings}\n')
        return cls(root)

    def write(self, name: str, text: str) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def flowkit(self, *arguments: str, cwd: Path | None = None, **variables: str) -> Outcome:
        done = spawn(cwd or self.root, *arguments, **{"NO_COLOR": "1", **variables})
        return Outcome(done.returncode, done.stdout, done.stderr)

    def run(self, pipeline: str, *arguments: str, cwd: Path | None = None, **variables: str) -> Outcome:
        """Run a pipeline in the driver, and have it succeed."""
        how = () if "--workers" in arguments else ("--inline",)
        target = str(self.root / "pipelines" / f"{pipeline}.py")
        done = self.flowkit("run", target, "--json", *how, *arguments, cwd=cwd, **variables)
        assert done.code == 0, done.out + done.err
        return done
