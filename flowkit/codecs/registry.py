"""Which codec stores a value, and which one reads a format.

The choice follows from the value and its annotation alone, never from the process: the same value is stored in the same
form everywhere.
"""

from __future__ import annotations

from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Union, get_args, get_origin

from flowkit import codecs
from flowkit.codecs.base import Codec, Encoded, Stored
from flowkit.codecs.custom import custom_codecs, find_custom
from flowkit.codecs.hints import members, type_name
from flowkit.errors import CodecError

if TYPE_CHECKING:
    from flowkit.codecs.tables_chunks import PicklePolicy
    from flowkit.contracts import ColumnSelection

_CLASSES = {
    "npy": "ArrayCodec",
    "path": "PathCodec",
    "str": "TextCodec",
    "bytes": "BytesCodec",
    "json": "JsonCodec",
    "json-files": "JsonFilesCodec",
    "pickle": "EstimatorCodec",
    "opaque": "OpaqueCodec",
}
"""The codecs of flowkit's own but for that of tables: format → class."""

_TABLE, _JSON, _RUNS_CODE = "table", ("json", "json-files"), ("pickle", "opaque")
_BY_CLASS: dict[type, str] = {int: "json", float: "json", bool: "json", type(None): "json", str: "str", bytes: "bytes"}


class CodecRegistry:
    """Chooses codecs, in this order: registered, table, path, text and bytes, JSON, array, estimator, opaque.

    Args:
        pickle: Whether values that only pickle can hold, estimators among them, are stored and loaded.

    Attributes:
        pickle: As given.
    """

    def __init__(self, pickle: PicklePolicy = "allow") -> None:
        self.pickle = pickle
        self._denied = pickle == "deny"

    def choose(self, value: Any, hint: Any) -> Codec:
        """Return the codec that stores `value`, annotated as `hint`.

        Raises:
            CodecError: It cannot be stored; the message names its type and the remedy.
        """
        return self._by_type(value, hint) or self.named(self._by_content(value, hint).format)

    def encode(self, value: Any, hint: Any) -> Encoded:
        """Encode `value`, annotated as `hint`, with the codec that `choose` gives.

        Raises:
            CodecError: It cannot be stored; the message names its type and the remedy.
        """
        codec = self._by_type(value, hint)
        return self._by_content(value, hint) if codec is None else codec.encode(value, hint)

    def named(self, format: str) -> Codec:  # noqa: A002  (an artifact's own word for it)
        """Return the codec that reads `format`.

        Raises:
            CodecError: None does, or it is pickle and that is denied.
        """
        if self._denied and format in _RUNS_CODE:
            raise CodecError.for_denied_load(format)
        if format == _TABLE:
            return self._table
        if format in _CLASSES:
            return _own(format)
        custom = next((custom for custom in custom_codecs() if custom.format == format), None)
        if custom is None:
            raise CodecError.for_unknown_format(format)
        return custom

    def decode(
        self,
        stored: Stored,
        hint: Any,
        folder: Path,
        produced_as: Any = None,
        selection: ColumnSelection | None = None,
    ) -> Any:
        """Decode for a consumer.

        Args:
            stored: The verified artifact.
            hint: The consumer's annotation.
            folder: Private to the consumer, for files.
            produced_as: The producer's annotation, where it is known. Classes that the consumer's does not name, as it
                says `Any` or a base class, are then taken from it.
            selection: The columns that the consumer is given of a table.

        Raises:
            CodecError: The content cannot be given as `hint`.
        """
        codec = self.named(stored.artifact.format)
        if selection is not None and codec.format == _TABLE:
            return self._table.decode_view(stored, hint, selection)
        if produced_as is not None and codec.format in _JSON:
            hint = Union[hint, produced_as]  # noqa: UP007  (`|` is not there for None and some hints)
        return codec.decode(stored, hint, folder)

    def codec_classes(self, hint: Any) -> tuple[type, ...]:
        """Return the registered codec classes that values of `hint` may go through: their code counts in the key."""
        admitted = [object if cls is Any else cls for cls in _classes_in(hint)]
        bases = {cls: cls.__mro__ for cls in admitted if isinstance(cls, type)}
        return tuple(
            codec.codec_class
            for codec in custom_codecs()
            if any(codec.type in mro or cls in codec.type.__mro__ for cls, mro in bases.items())
        )

    @cached_property
    def _table(self) -> codecs.TableCodec:
        return codecs.TableCodec(self.pickle)

    def _by_type(self, value: Any, hint: Any) -> Codec | None:
        """Return the codec where the value's class decides, None where its content must be looked at."""
        custom = find_custom(value, hint)
        if custom is not None:
            return custom
        known = _BY_CLASS.get(type(value))
        if known is not None:
            return _own(known)
        if codecs.table_kind(value) is not None:
            return self._table
        return _own("path") if isinstance(value, Path) else None

    def _by_content(self, value: Any, hint: Any) -> Encoded:
        try:
            return _encode_json(value, hint)
        except codecs.ForeignValueError as error:
            foreign = error
        if codecs.ArrayCodec().handles(value):
            return _own("npy").encode(value, hint)
        codecs.check_whole(value)
        if self._denied:
            reason = "; ".join(f"{label} {text}" for label, text in foreign.facts)
            raise CodecError.for_denied_pickle(type_name(value), reason)
        return _own("pickle" if codecs.EstimatorCodec().handles(value) else "opaque").encode(value, hint)


def import_codecs() -> None:
    """Import every codec now, for a process in which steps run: later what a step has left might get into them."""
    for name in codecs.__all__:
        getattr(codecs, name)


@cache
def _own(format: str) -> Codec:  # noqa: A002  (an artifact's own word for it)
    """Return the codec of flowkit's own for a format; it is imported with the first value of its kind."""
    codec: Codec = getattr(codecs, _CLASSES[format])()
    return codec


def _encode_json(value: Any, hint: Any) -> Encoded:
    try:
        return _own("json").encode(value, hint)
    except codecs.ForeignPathError:
        return _own("json-files").encode(value, hint)


def _classes_in(hint: Any) -> set[Any]:
    """Return every class that a value of `hint`, or anything inside it, may be of; `Any` for a bare container."""
    found: set[Any] = set()
    waiting = list(members(hint))
    while waiting:
        member = waiting.pop()
        origin = get_origin(member) or member
        if origin is Ellipsis or (origin in found and not get_args(member)):
            continue
        found.add(origin)
        arguments = get_args(member)
        if not arguments and origin in (list, tuple, dict, set, frozenset):
            found.add(Any)
        for argument in arguments:
            waiting.extend(members(argument))
    return found
