"""What Python's own audit events tell: files opened, folders listed, databases, programs, and what is written."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote, urlsplit

from flowkit.execution.observing.account import Account
from flowkit.execution.observing.noted import note_lasting, note_variable
from flowkit.execution.observing.recorder import RECORDER
from flowkit.fingerprint.observed import ObservedKind

_NETWORK = frozenset({2, 10, 30})
"""`AF_INET`, and `AF_INET6` of Linux and of macOS: `socket` itself is not imported for them."""

_WRITES = os.O_WRONLY | os.O_RDWR
_EMPTIES = os.O_TRUNC | os.O_EXCL
_PROCESSES = "/proc/"
_OPENED = "/fd/"


def install_audit() -> None:
    """Add the audit hook; it cannot be removed again."""
    sys.addaudithook(_hear)


def _hear(event: str, arguments: tuple[Any, ...]) -> None:
    if RECORDER.active:
        handler = _HANDLERS.get(event)
        if handler is not None:
            handler(*arguments)


def _opened(path: object, mode: object, flags: int) -> None:
    if isinstance(path, int):
        return
    if flags & os.O_ACCMODE != os.O_WRONLY and not flags & _EMPTIES:
        RECORDER.read(ObservedKind.FILE, path)
    if flags & _WRITES:
        if _is_of_process(path):
            note_lasting("a file below /proc")
        RECORDER.write(lambda account, place: account.open_to_write(place, flags), path)


def _is_of_process(path: object) -> bool:
    """Whether a file is a setting of a process; what one has open lies below /proc too."""
    if not isinstance(path, (str, bytes, os.PathLike)):
        return False
    text = os.fsdecode(path)
    return text.startswith(_PROCESSES) and _OPENED not in text


def _hooked(*_: object) -> None:
    note_lasting("an audit hook")


def _listed(path: object) -> None:
    RECORDER.read(ObservedKind.LISTING, "." if path is None else path)


def _connected(database: object) -> None:
    if not isinstance(database, (str, bytes, os.PathLike)):
        return
    text = os.fsdecode(database)
    if text.startswith("file:"):
        text = unquote(urlsplit(text).path)
    if text and not text.startswith(":memory:"):
        RECORDER.read(ObservedKind.FILE, text)
        RECORDER.read(ObservedKind.FILE, f"{text}-wal")
        RECORDER.write(Account.connect, text)


def _started(executable: object, arguments: object, folder: object = None, *_: object) -> None:
    listed = [arguments] if isinstance(arguments, (str, bytes, os.PathLike)) else list(_iterable(arguments))
    program = executable or (listed[0] if listed else "")
    if isinstance(program, (str, bytes, os.PathLike)):
        RECORDER.started_program(os.fsdecode(program), listed[1:], folder)


def _spawned(executable: object, arguments: object, *_: object) -> None:
    _started(executable, arguments)


def _contacted(socket: Any, *_: object) -> None:
    # Others lead to this machine's own processes, as those of a pool.
    if getattr(socket, "family", None) in _NETWORK:
        RECORDER.connected()


def _iterable(value: Any) -> Any:
    return value if hasattr(value, "__iter__") else ()


def _made(path: object, _: object, folder: object) -> None:
    RECORDER.write(Account.make, path, folder=folder)


def _removed(path: object, folder: object) -> None:
    RECORDER.write(Account.remove, path, folder=folder)


def _removed_folder(path: object, folder: object) -> None:
    RECORDER.write(Account.remove_folder, path, folder=folder)


def _truncated(path: object, *_: object) -> None:
    RECORDER.write(Account.change, path)


def _renamed(source: object, target: object, folder: object, target_folder: object) -> None:
    RECORDER.write_from(Account.rename, (source, folder), (target, target_folder))


def _linked(source: object, target: object, folder: object, target_folder: object) -> None:
    RECORDER.write_from(Account.link, (source, folder), (target, target_folder))


def _pointed(source: Any, target: Any, folder: object) -> None:
    # What a symbolic link says is relative to the folder that it lies in.
    if isinstance(target, (str, bytes, os.PathLike)):
        inside = os.path.join(os.path.dirname(os.fsdecode(target)), os.fsdecode(source))
        RECORDER.write_from(Account.link, (inside, folder), (target, folder))


_HANDLERS: dict[str, Callable[..., None]] = {
    "open": _opened,
    "os.listdir": _listed,
    "os.scandir": _listed,
    "sqlite3.connect": _connected,
    "subprocess.Popen": _started,
    "os.posix_spawn": _spawned,
    "socket.connect": _contacted,
    "socket.sendto": _contacted,
    "os.mkdir": _made,
    "os.remove": _removed,
    "os.rmdir": _removed_folder,
    "os.truncate": _truncated,
    "os.rename": _renamed,
    "os.link": _linked,
    "os.symlink": _pointed,
    "os.putenv": note_variable,
    "os.unsetenv": note_variable,
    "sys.addaudithook": _hooked,
}
"""By the name of an audit event, what takes its arguments."""
