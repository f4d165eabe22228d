"""Ways in which a stored file becomes something else than was written: what disks, copies and people do to it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from flowkit.store.packs import MAGIC, read_layout

Harm = Callable[[Path], None]


@dataclass(frozen=True)
class Damage:
    """A way to damage a file.

    Attributes:
        keeps_file: Whether a regular file stands there afterwards, whose stamp may look as if nothing had happened.
    """

    name: str
    harm: Harm
    keeps_file: bool = True


def overwrite(path: Path, content: bytes) -> None:
    """Write over a file in place, as whoever does not know that it is read-only to be."""
    path.chmod(0o600)
    with path.open("r+b") as file:
        file.write(content)
        file.truncate()
    path.chmod(0o400)


def flip(position: Callable[[bytes], int]) -> Harm:
    def harm(path: Path) -> None:
        content = bytearray(path.read_bytes())
        content[position(bytes(content))] ^= 0x10
        overwrite(path, bytes(content))

    return harm


def in_chunk(content: bytes) -> int:
    """A byte of the first chunk of a container, else of the middle."""
    return _in_container(content, lambda start, _: min(start)) if content.startswith(MAGIC) else len(content) // 3


def in_payload(content: bytes) -> int:
    return _in_container(content, lambda _, payload: payload) if content.startswith(MAGIC) else len(content) * 2 // 3


def in_table(content: bytes) -> int:
    """A byte of the table of locations, before the footer of some hundred bytes."""
    return -150 if content.startswith(MAGIC) else -7


def in_padding(content: bytes) -> int:
    """The byte after the magic: it belongs to nothing. Of a bare file, the second."""
    return len(MAGIC) + 1 if content.startswith(MAGIC) else 1


def _in_container(content: bytes, choose: Callable[[list[int], int], int]) -> int:
    layout = read_layout("ab/" + "c" * 62 + ".table", memoryview(content))
    own = [place.offset for place in layout.chunks.values() if place.name == layout.payload.name]
    return choose(own or [layout.payload.offset], layout.payload.offset) + 3


def cut(share: float, less: int = 0) -> Harm:
    def harm(path: Path) -> None:
        content = path.read_bytes()
        overwrite(path, content[: int(len(content) * share) - less])

    return harm


def zero(path: Path) -> None:
    overwrite(path, bytes(path.stat().st_size))


def append(path: Path) -> None:
    overwrite(path, path.read_bytes() + b"\0")


def become_a_link(path: Path) -> None:
    target = path.with_name("elsewhere")
    path.rename(target)
    path.symlink_to(target)


def become_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def become_a_full_folder(path: Path) -> None:
    become_a_folder(path)
    (path / "something").write_text("else")


def become_a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def clear_strays(blobs: Path) -> None:
    """Remove what `become_a_link` put beside."""
    for path in blobs.glob("*/elsewhere"):
        path.unlink()


def remove_whatever(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


DAMAGES = (
    Damage("a byte flipped at the start", flip(lambda content: 0)),
    Damage("a byte flipped in the middle", flip(lambda content: len(content) // 2)),
    Damage("a byte flipped at the end", flip(lambda content: len(content) - 1)),
    Damage("a byte flipped in a chunk", flip(in_chunk)),
    Damage("a byte flipped in the payload", flip(in_payload)),
    Damage("a byte flipped in the table", flip(in_table)),
    Damage("a byte flipped in the padding", flip(in_padding)),
    Damage("zeroed", zero),
    Damage("cut to nothing", cut(0)),
    Damage("cut to a half", cut(0.5)),
    Damage("cut by a byte", cut(1, 1)),
    Damage("a byte appended", append),
    Damage("deleted", Path.unlink, keeps_file=False),
    Damage("a link", become_a_link, keeps_file=False),
    Damage("a folder", become_a_folder, keeps_file=False),
    Damage("a full folder", become_a_full_folder, keeps_file=False),
    Damage("a pipe", become_a_pipe, keeps_file=False),
)
