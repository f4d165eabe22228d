"""Fingerprint the 500 steps of a project of 200 modules, and tell the CPU seconds: `cold|kept [--profile]`.

`cold` begins without anything kept of earlier processes, `kept` with what one of them has kept. Both tell the first
time of the process, without the import of the project, and a later one in the same process. With `--profile` the
functions that take longest in the first time are printed, and nothing is told.
"""

import cProfile
import json
import pstats
import sys
import time
from contextlib import nullcontext
from pathlib import Path

import large_flow

from flowkit.fingerprint.code import CodeFingerprinter
from flowkit.project import Project

ROOT = Path(__file__).resolve().parent
STORE = ROOT / ".kept"
STEPS, LEAST_REACHED, SHOWN = 500, 30, 25


def fingerprint_all() -> tuple[float, list[str]]:
    """Return the CPU seconds that it took, and the fingerprints."""
    specifications = [
        step.specification for module in large_flow.MODULES for name, step in vars(module).items() if "make_" in name
    ]
    assert len(specifications) == STEPS, len(specifications)
    begun = time.process_time()
    fingerprinter = CodeFingerprinter(Project(ROOT), STORE)
    with fingerprinter.at_one_moment():
        found = [fingerprinter.of_step(specification) for specification in specifications]
    seconds = time.process_time() - begun
    assert min(len(fingerprint.parts) for fingerprint in found) >= LEAST_REACHED
    return seconds, [fingerprint.digest for fingerprint in found]


if __name__ == "__main__":
    is_kept = (STORE / "cache").exists()
    assert is_kept == ("kept" in sys.argv), "the folder is not as it was told"
    STORE.mkdir(exist_ok=True)
    profile = cProfile.Profile() if "--profile" in sys.argv else None
    with profile or nullcontext():
        first, digests = fingerprint_all()
    if profile is not None:
        pstats.Stats(profile).sort_stats("tottime").print_stats(SHOWN)
        sys.exit()
    again, same = fingerprint_all()
    assert digests == same
    print(json.dumps({"figures": {"first": first, "again": again}}))
