"""What one run computes for all drivers of its store: claims before nodes are sent, and waits for those of others.

A node is claimed when there is room for it on a worker, not before: so two drivers share a wide fan-out, and few locks
are held at once. Nothing here ever blocks: a node whose key another driver computes is put aside and asked about again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence

from msgspec import Struct

from flowkit.engine.commands import Launch
from flowkit.engine.drivers import Drivers
from flowkit.engine.keys import KeyedNode
from flowkit.engine.lookup import Lookup
from flowkit.engine.progress import Listener
from flowkit.graph.graph import is_among
from flowkit.records import Digest
from flowkit.store.claims import RENEW_SECONDS, Claims, Holder, Moment

POLL = 0.05
"""Seconds between two looks at the claims of others that are waited for."""

_PATIENCE = 1.5 * RENEW_SECONDS
"""How long a key that came free without a result is left to a holder that lives: it may have lost it unawares."""


class _Wait(Struct):
    """A node that waits for another driver.

    Attributes:
        key: What is claimed.
        holder: Who was last seen to hold it.
        until: While the key is free: when it is this run's to take.
    """

    key: Digest
    holder: Holder | None = None
    until: float = 0.0


class Admission(Struct, frozen=True):
    """What becomes of nodes that are about to be sent; what is in neither list may go.

    Attributes:
        deferred: Another driver computes them just now.
        doubtful: Claimed, but another driver may have computed them since they were looked up.
    """

    deferred: tuple[Launch, ...] = ()
    doubtful: tuple[KeyedNode, ...] = ()


class Claiming:
    """The claims of one run, by node. All is in the driver's main thread, but for letting go what is durable.

    Args:
        claims: Where keys are claimed; None where nothing that is made will be reused, as in a verification.
        forced: Nodes that run whatever there is: they are claimed where that can be, and wait for nobody.
        drivers: Tells who others are.
        listener: Told once of each driver that is waited for.
        warn: Told of drivers that stand still, and of a file system without locks.
    """

    def __init__(
        self,
        claims: Claims | None,
        forced: Collection[str],
        drivers: Drivers | None,
        listener: Listener,
        warn: Callable[[str], None],
    ) -> None:
        self._claims = claims
        self._forced = forced
        self._drivers = drivers
        self._listener = listener
        self._warn = warn
        self._held: dict[str, Digest] = {}
        self._moments: dict[str, Moment] = {}
        self._deferred: dict[str, _Wait] = {}
        self._left: dict[str, _Wait] = {}
        self._told: set[Holder] = set()
        self._stopped: set[Holder] = set()
        self._asked = 0.0

    @property
    def waits(self) -> bool:
        """Whether nodes wait for other drivers."""
        return bool(self._deferred)

    @property
    def alone(self) -> bool:
        """Whether no other driver is on the store just now."""
        return self._claims is None or self._claims.look_around().alone

    def look_around(self) -> Moment | None:
        """Return who is on the store, before nodes are looked up."""
        return self._claims.look_around() if self._claims is not None else None

    def missed(self, node: str, moment: Moment | None) -> None:
        """Take note that nothing was found for a node by a lookup that began at `moment`."""
        if moment is not None:
            self._moments[node] = moment

    def admit(self, ready: Sequence[tuple[Launch, Lookup]]) -> Admission:
        """Claim nodes that are about to be sent."""
        claims = self._claims
        if claims is None:
            return Admission()
        deferred: list[Launch] = []
        wanted: list[tuple[Launch, KeyedNode]] = []
        for launch, lookup in ready:
            name, keyed = launch.node, lookup.keyed
            if name in self._held or not _is_shared(keyed):
                continue
            if (left := self._left_to_another(name)) is not None:
                self._deferred[name] = left
                deferred.append(launch)
            else:
                wanted.append((launch, keyed))
        taken = claims.take_all([keyed.key for _, keyed in wanted])
        claimed = [keyed for _, keyed in wanted if keyed.key in taken]
        self._held.update({keyed.name: keyed.key for keyed in claimed})
        for launch, keyed in wanted:
            if keyed.key not in taken and not is_among(launch.node, self._forced):
                self._deferred[launch.node] = _Wait(keyed.key, claims.find_holder(keyed.key))
                deferred.append(launch)
        if claims.refusal:
            self._warn(
                f"Drivers of one store cannot wait for each other here ({claims.refusal}): both may do one thing."
            )
        self._tell(deferred)
        return Admission(tuple(deferred), tuple(self._doubtful(claimed, claims)))

    def started(self, node: str, key: Digest) -> None:
        """Claim a node that rode in a packet, and has begun unasked; where another driver has it both compute it."""
        if self._claims is not None and key and node not in self._held and self._claims.take(key):
            self._held[node] = key

    def release(self, node: str) -> None:
        """Let a node's claim go at once: nothing came of it that others could reuse, or it was there already."""
        key = self._held.pop(node, None)
        if key is not None and self._claims is not None:
            self._claims.release(key)

    def when_durable(self, node: str) -> Callable[[], None] | None:
        """Return what lets a node's claim go, to be called once its end is durable; None where it has none."""
        key, claims = self._held.pop(node, None), self._claims
        if key is None or claims is None:
            return None
        return lambda: claims.release(key)

    def freed(self) -> list[str]:
        """Return the nodes that another driver computes no longer, whatever came of it."""
        now = time.monotonic()
        if self._claims is None or not self._deferred or now - self._asked < POLL:
            return []
        self._asked = now
        free: list[str] = []
        for name, wait in self._deferred.items():
            holder = self._claims.find_holder(wait.key)
            if holder is not None:
                wait.holder, wait.until = holder, 0.0
            elif now >= wait.until:
                free.append(name)
        for name in free:
            wait = self._deferred.pop(name)
            if wait.holder is not None and not wait.until:
                # Looked up at once, as most likely its result is there; taken later where there is none.
                wait.until = now + _PATIENCE
                self._left[name] = wait
        self._tell_stopped({wait.holder: name for name, wait in self._deferred.items() if wait.holder is not None})
        return free

    def give_up(self) -> None:
        """Wait for nobody any more."""
        self._deferred.clear()
        self._left.clear()

    def _left_to_another(self, node: str) -> _Wait | None:
        """Return the wait for a node whose key came free, with nothing found, a moment ago, and whose holder lives."""
        wait = self._left.pop(node, None)
        if wait is None or wait.holder is None or self._drivers is None or time.monotonic() >= wait.until:
            return None
        return wait if self._drivers.drives(wait.holder) else None

    def _doubtful(self, claimed: Sequence[KeyedNode], claims: Claims) -> list[KeyedNode]:
        """Return those that another driver may have computed between their lookup and their claim."""
        moments = {keyed.name: self._moments.pop(keyed.name, None) for keyed in claimed}
        certain = {moment for moment in {*moments.values()} if moment is not None and claims.undisturbed_since(moment)}
        return [keyed for keyed in claimed if moments[keyed.name] not in certain]

    def _tell(self, deferred: Sequence[Launch]) -> None:
        for launch in deferred:
            holder = self._deferred[launch.node].holder
            if holder is not None and holder not in self._told and self._drivers is not None:
                self._told.add(holder)
                self._listener.node_waits(launch.node, self._drivers.describe(holder))

    def _tell_stopped(self, holders: dict[Holder, str]) -> None:
        for holder, name in holders.items():
            if holder in self._stopped or self._drivers is None:
                continue
            if self._drivers.is_stopped(holder):
                self._stopped.add(holder)
                self._warn(
                    f"{name!r} waits for {self._drivers.describe(holder)}, and pid {holder.pid} is stopped:"
                    f" kill -CONT {holder.pid}, or end it."
                )


def _is_shared(keyed: KeyedNode) -> bool:
    """Whether what a node gives is kept for reuse, as far as can be known before it runs."""
    return keyed.bound.prepared.step.options.cache and keyed.current.code.uncacheable is None
