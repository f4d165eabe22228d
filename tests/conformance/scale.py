"""How much of the conformance suite runs: a twentieth in the gate, all of it by `make conformance`."""

from __future__ import annotations

import os

SCALE = float(os.environ.get("FLOWKIT_CONFORMANCE", "0.05"))
SEED = int(os.environ.get("FLOWKIT_CONFORMANCE_SEED", "0"))


def scaled(full: int) -> int:
    """Return how many of a full number of trials are to be made; at least one."""
    return max(1, round(full * SCALE))


def shards(full: int, size: int) -> list[tuple[int, int]]:
    """Return (seed, number of trials) of each share of a full number, so that several processes can take them."""
    count = scaled(full)
    return [(SEED + start, min(size, count - start)) for start in range(0, count, size)]
