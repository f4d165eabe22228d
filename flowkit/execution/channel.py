"""Framed, pickled messages over a pipe between a supervisor and its step host.

Each frame is a mark, its length in eight bytes and a pickle. Both ends are flowkit's own processes on one machine; but
a step may write into its host's pipe, by its number, and that is no frame.
"""

from __future__ import annotations

import os
import pickle
import struct
from collections.abc import Iterator
from typing import Any

_MARK = b"flk1"
_HEADER = struct.Struct("<4sQ")
_LONGEST = 1 << 32
_READ_SIZE = 1 << 20

CUT = "cut"
"""The file in its folder by which a host tells that it ends for want of pipes."""


def pack_frame(message: object) -> bytes:
    """Return `message` as a frame."""
    body = pickle.dumps(message, protocol=5)
    return _HEADER.pack(_MARK, len(body)) + body


def write_all(descriptor: int, content: bytes) -> None:
    """Write all of `content`, waiting as long as the reader takes.

    Raises:
        OSError: The reader is gone.
    """
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]


def send(descriptor: int, message: object) -> None:
    """Write one message."""
    write_all(descriptor, pack_frame(message))


class FrameReader:
    """Takes messages out of a pipe as they become complete.

    Attributes:
        ended: Whether the writer has closed its end.
        garbled: Whether something came that is no frame; nothing after that is taken for one.
    """

    def __init__(self, descriptor: int) -> None:
        self.ended = False
        self.garbled = False
        self._descriptor = descriptor
        self._buffer = bytearray()

    def receive(self) -> Any:
        """Wait for the next message and return it.

        Raises:
            EOFError: The writer is gone, or what came is no message.
        """
        while True:
            for message in self._complete(1):
                return message
            if self.garbled or not self._fill():
                raise EOFError

    def available(self) -> Iterator[Any]:
        """Yield every message that is complete after one read; at the end of the pipe, none."""
        self._fill()
        yield from self._complete(None)

    def _fill(self) -> bool:
        try:
            content = os.read(self._descriptor, _READ_SIZE)
        except BlockingIOError:
            return False
        self.ended = not content
        self._buffer += content
        return bool(content)

    def _complete(self, limit: int | None) -> Iterator[Any]:
        count = 0
        while limit is None or count < limit:
            # Whatever is shorter than a header too: nothing more may come after it.
            if self.garbled or not _MARK.startswith(self._buffer[: len(_MARK)]):
                self._give_up()
                return
            if len(self._buffer) < _HEADER.size:
                return
            _, length = _HEADER.unpack_from(self._buffer)
            if length > _LONGEST:
                self._give_up()
                return
            end = _HEADER.size + length
            if len(self._buffer) < end:
                return
            body = bytes(memoryview(self._buffer)[_HEADER.size : end])
            del self._buffer[:end]
            count += 1
            yield pickle.loads(body)

    def _give_up(self) -> None:
        self.garbled = True
        self._buffer.clear()
