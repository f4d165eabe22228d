"""Makes the environments that peers run in: one each, so that what one needs does not bind another.

An environment is made anew when what it is made of has changed. Nothing of the interpreter's own environment is
touched, and what could not be installed leaves nothing behind that looks installed.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers.descriptions import Peer

ENVIRONMENTS = Path(__file__).resolve().parent.parent.parent / ".peers"
_STAMP, _SHARED = "made-of", "shared.txt"
_VERSION = "import sys; from importlib.metadata import version; print(version(sys.argv[1]))"


class NotInstalledError(Exception):
    """A peer could not be installed."""

    @classmethod
    def for_output(cls, peer: str, output: str) -> NotInstalledError:
        """Return the error for what the installer said last."""
        said = [line for line in output.splitlines() if line.startswith("ERROR")] or output.splitlines()
        return cls(f"{peer} cannot be installed: {said[-1][:300] if said else 'the installer said nothing'}")


@dataclass(frozen=True, slots=True)
class Installed:
    """A peer that can run.

    Attributes:
        python: The interpreter of its environment.
        home: A folder that its projects share.
        version: Of its distribution, or as its description says; empty where neither is.
    """

    peer: Peer
    python: Path
    home: Path
    version: str


def install(peer: Peer, environments: Path) -> Installed:
    """Make a peer's environment unless it is there.

    Raises:
        NotInstalledError: There is no network, or nothing that fits this interpreter.
    """
    folder = environments / peer.name
    home = folder / "home"
    python = Path(sys.executable)
    if peer.requirements is not None:
        python = folder / "bin" / "python"
        made_of = _made_of(peer.requirements)
        if not (folder / _STAMP).is_file() or (folder / _STAMP).read_text() != made_of:
            _make(peer.name, folder, peer.requirements)
            (folder / _STAMP).write_text(made_of)
    home.mkdir(parents=True, exist_ok=True)
    return Installed(peer, python, home, _version(peer, python))


def _make(name: str, folder: Path, requirements: Path) -> None:
    """Make an environment. This interpreter's pip fills it: one of its own would take longer than many a peer."""
    shutil.rmtree(folder, ignore_errors=True)
    pip = [sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python"), "--disable-pip-version-check"]
    for command in (
        [sys.executable, "-m", "venv", "--without-pip", str(folder)],
        [*pip, "install", "--quiet", "-r", str(requirements)],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            shutil.rmtree(folder, ignore_errors=True)
            raise NotInstalledError.for_output(name, done.stdout + done.stderr)


def _made_of(requirements: Path) -> str:
    """Return a digest of what an environment is made of: the interpreter, its requirements and those it shares."""
    shared = requirements.parent / _SHARED
    texts = [sys.version, requirements.read_text(), shared.read_text() if shared.is_file() else ""]
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()


def _version(peer: Peer, python: Path) -> str:
    if peer.distribution is None:
        return peer.version
    command = [str(python), "-c", _VERSION, peer.distribution]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NotInstalledError.for_output(peer.name, done.stdout + done.stderr)
    return done.stdout.strip()
