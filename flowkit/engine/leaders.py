"""Nodes of one run that have the same cache key: the first one computes, the others follow it. Pure."""

from __future__ import annotations

from msgspec import Struct, field

from flowkit.records import Digest


class Leaders(Struct):
    """The nodes that compute now what others need as well.

    At all times: a key has one leader at most, and nodes follow only while there is one.
    """

    _leaders: dict[Digest, str] = field(default_factory=dict)
    _keys: dict[str, Digest] = field(default_factory=dict)
    _followers: dict[Digest, list[str]] = field(default_factory=dict)

    def lead(self, node: str, key: Digest) -> bool:
        """Return whether `node` is the one that computes `key`; where another does, it follows that."""
        leader = self._leaders.setdefault(key, node)
        if leader != node:
            self._followers.setdefault(key, []).append(node)
            return False
        self._keys[node] = key
        return True

    def leads_another(self, node: str, key: Digest) -> bool:
        """Return whether `node` leads a key, and not this one."""
        return self._keys.get(node, key) != key

    def release(self, leader: str) -> list[str]:
        """Return what followed a node that has ended; of nodes that still need to compute one leads next."""
        key = self._keys.pop(leader, None)
        if key is None:
            return []
        del self._leaders[key]
        return self._followers.pop(key, [])
