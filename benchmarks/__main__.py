"""The command: `python -m benchmarks [NAME…] [--rounds N] [--no-warm-up] [--json] [--list] [--profile]`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace

from benchmarks.measure import Measured, ProgramError, Work, measure, profile
from benchmarks.table import format_table, to_json
from benchmarks.works import WORKS


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what is asked for and print it.

    Returns:
        1 where a program failed, 130 where it was interrupted, whatever it took otherwise 0.
    """
    options = _parse(arguments)
    if options.list:
        for work in WORKS.values():
            print(f"{work.name:20} {work.about}")
        return 0
    if options.profile:
        return _profile([WORKS[name] for name in options.names or WORKS if WORKS[name].profiles])
    works = [WORKS[name] for name in options.names or WORKS]
    results, failed, interrupted = _measure(
        works if options.warm_up else [replace(work, warms=False) for work in works], options.rounds
    )
    print(json.dumps(to_json(results, failed), indent=1) if options.json else format_table(results, failed))
    return 130 if interrupted else 1 if failed else 0


def _measure(works: Sequence[Work], rounds: int | None) -> tuple[list[Measured], list[str], bool]:
    """Return what was measured, which works failed, and whether it was interrupted: what is done then is not lost."""
    results: list[Measured] = []
    failed: list[str] = []
    try:
        for work in works:
            try:
                results.append(measure(work, rounds or work.rounds, _tell))
            except ProgramError as error:
                failed.append(work.name)
                print(f"{work.name}: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        return results, failed, True
    return results, failed, False


def _profile(works: Sequence[Work]) -> int:
    try:
        print("\n\n".join(profile(work) for work in works))
    except ProgramError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure flowkit, as ratios in one run.")
    # argparse would check the default of `nargs="*"` against `choices` too, so names are checked by hand.
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"what to measure: {', '.join(WORKS)}; all by default")
    parser.add_argument("--rounds", type=int, help="how often each variant is run, instead of the work's own number")
    parser.add_argument(
        "--no-warm-up", dest="warm_up", action="store_false", help="count the first round too, to try programs quickly"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--list", action="store_true", help="say what there is to measure")
    parser.add_argument("--profile", action="store_true", help="print where the time goes, for what can tell")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.names if name not in WORKS]
    if unknown:
        parser.error(f"no such work: {', '.join(unknown)}; there are {', '.join(WORKS)}")
    silent = [name for name in options.names if not WORKS[name].profiles] if options.profile else []
    if silent:
        able = ", ".join(name for name, work in WORKS.items() if work.profiles)
        parser.error(f"no profile of {', '.join(silent)}; of these there are: {able}")
    if options.rounds is not None and options.rounds < 1:
        parser.error("--rounds must be at least 1")
    return options


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
