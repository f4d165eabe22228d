"""Codecs that a person registers: a class with `save(self, value, path)` and `load(self, path)`.

The content is the file that `save` writes, as it is: its blob opens with any tool for that kind of file.
"""

from __future__ import annotations

import inspect
import mmap
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, TypeVar

from flowkit.codecs.base import Buffer, Encoded, Stored, digest_payload
from flowkit.codecs.hints import class_name, origins, type_name
from flowkit.errors import CodecError, FlowkitError

_SUFFIX = re.compile(r"(?:\.[A-Za-z0-9_-]{1,20}){1,3}", re.ASCII)
_MAPPED = 1 << 20
_BASE_NAME = "value"
_BUILT_IN = (bool, int, float, complex, str, bytes, list, tuple, dict, set, frozenset, type(None), object, Path)


class SaveAndLoad(Protocol):
    """What a person writes: one value to one file, and back."""

    def save(self, value: Any, path: Path) -> None:
        """Write `value` to one file at `path`."""
        ...

    def load(self, path: Path) -> Any:
        """Return the value in the file at `path`."""
        ...


C = TypeVar("C", bound=type)


class CustomCodec:
    """Stores values of one class through a registered codec class.

    Attributes:
        type: The class whose values it stores.
        codec_class: What the person wrote; its code counts in the key of steps that reach it.
    """

    def __init__(self, type_: type, codec_class: type, suffix: str) -> None:
        self.type = type_
        self.codec_class = codec_class
        self._codec: SaveAndLoad = codec_class()
        self._suffix = suffix

    @property
    def format(self) -> str:
        """`custom:` and the qualified name of the codec class."""
        return f"custom:{self.codec_class.__qualname__}"

    def encode(self, value: Any, hint: Any) -> Encoded:
        """Save a value to a temporary file; the payload is that file's content.

        Raises:
            CodecError: `save` raised, or left no file, a folder, or more than one file.
        """
        import tempfile

        with tempfile.TemporaryDirectory(prefix="flowkit-codec-") as folder:
            place = Path(folder) / f"{_BASE_NAME}{self._suffix}"
            try:
                self._codec.save(value, place)
            except FlowkitError:
                raise
            except Exception as error:
                raise self._failed_save(value, f"{type(error).__name__}: {error}") from error
            found = sorted(item.name for item in Path(folder).iterdir())
            if found != [place.name] or not place.is_file():
                raise self._failed_save(value, f"it left {', '.join(found) or 'nothing'} instead of one {place.name}")
            payload = _read_whole(place)
        refers = (class_name(self.type),)
        return Encoded(self.format, digest_payload(self.format, payload), payload, self._suffix, refers=refers)

    def decode(self, stored: Stored, hint: Any, folder: Path) -> Any:
        """Write the content to a file in `folder` and load it.

        Raises:
            CodecError: `load` raised, or gave a value of another class.
        """
        import tempfile

        name = self.codec_class.__qualname__
        try:
            folder.mkdir(parents=True, exist_ok=True)
            place = Path(tempfile.mkdtemp(prefix="codec-", dir=folder)) / f"{_BASE_NAME}{self._suffix}"
            place.write_bytes(stored.payload)
        except OSError as error:
            raise CodecError.for_unwritable(str(folder), error) from error
        try:
            value = self._codec.load(place)
        except FlowkitError:
            raise
        except Exception as error:
            raise CodecError.for_failed_load(name, f"{type(error).__name__}: {error}") from error
        if not isinstance(value, self.type):
            raise CodecError.for_failed_load(name, f"it returned a {type_name(value)}, not a {self.type.__qualname__}")
        return value

    def _failed_save(self, value: object, problem: str) -> CodecError:
        return CodecError.for_failed_save(self.codec_class.__qualname__, type_name(value), problem)


def _read_whole(place: Path) -> Buffer:
    """Return a file's content; a large one is mapped, and stays readable when the file's name is gone."""
    if place.stat().st_size < _MAPPED:
        return place.read_bytes()
    with open(place, "rb") as file:
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


_REGISTERED: dict[type, CustomCodec] = {}


def codec(type_: type, *, suffix: str) -> Callable[[C], C]:
    """Declare a class as the codec of `type_` and its subclasses.

    Args:
        type_: The class whose values it stores.
        suffix: Of the files it writes, with its dot, such as `.pt`.

    Returns:
        A decorator that registers a class with `save(self, value, path)` and `load(self, path)`, and returns it.

    Raises:
        CodecError: The class, the type or the suffix cannot serve, or another codec has the type or the name.

    Example:
        >>> import flowkit as fk
        >>> from pathlib import Path
        >>> class Note:
        ...     def __init__(self, text: str) -> None:
        ...         self.text = text
        >>> @fk.codec(Note, suffix=".txt")
        ... class NoteCodec:
        ...     def save(self, value: Note, path: Path) -> None:
        ...         _ = path.write_text(value.text)
        ...
        ...     def load(self, path: Path) -> Note:
        ...         return Note(path.read_text())
    """

    def register(codec_class: C) -> C:
        _check_declaration(type_, codec_class, suffix)
        made = CustomCodec(type_, codec_class, suffix)
        for known in [known for known, other in _REGISTERED.items() if other.format == made.format]:
            del _REGISTERED[known]
        _REGISTERED[type_] = made
        return codec_class

    return register


def _check_declaration(type_: object, codec_class: Any, suffix: object) -> None:
    name = getattr(codec_class, "__qualname__", repr(codec_class))
    usage = "write @fk.codec(Model, suffix='.pt') above a class with save(self, value, path) and load(self, path)"
    if not isinstance(codec_class, type):
        raise CodecError.for_declaration(name, "it is not a class", usage)
    if not isinstance(type_, type) or type_ is Any or getattr(type_, "_is_protocol", False):
        raise CodecError.for_declaration(name, f"{type_!r} is not a class that values have", usage)
    if type_ in _BUILT_IN:
        remedy = "wrap the value in a class of its own and register a codec for that"
        raise CodecError.for_declaration(name, f"values of {type_.__qualname__} have a codec already", remedy)
    if not isinstance(suffix, str) or not _SUFFIX.fullmatch(suffix):
        remedy = "write letters and digits after a dot, such as suffix='.pt'"
        raise CodecError.for_declaration(name, f"the suffix {suffix!r} cannot end a file's name", remedy)
    _check_method(name, codec_class, "save", ("value", "path"), usage)
    _check_method(name, codec_class, "load", ("path",), usage)
    _check_instance(name, codec_class)
    _check_unique(name, type_, codec_class)


def _check_method(name: str, codec_class: type, method: str, arguments: tuple[str, ...], usage: str) -> None:
    function = inspect.getattr_static(codec_class, method, None)
    shown = f"{method}(self, {', '.join(arguments)})"
    if not inspect.isfunction(function):
        raise CodecError.for_declaration(name, f"it has no method {shown}", usage)
    if inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function):
        raise CodecError.for_declaration(name, f"its {method} is async or a generator", usage)
    try:
        inspect.signature(function).bind(None, *arguments)
    except TypeError as error:
        raise CodecError.for_declaration(name, f"its {method} cannot be called as {shown}: {error}", usage) from error


def _check_instance(name: str, codec_class: type) -> None:
    try:
        inspect.signature(codec_class).bind()
    except TypeError as error:
        remedy = "let it be made without arguments"
        raise CodecError.for_declaration(name, f"it cannot be made without arguments: {error}", remedy) from error
    except ValueError:
        # A class made in C shows no signature; making it will tell.
        return


def _check_unique(name: str, type_: type, codec_class: type) -> None:
    """Refuse a second codec for a type, or of a name; the same class declared again, as in a notebook, replaces it."""
    for known, other in _REGISTERED.items():
        again = class_name(other.codec_class) == class_name(codec_class)
        if known is type_ and not again and other.codec_class.__module__ != codec_class.__module__:
            held = class_name(other.codec_class)
            remedy = "keep one of the two"
            raise CodecError.for_declaration(name, f"{type_.__qualname__} has the codec {held} already", remedy)
        if other.codec_class.__qualname__ == name and not again and known is not type_:
            held = class_name(other.codec_class)
            raise CodecError.for_declaration(name, f"{held} has that name already", "rename one of the two classes")


def find_custom(value: object, hint: Any = Any) -> CustomCodec | None:
    """Return the registered codec for a value, None where there is none.

    The class of the value decides, then the first of its bases that has one, then a class in `hint` that it counts
    as an instance of.
    """
    if not _REGISTERED:
        return None
    for cls in type(value).__mro__:
        found = _REGISTERED.get(cls)
        if found is not None:
            return found
    for cls in origins(hint):
        if isinstance(cls, type) and cls in _REGISTERED and isinstance(value, cls):
            return _REGISTERED[cls]
    return None


def custom_codecs() -> tuple[CustomCodec, ...]:
    """Return all codecs registered in this process."""
    return tuple(_REGISTERED.values())
