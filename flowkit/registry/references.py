"""How a person names a model, a version or an alias: `taxi`, `taxi:7`, `taxi@champion`."""

from __future__ import annotations

import re

from msgspec import Struct

from flowkit.errors import RegistryError

CHAMPION = "champion"
"""The alias that is meant where none is named."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}", re.ASCII)
_VERSION = re.compile(r"[1-9][0-9]{0,17}", re.ASCII)


class ModelReference(Struct, frozen=True):
    """A model, or one of its versions by number or by alias; `version` and `alias` are never both given."""

    model: str
    version: int | None = None
    alias: str | None = None

    def __str__(self) -> str:
        if self.version is not None:
            return f"{self.model}:{self.version}"
        return f"{self.model}@{self.alias}" if self.alias is not None else self.model


def parse_reference(text: str) -> ModelReference:
    """Return what `taxi`, `taxi:7` or `taxi@champion` names.

    Raises:
        RegistryError: It is none of these.
    """
    model, at, alias = text.partition("@")
    if at:
        return ModelReference(check_model_name(model), alias=check_alias_name(alias))
    model, colon, version = text.partition(":")
    if not colon:
        return ModelReference(check_model_name(model))
    if not _VERSION.fullmatch(version):
        raise RegistryError.for_reference(text)
    return ModelReference(check_model_name(model), int(version))


def check_model_name(name: str) -> str:
    """Return `name` if a model may be called so.

    Raises:
        RegistryError: It may not.
    """
    return _check("a model", name)


def check_alias_name(name: str) -> str:
    """Return `name` if an alias may be called so.

    Raises:
        RegistryError: It may not.
    """
    return _check("an alias", name)


def _check(what: str, name: str) -> str:
    if not _NAME.fullmatch(name):
        raise RegistryError.for_name(what, name)
    return name
