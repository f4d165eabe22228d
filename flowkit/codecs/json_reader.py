"""Values back from canonical JSON.

The text says what each value is; the classes it names come from the consumer's annotation, never from an import.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Any, Final

from flowkit.authoring.types import Metrics
from flowkit.codecs.base import Stored
from flowkit.codecs.hints import find_class, is_named_tuple, is_pydantic, show_hint
from flowkit.codecs.json_tags import ATOM_READERS, MARK
from flowkit.codecs.trees import materialise, read_manifest
from flowkit.errors import CodecError


class JsonReader:
    """Reads one value for a consumer that annotates it as `hint`; files that it names are written to `folder`."""

    def __init__(self, stored: Stored, hint: Any, folder: Path) -> None:
        self._stored = stored
        self._hint = hint
        self._folder = folder
        self._classes: dict[str, type] = {}

    def read(self, plain: Any) -> Any:
        """Return the value of which `plain` is the parsed JSON.

        Raises:
            CodecError: The annotation does not name a class it needs, the class has changed, or it is damaged.
        """
        kind = type(plain)
        if kind is list:
            return [self.read(item) for item in plain]
        if kind is not dict:
            return plain
        if len(plain) == 1:
            ((key, content),) = plain.items()
            if key.startswith(MARK):
                return self._tagged(key, content)
        return {key: self.read(item) for key, item in plain.items()}

    def _tagged(self, tag: str, content: Any) -> Any:
        read = _READERS.get(tag)
        if read is not None:
            return read(self, content)
        atom = ATOM_READERS.get(tag)
        if atom is None:
            raise CodecError.for_damaged(self._stored.artifact.format, f"unknown tag {tag!r}")
        return atom(content)

    def _tuple(self, content: list[Any]) -> tuple[Any, ...]:
        return tuple(map(self.read, content))

    def _set(self, content: list[Any]) -> set[Any]:
        return set(map(self.read, content))

    def _frozenset(self, content: list[Any]) -> frozenset[Any]:
        return frozenset(map(self.read, content))

    def _dict(self, content: list[list[Any]]) -> dict[Any, Any]:
        return {self.read(key): self.read(item) for key, item in content}

    def _metrics(self, content: dict[str, Any]) -> Metrics:
        return Metrics(**self._values(content))

    def _values(self, content: dict[str, Any]) -> dict[str, Any]:
        return {name: self.read(item) for name, item in content.items()}

    def _class(self, name: str, fits: Callable[[type], bool]) -> type:
        cls = self._classes.get(name) or find_class(name, self._hint)
        if cls is None:
            raise CodecError.for_unknown_class(name, show_hint(self._hint))
        if not fits(cls):
            raise CodecError.for_changed_class(name, "it is another kind of class now")
        self._classes[name] = cls
        return cls

    def _enum(self, content: list[Any]) -> Any:
        name, member = content
        cls: Any = self._class(name, _is_enum)
        if member not in cls.__members__:
            raise CodecError.for_changed_class(name, f"it has no member '{member}' now")
        return cls[member]

    def _flag(self, content: list[Any]) -> Any:
        name, bits = content
        return self._class(name, _is_enum)(self.read(bits))

    def _dataclass(self, content: list[Any]) -> Any:
        name, fields = content
        cls = self._class(name, dataclasses.is_dataclass)
        _check_fields(name, fields, [field.name for field in dataclasses.fields(cls)])
        value: Any = object.__new__(cls)
        for field, item in self._values(fields).items():
            object.__setattr__(value, field, item)
        return value

    def _named_tuple(self, content: list[Any]) -> Any:
        name, fields = content
        cls: Any = self._class(name, is_named_tuple)
        _check_fields(name, fields, cls._fields)
        values = self._values(fields)
        return cls._make([values[field] for field in cls._fields])

    def _model(self, content: list[Any]) -> Any:
        name, fields, unset, extra, private = content
        cls: Any = self._class(name, is_pydantic)
        _check_fields(name, fields, cls.model_fields)
        values = self._values(fields)
        value = cls.__new__(cls)
        # Its own way back from a pickle: the validators have seen these values already and need not stand them twice.
        value.__setstate__(
            {
                "__dict__": {field: values[field] for field in cls.model_fields},
                "__pydantic_fields_set__": set(values) - set(unset) | set(extra),
                "__pydantic_extra__": self._values(extra) if cls.model_config.get("extra") == "allow" else None,
                "__pydantic_private__": self._values(private) if cls.__private_attributes__ else None,
            }
        )
        return value

    def _path(self, content: Any) -> Path:
        return materialise(read_manifest(content), self._stored, self._folder)


def _is_enum(cls: type) -> bool:
    return issubclass(cls, Enum)


def _check_fields(name: str, stored: Any, declared: Any) -> None:
    gone, added = sorted(set(stored) - set(declared)), sorted(set(declared) - set(stored))
    if gone or added:
        changes = [f"no longer has {', '.join(gone)}"] * bool(gone) + [f"now has {', '.join(added)}"] * bool(added)
        raise CodecError.for_changed_class(name, "it " + " and ".join(changes))


_READERS: Final[dict[str, Callable[[JsonReader, Any], Any]]] = {
    "$tuple": JsonReader._tuple,
    "$set": JsonReader._set,
    "$frozenset": JsonReader._frozenset,
    "$dict": JsonReader._dict,
    "$metrics": JsonReader._metrics,
    "$enum": JsonReader._enum,
    "$flag": JsonReader._flag,
    "$dataclass": JsonReader._dataclass,
    "$namedtuple": JsonReader._named_tuple,
    "$model": JsonReader._model,
    "$path": JsonReader._path,
}
