"""Pickle as its fixpoint: what is stored has been through a load once, so it is known to load and tends to stay equal.

Classes and functions go by name where another process can find them by it. Those of `__main__`, of a notebook and of a
function's body cannot be found so and go by value, with cloudpickle; its bytes differ from process to process, which
costs a rerun of what depends on them and never gives a wrong hit.

What goes by name is noted: its code is no part of the bytes, and yet decides what a consumer gets.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from types import FunctionType
from typing import Any, ClassVar

from flowkit.codecs.base import Buffer
from flowkit.codecs.hints import type_name
from flowkit.codecs.refusals import check_part
from flowkit.errors import CodecError, FlowkitError

PROTOCOL = 5

STEADY_LIMIT = 4 * 1024 * 1024
"""Pickles up to this many bytes are made independent of which equal texts happened to be one object."""


class _NotByNameError(pickle.PicklingError):
    """A class or function that another process would not find by its name."""


class _NamePickler(pickle.Pickler):
    """Pickles by name only, and refuses live things by what they are."""

    def __init__(self, file: io.BytesIO, whole: object) -> None:
        super().__init__(file, protocol=PROTOCOL)
        self._whole = whole

    def reducer_override(self, part: Any) -> Any:
        check_part(part, self._whole)
        if isinstance(part, type | FunctionType) and part.__module__ == "__main__":
            raise _NotByNameError(f"{part.__qualname__} is defined in __main__")
        return NotImplemented


class _SteadyPickler(pickle._Pickler):
    """Pickles by name, and equal texts as one object: which of them are one depends on what the process did before.

    It is Python's own pickler in Python, as the quick one in C cannot be told what to do with a text.
    """

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file, protocol=PROTOCOL)
        self._texts: dict[str, str] = {}

    def save(self, obj: Any, save_persistent_id: bool = True) -> None:
        if type(obj) is str:
            obj = self._texts.setdefault(obj, obj)
        super().save(obj, save_persistent_id)  # type: ignore[misc]

    def save_buffer(self, buffer: pickle.PickleBuffer) -> None:
        # Python's own expects bytes that it has not met yet; but all empty bytes are one object, and so it fails on the
        # second empty array.
        with buffer.raw() as content:
            if content.readonly:
                self.save(content.tobytes())
            else:
                self.save_bytearray(bytearray(content))  # type: ignore[attr-defined]

    dispatch: ClassVar[dict[type, Callable[..., None]]] = {
        **pickle._Pickler.dispatch,
        pickle.PickleBuffer: save_buffer,
    }


class _NamingUnpickler(pickle.Unpickler):
    """Notes every name that is looked up: the machine itself tells what a pickle refers to."""

    def __init__(self, content: Buffer) -> None:
        super().__init__(io.BytesIO(content))
        self.names: set[str] = set()

    def find_class(self, module: str, name: str) -> Any:
        if module != "builtins":
            self.names.add(f"{module}:{name}")
        return super().find_class(module, name)


def load_naming(content: Buffer) -> tuple[Any, set[str]]:
    """Return the value in a pickle that was just made, and `module:qualified name` of all that it names.

    Raises:
        Exception: Whatever its classes raise while they are loaded.
    """
    unpickler = _NamingUnpickler(content)
    return unpickler.load(), unpickler.names


def _dump(value: object, makers: set[str]) -> tuple[bytes, bool]:
    """Return a pickle, and whether everything in it goes by name."""
    file = io.BytesIO()
    try:
        _NamePickler(file, value).dump(value)
    except (pickle.PicklingError, AttributeError):
        return _dump_by_value(value, makers), False
    return file.getvalue(), True


def _dump_by_value(value: object, makers: set[str]) -> bytes:
    """Pickle by value where there is no name; `makers` is given the functions inside which such code was defined."""
    import cloudpickle

    class ValuePickler(cloudpickle.Pickler):  # type: ignore[misc]
        def reducer_override(self, part: Any) -> Any:
            if isinstance(part, type | FunctionType):
                _note_maker(part, makers)
            if not isinstance(part, FunctionType):
                check_part(part, value)
            return super().reducer_override(part)

    file = io.BytesIO()
    ValuePickler(file, protocol=PROTOCOL).dump(value)
    return file.getvalue()


def _note_maker(part: type | FunctionType, makers: set[str]) -> None:
    # The bytes hold its own code, but not the code of what it imports when it is called.
    outer, local, _ = part.__qualname__.partition(".<locals>")
    if local and part.__module__ != "__main__":
        makers.add(f"{part.__module__}:{outer}")


def _dump_steadily(loaded: object) -> bytes:
    file = io.BytesIO()
    _SteadyPickler(file).dump(loaded)
    return file.getvalue()


def dump_fixpoint(value: object) -> tuple[bytes, tuple[str, ...]]:
    """Return `dumps(loads(dumps(value)))` at protocol 5, and `module:qualified name` of all that it refers to, sorted.

    Raises:
        CodecError: It holds a live thing, cannot be pickled, or does not load again.
    """
    names: set[str] = set()
    try:
        first, by_name = _dump(value, names)
        loaded, named = load_naming(first)
        steady = by_name and len(first) <= STEADY_LIMIT
        again = _dump_steadily(loaded) if steady else _dump(loaded, names)[0]
        return again, tuple(sorted(names | named))
    except FlowkitError:
        raise
    except Exception as error:
        raise CodecError.for_unpicklable(type_name(value), error) from error


def load_pickle(content: Buffer, format_name: str) -> Any:
    """Return the value in stored pickle, which must come from a store that the project trusts.

    Raises:
        CodecError: It does not load in this process.
    """
    try:
        return pickle.loads(content)
    except Exception as error:
        raise CodecError.for_unloadable(format_name, error) from error
