"""Which codec stores a value, and which one reads a format.

The choice follows from the value and its annotation alone, never from the process: the same value is stored in the same
form everywhere.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Union, get_args, get_origin

from flowkit.codecs.arrays import ArrayCodec
from flowkit.codecs.base import Codec, Encoded, Stored
from flowkit.codecs.custom import custom_codecs, find_custom
from flowkit.codecs.hints import members, type_name
from flowkit.codecs.json import JsonCodec, JsonFilesCodec
from flowkit.codecs.json_writer import ForeignPathError, ForeignValueError
from flowkit.codecs.models import EstimatorCodec
from flowkit.codecs.opaque import OpaqueCodec
from flowkit.codecs.paths import PathCodec
from flowkit.codecs.refusals import check_whole
from flowkit.codecs.tables import TableCodec, table_kind
from flowkit.codecs.tables_chunks import PicklePolicy
from flowkit.codecs.text import BytesCodec, TextCodec
from flowkit.contracts import ColumnSelection
from flowkit.errors import CodecError

_JSON, _JSON_FILES = JsonCodec(), JsonFilesCodec()
_ARRAY, _ESTIMATOR, _OPAQUE = ArrayCodec(), EstimatorCodec(), OpaqueCodec()
_TEXT, _BYTES, _PATH = TextCodec(), BytesCodec(), PathCodec()

_BY_CLASS: dict[type, Codec] = {int: _JSON, float: _JSON, bool: _JSON, type(None): _JSON, str: _TEXT, bytes: _BYTES}


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
        self._table = TableCodec(pickle)
        codecs: tuple[Codec, ...] = (self._table, _ARRAY, _PATH, _TEXT, _BYTES, _JSON, _JSON_FILES, _ESTIMATOR, _OPAQUE)
        self._by_format = {codec.format: codec for codec in codecs}

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
        codec = self._by_format.get(format)
        if codec is None:
            codec = next((custom for custom in custom_codecs() if custom.format == format), None)
        if codec is None:
            raise CodecError.for_unknown_format(format)
        if self._denied and codec in (_ESTIMATOR, _OPAQUE):
            raise CodecError.for_denied_load(format)
        return codec

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
        if selection is not None and codec is self._table:
            return self._table.decode_view(stored, hint, selection)
        if produced_as is not None and isinstance(codec, JsonCodec):
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

    def _by_type(self, value: Any, hint: Any) -> Codec | None:
        """Return the codec where the value's class decides, None where its content must be looked at."""
        custom = find_custom(value, hint)
        if custom is not None:
            return custom
        codec = _BY_CLASS.get(type(value))
        if codec is not None:
            return codec
        if table_kind(value) is not None:
            return self._table
        return _PATH if isinstance(value, Path) else None

    def _by_content(self, value: Any, hint: Any) -> Encoded:
        try:
            return _encode_json(value, hint)
        except ForeignValueError as error:
            foreign = error
        if _ARRAY.handles(value):
            return _ARRAY.encode(value, hint)
        check_whole(value)
        if self._denied:
            reason = "; ".join(f"{label} {text}" for label, text in foreign.facts)
            raise CodecError.for_denied_pickle(type_name(value), reason)
        return (_ESTIMATOR if _ESTIMATOR.handles(value) else _OPAQUE).encode(value, hint)


def _encode_json(value: Any, hint: Any) -> Encoded:
    try:
        return _JSON.encode(value, hint)
    except ForeignPathError:
        return _JSON_FILES.encode(value, hint)


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
