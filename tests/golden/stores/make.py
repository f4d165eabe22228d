"""Makes the store of the schema that the importable flowkit writes: `schema-N.tar.xz` beside this file.

It calls the command only, so that any version of flowkit can be put on PYTHONPATH. A store that is there already is
left alone: it is what that version really wrote.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
MAIN = "import sys; from flowkit.cli.main import main; sys.argv[0] = 'flowkit'; main()"
RUNS = (
    ((), 0),
    (("-p", "scale=0.25"), 0),
    (("-p", "fails=true"), 1),
    ((), 0),
)
"""What is run one after the other, and the exit codes: a promotion, a refused one, a failure, all reused."""
LEFT_OUT = ("cache", "tmp", "bundles", "lineage.db-journal", "lineage.db-wal", "lineage.db-shm")


def make() -> None:
    """Run the project, and pack its store."""
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder) / "project"
        shutil.copytree(HERE / "project", project)
        for parameters, code in RUNS:
            _run(project, parameters, code)
        store = project / ".flowkit"
        target = HERE / f"schema-{_schema(store)}.tar.xz"
        if target.exists():
            print(f"{target.name} is there already: a store of a released schema never changes")
            return
        for name in LEFT_OUT:
            path = store / name
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        (store / "tmp").mkdir(mode=0o700)
        with tarfile.open(target, "w:xz", preset=9) as archive:
            archive.add(store, "store", filter=_anonymous)
    print(f"made {target.name}, {target.stat().st_size:,} bytes")


def _run(project: Path, parameters: tuple[str, ...], code: int) -> None:
    command = [sys.executable, "-c", MAIN, "run", "pipelines/golden.py", "--inline", *parameters]
    environment = {**os.environ, "USER": "golden", "LOGNAME": "golden"}
    done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != code:
        sys.exit(f"{' '.join(command[3:])} ended with {done.returncode}, not {code}:\n{done.stdout}{done.stderr}")


def _schema(store: Path) -> int:
    with sqlite3.connect(store / "lineage.db") as connection:
        version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    connection.close()
    return version


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member


if __name__ == "__main__":
    make()
