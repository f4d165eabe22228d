"""Framed messages over a pipe between a supervisor and its step host.

Each frame is a mark, its length in eight bytes and a body. What every node costs, the reports of its start and its end,
travels as MessagePack and is read back by its type; everything else is pickled, and so is a result whose texts are no
Unicode, as names of files may be. Both ends are flowkit's own processes on one machine; but a step may write into its
host's pipe, by its number, and that is no frame.
"""

from __future__ import annotations

import os
import pickle
import struct
from collections.abc import Iterator
from typing import Any

import msgspec

from flowkit.records import Digest, StepResult

_PICKLED, _TYPED = b"flk1", b"flk2"
_HEADER = struct.Struct("<4sQ")
_LONGEST = 1 << 32
_READ_SIZE = 1 << 20

CUT = "cut"
"""The file in its folder by which a host tells that it ends for want of pipes."""


class StartReport(msgspec.Struct, frozen=True, array_like=True, tag="started"):
    """A node is about to run."""

    token: str
    at: float
    key: Digest


class EndReport(msgspec.Struct, frozen=True, array_like=True, tag="ended"):
    """A node has ended."""

    result: StepResult


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(StartReport | EndReport).decode


def pack_frame(message: object) -> bytes:
    """Return `message` as a frame."""
    return _frame(_PICKLED, pickle.dumps(message, protocol=5))


def pack_report(report: StartReport | EndReport) -> bytes:
    """Return what every node costs as a frame."""
    try:
        return _frame(_TYPED, _encode(report))
    except (TypeError, ValueError, OverflowError):
        # A text that is no Unicode, or of a class of somebody's own: whoever reads it gets just that.
        return pack_frame(report)


def _frame(mark: bytes, body: bytes) -> bytes:
    return _HEADER.pack(mark, len(body)) + body


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
        while (limit is None or count < limit) and (frame := self._take_frame()) is not None:
            count += 1
            mark, body = frame
            if mark == _PICKLED:
                yield pickle.loads(body)
            elif (report := self._read_report(body)) is not None:
                yield report

    def _take_frame(self) -> tuple[bytes, bytes] | None:
        """Take the mark and the body of the next frame; None where it is not complete yet, or is none."""
        # Whatever is shorter than a header too: nothing more may come after it.
        begun = bytes(self._buffer[: len(_PICKLED)])
        if self.garbled or not (_TYPED.startswith(begun) or _PICKLED.startswith(begun)):
            self._give_up()
            return None
        if len(self._buffer) < _HEADER.size:
            return None
        mark, length = _HEADER.unpack_from(self._buffer)
        if length > _LONGEST:
            self._give_up()
            return None
        end = _HEADER.size + length
        if len(self._buffer) < end:
            return None
        body = bytes(memoryview(self._buffer)[_HEADER.size : end])
        del self._buffer[:end]
        return mark, body

    def _read_report(self, body: bytes) -> StartReport | EndReport | None:
        try:
            report: StartReport | EndReport = _decode(body)
        except msgspec.DecodeError:
            self._give_up()
            return None
        return report

    def _give_up(self) -> None:
        self.garbled = True
        self._buffer.clear()
