"""Imports of a project's modules from their text alone, never from cached bytecode.

Python takes a module's `.pyc` for good where the file's size and time of modification are those it was made from. A
copy that keeps times (`cp -p`, `rsync -t`, an unpacked archive) can bring other text under the same ones: the process
would run code that no file holds, and results would be recorded for it.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from functools import cache
from importlib.machinery import EXTENSION_SUFFIXES, SOURCE_SUFFIXES, ExtensionFileLoader, FileFinder, SourceFileLoader
from types import CodeType

_INSTALLED = frozenset({"site-packages", "dist-packages"})
_FLOWKIT = os.path.dirname(os.path.abspath(__file__))


class SourceLoader(SourceFileLoader):
    """Compiles a module from its file and keeps the text, which then speaks for the module after an edit too."""

    _text: str | None = None

    def get_code(self, fullname: str) -> CodeType:
        """Return the file's text compiled, and leave cached bytecode alone."""
        path = self.get_filename(fullname)
        content = self.get_data(path)
        self._text = importlib.util.decode_source(content)
        code: CodeType = self.source_to_code(content, path)
        return code

    def get_source(self, fullname: str) -> str | None:
        """Return the text that the module was made from, or that of the file before it is."""
        return self._text if self._text is not None else super().get_source(fullname)


def install_source_imports() -> None:
    """Make this process import what is neither installed nor Python's own from its text, from now on."""
    if _find_in not in sys.path_hooks:
        sys.path_hooks.insert(0, _find_in)
        for folder in list(sys.path_importer_cache):
            if is_source_folder(folder):
                del sys.path_importer_cache[folder]


def is_source_folder(folder: str) -> bool:
    """Whether modules in a folder may be edited while their installed version stays the same."""
    path = os.path.abspath(folder)
    if not os.path.isdir(path) or _INSTALLED.intersection(path.split(os.sep)):
        return False
    return not any(path == known or path.startswith(known + os.sep) for known in (_FLOWKIT, *stdlib_folders()))


def _find_in(folder: str) -> FileFinder:
    if not is_source_folder(folder or os.getcwd()):
        raise ImportError(f"{folder} holds no sources of a project")
    return FileFinder(folder, (ExtensionFileLoader, EXTENSION_SUFFIXES), (SourceLoader, SOURCE_SUFFIXES))


@cache
def stdlib_folders() -> tuple[str, ...]:
    """Return where the standard library lies, and what of it is for this kind of machine, with and without links."""
    # `sysconfig` says the same, and takes milliseconds to read how Python was built.
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    folders = {os.path.dirname(os.path.abspath(os.__file__)), os.path.join(sys.exec_prefix, sys.platlibdir, version)}
    return tuple(sorted(folders | {os.path.realpath(folder) for folder in folders}))
