"""The types a step's author meets: metrics, untracked parameters, skipping, and places to write files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from pathlib import Path
from typing import Annotated, TypeVar

from flowkit.errors import ValueTypeError

T = TypeVar("T")


class Metrics(Mapping[str, float]):
    """Named numbers that an evaluation gives: what gates judge. A `Mapping[str, float]`.

    Args:
        **values: The metrics by name; numpy's numbers are taken too, and `nan` is kept.

    Raises:
        ValueTypeError: A value is not a number.

    Example:
        >>> import flowkit as fk
        >>> metrics = fk.Metrics(accuracy=0.9, majority=0.5)
        >>> metrics["accuracy"], dict(metrics)
        (0.9, {'accuracy': 0.9, 'majority': 0.5})
    """

    __slots__ = ("_values",)

    def __init__(self, **values: float) -> None:
        self._values = {name: _as_float(name, value) for name, value in values.items()}

    def __getitem__(self, name: str) -> float:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"Metrics({', '.join(f'{name}={value!r}' for name, value in self._values.items())})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Mapping) and self._values == dict(other)

    def __hash__(self) -> int:
        return hash(frozenset(self._values.items()))


def _as_float(name: str, value: object) -> float:
    # numpy's scalars and arrays of no dimension have `__float__`; a str has not.
    if isinstance(value, (str, bytes)) or not hasattr(value, "__float__"):
        raise ValueTypeError.for_metric(name, value)
    return float(value)


class UntrackedMarker:
    """Marks a parameter that does not change the result."""

    def __repr__(self) -> str:
        return "Untracked"


UNTRACKED = UntrackedMarker()

Untracked = Annotated[T, UNTRACKED]
"""`Untracked[int]`: a parameter that does not change the result and so does not count in the key, such as `n_jobs`."""


class Skip(Exception):  # noqa: N818  (raised by people as a signal, not an error)
    """Raised in a step to skip its node, and what needs it, while the run still succeeds.

    A parameter that admits `None` gets `None` from a skipped producer instead.

    Args:
        reason: Shown with the node, and recorded.

    Example:
        >>> import flowkit as fk
        >>> @fk.step
        ... def newest(names: list[str]) -> str:
        ...     if not names:
        ...         raise fk.Skip("nothing new")
        ...     return max(names)
        >>> @fk.pipeline
        ... def inbox() -> None:
        ...     newest([])
        >>> fk.Session(inline=True).run(inbox)["newest"].outcome
        <Outcome.SKIPPED: 'skipped'>
    """

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason)
        self.reason = reason


_SCRATCH: ContextVar[Path | None] = ContextVar("flowkit_scratch", default=None)


def scratch() -> Path:
    """Return the folder in which this attempt of the step may write; empty at first, gone afterwards.

    A returned path in it is kept in the store. Outside of a run, as in a plain test, it is a new temporary folder.

    Example:
        >>> import flowkit as fk
        >>> from pathlib import Path
        >>> @fk.step
        ... def write(text: str) -> Path:
        ...     path = fk.scratch() / "note.txt"
        ...     _ = path.write_text(text)
        ...     return path
        >>> write("hello").read_text()
        'hello'
    """
    folder = _SCRATCH.get()
    return folder if folder is not None else _make_folder("flowkit-scratch-")


_CHECKPOINTS: ContextVar[Callable[[], Path] | None] = ContextVar("flowkit_checkpoints", default=None)


def checkpoints() -> Path:
    """Return the folder in which this node keeps its progress until it succeeds.

    It belongs to the node's cache key: a later attempt, also one of a later run, finds what an earlier one left there;
    an edit of the code or another argument gives another folder. Once the node has succeeded it is removed. Call it
    in the step's own thread. Outside of a run, as in a plain test, it is a new temporary folder.

    Example:
        >>> import flowkit as fk
        >>> @fk.step
        ... def count(to: int) -> int:
        ...     kept = fk.checkpoints() / "n"
        ...     n = int(kept.read_text()) if kept.exists() else 0
        ...     while n < to:
        ...         n += 1
        ...         _ = kept.write_text(str(n))
        ...     return n
        >>> count(3)
        3
    """
    open_folder = _CHECKPOINTS.get()
    return open_folder() if open_folder is not None else _make_folder("flowkit-checkpoints-")


def _make_folder(prefix: str) -> Path:
    import tempfile

    return Path(tempfile.mkdtemp(prefix=prefix))


def give_places(scratch: Path, open_checkpoints: Callable[[], Path]) -> None:
    """Let `scratch()` and `checkpoints()` give the folders of one attempt, in the context of its step."""
    _SCRATCH.set(scratch)
    _CHECKPOINTS.set(open_checkpoints)
