"""A packet as it travels: what a supervisor must know of its nodes, and the rest as bytes only a step host opens.

A supervisor lives long and serves runs with different code, so it must never load a user's module.
"""

from __future__ import annotations

import pickle

from msgspec import Struct

from flowkit.execution.base import NodeOrder, Packet
from flowkit.execution.masking import secrets_in
from flowkit.records import Digest

_BY_VALUE = b"__main__"


class NodeSlip(Struct, frozen=True):
    """What a supervisor knows of a node; `timeout` in seconds, `memory` in bytes, `secrets` by name."""

    node: str
    step: str
    attempt: int
    token: str
    timeout: float | None
    memory: int | None
    log: str
    key: Digest | None
    secrets: tuple[str, ...] = ()


class Envelope(Struct, frozen=True):
    """A packet, closed; `payload` is the pickled `Packet`, `cpus` what its only node asks for, else 1."""

    packet: str
    budget: float
    slips: tuple[NodeSlip, ...]
    payload: bytes
    cpus: int = 1


def close_envelope(packet: Packet) -> Envelope:
    """Return a packet as it travels."""
    cpus = max((order.step.options.cpus for order in packet.nodes), default=1)
    return Envelope(packet.id, packet.budget, tuple(_slip_of(order) for order in packet.nodes), _pickle(packet), cpus)


def _slip_of(order: NodeOrder) -> NodeSlip:
    options = order.step.options
    return NodeSlip(
        node=order.node,
        step=order.step.name,
        attempt=order.attempt,
        token=order.token,
        timeout=options.timeout,
        memory=options.memory,
        log=order.log,
        key=order.key,
        secrets=tuple(secret.name for _, secret in secrets_in(order.arguments)),
    )


def _pickle(packet: Packet) -> bytes:
    try:
        payload = pickle.dumps(packet, protocol=5)
    except (pickle.PicklingError, AttributeError, TypeError):
        return _pickle_by_value(packet)
    # Plain pickle refers to classes of `__main__` by name, but that is another module in a step host.
    return _pickle_by_value(packet) if _BY_VALUE in payload else payload


def _pickle_by_value(packet: Packet) -> bytes:
    import cloudpickle

    payload: bytes = cloudpickle.dumps(packet, protocol=5)
    return payload
