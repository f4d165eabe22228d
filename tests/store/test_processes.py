"""Several processes at once, and processes that are killed."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable

import pytest

from flowkit.codecs.base import Encoded
from flowkit.errors import LostArtifactError
from flowkit.records import Artifact
from flowkit.store import LocalStore, Presence, StoreFolder
from tests.store.processes import finish, start
from tests.store.values import assert_no_torn_blob, is_right, noise, plain, table

KILLS = 40


def _values(count: int) -> list[Encoded]:
    """Tables that share columns with the ones before them, with plain values between."""
    columns = [noise(seed, 60_000 + seed) for seed in range(count + 3)]
    tables = [table(*columns[index : index + 3]) for index in range(count)]
    plains = [plain(noise(1_000 + seed, 20_000)) for seed in range(count)]
    return [value for pair in zip(tables, plains, strict=True) for value in pair]


def test_processes_that_put_the_same_values_at_once_all_get_them(folder: StoreFolder) -> None:
    """Eight processes race for the same names: each gets a record that is or verifies as right, nothing is torn."""
    values = _values(6)
    start_at = time.monotonic() + 0.15

    def put_in_order(seed: int) -> Callable[[], list[tuple[int, Artifact]]]:
        def run() -> list[tuple[int, Artifact]]:
            order = list(range(len(values)))
            random.Random(seed % 3).shuffle(order)  # some processes race in one order, others meet midway
            store = LocalStore(folder)
            while time.monotonic() < start_at:
                pass
            return [(index, store.put(values[index])) for index in order]

        return run

    results = [finish(*child) for child in [start(put_in_order(seed)) for seed in range(8)]]

    store = LocalStore(StoreFolder.open(folder.path))
    for index, artifact in (item for result in results for item in result):
        assert store.check(artifact) is not Presence.LOST
        assert is_right(LocalStore(folder), artifact, values[index])
        assert store.check(store.verify(artifact)) is Presence.PRESENT
    assert assert_no_torn_blob(folder, values) == len(values)
    assert list(folder.temporary.iterdir()) == []
    assert list(folder.quarantine.iterdir()) == []


def test_processes_that_lose_and_mend_values_at_once_never_give_wrong_ones(folder: StoreFolder) -> None:
    """Files vanish while others put and read: what is read is right or told lost, and all can be put in the end."""
    values = _values(4)
    end = time.monotonic() + 0.8

    def put_and_read(seed: int) -> Callable[[], int]:
        def run() -> int:
            chance = random.Random(seed)
            store = LocalStore(folder)
            read = 0
            while time.monotonic() < end:
                encoded = chance.choice(values)
                artifact = store.put(encoded)
                if chance.random() < 0.2:
                    folder.blob_path(artifact.files[0].name).unlink(missing_ok=True)
                try:
                    assert is_right(store, artifact, encoded)
                    read += 1
                except LostArtifactError:
                    continue
            return read

        return run

    reads = [finish(*child) for child in [start(put_and_read(seed)) for seed in range(4)]]

    assert min(reads) > 0
    store = LocalStore(folder)
    assert all(is_right(LocalStore(folder), store.put(encoded), encoded) for encoded in values)
    assert_no_torn_blob(folder, values)


@pytest.mark.slow
def test_killed_puts_leave_no_torn_blob(folder: StoreFolder) -> None:
    """SIGKILL at random instants of puts: every visible blob is whole each time, and a new process puts the rest."""
    values = _values(30)
    chance = random.Random(20_261_120)
    visible_after_kill = []
    for kill in range(KILLS):
        _kill_while_it_puts(folder, values, chance)
        visible_after_kill.append(assert_no_torn_blob(folder, values))
        assert list(folder.quarantine.iterdir()) == []
        if kill % 3 == 2:  # begin anew; in between, puts meet what earlier ones left
            for path in folder.blobs.glob("*/*"):
                path.unlink()

    assert len(set(visible_after_kill)) > 5, "the kills came at too few different instants to prove anything"
    store = LocalStore(StoreFolder.create_or_open(folder.path))
    artifacts = [(store.put(encoded), encoded) for encoded in values]
    assert all(is_right(LocalStore(folder), artifact, encoded) for artifact, encoded in artifacts)


def _kill_while_it_puts(folder: StoreFolder, values: list[Encoded], chance: random.Random) -> None:
    """Kill a process in the midst of putting, some time after so many values, however slow the machine is."""
    hearing, telling = os.pipe()

    def put_all() -> None:
        for encoded in values:
            LocalStore(folder).put(encoded)
            os.write(telling, b".")

    child, reading = start(put_all)
    os.close(telling)
    for _ in range(chance.randrange(24)):
        os.read(hearing, 1)
    time.sleep(chance.uniform(0.0, 0.002))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    os.close(hearing)
    os.close(reading)
