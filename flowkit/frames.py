"""Where in a person's own source an error passed: what a message shows instead of a traceback through flowkit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from flowkit.errors import DefinitionError
from flowkit.errors.wording import place

_PACKAGE = Path(__file__).parent
_MOST_FRAMES = 4
_LONGEST_LINE = 60
_PLACES = frozenset({"at", "called", "defined", "first"})
"""Labels of facts that name a place already."""


def user_frames(error: BaseException, root: Path) -> tuple[str, ...]:
    """Return where below `root` the error passed, innermost last, each as `file:line  source`.

    Installed packages (also of an environment inside of the project) and flowkit itself are left out.
    """
    found = [text for frame in _walk(error.__traceback__) if (text := _show(frame, root)) is not None]
    return tuple(found[-_MOST_FRAMES:])


@contextmanager
def telling_place(root: Path, defined: str = "") -> Iterator[None]:
    """Let what is refused inside say where in the person's own source that was, with paths relative to `root`.

    Args:
        root: The project's root.
        defined: Where the thing that is built stands, for a refusal that no line of the person's own led to.
    """
    try:
        yield
    except DefinitionError as error:
        raise _placed(error, root, defined).with_traceback(error.__traceback__) from None


def _placed(error: DefinitionError, root: Path, defined: str) -> DefinitionError:
    facts = error.facts
    named = any(label in _PLACES or ".py:" in value for label, value in facts)
    if not named:
        frames = user_frames(error, root)
        facts += tuple(place(frames) or ([("defined", defined)] if defined else []))
    folder = f"{root}/"
    near = tuple((label, value.replace(folder, "")) for label, value in facts)
    return type(error)(error.message.replace(folder, ""), near, error.hint)


def shorten(file: str, root: Path) -> str:
    """Return a file's path relative to `root` where it lies below it."""
    path = Path(file)
    return str(path.relative_to(root)) if path.is_relative_to(root) else file


def _walk(trace: TracebackType | None) -> Iterator[TracebackType]:
    while trace is not None:
        yield trace
        trace = trace.tb_next


def _show(trace: TracebackType, root: Path) -> str | None:
    file = trace.tb_frame.f_code.co_filename
    path = Path(file)
    if not path.is_relative_to(root) or "site-packages" in path.parts or path.is_relative_to(_PACKAGE):
        return None
    import linecache

    line = linecache.getline(file, trace.tb_lineno).strip()
    return f"{shorten(file, root)}:{trace.tb_lineno}  {line[:_LONGEST_LINE]}"
