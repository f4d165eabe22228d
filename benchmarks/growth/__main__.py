"""The command: `python -m benchmarks.growth [KIND…] [--out DIR] [--draw] [--smallest]`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.commands import CANNOT, DRAWING, INTERRUPTED, MEASURING, heeding_interruption, lacks, tell
from benchmarks.growth.drawn import draw
from benchmarks.growth.kept import Kinds, UnreadableError, keep, make_writable, read
from benchmarks.growth.measured import KINDS, Kind, measure_kind
from benchmarks.measure import ProgramError
from benchmarks.projects import SOURCE_ROOT

_OUT = SOURCE_ROOT / "docs" / "growth"


def main(arguments: Sequence[str] | None = None, growing: Mapping[str, Kind] = KINDS) -> int:
    """Measure what is asked for, keep and draw each kind as soon as it is measured; or only draw what is kept.

    Returns:
        1 where a program failed or there is nothing to draw, 2 where it cannot begin, 130 where it was interrupted,
        otherwise 0.
    """
    options = _parse(arguments, list(growing))
    if lacks(DRAWING if options.draw else (*MEASURING, *DRAWING), "benchmarks.growth", "bench-growth"):
        return CANNOT
    try:
        kept = read(options.out)
        if not options.draw:
            make_writable(options.out)
    except (OSError, UnreadableError) as error:
        tell(str(error))
        return CANNOT
    code = 0
    with heeding_interruption() as interruption:
        code = _draw(growing, kept, options) if options.draw else _measure(growing, kept, options)
    return INTERRUPTED if interruption.happened else code


def _measure(growing: Mapping[str, Kind], kept: Kinds, options: argparse.Namespace) -> int:
    for name in options.kinds or growing:
        try:
            points = measure_kind(name, growing[name], smallest=options.smallest, tell=tell)
        except ProgramError as error:
            tell(str(error))
            return 1
        # After each kind: what took minutes is not lost with what comes after it.
        keep(options.out, kept, name, points)
        print(draw(name, kept[name], options.out), flush=True)
    return 0


def _draw(growing: Mapping[str, Kind], kept: Kinds, options: argparse.Namespace) -> int:
    missing = [name for name in options.kinds or growing if name not in kept]
    if missing and (options.kinds or len(missing) == len(growing)):
        tell(f"{options.out} has no data of {', '.join(missing)}: measure it, without --draw.")
        return 1
    for name in [name for name in options.kinds or growing if name in kept]:
        print(draw(name, kept[name], options.out), flush=True)
    return 0


def _parse(arguments: Sequence[str] | None, known: Sequence[str]) -> argparse.Namespace:
    """Return the options; `kinds` are those that are named, each once."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description="Measure and draw how cost grows.")
    parser.add_argument(
        "kinds", nargs="*", metavar="KIND", help=f"what to measure or draw: {', '.join(known)}; all by default"
    )
    parser.add_argument("--out", type=Path, help="the folder for data and images, docs/growth by default")
    parser.add_argument("--draw", action="store_true", help="measure nothing, draw what is kept")
    parser.add_argument(
        "--smallest", action="store_true", help="measure the two smallest sizes only, to try it; needs --out"
    )
    options = parser.parse_args(arguments)
    unknown = [name for name in options.kinds if name not in known]
    if unknown:
        parser.error(f"no such kind: {', '.join(unknown)}; there are {', '.join(known)}")
    if options.smallest and options.draw:
        parser.error("--draw measures nothing, so there is nothing that --smallest could leave out")
    if options.smallest and options.out is None:
        parser.error("--smallest would replace the figures in docs/growth by fewer: name another folder with --out")
    options.kinds = list(dict.fromkeys(options.kinds))
    options.out = options.out or _OUT
    if options.out.exists() and not options.out.is_dir():
        parser.error(f"--out must be a folder, {options.out} is a file")
    return options


if __name__ == "__main__":
    sys.exit(main())
