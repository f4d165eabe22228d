"""What a step may change of libraries that it shares its process with: the log's, pandas' and matplotlib's settings.

What is read is what is loaded; nothing is imported on their account, and every node pays for the reading.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from msgspec import Struct

if TYPE_CHECKING:
    import logging

_LOGGING = "logging"
_FIRST_LEVEL = (30, 0)
"""What `logging` comes with: the root logger tells of warnings, and nothing is switched off."""

_PANDAS_OPTIONS = "pandas._config.config"
_PLOTS = "matplotlib"
_FIGURES = "matplotlib._pylab_helpers"
_BACKEND = "backend"
_CHOSEN_BY_ITSELF = frozenset({"agg", "gtk3agg", "gtk4agg", "macosx", "qtagg", "tkagg", "wxagg"})
"""What matplotlib may take for its backend when nobody has said which, by what the machine has."""


def imported_since(count: int) -> bool:
    """Whether a library, or a module of the project's, was imported since there were `count` modules.

    Python's own set up nothing that others need: many are there already, by what flowkit happens to import.
    """
    added = islice(list(sys.modules), count, None)
    return any(name.partition(".")[0] not in sys.stdlib_module_names for name in added)


class LibraryState(Struct, frozen=True):
    """The settings of these libraries at one moment.

    Attributes:
        handlers: What the root logger writes to.
        level: Its level, and the one below which nothing is logged at all.
        pandas: The options of pandas, where it is loaded: some change what is computed.
        plots: Those of matplotlib.
        figures: The numbers of the figures that are open: whoever plots next would draw into the last one.
    """

    handlers: Sequence[logging.Handler]
    level: tuple[int, int]
    pandas: Mapping[str, Any] | None
    plots: Mapping[str, Any] | None
    figures: Collection[Any]

    @classmethod
    def read(cls) -> LibraryState:
        """Return the state as it is now."""
        loaded = sys.modules
        log = _log()
        return cls(
            [] if log is None else list(log.root.handlers),
            _FIRST_LEVEL if log is None else (log.root.level, log.root.manager.disable),
            _pandas_options() if _PANDAS_OPTIONS in loaded else None,
            _plot_options("rcParams") if _PLOTS in loaded else None,
            tuple(_open_figures()) if _FIGURES in loaded else (),
        )

    def restore(self, now: LibraryState) -> bool:
        """Put back what can be, and say whether all is as it was.

        Options are not put back: a module that the step was the first to import may have set them, for all that use it.
        """
        if (log := _log()) is not None:
            log.root.handlers[:] = self.handlers
            if self.level != now.level:
                log.root.setLevel(self.level[0])
                log.disable(self.level[1])
        for number in set(now.figures).difference(self.figures):
            sys.modules[_FIGURES].Gcf.destroy(number)
        return (self.pandas is None or self.pandas == now.pandas) and self._has_same_plots(now)

    def _has_same_plots(self, now: LibraryState) -> bool:
        before = self.plots if self.plots is not None else _plot_options("rcParamsOrig")
        if before is None or now.plots is None:
            return True
        chosen = now.plots.get(_BACKEND)
        by_itself = not isinstance(before.get(_BACKEND), str) and str(chosen).lower() in _CHOSEN_BY_ITSELF
        return now.plots == ({**before, _BACKEND: chosen} if by_itself else before)


def _log() -> Any:
    """Return Python's module for logs where it is loaded; a project may have one of that name."""
    loaded = sys.modules.get(_LOGGING)
    return loaded if hasattr(loaded, "root") else None


def _pandas_options() -> Mapping[str, Any] | None:
    module = sys.modules.get(_PANDAS_OPTIONS)
    held = getattr(module, "_global_config", None)
    if not isinstance(held, dict):
        return None
    return {name: dict(value) if type(value) is dict else value for name, value in held.items()}


def _plot_options(name: str) -> dict[str, Any] | None:
    held = getattr(sys.modules.get(_PLOTS), name, None)
    # Past its own methods, which sort, and choose a backend where there is none yet.
    return dict(dict.items(held)) if isinstance(held, dict) else None


def _open_figures() -> Collection[Any]:
    return getattr(getattr(sys.modules.get(_FIGURES), "Gcf", None), "figs", ())
