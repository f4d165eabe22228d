"""What the processes of a run listen on, by the kernel's own tables."""

from __future__ import annotations

import ipaddress
import os
import socket
import struct
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

_LISTENS = "0A"


@dataclass
class Sockets:
    """Every address at which one of the processes was seen, as long as they ran.

    Attributes:
        listening: (IP address, port) of TCP.
        datagrams: The same of UDP.
        unix: Names of UNIX sockets that have one, such as those that others can connect to.
        command_lines: What `ps` would show of them.
    """

    listening: set[tuple[str, int]] = field(default_factory=set)
    datagrams: set[tuple[str, int]] = field(default_factory=set)
    unix: set[str] = field(default_factory=set)
    command_lines: set[str] = field(default_factory=set)
    processes: set[int] = field(default_factory=set)

    def look(self, root: int) -> None:
        """Look once at a process and all below it."""
        for process in _tree(root):
            with suppress(OSError):
                self.processes.add(process)
                self.command_lines.add(Path(f"/proc/{process}/cmdline").read_text(errors="replace"))
                self._look_at(_inodes(process))

    def _look_at(self, inodes: set[str]) -> None:
        for name in ("tcp", "tcp6", "udp", "udp6"):
            for words in _rows(name):
                if words[9] in inodes and (name.startswith("udp") or words[3] == _LISTENS):
                    kept = self.datagrams if name.startswith("udp") else self.listening
                    kept.add(_address(words[1]))
        for words in _rows("unix"):
            if words[6] in inodes and len(words) > 7:
                self.unix.add(words[7])


def watch(process: subprocess.Popen[str]) -> Sockets:
    """Look at a process and its children until it has ended."""
    seen = Sockets()
    while process.poll() is None:
        with suppress(OSError):
            seen.look(process.pid)
        time.sleep(0.1)
    return seen


def is_loopback(address: str) -> bool:
    found = ipaddress.ip_address(address)
    mapped = getattr(found, "ipv4_mapped", None)
    return (mapped or found).is_loopback


def _tree(root: int) -> list[int]:
    children = [
        int(child)
        for path in Path(f"/proc/{root}/task").glob("*/children")
        for child in path.read_text().split()
    ]  # fmt: skip
    return [root, *(process for child in children for process in _tree(child))]


def _inodes(process: int) -> set[str]:
    found = set()
    for descriptor in Path(f"/proc/{process}/fd").iterdir():
        with suppress(OSError):
            kind, _, inode = os.readlink(descriptor).partition(":")
            if kind == "socket":
                found.add(inode.strip("[]"))
    return found


def _rows(table: str) -> list[list[str]]:
    return [line.split() for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]]


def _address(text: str) -> tuple[str, int]:
    host, port = text.split(":")
    words = [int(host[start : start + 8], 16) for start in range(0, len(host), 8)]
    packed = b"".join(struct.pack("=I", word) for word in words)
    family = socket.AF_INET if len(packed) == 4 else socket.AF_INET6
    return socket.inet_ntop(family, packed), int(port, 16)
