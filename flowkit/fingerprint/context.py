"""What one fingerprint gathers on its way: entities, modules, distributions, and what could not be encoded."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from types import FunctionType, ModuleType
from typing import Any

from msgspec import Struct

from flowkit.fingerprint.known import KnownCode
from flowkit.fingerprint.ownership import Owner, Ownership
from flowkit.fingerprint.references import Reading
from flowkit.fingerprint.source import SourceLibrary
from flowkit.fingerprint.tokens import Entity, EntityKind, text

_NOTHING = Reading(0)


Note = tuple[int, Any]
"""Something that was met on the way: of which kind, and what."""
_MODULE, _DISTRIBUTION, _UNCACHEABLE, _READS = range(4)


class Noted(Struct, frozen=True, eq=False):
    """What was met while something was read.

    Attributes:
        modules: Names of the project modules that are reached.
        distributions: Names of the installed distributions that are reached.
        uncacheable: The first thing that could not be encoded, with its name; None where all could.
        reads: What of code the code that was reached may read.
    """

    modules: frozenset[str]
    distributions: frozenset[str]
    uncacheable: str | None
    reads: Reading


class Context:
    """Entities, and what is noted while code is read.

    Attributes:
        docstrings: Whether docstrings count, because code that is reached reads some.
        sources_count: Whether the texts of code count likewise.
        annotations_count: Whether annotations do.
        subclasses_count: Whether the subclasses of a class do.
        untracked: By a function's id, the parameters whose defaults do not count.
        effects: By a module's id, the modules that it imports for their effect.
        has_imported: Whether a module was imported on the way, which may have changed what was read before.
    """

    def __init__(
        self, ownership: Ownership, sources: SourceLibrary, known: KnownCode, counted: Reading = _NOTHING
    ) -> None:
        self.ownership = ownership
        self.project = ownership.project
        self.sources = sources
        self.known = known
        self.docstrings = Reading.DOCSTRINGS in counted
        self.sources_count = Reading.SOURCES in counted
        self.annotations_count = Reading.ANNOTATIONS in counted
        self.subclasses_count = Reading.SUBCLASSES in counted
        self.untracked: dict[int, frozenset[str]] = {}
        self.has_imported = False
        self.effects: dict[int, list[ModuleType]] = {}
        self._notes: list[Note] = []
        self._noted: dict[tuple[Note, ...], Noted] = {}
        self._entities: dict[tuple[str, int], Entity] = {}

    def note_module(self, name: str) -> None:
        """Note that a project module is reached."""
        self._notes.append((_MODULE, name))

    def note_reads(self, reads: Reading) -> None:
        """Note what of other code some code may read."""
        if reads is not _NOTHING:
            self._notes.append((_READS, reads))

    def mark(self) -> int:
        """Return the place in the notes from which `since` is to give them."""
        return len(self._notes)

    def since(self, mark: int) -> tuple[Note, ...]:
        """Return what was noted since, each note once."""
        return tuple(dict.fromkeys(self._notes[mark:])) if len(self._notes) > mark else ()

    def repeat(self, notes: tuple[Note, ...]) -> None:
        """Note again what was noted when something was read that is not read a second time."""
        self._notes += notes

    def take_notes(self) -> Noted:
        """Return what was noted since this was last asked."""
        notes, self._notes = tuple(dict.fromkeys(self._notes)), []
        found = self._noted.get(notes)
        if found is None:
            found = self._noted[notes] = _sort_notes(notes)
        return found

    def entity(self, kind: EntityKind, name: str, value: Any) -> Entity:
        """Return the one entity of a live object."""
        key = (kind, id(value))
        if key not in self._entities:
            self._entities[key] = Entity(kind, name, value)
        return self._entities[key]

    def function(self, function: FunctionType) -> Entity:
        """Return a project function's entity."""
        # What was generated belongs to no module; a template's code says which template it is.
        module = function.__globals__.get("__name__") or os.path.basename(function.__code__.co_filename)
        return self.entity("function", f"{module}:{function.__qualname__}", function)

    def klass(self, kind: type) -> Entity:
        """Return a project class's entity."""
        return self.entity("class", f"{kind.__module__}:{kind.__qualname__}", kind)

    def module(self, module: ModuleType) -> Entity:
        """Return the entity of a project module that counts whole."""
        return self.entity("module", module.__name__, module)

    def all_sources(self) -> Entity:
        """Return the entity of every source of the project, for what is imported under a computed name."""
        return self.entity("sources", "the project's sources", self.project)

    def foreign(self, module: object, name: str) -> bytes:
        """Return the token of something that is not the project's: its name and its distributions.

        The version is left to the environment's fingerprint, so that an upgrade is explained as one.
        """
        if not isinstance(module, str):
            return text(b"x", name)
        top = module.partition(".")[0]
        if top == "flowkit":
            return text(b"x", f"flowkit:{name}")
        # Python's own modules come first on the path, whatever a distribution installs under their names.
        known = top in sys.stdlib_module_names
        owners = [] if known else sorted(owner.name for owner in self.ownership.packages.of_module(top))
        self._notes += [(_DISTRIBUTION, owner) for owner in owners]
        return text(b"x", f"{','.join(owners)} {module}:{name}")

    def owner_of_function(self, function: FunctionType) -> Owner:
        """Return whose a function is, by its globals: `__module__` is copied by `functools.wraps` and would lie."""
        namespace = function.__globals__
        name = namespace.get("__name__")
        name = name if isinstance(name, str) else ""
        module = sys.modules.get(name)
        if isinstance(module, ModuleType) and module.__dict__ is namespace:
            return self.ownership.of_module(module)
        # A namespace that is no module's may be a copy of one: only the code's own file can tell.
        file = function.__code__.co_filename
        return self.ownership.of_file(name, file) if os.path.isabs(file) else Owner.PROJECT

    def owner_of_class(self, kind: type) -> Owner:
        """Return whose a class is, by its module's name, which may be missing or no string."""
        name: object = kind.__module__
        return self.ownership.of_name(name) if isinstance(name, str) else Owner.THIRD_PARTY

    def mark_uncacheable(self, reason: str) -> None:
        """Note that something cannot be encoded; the first reason stands."""
        self._notes.append((_UNCACHEABLE, reason))


def _sort_notes(notes: Sequence[Note]) -> Noted:
    names: tuple[list[str], list[str]] = ([], [])
    uncacheable, reads = None, _NOTHING
    for kind, item in notes:
        if kind == _READS:
            reads |= item
        elif kind != _UNCACHEABLE:
            names[kind].append(item)
        elif uncacheable is None:
            uncacheable = item
    return Noted(frozenset(names[_MODULE]), frozenset(names[_DISTRIBUTION]), uncacheable, reads)
