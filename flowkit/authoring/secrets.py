"""`Secret`: a value that is known by its name alone until the step that needs it reads it.

A secret's value never enters a key, a record, a pickle or a text: `repr`, `str` and formats show the name. What a
process has read is remembered in that process only, so that it can be taken out of logs and messages again.
"""

from __future__ import annotations

import json
import os
import re
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Generic, TypeVar, cast
from urllib.parse import quote, quote_plus

from flowkit.errors import SecretError, SecretUseError

T_co = TypeVar("T_co", bound=str, covariant=True)

MASK: Final = "***"
"""Stands where a secret's value was."""

SHORTEST_MASKED: Final = 4
"""Characters of the shortest value that is masked: a shorter one is in half of all words."""

FOLDER_VARIABLE: Final = "FLOWKIT_SECRETS"
DEFAULT_FOLDER: Final = "/run/secrets"

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_KNOWN: set[str] = set()


class Secret(Generic[T_co]):
    """A text that steps may use and nothing may keep, such as a password or the address of a database with one.

    Args:
        name: Of the environment variable that holds it where the step runs, such as `CHURN_DB`. Where there is none,
            the file named by `CHURN_DB_FILE`, else `CHURN_DB` in the folder `FLOWKIT_SECRETS` (`/run/secrets`).

    Raises:
        SecretUseError: It is no such name.

    Example:
        >>> import flowkit as fk
        >>> @fk.step
        ... def connect(db: fk.Secret[str] = fk.Secret("CHURN_DB")) -> int:
        ...     return len(db.value)
        >>> connect(fk.Secret.of("sqlite://"))
        9
        >>> fk.Secret("CHURN_DB")
        Secret('CHURN_DB')
    """

    __slots__ = ("_given", "_name")

    any_argument_fits = True
    """The annotation's argument cannot be seen on an instance."""

    def __init__(self: Secret[str], name: str) -> None:
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise SecretUseError.for_name()
        self._name = name
        self._given: str | None = None

    @classmethod
    def of(cls, value: str) -> Secret[str]:
        """Return a secret with this value, for plain calls of steps in tests. No pipeline takes it."""
        secret = object.__new__(Secret)
        secret._name, secret._given = "", value
        _remember(value)
        return secret

    @property
    def is_given(self) -> bool:
        """Whether it was made with `of` and has no name."""
        return self._given is not None

    @property
    def name(self) -> str:
        """What it is known by.

        Raises:
            SecretUseError: It was made with `of`.
        """
        if self._given is not None:
            raise SecretUseError.for_literal("recorded")
        return self._name

    @property
    def value(self) -> T_co:
        """The secret itself, read anew in the process that asks.

        Raises:
            SecretError: It is not set, or its file cannot be read.
        """
        if self._given is not None:
            return cast(T_co, self._given)
        value = _read(self._name)
        _remember(value)
        return cast(T_co, value)

    def __repr__(self) -> str:
        return f"Secret({MASK if self._given is not None else repr(self._name)})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and (self._name, self._given) == (other._name, other._given)

    def __hash__(self) -> int:
        return hash((Secret, self._name, self._given))

    def __copy__(self) -> Secret[T_co]:
        return self

    def __deepcopy__(self, memo: object) -> Secret[T_co]:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        if self._given is not None:
            raise SecretUseError.for_literal("pickled")
        return Secret, (self._name,)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        """Let pydantic read a secret from its name and write it as that, as a field of a model or dataclass."""
        from pydantic_core import core_schema

        return core_schema.no_info_plain_validator_function(
            _as_secret, serialization=core_schema.plain_serializer_function_ser_schema(lambda secret: secret.name)
        )


def _as_secret(value: object) -> Secret[str]:
    if isinstance(value, Secret):
        return value
    try:
        return Secret(cast(str, value))
    except SecretUseError as error:
        # The one kind of error that pydantic collects with its place.
        raise ValueError(error.message) from None


def _read(name: str) -> str:
    value = os.environ.get(name)
    if value is not None:
        return value
    file = os.environ.get(f"{name}_FILE")
    if file is not None:
        return _read_file(name, Path(os.path.expanduser(file)))
    mounted = Path(os.environ.get(FOLDER_VARIABLE) or DEFAULT_FOLDER) / name
    if os.path.lexists(mounted):
        return _read_file(name, mounted)
    raise SecretError.for_missing(
        name, (f"environment variable {name}", f"environment variable {name}_FILE", f"file {mounted}")
    )


def _read_file(name: str, path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise SecretError.for_unreadable(name, str(path), error.strerror or type(error).__name__) from None
    except ValueError:
        # Its own message would quote the bytes.
        raise SecretError.for_unreadable(name, str(path), "it is not a UTF-8 text without NUL in its path") from None
    return text.removesuffix("\n").removesuffix("\r")


# -- taking values out of texts ----------------------------------------------------------------------------------------


def _remember(value: str) -> None:
    _KNOWN.add(value)


def longest_masked() -> int:
    """Return how many bytes the longest text has that `mask_bytes` takes out; 0 where nothing was read."""
    if not _KNOWN:
        return 0
    return max((len(form.encode()) for form in _forms(frozenset(_KNOWN))), default=0)


def mask(text: str) -> str:
    """Return `text` with `***` in place of every secret that this process has read."""
    pattern = _pattern(frozenset(_KNOWN))
    return pattern.sub(MASK, text) if pattern is not None else text


def masked_spans(content: bytes) -> list[tuple[int, int]]:
    """Return where in `content` secrets stand that this process has read."""
    pattern = _bytes_pattern(frozenset(_KNOWN))
    return [found.span() for found in pattern.finditer(content)] if pattern is not None else []


@lru_cache(maxsize=4)
def _pattern(values: frozenset[str]) -> re.Pattern[str] | None:
    forms = _forms(values)
    return re.compile("|".join(map(re.escape, forms))) if forms else None


@lru_cache(maxsize=4)
def _bytes_pattern(values: frozenset[str]) -> re.Pattern[bytes] | None:
    forms = [form.encode("utf-8", "surrogateescape") for form in _forms(values)]
    return re.compile(b"|".join(map(re.escape, forms))) if forms else None


@lru_cache(maxsize=4)
def _forms(values: frozenset[str]) -> tuple[str, ...]:
    """Return the texts that give a value away, the longest first: it and its lines, as they are and quoted."""
    found: set[str] = set()
    for value in values:
        lines = [line for line in value.splitlines() if len(line.strip()) >= SHORTEST_MASKED]
        for text in (value, value.strip(), *lines, *(line.strip() for line in lines)):
            found.update(_spellings(text))
    return tuple(sorted((form for form in found if len(form) >= SHORTEST_MASKED), key=lambda form: (-len(form), form)))


def _spellings(text: str) -> set[str]:
    """Return a text as it is, as Python and JSON quote it, as its bytes are shown, as in URLs, as part of a path."""
    encoded = text.encode("utf-8", "surrogateescape")
    found = {text, os.path.normpath(f"/{text}")[1:], quote(encoded), quote(encoded, safe=""), quote_plus(encoded)}
    found.update(json.dumps(text, ensure_ascii=pure)[1:-1] for pure in (True, False))
    found.update((repr(text)[1:-1], ascii(text)[1:-1], repr(encoded)[2:-1]))
    # Python puts a backslash before an apostrophe where a quotation mark stands beside it, anywhere in the whole text.
    both = (repr(f"{text}'\"")[1:-1], ascii(f"{text}'\"")[1:-1], repr(encoded + b"'\"")[2:-1])
    return found | {shown.removesuffix("\\'\"") for shown in both}
