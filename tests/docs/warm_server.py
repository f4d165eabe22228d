"""Processes that begin with the dear third-party libraries imported: forked, not started anew.

A document's commands are processes of their own, most of which would import pandas and scikit-learn first. This process
has done so once, and becomes what a command asks for in a fork of its own: `sys.argv`, the folder, the environment and
the open files are the command's, and it ends as any interpreter does. Nothing of flowkit is imported before the fork.

It ends when its standard input does. Run as `python warm_server.py SOCKET`.
"""

from __future__ import annotations

import array
import contextlib
import gc
import importlib
import json
import os
import runpy
import selectors
import signal
import socket
import sys
import time
import types
from collections.abc import Mapping, Sequence
from typing import Any

LIBRARIES = (
    "numpy",
    "pandas",
    "pyarrow.parquet",
    "pandera.pandas",
    "scipy.stats",
    "sklearn.datasets",
    "sklearn.ensemble",
    "sklearn.linear_model",
    "sklearn.metrics",
    "sklearn.model_selection",
    "sklearn.pipeline",
    "sklearn.preprocessing",
    "sqlalchemy",
)
_MOST = 1 << 20
_DESCRIPTORS = 3
_PATH = "PYTHONPATH"


class Ask:
    """What one command asks for.

    Attributes:
        descriptors: Its standard input, output and error.
    """

    def __init__(self, told: Mapping[str, Any], descriptors: Sequence[int]) -> None:
        self.descriptors = descriptors
        self.arguments: list[str] = told["arguments"]
        self._folder: str = told["folder"]
        self._variables: dict[str, str] = told["variables"]
        self._mask: int = told["mask"]

    def enter(self, path: Sequence[str]) -> None:
        """Give this process the command's files, folder, environment and import path.

        Args:
            path: The import path of an interpreter without PYTHONPATH.
        """
        for number, descriptor in enumerate(self.descriptors):
            os.dup2(descriptor, number)
            os.close(descriptor)
        # Those there are know what the server's own files can do, which a pipe may not.
        sys.stdin = sys.__stdin__ = _opened(0, "r", sys.stdin)
        sys.stdout = sys.__stdout__ = _opened(1, "w", sys.stdout)
        sys.stderr = sys.__stderr__ = _opened(2, "w", sys.stderr)
        os.chdir(self._folder)
        os.umask(self._mask)
        os.environ.clear()
        os.environ.update(self._variables)
        time.tzset()
        # Python's own generator sees to this itself.
        sys.modules["numpy"].random.seed()
        given = [entry for entry in self._variables.get(_PATH, "").split(os.pathsep) if entry]
        sys.path[:] = [*given, *path]

    def run(self) -> None:
        """Do what `python ARGUMENTS` does."""
        first, *rest = self.arguments
        if first == "-c":
            sys.argv[:] = ["-c", *rest[1:]]
            sys.path.insert(0, "")
            main = sys.modules["__main__"] = types.ModuleType("__main__")
            exec(compile(rest[0], "<string>", "exec"), vars(main))
        elif first == "-m":
            sys.argv[:] = rest
            sys.path.insert(0, os.getcwd())
            runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
        else:
            sys.argv[:] = self.arguments
            sys.path.insert(0, os.path.dirname(os.path.abspath(first)))
            runpy.run_path(first, run_name="__main__")


def _opened(number: int, mode: str, known: Any) -> Any:
    return os.fdopen(number, mode, 1 if known.line_buffering else -1, errors=known.errors, closefd=False)


def serve(listener: socket.socket) -> Ask | None:
    """Fork for each command until standard input ends; in the fork, return what to do there."""
    with selectors.DefaultSelector() as selector:
        selector.register(listener, selectors.EVENT_READ)
        selector.register(0, selectors.EVENT_READ)
        commands: dict[int, tuple[int, socket.socket]] = {}
        while True:
            for key, _ in selector.select():
                if key.fd == 0:
                    return None
                if key.fd in commands:
                    selector.unregister(key.fd)
                    _tell_end(key.fd, *commands.pop(key.fd))
                    continue
                client = listener.accept()[0]
                ask = _receive(client)
                if (pid := os.fork()) == 0:
                    for descriptor, (_, other) in commands.items():
                        os.close(descriptor)
                        other.close()
                    client.close()
                    return ask
                for descriptor in ask.descriptors:
                    os.close(descriptor)
                client.sendall(f"{pid}\n".encode())
                ended = os.pidfd_open(pid)
                commands[ended] = pid, client
                selector.register(ended, selectors.EVENT_READ)


def _receive(client: socket.socket) -> Ask:
    numbers = array.array("i")
    content, ancillary, _, _ = client.recvmsg(_MOST, socket.CMSG_SPACE(_DESCRIPTORS * numbers.itemsize))
    for _, _, data in ancillary:
        numbers.frombytes(data)
    while not content.endswith(b"\n"):
        content += client.recv(_MOST)
    return Ask(json.loads(content), numbers)


def _tell_end(descriptor: int, pid: int, client: socket.socket) -> None:
    os.close(descriptor)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    with contextlib.suppress(OSError):
        client.sendall(f"{code}\n".encode())
    client.close()


def main() -> None:
    """Import the libraries, serve, and in each fork become the command."""
    own = os.path.dirname(os.path.abspath(__file__))
    path = [entry for entry in sys.path if entry and os.path.abspath(entry) != own]
    for name in LIBRARIES:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    assert not any(name.partition(".")[0] == "flowkit" for name in sys.modules)
    gc.collect()
    gc.freeze()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(sys.argv[1])
    listener.listen()
    ask = serve(listener)
    listener.close()
    if ask is not None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        ask.enter(path)
        ask.run()


if __name__ == "__main__":
    main()
