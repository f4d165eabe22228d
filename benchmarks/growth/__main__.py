"""The command: `python -m benchmarks.growth [KIND…] [--out DIR] [--draw] [--smallest]`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.growth.drawn import draw
from benchmarks.growth.measured import KINDS, machine, measure_kind
from benchmarks.measure import ProgramError
from benchmarks.projects import SOURCE_ROOT

_OUT = SOURCE_ROOT / "docs" / "growth"
_DATA = "growth.json"
_FORMAT = 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what is asked for, keep it, and draw all that is kept; 1 where a program failed."""
    options = _parse(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    data = options.out / _DATA
    kept = json.loads(data.read_text()) if data.exists() else {"format": _FORMAT, "kinds": {}}
    try:
        for name in () if options.draw else options.kinds or KINDS:
            points = measure_kind(name, smallest=options.smallest, tell=_tell)
            kept["kinds"][name] = {**machine(), "points": points}
            # After each kind: what took minutes is not lost with what comes after it.
            data.write_text(json.dumps(kept, indent=1) + "\n")
    except ProgramError as error:
        print(error, file=sys.stderr)
        return 1
    for path in draw(kept["kinds"], options.out):
        print(path)
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description="Measure and draw how cost grows.")
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=f"what to measure: {', '.join(KINDS)}; all by default")
    parser.add_argument("--out", type=Path, default=_OUT, help="the folder for data and images, docs/growth by default")
    parser.add_argument("--draw", action="store_true", help="measure nothing, draw what is kept")
    parser.add_argument("--smallest", action="store_true", help="measure the two smallest sizes only, to try it")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.kinds if name not in KINDS]
    if unknown:
        parser.error(f"no such kind: {', '.join(unknown)}; there are {', '.join(KINDS)}")
    return options


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
