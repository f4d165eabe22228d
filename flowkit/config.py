"""Settings: `[tool.flowkit]` of the project's `pyproject.toml`, and what stands above it.

A command's flag beats a `FLOWKIT_…` variable beats `[tool.flowkit.env.NAME]` beats `[tool.flowkit]` beats the default.
Every value remembers where it came from. A key or value that is not known is an error, never ignored.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Literal

from msgspec import Struct, field

from flowkit.authoring.quantities import parse_duration, parse_size
from flowkit.errors import SettingError, StepDefinitionError
from flowkit.project import Project

DEFAULT_ENVIRONMENT = "default"
DEFAULT_ORIGIN = "default"
STORE_FOLDER = ".flowkit"
MOST_WORKERS = 64 * (os.cpu_count() or 1)
_FILE = "pyproject.toml"


class Settings(Struct, frozen=True):
    """What configures a run.

    Attributes:
        env: The environment's name.
        store: Absolute path of the store.
        remote: fsspec URL of a folder through which machines share results; None for none.
        trust_remote: Whether values may be taken from there whose loading can run code, such as pickle.
        scheduler: Address of a Dask scheduler; None for workers of this machine's own.
        workers: How many steps run at once; None for the number of cores.
        undeclared: What becomes of a step that reads something undeclared: it counts, is told of too, or fails.
        resources: What this machine has for steps that ask for it, such as `{"gpu": 1}`.
        pickle: `allow` or `deny` values that only pickle can store.
        code: Module names or folders whose code counts as the project's own.
        promotions: `allow`, or `dry-run` to judge gates and move nothing.
        retention: What `gc` lets stay: `runs`, `age` in seconds and `bytes`, those that are asked for.
        params: Values of pipelines' parameters by name, as the file writes them.
        origins: By key, and `params.NAME`, where its value came from.
    """

    store: Path
    env: str = DEFAULT_ENVIRONMENT
    remote: str | None = None
    trust_remote: bool = False
    scheduler: str | None = None
    workers: int | None = None
    undeclared: Literal["track", "warn", "error"] = "track"
    resources: Mapping[str, float] = field(default_factory=dict)
    pickle: Literal["allow", "deny"] = "allow"
    code: tuple[str, ...] = ()
    promotions: Literal["allow", "dry-run"] = "allow"
    retention: Mapping[str, float] = field(default_factory=dict)
    params: Mapping[str, Any] = field(default_factory=dict)
    origins: Mapping[str, str] = field(default_factory=dict)

    def origin(self, key: str) -> str:
        """Return where the value of `key` came from, such as `--store` or `pyproject.toml [tool.flowkit]`."""
        return self.origins.get(key, DEFAULT_ORIGIN)


class _Source(Struct, frozen=True):
    """One place that gives settings: its name for people, and how its texts or values are read."""

    name: str
    values: Mapping[str, Any]
    base: Path


def load_settings(
    project: Project,
    env: str | None = None,
    flags: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] | None = None,
) -> Settings:
    """Return the settings of a project.

    Args:
        project: Whose file is read; a relative `store` of the file or of a variable starts at its root, one of a flag
            in the current folder.
        env: The environment asked for; `FLOWKIT_ENV`, else `default`, where it is None.
        flags: Values given to the command by key; those that are None were not given.
        environ: The process's environment variables by default.

    Raises:
        SettingError: The file cannot be read, a key or the environment is unknown, or a value does not fit.
    """
    root = project.root
    environ = os.environ if environ is None else environ
    env = env or environ.get("FLOWKIT_ENV") or DEFAULT_ENVIRONMENT
    given = {key: value for key, value in (flags or {}).items() if value is not None}
    sources = [
        *_read_file(root, env),
        *_read_variables(root, environ),
        *(_Source(f"--{key}", {key: value}, Path.cwd()) for key, value in given.items()),
    ]
    return _merge(root, env, sources)


def find_mistakes(
    project: Project, flags: Mapping[str, Any] | None = None, environ: Mapping[str, str] | None = None
) -> tuple[SettingError, ...]:
    """Return all keys and values that do not fit, where `load_settings` stops at the first.

    Args:
        project: Whose file is read, with every environment's section.
        flags: As for `load_settings`.
        environ: As for `load_settings`.

    Raises:
        SettingError: The file cannot be read, or has something else where a section should be.
    """
    own, environments = _read_sections(project.root)
    mistakes: list[SettingError] = []

    def attempt(act: Callable[[], object]) -> None:
        try:
            act()
        except SettingError as error:
            mistakes.append(error)

    given = {key: value for key, value in (flags or {}).items() if value is not None}
    sources = [own, *environments.values(), *(_Source(f"--{key}", {key: given[key]}, Path.cwd()) for key in given)]
    for source in sources:
        for key, value in source.values.items():
            attempt(partial(_check, key, value, source))
    environ = os.environ if environ is None else environ
    for name in [_variable(key) for key in _CHECKS if _variable(key) in environ]:
        attempt(partial(_check_variables, project.root, {name: environ[name]}))
    return tuple(mistakes)


def environment_names(project: Project) -> tuple[str, ...]:
    """Return the environments that a project's file knows.

    Raises:
        SettingError: The file cannot be read.
    """
    path = project.root / _FILE
    section = _section(path, _parse(path), ("tool", "flowkit"))
    return (DEFAULT_ENVIRONMENT, *sorted(_section(path, section, ("env",))))


def _merge(root: Path, env: str, sources: list[_Source]) -> Settings:
    values: dict[str, Any] = {"store": root / STORE_FOLDER}
    params: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for source in sources:
        for key, value in source.values.items():
            place = source.name
            checked = _check(key, value, source)
            if key == "params":
                params.update(checked)
                origins.update((f"params.{name}", place) for name in checked)
            else:
                values[key] = checked
                origins[key] = place
    return Settings(env=env, params=params, origins=origins, **values)


def _read_file(root: Path, env: str) -> list[_Source]:
    """Return the file's section and, above it, that of the environment."""
    own, environments = _read_sections(root)
    if env != DEFAULT_ENVIRONMENT and env not in environments:
        known = (DEFAULT_ENVIRONMENT, *sorted(environments))
        raise SettingError.for_unknown_environment(env, str(root / _FILE), known)
    # Every section is checked, not only the one in use: a misspelt key should not wait for production.
    for source in environments.values():
        for key, value in source.values.items():
            _check(key, value, source)
    return [own, environments[env]] if env in environments else [own]


def _read_sections(root: Path) -> tuple[_Source, dict[str, _Source]]:
    """Return the file's section, and those of the environments by name."""
    path = root / _FILE
    section = _section(path, _parse(path), ("tool", "flowkit"))
    own = {key: value for key, value in section.items() if key != "env"}
    environments = _section(path, section, ("env",))
    return _Source(f"{path} [tool.flowkit]", own, root), {
        name: _Source(f"{path} [tool.flowkit.env.{name}]", _section(path, environments, (name,)), root)
        for name in environments
    }


def _parse(path: Path) -> Mapping[str, Any]:
    """Return what a file says, nothing where it cannot name flowkit: a parser takes longer to import than to parse."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except UnicodeDecodeError as error:
        raise SettingError.for_unreadable(str(path), f"it is not UTF-8 at byte {error.start}") from None
    except OSError as error:
        raise SettingError.for_unreadable(str(path), error.strerror or str(error)) from None
    if "flowkit" not in text and "\\" not in text:
        return {}
    import tomllib

    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingError.for_unreadable(str(path), f"it is not valid TOML, {error}") from None


def _section(path: Path, table: Mapping[str, Any], keys: tuple[str, ...]) -> Mapping[str, Any]:
    for depth, key in enumerate(keys, 1):
        found = table.get(key, {})
        if not isinstance(found, dict):
            raise SettingError.for_value(".".join(keys[:depth]), str(path), "a table", found)
        table = found
    return table


def _read_variables(root: Path, environ: Mapping[str, str]) -> list[_Source]:
    return [
        _Source(name, {key: _from_text(key, environ[name], name)}, root)
        for key in _CHECKS
        if (name := _variable(key)) in environ
    ]


def _check_variables(root: Path, environ: Mapping[str, str]) -> None:
    for source in _read_variables(root, environ):
        for key, value in source.values.items():
            _check(key, value, source)


def _variable(key: str) -> str:
    return f"FLOWKIT_{key.upper()}"


def _from_text(key: str, text: str, place: str) -> Any:
    """Return a variable's text as the value that the file would hold; empty, it switches an optional setting off."""
    if not text.strip() and key in _OFF:
        return _OFF[key]
    if key == "workers" and text.strip().isdecimal():
        return int(text)
    if key == "code":
        return [part.strip() for part in text.split(",") if part.strip()]
    if key in ("params", "resources", "retention"):
        try:
            return json.loads(text)
        except ValueError:
            raise SettingError.for_value(key, place, "a JSON object", text) from None
    if key == "trust_remote" and text.strip().lower() in ("true", "false"):
        return text.strip().lower() == "true"
    return text


def _check(key: str, value: Any, source: _Source) -> Any:
    if key in _OFF and value is None:
        return None
    if key not in _CHECKS:
        raise SettingError.for_unknown_key(key, source.name, (*_CHECKS, "env"))
    if key == "retention" and isinstance(value, dict):
        return _check_retention(value, source)
    wanted, read = _CHECKS[key]
    checked = read(value, source.base)
    if checked is None:
        raise SettingError.for_value(key, source.name, wanted, value)
    return checked


def _folder(value: Any, base: Path) -> Path | None:
    if not isinstance(value, (str, Path)) or not str(value).strip() or "\0" in str(value):
        return None
    return Path(os.path.abspath(base / os.path.expanduser(value)))


def _address(value: Any, _: Path) -> str | None:
    return value if isinstance(value, str) and "://" in value else None


def _remote(value: Any, base: Path) -> str | None:
    if not isinstance(value, str) or not value.strip():
        return None
    folder = None if "://" in value else _folder(value, base)
    return value if folder is None else folder.as_uri()


def _switch(value: Any, _: Path) -> bool | None:
    return value if isinstance(value, bool) else None


def _count(value: Any, _: Path) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MOST_WORKERS else None


def _names(value: Any, _: Path) -> tuple[str, ...] | None:
    if not isinstance(value, (list, tuple)) or not all(isinstance(item, str) and item for item in value):
        return None
    return tuple(value)


def _table(value: Any, _: Path) -> dict[str, Any] | None:
    return dict(value) if isinstance(value, dict) else None


def _amounts(value: Any, _: Path) -> dict[str, float] | None:
    if not isinstance(value, dict):
        return None
    fit = all(isinstance(item, (int, float)) and not isinstance(item, bool) and item >= 0 for item in value.values())
    return dict(value) if fit else None


def _check_retention(value: Mapping[str, Any], source: _Source) -> dict[str, float]:
    """Check part by part, so that a mistake is told of the part."""
    checked = {}
    for key, item in value.items():
        name = f"retention.{key}"
        if key not in _RETAINED:
            raise SettingError.for_unknown_key(name, source.name, [f"retention.{known}" for known in _RETAINED])
        wanted, read = _RETAINED[key]
        try:
            amount = read(item)
        except StepDefinitionError:
            amount = None
        if amount is None:
            raise SettingError.for_value(name, source.name, wanted, item)
        checked[key] = amount
    return checked


def _whole(value: Any) -> float | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 1 else None


_RETAINED: Mapping[str, tuple[str, Callable[[Any], float | None]]] = {
    "runs": ("a whole number from 1", _whole),
    "age": ('a duration such as "30d"', lambda value: parse_duration(value, "age")),
    "bytes": ('a size such as "50GB"', lambda value: parse_size(value, "bytes")),
}
"""What each part of a retention must be, in words, and how it is read."""


def _one_of(*words: str) -> Callable[[Any, Path], str | None]:
    return lambda value, _: value if isinstance(value, str) and value in words else None


_CHECKS: Mapping[str, tuple[str, Callable[[Any, Path], Any]]] = {
    "store": ("the path of a folder", _folder),
    "remote": ("an fsspec URL such as 's3://bucket/flowkit', or the path of a folder", _remote),
    "trust_remote": ("true or false", _switch),
    "scheduler": ("an address such as 'tcp://10.0.0.1:8786'", _address),
    "workers": (f"a whole number from 1 to {MOST_WORKERS}, 64 for each core", _count),
    "undeclared": ("'track', 'warn' or 'error'", _one_of("track", "warn", "error")),
    "resources": ("a table of amounts, such as { gpu = 1 }", _amounts),
    "pickle": ("'allow' or 'deny'", _one_of("allow", "deny")),
    "code": ("a list of module names or folders", _names),
    "promotions": ("'allow' or 'dry-run'", _one_of("allow", "dry-run")),
    "retention": ('a table such as { runs = 5, age = "30d", bytes = "50GB" }', _table),
    "params": ("a table of parameter values", _table),
}
"""By key what it must be, in words, and a function that gives the checked value, or None where it does not fit."""

_OFF: Mapping[str, Any] = {
    "remote": None,
    "scheduler": None,
    "workers": None,
    "trust_remote": False,
    "code": (),
    "resources": {},
    "retention": {},
    "params": {},
}
"""What an empty variable makes of a setting that there need not be."""

SETTING_KEYS = tuple(_CHECKS)
"""Every key that a section may have, but for `env`."""
