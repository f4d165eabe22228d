"""The warm server as the tests use it: one for all documents, and the command that stands for `python`."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

_HERE = Path(__file__).parent
_DEADLINE = 60
_ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
"""A process that forks has no threads of its own; its forks do not see these variables."""


@contextmanager
def warm_python(variables: dict[str, str] | None = None) -> Iterator[Sequence[str]]:
    """Start a server, and give the command that starts Python by it; all ends with the block.

    Args:
        variables: Environment variables that every command has, beside those of this process.
    """
    with tempfile.TemporaryDirectory(prefix="flowkit-warm-") as folder:
        address = os.path.join(folder, "socket")
        given = {**os.environ, **(variables or {})}
        server = subprocess.Popen(
            [sys.executable, str(_HERE / "warm_server.py"), address],
            env={**given, **_ONE_THREAD},
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        with server:
            _wait_for(address, server)
            yield sys.executable, "-I", "-S", str(_HERE / "warm_client.py"), address, ",".join(given)


def _wait_for(address: str, server: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + _DEADLINE
    while not os.path.exists(address):
        assert server.poll() is None, "the warm server has not come up"
        assert time.monotonic() < end, "the warm server does not come up"
        time.sleep(0.02)
