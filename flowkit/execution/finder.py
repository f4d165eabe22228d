"""Imports of bundled modules in a step host: real imports, under their own names and paths, of the bundle's text."""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import sys
from collections.abc import Sequence
from pathlib import Path
from types import CodeType, ModuleType

from flowkit.execution.bundle import Bundle, BundledModule, install_sources


class BundleFinder(importlib.abc.MetaPathFinder):
    """Finds the modules of a bundle before anything on `sys.path` is asked.

    Args:
        bundle: The modules.
        root: The project's root here, below which relative paths of the bundle lie.
    """

    def __init__(self, bundle: Bundle, root: Path) -> None:
        self._modules = bundle.modules
        self._root = root
        self._namespaces = _parents(bundle)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Return how to import a bundled module, or a folder that only holds bundled ones; None for all else."""
        module = self._modules.get(fullname)
        if module is not None:
            return _spec_of(fullname, module, str(self._root / module.path))
        if fullname not in self._namespaces:
            return None
        found = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        return found if found is not None else self._namespace_spec(fullname)

    def _namespace_spec(self, name: str) -> importlib.machinery.ModuleSpec:
        spec = importlib.machinery.ModuleSpec(name, None, is_package=True)
        spec.submodule_search_locations = [str(self._root.joinpath(*name.split(".")))]
        return spec


class BundleLoader(importlib.abc.InspectLoader):
    """Runs one bundled module; its `__file__` is the project's own, so paths made from it hold."""

    def __init__(self, module: BundledModule, file: str) -> None:
        self._module = module
        self._file = file

    def get_source(self, fullname: str) -> str:
        """Return the module's text."""
        return self._module.source

    def get_filename(self, fullname: str) -> str:
        """Return the module's own file."""
        return self._file

    def is_package(self, fullname: str) -> bool:
        """Whether the module is a package's `__init__`."""
        return self._module.package

    def get_code(self, fullname: str) -> CodeType:
        """Return the compiled text."""
        return compile(self._module.source, self._file, "exec", dont_inherit=True)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> None:
        """Leave the making of the module object to the import system."""

    def exec_module(self, module: ModuleType) -> None:
        """Run the module's text in its namespace."""
        install_sources({self._file: self._module.source})
        super().exec_module(module)


def install_bundle(bundle: Bundle, root: Path) -> None:
    """Make this process import the bundle's modules from the bundle, and further ones from the project's root."""
    sys.meta_path.insert(0, BundleFinder(bundle, root))


def _spec_of(name: str, module: BundledModule, file: str) -> importlib.machinery.ModuleSpec:
    spec = importlib.machinery.ModuleSpec(name, BundleLoader(module, file), origin=file, is_package=module.package)
    spec.has_location = True
    if module.package:
        spec.submodule_search_locations = [str(Path(file).parent)]
    return spec


def _parents(bundle: Bundle) -> frozenset[str]:
    found: set[str] = set()
    for name in bundle.modules:
        parts = name.split(".")
        found.update(".".join(parts[:count]) for count in range(1, len(parts)))
    return frozenset(found)
