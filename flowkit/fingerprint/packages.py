"""Installed distributions, read straight from their `dist-info` folders.

`importlib.metadata` gives the same answers and costs more to import and ask than everything else a reused run does.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from blake3 import blake3

from flowkit.records import Digest
from flowkit.records.comparison import ComparedInPart

_SEPARATORS = re.compile(r"[-_.]+")
_TOP_LEVEL = re.compile(rb'"?([^/,"\r\n]+)')
_REQUIREMENT = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)(.*)", re.DOTALL)
_EXTRA = re.compile(r"""extra\s*==\s*['"]([^'"]+)['"]""")
_MODULE_SUFFIXES = (".py", ".so", ".pyd", ".pyc")
_DEVELOPMENT = re.compile(r"^(all|complete|.*(test|dev|doc|lint|typ|bench|build|example|tutorial|release|ci|style).*)$")

Requirement = tuple[str, str | None]
"""A required distribution's normalised name, and the extra that asks for it, None where it is always required."""


def normalise_name(name: str) -> str:
    """Return a distribution's name in the one spelling in which names are compared."""
    return _SEPARATORS.sub("-", name).lower()


class Distribution(ComparedInPart, frozen=True, eq=False, dict=True):
    """An installed distribution.

    Attributes:
        name: Normalised.
        folder: The path of its `.dist-info` (or `.egg-info`) folder.
    """

    uncompared = frozenset({"folder"})

    name: str
    version: str
    folder: str

    @cached_property
    def modules(self) -> frozenset[str]:
        """Top-level names that it installs, from RECORD, else from `top_level.txt`."""
        record = _read(f"{self.folder}/RECORD")
        if record is None:
            listed = _read(f"{self.folder}/top_level.txt")
            return frozenset((listed or self.name.replace("-", "_").encode()).decode().split())
        # Few folders hold most of the lines, so the expression sees each folder once.
        heads = {line.partition(b"/")[0] for line in record.split(b"\n")}
        tops = {match[1].decode("utf-8", "replace") for match in map(_TOP_LEVEL.match, heads) if match}
        return frozenset(_module_names(tops))

    @cached_property
    def is_own_code(self) -> bool:
        """Whether it was installed from a folder or a version control system, so that its code changes in place."""
        return any(kind in self._direct_url for kind in ("dir_info", "vcs_info"))

    @cached_property
    def label(self) -> str:
        """Its version; with a digest of RECORD where it came from an address, as such a reinstall keeps its version."""
        if not self._direct_url:
            return self.version
        return f"{self.version}+{blake3(_read(f'{self.folder}/RECORD') or b'').hexdigest()[:16]}"

    @cached_property
    def requirements(self) -> tuple[Requirement, ...]:
        """What it requires, those of its extras too."""
        headers = (_read(f"{self.folder}/METADATA") or b"").partition(b"\n\n")[0].decode("utf-8", "replace")
        found = []
        for line in headers.splitlines():
            if line.startswith("Requires-Dist:") and (match := _REQUIREMENT.match(line[14:])):
                extra = _EXTRA.search(match[2])
                found.append((normalise_name(match[1]), extra[1] if extra else None))
        return tuple(found)

    def facts(self) -> dict[str, Any]:
        """Return what was asked of it so far and takes long to find out, as JSON has it."""
        return {name: list(self.__dict__[name]) for name in _FACTS if name in self.__dict__}

    def adopt(self, facts: Mapping[str, Any]) -> None:
        """Take over what another process found out of the same installation."""
        for name, read in _FACTS.items():
            if name in facts:
                self.__dict__[name] = read(facts[name])

    @cached_property
    def _direct_url(self) -> dict[str, object]:
        text = _read(f"{self.folder}/direct_url.json")
        if text is None:
            return {}
        parsed = json.loads(text)
        return parsed if isinstance(parsed, dict) else {}


class Packages:
    """The distributions of one `sys.path`, by name and by the modules they install."""

    def __init__(self, folders: Iterable[Path | str]) -> None:
        self._by_name: dict[str, Distribution] = {}
        for place in folders:
            folder = os.fspath(place)
            name, version = _name_and_version(folder)
            # The first on the path wins, as it does for imports.
            self._by_name.setdefault(name, Distribution(name, version, folder))

    @property
    def has_tables(self) -> bool:
        """Whether it is known which modules each distribution installs: reading that takes longest."""
        return "_by_module" in self.__dict__

    @cached_property
    def stamp(self) -> Digest:
        """A digest of where the distributions lie and of when they were installed, as it was when first asked for."""
        hasher = blake3()
        for distribution in self._by_name.values():
            hasher.update(f"{distribution.folder}\n{_times(distribution.folder)}\n".encode("utf-8", "surrogateescape"))
        return hasher.hexdigest()

    def facts(self) -> dict[str, dict[str, Any]]:
        """Return what is known of the distributions, by name; only that is read which somebody asks for."""
        return {name: distribution.facts() for name, distribution in self._by_name.items()}

    def fact_count(self) -> int:
        """Return of how many things `facts` tells."""
        return sum(name in found.__dict__ for found in self._by_name.values() for name in _FACTS)

    def adopt(self, facts: Mapping[str, Mapping[str, Any]]) -> None:
        """Take over the facts of another process that found the same stamp and has the tables of modules."""
        for name, distribution in self._by_name.items():
            distribution.adopt(facts[name])
        _ = self._by_module

    @cached_property
    def _by_module(self) -> dict[str, tuple[Distribution, ...]]:
        table: dict[str, tuple[Distribution, ...]] = {}
        for distribution in self._by_name.values():
            for module in distribution.modules:
                table[module] = (*table.get(module, ()), distribution)
        return table

    def named(self, name: str) -> Distribution | None:
        """Return the distribution of that name, in any spelling."""
        return self._by_name.get(normalise_name(name))

    def of_module(self, module: str) -> tuple[Distribution, ...]:
        """Return the distributions that install the top-level package of a module: several for a namespace package."""
        return self._by_module.get(module.partition(".")[0], ())

    def closure(self, names: Iterable[str]) -> tuple[Distribution, ...]:
        """Return the named distributions and all that they require, as far as installed, sorted by name.

        Extras of the named ones count where they are installed, because libraries use optional accelerators as soon as
        they find them; extras for development do not, and deeper ones do not.
        """
        found: dict[str, Distribution] = {}
        waiting = [(normalise_name(name), True) for name in sorted(names)]
        direct = {name for name, _ in waiting}
        while waiting:
            name, named = waiting.pop()
            distribution = self._by_name.get(name)
            if distribution is None or (name in found and not named):
                continue
            found[name] = distribution
            for required, extra in distribution.requirements:
                wanted = extra is None or (named and not _DEVELOPMENT.match(extra))
                if wanted and required not in found and required not in direct:
                    waiting.append((required, False))
        return tuple(found[name] for name in sorted(found))


_CACHED: dict[tuple[tuple[str, int], ...], Packages] = {}


def installed_packages() -> Packages:
    """Return the distributions on `sys.path`; kept for this process until a `dist-info` folder changes."""
    folders = [(entry.path, entry.stat().st_mtime_ns) for entry in _metadata_folders()]
    key = tuple(folders)
    if key not in _CACHED:
        _CACHED.clear()
        _CACHED[key] = Packages(folder for folder, _ in folders)
    return _CACHED[key]


def _metadata_folders() -> Iterable[os.DirEntry[str]]:
    for place in dict.fromkeys(sys.path):
        if not os.path.isdir(place or "."):
            continue
        with os.scandir(place or ".") as entries:
            found = [entry for entry in entries if entry.name.endswith((".dist-info", ".egg-info")) and entry.is_dir()]
        yield from sorted(found, key=lambda entry: entry.name)


def _name_and_version(folder: str) -> tuple[str, str]:
    base, _, kind = os.path.basename(folder).rpartition(".")
    name, _, version = base.partition("-")
    if not version or kind == "egg-info":
        headers = (_read(f"{folder}/METADATA") or _read(f"{folder}/PKG-INFO") or b"").decode("utf-8", "replace")
        match = re.search(r"^Version:\s*(\S+)", headers, re.MULTILINE)
        version = match[1] if match else version
    return normalise_name(name), version


def _module_names(tops: Iterable[str]) -> Iterable[str]:
    for top in tops:
        if top.endswith(_MODULE_SUFFIXES):
            yield top.partition(".")[0]
        elif "." not in top and top != "__pycache__":
            yield top


def _times(folder: str) -> list[tuple[int, int] | None]:
    """Return size and time of the files of a distribution that tell what it requires and which modules it has."""
    found = [_time(f"{folder}/METADATA"), _time(f"{folder}/RECORD")]
    return found if found[1] is not None else [*found, _time(f"{folder}/top_level.txt")]


def _time(file: str) -> tuple[int, int] | None:
    try:
        status = os.stat(file)
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns


def _read(file: str) -> bytes | None:
    try:
        with open(file, "rb", buffering=0) as opened:
            return opened.read()
    except (FileNotFoundError, NotADirectoryError):
        return None


def _read_requirements(found: Iterable[Sequence[str | None]]) -> tuple[Requirement, ...]:
    return tuple((str(name), extra) for name, extra in found)


_FACTS: Mapping[str, Callable[[Any], Any]] = {"modules": frozenset, "requirements": _read_requirements}
"""What of a distribution is kept between processes, and how it is read again."""
