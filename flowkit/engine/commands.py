"""What the run state machine asks its shell to do."""

from __future__ import annotations

from msgspec import Struct

from flowkit.records import Outcome


class LookUp(Struct, frozen=True):
    """All inputs of `node` are known: compute its key and look for a result."""

    node: str


class Launch(Struct, frozen=True):
    """Run `node`; what comes back must bear `token`."""

    node: str
    attempt: int
    token: str


class Settle(Struct, frozen=True):
    """`node` ended without having run: skipped, blocked or cancelled; failed where its list is none."""

    node: str
    outcome: Outcome
    detail: str


class Stop(Struct, frozen=True):
    """Kill what runs `nodes`."""

    nodes: tuple[str, ...]


Command = LookUp | Launch | Settle | Stop
