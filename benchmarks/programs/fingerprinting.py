"""Fingerprint a step that reaches 400 functions, twice, and tell its CPU seconds beside parsing their sources.

The second time is a run later in the same process: code is looked at anew, what is known of its sources is kept.
"""

import ast
import json
import time
from pathlib import Path

from many import step

from flowkit.fingerprint.code import CodeFingerprinter
from flowkit.project import Project

ROOT = Path(__file__).resolve().parent
LEAST_REACHED = 400


def seconds_to_fingerprint() -> tuple[float, str]:
    """Return the CPU seconds that it took, and the fingerprint."""
    specification = step.top.specification
    begun = time.process_time()
    found = CodeFingerprinter(Project(ROOT)).of_step(specification)
    seconds = time.process_time() - begun
    assert len(found.parts) >= LEAST_REACHED, len(found.parts)
    return seconds, str(found.digest)


def seconds_to_parse() -> float:
    """Return the CPU seconds that the interpreter takes to parse and compile the same sources."""
    texts = [path.read_text() for path in sorted((ROOT / "many").glob("*.py"))]
    begun = time.process_time()
    for text in texts:
        compile(ast.parse(text), "source", "exec", dont_inherit=True)
    return time.process_time() - begun


if __name__ == "__main__":
    (first, digest), (again, same) = seconds_to_fingerprint(), seconds_to_fingerprint()
    assert digest == same
    print(json.dumps({"figures": {"first": first, "again": again, "parse": seconds_to_parse()}}))
