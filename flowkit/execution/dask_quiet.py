"""Keeps Dask's own words from the terminal while flowkit is connected: flowkit says itself what they are about."""

from __future__ import annotations

import logging
import warnings

from flowkit.execution.isolation import WORK_PREFIX

_LOGGERS = ("distributed", "distributed.client", "tornado", "tornado.application")
_FOLDERS = "distributed.diskutils"
_LOOP = "asyncio"


class Hush:
    """Drops what Dask's loggers would print, until it is lifted.

    Only handlers of those loggers that print are held; a file that Dask's configuration sends its log to gets it all.
    """

    def __init__(self) -> None:
        self._held: list[logging.Handler] = []
        import distributed

        # Instead there is one warning of flowkit's, by `describe_mismatches`. Never taken back: other threads of a
        # notebook change the filters too, and to put an old list back would undo what they did.
        warnings.simplefilter("ignore", distributed.versions.VersionMismatchWarning)
        logging.getLogger(_FOLDERS).addFilter(_is_not_ours)
        logging.getLogger(_LOOP).addFilter(_is_not_dasks)
        for name in _LOGGERS:
            for handler in logging.getLogger(name).handlers:
                prints = isinstance(handler, logging.StreamHandler) and not isinstance(handler, logging.FileHandler)
                if prints and handler not in self._held:
                    handler.addFilter(self._drop)
                    self._held.append(handler)

    def lift(self) -> None:
        """Let them print again."""
        for handler in self._held:
            handler.removeFilter(self._drop)
        self._held.clear()
        logging.getLogger(_LOOP).removeFilter(_is_not_dasks)

    def _drop(self, record: logging.LogRecord) -> bool:
        return False


def _is_not_dasks(record: logging.LogRecord) -> bool:
    # Of results that are waited for together Dask asks for the first exception alone; asyncio tells the others.
    raised = record.exc_info[0] if record.exc_info else None
    return raised is None or raised.__module__.partition(".")[0] != "distributed"


def _is_not_ours(record: logging.LogRecord) -> bool:
    # Dask tidies its folders once more when its objects go, long after flowkit has removed them with all around them.
    return WORK_PREFIX not in record.getMessage()
