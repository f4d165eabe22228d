"""Whether a declared input file is to blame for what a step raised, judged by looking at the file itself."""

from __future__ import annotations

import codecs
import os
import stat
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from flowkit.errors import StepInputError
from flowkit.execution.traces import text_of

_PIECE = 1 << 20
_MAGIC = {".parquet": (b"PAR1", b"PAR1"), ".feather": (b"ARROW1", b"ARROW1"), ".arrow": (b"ARROW1", b"ARROW1")}
_LONGEST_CHAIN = 20
_READERS = ("pandas", "pyarrow", "polars", "gzip", "csv", "json", "numpy", "zipfile", "openpyxl")
_READING = ("read", "scan", "load", "raw_decode", "parse", "RealGetContents")
_LARGEST_TEXT = 1 << 26

Blame = Callable[[BaseException, str, Sequence[Path]], StepInputError | None]


def blame_input(error: BaseException, step: str, files: Sequence[Path]) -> StepInputError | None:
    """Return the error that names the file at fault, None where none of the declared ones is.

    Args:
        error: What the step raised; what caused it is looked at too.
        step: The step's name.
        files: Its declared input files and folders.
    """
    if not files:
        return None
    for cause in _chain(error):
        for blame in (_blame_by_name, _blame_encoding, _blame_content, _blame_reader):
            found = blame(cause, step, files)
            if found is not None:
                return found
    return None


def _chain(error: BaseException) -> list[BaseException]:
    found: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and current not in found and len(found) < _LONGEST_CHAIN:
        found.append(current)
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
    return found


def _blame_by_name(error: BaseException, step: str, files: Sequence[Path]) -> StepInputError | None:
    if not isinstance(error, OSError) or not isinstance(error.filename, (str, bytes, os.PathLike)):
        return None
    named = os.path.realpath(os.fsdecode(error.filename))
    if not any(_is_at_or_below(named, os.path.realpath(file)) for file in files):
        return None
    path = os.fsdecode(error.filename)
    if isinstance(error, FileNotFoundError):
        return StepInputError.for_missing_file(step, path)
    if isinstance(error, PermissionError):
        return StepInputError.for_forbidden_file(step, path)
    if isinstance(error, IsADirectoryError):
        return StepInputError.for_folder(step, path)
    return None


def _is_at_or_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)


def _blame_encoding(error: BaseException, step: str, files: Sequence[Path]) -> StepInputError | None:
    if not isinstance(error, UnicodeDecodeError):
        return None
    for file in files:
        found = _first_undecodable(file, error.encoding)
        if found is not None:
            offset, byte = found
            return StepInputError.for_encoding(step, str(file), error.encoding.upper(), offset, byte)
    return None


def _first_undecodable(file: Path, encoding: str) -> tuple[int, int] | None:
    """Return the offset and the value of the first byte of `file` that is not of `encoding`."""
    if not _is_regular(file):
        return None
    decoder = codecs.getincrementaldecoder(encoding)()
    consumed = 0
    with suppress(OSError), open(file, "rb") as opened:
        while True:
            piece = opened.read(_PIECE)
            held = len(decoder.getstate()[0])
            try:
                decoder.decode(piece, final=not piece)
            except UnicodeDecodeError as problem:
                # Counted from what the decoder still held back of the piece before.
                return consumed - held + problem.start, problem.object[problem.start]
            if not piece:
                return None
            consumed += len(piece)
    return None


def _blame_content(error: BaseException, step: str, files: Sequence[Path]) -> StepInputError | None:
    kind = type(error)
    if kind.__module__.partition(".")[0] in ("builtins", "flowkit") and not (
        isinstance(error, (EOFError, OSError)) and _was_raised_by_reader(error)
    ):
        return None
    for file in filter(_is_regular, files):
        size = file.stat().st_size
        said = f"{kind.__name__}: {text_of(error)}"
        if size == 0 and _speaks_of_reading(kind):
            return StepInputError.for_empty_file(step, str(file), said)
        magic = _MAGIC.get(file.suffix.lower())
        if magic is not None and _speaks_of_reading(kind) and not _has_magic(file, *magic):
            return StepInputError.for_damaged_file(step, str(file), file.suffix[1:].lower(), said)
    return None


def _blame_reader(error: BaseException, step: str, files: Sequence[Path]) -> StepInputError | None:
    """Name the file that a library was reading when it raised."""
    if isinstance(error, (TypeError, KeyError, AttributeError, ImportError, MemoryError, OSError)):
        return None
    file = _parsed_text_of(error, files) or _file_being_read(error, files)
    return None if file is None else StepInputError.for_content(step, str(file), type(error).__name__, text_of(error))


def _parsed_text_of(error: BaseException, files: Sequence[Path]) -> Path | None:
    """Return the file whose text a JSON parser refused."""
    text = getattr(error, "doc", None)
    if not isinstance(text, str) or not text:
        return None
    encoded = text.encode(errors="surrogatepass")
    for file in filter(_is_regular, files):
        with suppress(OSError):
            if file.stat().st_size <= _LARGEST_TEXT and encoded in file.read_bytes():
                return file
    return None


def _file_being_read(error: BaseException, files: Sequence[Path]) -> Path | None:
    """Return the declared file that a reading function below the user's own frames was given."""
    names = {os.path.realpath(file): file for file in filter(_is_regular, files)}
    trace, found, reading = error.__traceback__, None, False
    while trace is not None:
        frame, trace = trace.tb_frame, trace.tb_next
        library = str(frame.f_globals.get("__name__", "")).partition(".")[0]
        if library not in _READERS or library == "json":
            continue
        reading = reading or frame.f_code.co_name.rpartition(".")[2].lstrip("_").startswith(_READING)
        given = [value for value in list(frame.f_locals.values()) if isinstance(value, (str, os.PathLike))]
        found = found or next((file for value in given if (file := names.get(os.path.realpath(value)))), None)
    if not reading:
        return None
    return found or (next(iter(names.values())) if len(names) == 1 else None)


def _was_raised_by_reader(error: BaseException) -> bool:
    """Whether the innermost frame is of a library that reads files, not of the step's own code."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    module = "" if trace is None else str(trace.tb_frame.f_globals.get("__name__", ""))
    return module.partition(".")[0] in _READERS


def _speaks_of_reading(kind: type[BaseException]) -> bool:
    name = kind.__name__
    words = ("EmptyData", "NoData", "Parser", "Arrow", "Compute", "Decode", "EOF", "BadGzip", "OSError", "Error")
    library = kind.__module__.partition(".")[0]
    return library in ("builtins", *_READERS) and any(word in name for word in words)


def _has_magic(file: Path, first: bytes, last: bytes) -> bool:
    with open(file, "rb") as opened:
        head = opened.read(len(first))
        size = opened.seek(0, os.SEEK_END)
        opened.seek(max(0, size - len(last)))
        return size >= len(first) + len(last) and head == first and opened.read() == last


def _is_regular(file: Path) -> bool:
    try:
        return stat.S_ISREG(file.stat().st_mode)
    except OSError:
        # It cannot be looked at, so nothing can be said against its content.
        return False
