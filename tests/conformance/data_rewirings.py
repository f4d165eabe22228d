"""Changed files, folders, links, seeds and wiring: cases 43 and 71 to 77."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Rewiring:
    """A change of files, or of which producer and which value a step is given.

    Attributes:
        number: Of the case.
        title: What changes.
        steps: Definitions that the case needs.
        before: Lines of the pipeline's body.
        runs: The nodes that must run, with the reason.
        after: The lines after the edit, or nothing where they stay.
        change: What happens in the folder of data.
        rests: The nodes that must not run.
        edit: What is replaced in the definitions, and by what.
    """

    number: int
    title: str
    steps: str
    before: tuple[str, ...]
    runs: dict[str, str]
    after: tuple[str, ...] = ()
    change: Callable[[Path], object] = lambda data: None
    rests: tuple[str, ...] = ()
    edit: tuple[str, str] | None = None

    @property
    def label(self) -> str:
        return f"case {self.number}: {self.title}"


def _replace_byte(file: Path, how: str) -> None:
    """Change one byte of a file; its size stays, and its time of modification is set back."""
    before = file.stat()
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    if how == "in place":
        with file.open("r+b") as handle:
            handle.seek(len(content) // 2)
            handle.write(content[len(content) // 2 : len(content) // 2 + 1])
    else:
        other = file.with_name(f"{file.name}.new")
        other.write_bytes(content)
        os.replace(other, file)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = file.stat()
    assert (after.st_size, after.st_mtime_ns) == (before.st_size, before.st_mtime_ns)


def _swap(one: Path, other: Path) -> None:
    """Give two files each other's name."""
    kept = one.with_name("kept")
    one.rename(kept)
    other.rename(one)
    kept.rename(other)


def _retarget(link: Path, target: str) -> None:
    link.unlink()
    link.symlink_to(target)


_SIZE = """

@fk.step
def {name}(path: Path) -> int:
    return sum(len(file.read_bytes()) for file in [path, *path.rglob("*")] if file.is_file())
"""
_CHAIN = """

@fk.step
def source(base: int = 1) -> int:
    return base + 1


@fk.step
def doubled(number: int) -> int:
    return 2 * number


@fk.step
def shown(number: int) -> str:
    return str(number)
"""
_WIRED = """

@fk.step
def left() -> list[int]:
    return [1]


@fk.step
def right() -> list[int]:
    return [2]


@fk.step
def twin_of_left() -> list[int]:
    return [1] + []


@fk.step
def wired(numbers: list[int]) -> int:
    return len(numbers)


@fk.step
def pair(first: list[int], second: list[int]) -> int:
    return len(first)
"""
_DRAWN = """

@fk.step
def draw(seed: int = 0) -> list[float]:
    return np.random.default_rng(seed).random(3).tolist()


@fk.step
def mean(numbers: list[float]) -> float:
    return sum(numbers) / len(numbers)
"""
_ADDED = """

@fk.step
def scaled(number: int, scale: int = 1) -> int:
    return number * scale
"""
_GAINED = """

@fk.step
def gained(number: int) -> int:
    return number
"""


_PRODUCED = "one, two, three = left(), right(), twin_of_left()"


def _on_path(number: int, title: str, name: str, change: Callable[[Path], object]) -> Rewiring:
    """A step of the case's own on `data/NAME`, and one on what stays as it is."""
    calls = (f'{name}(Path("data/{name}"))', f'{name}.named("{name}_beside")(Path("data/beside"))')

    def change_path(data: Path) -> None:
        change(data / name)

    return Rewiring(
        number, title, _SIZE.format(name=name), calls, {name: "input"}, change=change_path, rests=(f"{name}_beside",)
    )


REWIRINGS = [
    _on_path(43, "one byte, size and mtime preserved", "byte", lambda path: _replace_byte(path, "in place")),
    _on_path(43, "one byte, in a new file of the old time", "anew", lambda path: _replace_byte(path, "anew")),
    _on_path(43, "one byte of a file in a folder", "below", lambda path: _replace_byte(path / "x", "in place")),
    _on_path(71, "file added to a folder", "added", lambda path: (path / "new").write_text("")),
    _on_path(71, "file added deep in a folder", "deep", lambda path: (path / "sub" / "new").write_text("")),
    _on_path(71, "empty folder added to a folder", "empty", lambda path: (path / "new").mkdir()),
    _on_path(72, "rename inside a folder", "renamed", lambda path: (path / "x").rename(path / "y")),
    _on_path(72, "two files of a folder swapped", "swapped", lambda path: _swap(path / "x", path / "z")),
    _on_path(73, "symlink retargeted", "linked", lambda path: _retarget(path, "beside/z")),
    _on_path(73, "symlink inside a folder retargeted", "links", lambda path: _retarget(path / "l", "z")),
    _on_path(73, "symlink to a folder retargeted", "where", lambda path: _retarget(path, "deep")),
    Rewiring(
        74,
        "parameter added with a value of its own",
        _ADDED,
        ("scaled(1)", 'scaled.named("scaled_beside")(1)'),
        {"scaled": "parameter"},
        after=("scaled(1, scale=3)", 'scaled.named("scaled_beside")(1, scale=1)'),
        rests=("scaled_beside",),
    ),
    Rewiring(
        74,
        "parameter added to the step as well",
        _GAINED,
        ("gained(1)",),
        {"gained": "code"},
        after=("gained(1, scale=3)",),
        edit=(
            "(number: int) -> int:\n    return number",
            "(number: int, scale: int = 1) -> int:\n    return number * scale",
        ),
    ),
    Rewiring(
        75,
        "upstream output changed",
        _CHAIN,
        ("shown(doubled(source()))", 'shown.named("shown_beside")(doubled.named("doubled_beside")(7))'),
        {"source": "code", "doubled": "input", "shown": "input"},
        rests=("doubled_beside", "shown_beside"),
        edit=("return base + 1", "return base + 2"),
    ),
    Rewiring(
        76,
        "input wired to another producer",
        _WIRED,
        (_PRODUCED, "wired(one)", 'wired.named("wired_to_twin")(one)', "pair(one, two)"),
        {"wired": "input", "pair": "input"},
        after=(_PRODUCED, "wired(two)", 'wired.named("wired_to_twin")(three)', "pair(two, one)"),
        rests=("left", "right", "twin_of_left", "wired_to_twin"),
    ),
    Rewiring(
        77,
        "random seed",
        _DRAWN,
        ("mean(draw(seed=0))", 'mean.named("mean_beside")(draw.named("draw_beside")())'),
        {"draw": "parameter", "mean": "input"},
        after=("mean(draw(seed=1))", 'mean.named("mean_beside")(draw.named("draw_beside")(seed=0))'),
        rests=("draw_beside", "mean_beside"),
    ),
]
"""Changed files, folders, links and wiring."""
