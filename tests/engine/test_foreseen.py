"""What is fetched ahead of a run is what it would have found by asking, in a few queries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hypothesis import given
from hypothesis import strategies as st

from flowkit.engine.foreseen import Foreseen
from flowkit.records import Digest, Entry


def entry(key: Digest, generation: int = 0) -> Entry:
    return Entry(1, key, key, generation, "run", "node", 0.0, ())


class Table:
    """Results by key, the keys of the last run, and every query."""

    def __init__(self, keys: Sequence[Digest], last: Sequence[Digest]) -> None:
        self.entries = {key: entry(key) for key in keys}
        self.last = last
        self.queries: list[Sequence[Digest]] = []

    def find_entries(self, keys: Sequence[Digest], /) -> Mapping[Digest, Entry]:
        self.queries.append(tuple(keys))
        return {key: self.entries[key] for key in keys if key in self.entries}

    def keys_of_last_run(self, pipeline: str, /) -> Sequence[Digest]:
        return self.last


KEYS = st.lists(st.sampled_from("abcdefghij"), unique=True)


@given(kept=KEYS, last=KEYS, waves=st.lists(KEYS, max_size=8))
def test_every_wave_finds_what_it_would_by_asking(
    kept: list[Digest], last: list[Digest], waves: list[list[Digest]]
) -> None:
    """Whatever the last run used, and however often a key is asked for."""
    foreseen = Foreseen(Table(kept, last), "pipeline")

    for wave in waves:
        assert foreseen.find(wave) == {key: entry(key) for key in wave if key in kept}


def test_a_chain_takes_two_queries() -> None:
    """Its first key, and when the second comes all that the last run used."""
    keys = [f"{number:03}" for number in range(200)]
    table = Table(keys, keys)
    foreseen = Foreseen(table, "pipeline")

    assert [foreseen.find([key]) for key in keys] == [{key: entry(key)} for key in keys]
    assert [len(query) for query in table.queries] == [1, 199]


def test_what_came_at_once_is_not_fetched_again() -> None:
    """A fan's elements are known by the first query, and its last node alone is asked for."""
    keys = [f"{number:03}" for number in range(200)]
    table = Table([*keys, "total"], [*keys, "total"])
    foreseen = Foreseen(table, "pipeline")

    foreseen.find(keys)
    foreseen.find(["total"])

    assert table.queries == [tuple(keys), ("total",)]


def test_who_asks_again_is_told_what_has_become_of_it() -> None:
    """A key that was made anew meanwhile: the second look sees the newer result."""
    table = Table(["a", "b", "c"], ["a", "b", "c"])
    foreseen = Foreseen(table, "pipeline")
    foreseen.find(["a"])
    foreseen.find(["b"])
    table.entries.update({key: entry(key, 1) for key in ("b", "c")})

    assert foreseen.find(["b"])["b"].generation == 1
    assert foreseen.find(["c"])["c"].generation == 0
    assert foreseen.find(["c"])["c"].generation == 1
