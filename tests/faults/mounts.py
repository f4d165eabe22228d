"""File systems of a child process's own: read-only views and small disks that nobody else sees."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

_NEW_NAMESPACE, _NEW_USERS = 0x00020000, 0x10000000
_READ_ONLY, _REMOUNT, _BIND, _RECURSIVE, _PRIVATE = 1, 32, 4096, 16384, 1 << 18

_libc = ctypes.CDLL(None, use_errno=True)


def leave_namespace() -> None:
    """Let the mounts that follow be seen by this process and its children only."""
    user, group = os.geteuid(), os.getegid()
    _check(_libc.unshare(_NEW_NAMESPACE if user == 0 else _NEW_NAMESPACE | _NEW_USERS))
    if user != 0:  # root within a namespace of users may mount what others do not see
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {user} 1")
        Path("/proc/self/gid_map").write_text(f"0 {group} 1")
    _mount(b"none", Path("/"), None, _RECURSIVE | _PRIVATE)


def mount_read_only(folder: Path) -> None:
    """Let `folder` be as on a disk that is mounted read-only."""
    leave_namespace()
    _mount(bytes(folder), folder, None, _BIND)
    _mount(bytes(folder), folder, None, _REMOUNT | _BIND | _READ_ONLY)


def mount_small_disk(folder: Path, size: int) -> None:
    """Put an empty disk of `size` bytes over `folder`."""
    leave_namespace()
    _mount(b"tmpfs", folder, b"tmpfs", 0, f"size={size}".encode())


def _mount(source: bytes, target: Path, kind: bytes | None, flags: int, data: bytes | None = None) -> None:
    _check(_libc.mount(source, bytes(target), kind, flags, data))


def _check(result: int) -> None:
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
