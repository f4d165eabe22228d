"""Says how two results of one node differ: which columns, which place, how far; and what usually causes that.

Everything here is for people: whether two results differ was decided by their digests.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from msgspec import Struct

from flowkit.codecs.tables_manifest import compare_tables, describe_table
from flowkit.codecs.trees import Entry, read_manifest
from flowkit.errors import FlowkitError, LostArtifactError, cut
from flowkit.records import Artifact, Digest

MOST_PLACES = 3
"""How many places of a JSON value are told."""

MOST_BYTES = 50_000_000
"""Values of more bytes than this are not loaded to be compared."""

_LONGEST = 60
_MOST_LINES = 100_000
_NOISE = 1e-9
_PLAIN = frozenset({"json", "json-files"})

GENERAL = (
    "give random numbers a seed (random_state=…), take the time as a parameter, sort what comes from a set, a listing "
    "or several threads, and let no result depend on the folder or the process in which it is made."
)
ORDER = "sort it: what comes from a set, a listing or several threads has another order each time."
NOISE = "sums in another order end in other digits: use one thread (n_jobs=1), or round the result."
PLACE = "do not put the folder in which it runs into a result: keep a path relative, or return the Path itself."
BYTES_ONLY = (
    "what needs it runs again although nothing changed: return plain data or a table, or register a codec for it "
    "(fk.codec)."
)
LOST = "run the pipeline again to have it made anew, then verify that run."

Payload = Callable[[Artifact], bytes]
"""Gives an artifact's payload.

Raises:
    LostArtifactError: It is gone or damaged.
"""

Value = Callable[[Artifact], Any]
"""Gives an artifact's value.

Raises:
    FlowkitError: It is gone, damaged, or cannot be loaded here.
"""


ChunkOf = Callable[[Artifact, Digest], bytes]
"""Gives a chunk that an artifact's payload names.

Raises:
    LostArtifactError: It is gone or damaged.
"""


class Difference(Struct, frozen=True):
    """How two results differ, in lines for people, and what to do about it."""

    lines: tuple[str, ...]
    hint: str


class Contents(Struct, frozen=True):
    """Gives what two artifacts hold.

    Attributes:
        folder: Where the later one was made: a result that names this depends on where it is made.
    """

    payload: Payload
    value: Value
    chunk: ChunkOf
    folder: str


def describe_difference(before: Artifact, after: Artifact, contents: Contents) -> Difference:
    """Return how two artifacts with other digests differ, as far as their formats tell."""
    if before.format != after.format:
        return Difference((f"stored as {before.format}, then as {after.format}",), GENERAL)
    try:
        found = _describe(before, after, contents)
    except FlowkitError as error:
        return Difference((error.message,), LOST if isinstance(error, LostArtifactError) else GENERAL)
    except Exception as error:  # noqa: BLE001  (a person's class may raise anything when it is loaded or compared)
        found = Difference((f"the values cannot be compared: {type(error).__name__}: {cut(str(error))}",), GENERAL)
    return found if found.lines else Difference(("only their bytes differ",), GENERAL)


def _describe(before: Artifact, after: Artifact, contents: Contents) -> Difference:
    if before.format == "table":
        return _compare_tables(contents.payload(before), contents.payload(after))
    if max(before.bytes, after.bytes) > MOST_BYTES:
        return Difference((f"{before.bytes:,} bytes, then {after.bytes:,}",), GENERAL)
    if before.format in _PLAIN:
        return _compare_json(contents.payload(before), contents.payload(after), contents.folder)
    if before.format == "str":
        return _compare_texts(contents.payload(before), contents.payload(after), contents.folder)
    if before.format == "npy":
        return _compare_arrays(contents.value(before), contents.value(after))
    if before.format == "path":
        return _compare_files(before, after, contents)
    if before.format == "bytes":
        return Difference((f"{before.bytes:,} bytes, then {after.bytes:,}",), GENERAL)
    return _compare_values(contents.value(before), contents.value(after))


def _compare_tables(before: bytes, after: bytes) -> Difference:
    then, now, columns = describe_table(before), describe_table(after), compare_tables(before, after)
    lines = [f"{then.rows:,} rows, then {now.rows:,}"] if then.rows != now.rows else []
    for verb, names in (("new", columns.added), ("missing", columns.removed), ("other values in", columns.changed)):
        if names:
            lines.append(f"{verb} {'column' if len(names) == 1 else 'columns'} {_listed(names)}")
    lines += ["columns in another order"] if columns.reordered else []
    lines += ["another index"] if columns.index_changed else []
    all_changed = len(columns.changed) == len(now.columns) > 1 and then.rows == now.rows
    hint = "where rows come in another order, sort them (sort_values); else " + GENERAL if all_changed else GENERAL
    return Difference(tuple(lines), hint)


def _compare_json(before: bytes, after: bytes, folder: str) -> Difference:
    old, new = (json.loads(payload.decode("utf-8", "surrogatepass")) for payload in (before, after))
    places = list(_places(old, new, ""))
    if any(isinstance(now, str) and folder in now for _, _, now in places):
        return Difference(_tell(places), PLACE)
    if _text_of_bag(old) == _text_of_bag(new):
        return Difference(("the same elements in another order", *_tell(places[:1])), ORDER)
    if places and all(_is_noise(then, now) for _, then, now in places):
        return Difference(_tell(places), NOISE)
    return Difference(_tell(places), GENERAL)


def _tell(places: Sequence[tuple[str, Any, Any]]) -> tuple[str, ...]:
    lines = [
        f"{place + ': ' if place else ''}{_show(then)}, then {_show(now)}" for place, then, now in places[:MOST_PLACES]
    ]
    return (*lines, *([f"and {len(places) - MOST_PLACES:,} more places"] if len(places) > MOST_PLACES else []))


_ABSENT = object()


def _places(before: Any, after: Any, place: str) -> Iterator[tuple[str, Any, Any]]:
    """Yield each place at which two JSON values differ; a tag of flowkit's own is no part of a place."""
    if isinstance(before, dict) and isinstance(after, dict):
        for name in {**before, **after}:
            inner = place if name.startswith("$") else f"{place}[{json.dumps(name, ensure_ascii=False)}]"
            yield from _places(before.get(name, _ABSENT), after.get(name, _ABSENT), inner)
    elif isinstance(before, list) and isinstance(after, list):
        if len(before) != len(after):
            yield f"{place} has another length".strip(), len(before), len(after)
        for index, (old, new) in enumerate(zip(before, after, strict=False)):
            yield from _places(old, new, f"{place}[{index}]")
    elif type(before) is not type(after) or before != after:
        yield place, before, after


def _as_bag(value: Any) -> Any:
    """Return a JSON value with every list sorted."""
    if isinstance(value, dict):
        return {name: _as_bag(item) for name, item in value.items()}
    if isinstance(value, list):
        return sorted((_as_bag(item) for item in value), key=lambda item: json.dumps(item, sort_keys=True))
    return value


def _text_of_bag(value: Any) -> str:
    # As text: 1, 1.0 and True are equal in Python.
    return json.dumps(_as_bag(value), sort_keys=True)


def _is_noise(before: Any, after: Any) -> bool:
    if type(before) is not float or type(after) is not float:
        return False
    return abs(before - after) <= _NOISE * max(abs(before), abs(after))


def _show(value: Any) -> str:
    if value is _ABSENT:
        return "absent"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _compare_texts(before: bytes, after: bytes, folder: str) -> Difference:
    old, new = (payload.decode("utf-8", "surrogatepass").splitlines() for payload in (before, after))
    number, then, now = next(
        ((number, then, now) for number, (then, now) in enumerate(zip(old, new, strict=False), 1) if then != now),
        (0, "", ""),
    )
    line = f"line {number}: {_show(then)}, then {_show(now)}" if number else f"{len(old):,} lines, then {len(new):,}"
    if any(folder in text for text in new):
        return Difference((line,), PLACE)
    if len(old) <= _MOST_LINES and sorted(old) == sorted(new):
        return Difference(("the same lines in another order", line), ORDER)
    return Difference((line,), GENERAL)


def _compare_arrays(before: Any, after: Any) -> Difference:
    import numpy as np

    old, new = np.asarray(before), np.asarray(after)
    if (old.dtype, old.shape) != (new.dtype, new.shape):
        return Difference((f"{old.dtype} {list(old.shape)}, then {new.dtype} {list(new.shape)}",), GENERAL)
    unequal = (old != new) & ~((old != old) & (new != new))
    line = f"{int(unequal.sum()):,} of {old.size:,} elements differ"
    if not np.issubdtype(old.dtype, np.inexact):
        same = old.dtype.kind in "biuSU" and np.array_equal(np.sort(old, axis=None), np.sort(new, axis=None))
        return Difference((line, *(["the same elements in another order"] if same else [])), ORDER if same else GENERAL)
    largest = float(np.nanmax(np.abs(old - new)[unequal], initial=0.0))
    noise = bool(np.allclose(old, new, rtol=_NOISE, atol=0.0, equal_nan=True))
    return Difference((f"{line}, by at most {largest:.3g}",), NOISE if noise else GENERAL)


def _compare_files(before: Artifact, after: Artifact, contents: Contents) -> Difference:
    """Compare returned files and folders: their names, and what the first files say that differ."""
    old, new = (read_manifest(json.loads(contents.payload(one))) for one in (before, after))
    if old.kind != new.kind:
        return Difference((f"a {old.kind}, then a {new.kind}",), GENERAL)
    if old.name != new.name:
        return Difference((f"named {old.name}, then {new.name}",), GENERAL)
    then, now = ({entry.name: entry for entry in tree.entries} for tree in (old, new))
    names = [name for name in sorted({**then, **now}) if then.get(name) != now.get(name)]
    found: list[Difference] = []
    for name in names[:MOST_PLACES]:
        if name in then and name in now:
            sides = (_content(then[name], before, contents), _content(now[name], after, contents))
            found.append(_compare_contents(*sides, contents.folder))
        else:
            found.append(Difference(("new" if name in now else "missing",), GENERAL))
    lines = [f"{name}: {line}" for name, told in zip(names, found, strict=False) for line in told.lines]
    more = [f"and {len(names) - MOST_PLACES:,} more files"] if len(names) > MOST_PLACES else []
    hints = {told.hint for told in found}
    return Difference((*lines, *more), hints.pop() if len(hints) == 1 else GENERAL)


def _content(entry: Entry, artifact: Artifact, contents: Contents) -> bytes | None:
    """Return what a file holds; None of what is no file."""
    if entry.kind != "file":
        return None
    return contents.chunk(artifact, entry.content) if entry.content is not None else b""


def _compare_contents(before: bytes | None, after: bytes | None, folder: str) -> Difference:
    if before is None or after is None or before == after:
        return Difference(("another kind of entry, link or permission",), GENERAL)
    try:
        return _compare_texts(before, after, folder)
    except UnicodeDecodeError:
        return Difference((f"{len(before):,} bytes, then {len(after):,}",), GENERAL)


def _compare_values(before: Any, after: Any) -> Difference:
    """Compare loaded values by `==`; a class that does not define it is equal to nothing but itself."""
    if bool(before == after):
        return Difference(
            (f"only the bytes of the pickle differ: the {type(after).__name__} is equal by ==",), BYTES_ONLY
        )
    if not any("__eq__" in vars(cls) for cls in type(after).__mro__[:-1]):
        return _compare_by_content(before, after)
    return Difference((f"another {type(after).__name__}, also by ==",), GENERAL)


def _compare_by_content(before: Any, after: Any) -> Difference:
    """Compare values whose class has no ==, such as estimators, by what joblib finds in them, where it is loaded."""
    name = type(after).__name__
    joblib = sys.modules.get("joblib")
    if joblib is None:
        return Difference((f"other bytes; a {name} cannot be compared by ==",), GENERAL)
    if joblib.hash(before) == joblib.hash(after):
        return Difference((f"only the bytes of the pickle differ: the {name} is equal by joblib.hash",), BYTES_ONLY)
    return Difference((f"another {name}, also by joblib.hash",), GENERAL)


def _listed(names: Sequence[str], most: int = 6) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most:,} more" if len(names) > most else "")
