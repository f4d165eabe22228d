"""A real PostgreSQL server in a temporary folder, reached through a socket of that folder only."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_ACCOUNT = "nobody"
"""Whom the server runs as where the tests run as root, whom it refuses."""


def programs() -> Path:
    """Return the folder of the newest PostgreSQL that Debian or the path has.

    Raises:
        FileNotFoundError: There is none.
    """
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    initdb = found[-1] if found else shutil.which("initdb")
    if initdb is None:
        raise FileNotFoundError("PostgreSQL is needed here: apt-get install postgresql")
    return Path(initdb).parent


@contextmanager
def server() -> Iterator[str]:
    """Start a server with an empty database and give its SQLAlchemy URL; end it afterwards."""
    # Not pytest's folder: that is its user's alone, and the path of a socket must be short.
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    user = _ACCOUNT if os.geteuid() == 0 else None
    if user is not None:
        shutil.chown(folder, user)
    data = folder / "data"
    try:
        _perform(user, "initdb", "-D", str(data), "-U", "shop", "--auth=trust", "--no-sync", "--no-instructions")
        options = f"-c listen_addresses='' -c fsync=off -k {folder}"
        _perform(user, "pg_ctl", "-D", str(data), "-w", "-o", options, "-l", str(folder / "log"), "start")
        try:
            _perform(user, "createdb", "-h", str(folder), "-U", "shop", "shop")
            yield f"postgresql+psycopg://shop@/shop?host={folder}"
        finally:
            _perform(user, "pg_ctl", "-D", str(data), "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder)


def _perform(user: str | None, program: str, *arguments: str) -> None:
    subprocess.run(
        [str(programs() / program), *arguments],
        cwd="/",
        user=user,
        check=True,
        stdin=subprocess.DEVNULL,
        # The server keeps what it is given: a pipe would never end.
        stdout=subprocess.DEVNULL,
        timeout=60,
    )
