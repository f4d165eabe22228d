"""The command: `python -m benchmarks.peers [--peers NAME…] [--works NAME…] [--rounds N] [--json] [--list]`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.peers.descriptions import PEERS, WORKS, Peer, Work
from benchmarks.peers.environments import ENVIRONMENTS, Installed, NotInstalledError, install
from benchmarks.peers.rounds import compare, warm_up
from benchmarks.peers.table import format_table, to_json

ROUNDS = 3


def main(
    arguments: Sequence[str] | None = None,
    peers: Sequence[Peer] = PEERS,
    works: Sequence[Work] = WORKS,
    environments: Path = ENVIRONMENTS,
) -> int:
    """Install what is asked for, compare it with the first peer and print it; 1 where a program failed, otherwise 0."""
    options = _parse(arguments, peers, works)
    if options.list:
        _print_list(peers, works)
        return 0
    first, *others = peers
    asked = [first, *(peer for peer in others if peer.name in options.peers)]
    installed, left_out = _install(asked, environments)
    chosen = [work for work in works if work.name in options.works]
    warm_up(installed, chosen[0], _tell)
    compared = [compare(work, installed, options.rounds, _tell) for work in chosen]
    told = (compared, installed, first.name, left_out)
    print(json.dumps(to_json(*told), indent=1) if options.json else format_table(*told))
    return 1 if any(one.failed for one in compared) else 0


def _install(peers: Sequence[Peer], environments: Path) -> tuple[list[Installed], dict[str, str]]:
    """Return the peers that can be installed, and by their names why the others cannot."""
    installed: list[Installed] = []
    left_out: dict[str, str] = {}
    for peer in peers:
        _tell(f"{peer.name}: installing")
        try:
            installed.append(install(peer, environments))
        except NotInstalledError as error:
            left_out[peer.name] = str(error)
            _tell(str(error))
    return installed, left_out


def _print_list(peers: Sequence[Peer], works: Sequence[Work]) -> None:
    named: Sequence[Peer | Work] = (*works, *peers)
    for one in named:
        print(f"{one.name:16} {one.about}")


def _parse(arguments: Sequence[str] | None, peers: Sequence[Peer], works: Sequence[Work]) -> argparse.Namespace:
    peer_names, work_names = [peer.name for peer in peers[1:]], [work.name for work in works]
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description="Measure flowkit beside its peers.")
    for option, names in (("--peers", peer_names), ("--works", work_names)):
        shown = f"which of them: {', '.join(names)}; all by default"
        parser.add_argument(option, nargs="+", metavar="NAME", choices=names, default=names, help=shown)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"how often each is run; {ROUNDS} by default")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--list", action="store_true", help="say what there is, and how each peer is configured")
    options = parser.parse_args(arguments)
    if options.rounds < 1:
        parser.error("--rounds must be at least 1")
    return options


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
