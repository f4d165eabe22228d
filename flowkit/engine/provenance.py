"""Where a run comes from: commit, user, host, and an id that sorts by time."""

from __future__ import annotations

import getpass
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    import subprocess

GIT_SECONDS = 5.0
"""How long git may take before a run is recorded without its commit."""


class GitState(Struct, frozen=True):
    """The commit that the project is at, and whether files differ from it; None outside of a repository."""

    commit: str | None = None
    dirty: bool | None = None


class GitQuery:
    """Asks git about a folder while something else goes on; `answer` waits for it."""

    def __init__(self, root: Path) -> None:
        self._process: subprocess.Popen[str] | None = None
        if not _may_be_in_repository(root):
            return
        import subprocess

        command = ["git", "-C", str(root), "status", "--porcelain=v2", "--branch", "--untracked-files=no"]
        try:
            self._process = subprocess.Popen(  # noqa: S603  (a fixed command, no shell)
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
            )
        except OSError:
            # No git on this machine: the run is recorded without a commit.
            return

    def answer(self) -> GitState:
        """Return the state, empty where there is no repository or git took too long."""
        if self._process is None:
            return GitState()
        import subprocess

        try:
            output, _ = self._process.communicate(timeout=GIT_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
            return GitState()
        return parse_git_status(output) if self._process.returncode == 0 else GitState()


def _may_be_in_repository(root: Path) -> bool:
    """Whether git could find a work tree around a folder; outside of one it need not be asked."""
    place = Path(os.path.realpath(root))
    return "GIT_DIR" in os.environ or any(os.path.lexists(folder / ".git") for folder in (place, *place.parents))


def parse_git_status(output: str) -> GitState:
    """Return the state that `git status --porcelain=v2 --branch` tells of."""
    commit, dirty = None, False
    for line in output.splitlines():
        if line.startswith("# branch.oid "):
            commit = line.removeprefix("# branch.oid ").strip()
        elif not line.startswith("#"):
            dirty = True
    return GitState() if commit in (None, "(initial)") else GitState(commit, dirty)


def new_run_id(now: float) -> str:
    """Return an id that sorts by time and that no other run has, such as `20261120-060000-4f1c2a`."""
    moment = datetime.fromtimestamp(now, UTC)
    return f"{moment:%Y%m%d-%H%M%S}-{os.urandom(3).hex()}"


def current_user() -> str:
    """Return the user's name, empty where the system has none for this process."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # A container may run under a number that no name is known for.
        return ""


def current_host() -> str:
    """Return this machine's name."""
    return os.uname().nodename
