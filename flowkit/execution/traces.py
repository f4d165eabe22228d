"""Tracebacks as their reader wants them: the user's own frames, without those of flowkit, libraries and Python."""

from __future__ import annotations

import os
import re
import traceback
from types import TracebackType

from flowkit.authoring.secrets import mask
from flowkit.errors import cut
from flowkit.source_imports import stdlib_folders

_FLOWKIT = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_MACHINERY = ("<frozen ", *(folder + os.sep for folder in stdlib_folders()))
_INSTALLED = (f"{os.sep}site-packages{os.sep}", f"{os.sep}dist-packages{os.sep}")
_LONGEST_TRACE = 100_000
_LONGEST_TEXT = 4_000
_LONGEST_LINE = 1_000
_COMPILED = (".pyx", ".pxi")
_ILLEGIBLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


def legible(text: str) -> str:
    """Return a text with what no terminal should be sent, and what no encoding has, written as Python escapes."""
    return _ILLEGIBLE.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def is_hidden(file: str) -> bool:
    """Whether code of this file is flowkit's, a library's or Python's own, and not the user's."""
    if any(part in file for part in _INSTALLED) or file.endswith(_COMPILED):
        return True
    return file.startswith((_FLOWKIT, *_MACHINERY))


def format_trace(error: BaseException) -> str:
    """Return the traceback of `error` and of what caused it, only the user's frames; empty where there are none."""
    formatted = traceback.TracebackException.from_exception(error, compact=True)
    if not _strip(formatted, set()):
        return ""
    text = "\n".join(cut(line, _LONGEST_LINE) for line in legible(mask("".join(formatted.format()))).split("\n"))
    return text if len(text) <= _LONGEST_TRACE else f"{text[:_LONGEST_TRACE]}\n… cut\n"


def text_of(error: BaseException) -> str:
    """Return an exception's own text, without secrets, shortened; also where its `__str__` fails."""
    try:
        text = legible(mask(str(error))).strip()
    except Exception as problem:  # noqa: BLE001  (whatever a user's __str__ raises, the failure must be told)
        text = f"<its text cannot be shown: {type(problem).__name__}>"
    return text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]} …"


def innermost_own_line(error: BaseException, root: str) -> str:
    """Return `file:line in function` of the innermost frame below `root`, else of the outermost frame that is kept."""
    kept = [entry for entry in _places(error.__traceback__) if not is_hidden(entry[0])]
    own = [entry for entry in kept if entry[0].startswith(root + os.sep) and "site-packages" not in entry[0]]
    if not kept:
        return ""
    file, line, name = own[-1] if own else kept[0]
    shown = file[len(root) + 1 :] if file.startswith(root + os.sep) else file
    return f"{shown}:{line} in {name}"


def _places(trace: TracebackType | None) -> list[tuple[str, int, str]]:
    found = []
    while trace is not None:
        code = trace.tb_frame.f_code
        found.append((code.co_filename, trace.tb_lineno, code.co_name))
        trace = trace.tb_next
    return found


def _strip(formatted: traceback.TracebackException, seen: set[int]) -> int:
    """Remove every frame that is not the user's, and return how many are left."""
    if id(formatted) in seen:
        return 0
    seen.add(id(formatted))
    formatted.stack[:] = [frame for frame in formatted.stack if not is_hidden(frame.filename)]
    kept = len(formatted.stack)
    if formatted.__context__ is not None and not _strip(formatted.__context__, set(seen)):
        # What a library met and answered with an exception of its own says nothing of the user's code.
        formatted.__context__ = None
    for linked in (formatted.__cause__, formatted.__context__, *(formatted.exceptions or ())):
        if linked is not None:
            kept += _strip(linked, seen)
    return kept
