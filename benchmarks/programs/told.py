"""What a program tells of itself at its end: a JSON object of numbers as the last line of its output."""

import json
import resource
from pathlib import Path


def tell(**figures: float) -> None:
    """Print the figures."""
    print(json.dumps({"figures": figures}))


def peak_megabytes() -> float:
    """Return the most memory that this process has held.

    `ru_maxrss` will not do on Linux: a process inherits it from the one that started it.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024 / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def megabytes_in(path: Path) -> float:
    """Return the size of a file, or of all files in a folder; 0 where there is none."""
    files = [path] if path.is_file() else path.rglob("*")
    return sum(file.lstat().st_size for file in files if file.is_file()) / 1e6
