"""Sets the watches of this process, once. They cost next to nothing while no step runs."""

from __future__ import annotations

import functools

from flowkit.execution.observing.audit import install_audit
from flowkit.execution.observing.boundaries import Boundaries
from flowkit.execution.observing.imports import keep_imports_with
from flowkit.execution.observing.noted import install_threads
from flowkit.execution.observing.readers import install_readers
from flowkit.execution.observing.recorder import RECORDER
from flowkit.execution.observing.status import install_status
from flowkit.execution.observing.variables import install_variables
from flowkit.garbage import share_process


@functools.cache
def install_watches() -> None:
    """Watch files, folders, `os.stat`, the environment, threads and foreign readers; a second call does nothing."""
    # They look through all objects for what keeps reads.
    share_process()
    install_readers()
    install_status()
    install_variables()
    install_threads()
    install_audit()
    keep_imports_with(lambda root: RECORDER.importing(Boundaries(root, ())))
