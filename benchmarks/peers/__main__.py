"""The command: `python -m benchmarks.peers [--peers NAME…] [--works NAME…] [--rounds N] [--json] [--list]`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.commands import CANNOT, INTERRUPTED, MEASURING, heeding_interruption, lacks, tell
from benchmarks.measure import ProgramError
from benchmarks.peers.descriptions import PEERS, WORKS, Peer, Work
from benchmarks.peers.environments import ENVIRONMENTS, Installed, NotInstalledError, install
from benchmarks.peers.rounds import Compared, compare, warm_up
from benchmarks.peers.table import format_table, to_json

ROUNDS = 3


class NothingBesideError(Exception):
    """What the others are compared with does not run."""

    @classmethod
    def of(cls, peer: str, reason: object) -> NothingBesideError:
        """Return the error for the first peer, with what it failed of."""
        return cls(f"{peer} cannot be run, so there is nothing to compare others with.\n{reason}")


@dataclass(slots=True)
class _Taken:
    """What there is so far: peers that run, why others do not, and works."""

    installed: list[Installed] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    compared: list[Compared] = field(default_factory=list)


def main(
    arguments: Sequence[str] | None = None,
    peers: Sequence[Peer] = PEERS,
    works: Sequence[Work] = WORKS,
    environments: Path = ENVIRONMENTS,
) -> int:
    """Install what is asked for, compare it with the first peer and print it.

    Returns:
        1 where a program failed, 2 where this interpreter lacks what flowkit needs, 130 where it was interrupted,
        otherwise 0.
    """
    options = _parse(arguments, peers, works)
    if options.list:
        _print_list(peers, works)
        return 0
    if lacks(MEASURING, "benchmarks.peers", "bench-peers"):
        return CANNOT
    first, *others = peers
    asked = [first, *(peer for peer in others if peer.name in options.peers)]
    chosen = [work for work in works if work.name in options.works]
    taken = _Taken()
    with heeding_interruption() as interruption:
        try:
            _compare(asked, chosen, options.rounds, environments, taken)
        except NothingBesideError as error:
            tell(str(error))
            return 1
    done = [one for one in taken.compared if one.figures or one.failed]
    told = (done, taken.installed, first.name, taken.left_out)
    if options.json:
        print(json.dumps(to_json(*told, interrupted=interruption.happened), indent=1))
    elif done:
        print(format_table(*told))
    return INTERRUPTED if interruption.happened else 1 if any(one.failed for one in done) else 0


def _compare(peers: Sequence[Peer], works: Sequence[Work], rounds: int, environments: Path, taken: _Taken) -> None:
    """Install peers and run the works on those that can be installed.

    Raises:
        NothingBesideError: The first of them does not run.
    """
    for peer in peers:
        _begin(peer, works[0], environments, taken, needed=peer is peers[0])
    for work in works:
        taken.compared.append(Compared(work))
        compare(taken.compared[-1], taken.installed, rounds, tell)


def _begin(peer: Peer, work: Work, environments: Path, taken: _Taken, *, needed: bool) -> None:
    """Install a peer and warm it up; who is not needed and fails at this will fail in the rounds, and says so there."""
    tell(f"{peer.name}: installing" if peer.requirements is not None else f"{peer.name}: warming up")
    try:
        installed = install(peer, environments)
    except NotInstalledError as error:
        if needed:
            raise NothingBesideError.of(peer.name, error) from None
        taken.left_out[peer.name] = str(error)
        tell(str(error))
        return
    taken.installed.append(installed)
    try:
        warm_up(installed, work)
    except ProgramError as error:
        if needed:
            raise NothingBesideError.of(peer.name, error) from None


def _print_list(peers: Sequence[Peer], works: Sequence[Work]) -> None:
    print("works, for --works")
    for work in works:
        print(f"  {work.name:16} {work.about}")
    print("\npeers, for --peers, and how they are configured")
    for peer in peers:
        print(f"  {peer.name:16} {peer.about}")


def _parse(arguments: Sequence[str] | None, peers: Sequence[Peer], works: Sequence[Work]) -> argparse.Namespace:
    peer_names, work_names = [peer.name for peer in peers], [work.name for work in works]
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description="Measure flowkit beside its peers.")
    for option, names, more in (
        ("--peers", peer_names, f"; {peer_names[0]} is always there"),
        ("--works", work_names, ""),
    ):
        shown = f"which of them: {', '.join(names)}; all by default{more}"
        parser.add_argument(option, nargs="+", metavar="NAME", choices=names, default=names, help=shown)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"how often each is run; {ROUNDS} by default")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--list", action="store_true", help="say what there is, and how each peer is configured")
    options = parser.parse_args(arguments)
    if options.rounds < 1:
        parser.error("--rounds must be at least 1")
    return options


if __name__ == "__main__":
    sys.exit(main())
