"""The command: `python -m benchmarks [NAME…] [--rounds N] [--no-warm-up] [--json] [--list] [--profile]`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace

from benchmarks.commands import CANNOT, INTERRUPTED, MEASURING, heeding_interruption, lacks, tell
from benchmarks.figures import FIGURES
from benchmarks.measure import Measured, ProgramError, Work, measure, profile
from benchmarks.table import format_table, to_json
from benchmarks.works import WORKS


def main(arguments: Sequence[str] | None = None, works: Sequence[Work] = tuple(WORKS.values())) -> int:
    """Measure what is asked for and print it.

    Returns:
        1 where a program failed, 2 where this interpreter lacks what is measured, 130 where it was interrupted,
        whatever it took otherwise 0.
    """
    options = _parse(arguments, {work.name: work for work in works})
    if options.list:
        _print_list(works)
        return 0
    if lacks(MEASURING, "benchmarks", "bench"):
        return CANNOT
    if options.profile:
        return _profile([work for work in options.works if work.profiles])
    results: list[Measured] = []
    failed: list[str] = []
    with heeding_interruption() as interruption:
        for work in options.works:
            _measure(work if options.warm_up else replace(work, warms=False), options.rounds, results, failed)
    finished = [measured for measured in results if measured.samples]
    if options.json:
        print(json.dumps(to_json(finished, failed, interrupted=interruption.happened), indent=1))
    elif finished or failed:
        print(format_table(finished, failed))
    return INTERRUPTED if interruption.happened else 1 if failed else 0


def _measure(work: Work, rounds: int | None, results: list[Measured], failed: list[str]) -> None:
    """Add a work to what is measured, or its name to those that failed."""
    measured = Measured(work)
    results.append(measured)
    try:
        measure(measured, rounds or work.rounds, tell)
    except ProgramError as error:
        results.pop()
        failed.append(work.name)
        tell(f"{work.name}: {error}")


def _profile(works: Sequence[Work]) -> int:
    with heeding_interruption() as interruption:
        for work in works:
            try:
                print(f"{profile(work)}\n", flush=True)
            except ProgramError as error:
                tell(str(error))
                return 1
    return INTERRUPTED if interruption.happened else 0


def _print_list(works: Sequence[Work]) -> None:
    print("works")
    for work in works:
        print(f"  {work.name:20} {work.about}")
    print("\nfigures that are told beside wall and CPU seconds of whole processes")
    for name, about in FIGURES.items():
        print(f"  {name:20} {about}")


def _parse(arguments: Sequence[str] | None, works: Mapping[str, Work]) -> argparse.Namespace:
    """Return the options; `works` are those that are named, each once, and all of them by default."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure flowkit, as ratios in one run.")
    # argparse would check the default of `nargs="*"` against `choices` too, so names are checked by hand.
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"what to measure: {', '.join(works)}; all by default")
    parser.add_argument("--rounds", type=int, help="how often each variant is run, instead of the work's own number")
    parser.add_argument(
        "--no-warm-up", dest="warm_up", action="store_false", help="count the first round too, to try programs quickly"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--list", action="store_true", help="say what there is to measure, and what the figures mean")
    parser.add_argument("--profile", action="store_true", help="print where the time goes, for what can tell")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.names if name not in works]
    if unknown:
        parser.error(f"no such work: {', '.join(unknown)}; there are {', '.join(works)}")
    options.works = [works[name] for name in dict.fromkeys(options.names or works)]
    silent = [name for name in options.names if not works[name].profiles] if options.profile else []
    if silent:
        able = ", ".join(name for name, work in works.items() if work.profiles)
        parser.error(f"no profile of {', '.join(silent)}; of these there are: {able}")
    if options.profile and options.json:
        parser.error("a profile is text: give --profile or --json, not both")
    if options.rounds is not None and options.rounds < 1:
        parser.error("--rounds must be at least 1")
    return options


if __name__ == "__main__":
    sys.exit(main())
