"""Claims on keys: who holds one keeps all others out for as long as its process lives, and no longer."""

from __future__ import annotations

import os
import signal
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from blake3 import blake3

from flowkit.errors import StoreError
from flowkit.store import StoreFolder
from flowkit.store.claims import Claims, Holder, joined
from tests.store.processes import in_child, start

KEY, OTHER = (blake3(name).hexdigest() for name in (b"one", b"other"))


def as_another(folder: StoreFolder, ask: Callable[[Claims], Any]) -> Any:
    """Return what a run of another process is told."""

    def run() -> Any:
        with joined(folder, "run-of-child") as claims:
            return ask(claims)

    return in_child(run)


def test_a_claim_keeps_other_processes_out_until_it_is_let_go(folder: StoreFolder) -> None:
    """A key is one run's; its holder is known by its process; other keys are free."""
    with joined(folder, "run-1") as claims:
        assert claims.take(KEY)
        assert claims.take(KEY), "one's own claim is no obstacle"

        assert as_another(folder, lambda others: (others.take(KEY), others.find_holder(KEY))) == (
            False,
            Holder(os.getpid()),
        )
        assert as_another(folder, lambda others: (others.take(OTHER), others.find_holder(OTHER))) == (True, None)

        claims.release(KEY)
        claims.release(KEY)
        assert as_another(folder, lambda others: others.take(KEY))


def test_what_a_run_still_claims_is_let_go_when_it_leaves(folder: StoreFolder) -> None:
    """A run that ends, however it does, leaves nothing claimed."""
    with joined(folder, "run-1") as claims:
        claims.take(KEY)

    assert as_another(folder, lambda others: others.take(KEY))


def test_a_killed_holder_holds_nothing(folder: StoreFolder) -> None:
    """The kernel frees a claim with the process, at once and without anybody's help."""
    reading, writing = os.pipe()

    def hold() -> None:
        claims = Claims.join(folder, "run-of-child")
        claims.take(KEY)
        os.write(writing, b".")
        signal.pause()

    child, pipe = start(hold)
    os.read(reading, 1)
    with joined(folder, "run-1") as claims:
        assert not claims.take(KEY)
        assert claims.find_holder(KEY) == Holder(child)

        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)

        assert claims.find_holder(KEY) is None
        assert claims.take(KEY)
    for descriptor in (reading, writing, pipe):
        os.close(descriptor)


def test_runs_of_one_process_exclude_each_other(folder: StoreFolder) -> None:
    """The kernel's locks are the process's; the runs in it are told apart, and one that leaves takes only its own."""
    with joined(folder, "run-1") as one:
        with joined(folder, "run-2") as two:
            assert two.take(KEY)
            assert not one.take(KEY)
            assert one.find_holder(KEY) == Holder(os.getpid(), "run-2")
            assert one.take(OTHER)
        assert one.take(KEY)
        assert as_another(folder, lambda others: (others.take(KEY), others.take(OTHER))) == (False, False)


def test_a_fork_neither_has_nor_frees_what_its_parent_claims(folder: StoreFolder) -> None:
    """A forked process begins anew: it is kept out like any other, and its end lets nothing of the parent's go."""
    with joined(folder, "run-1") as claims:
        claims.take(KEY)

        assert not as_another(folder, lambda others: others.take(KEY))

        assert not as_another(folder, lambda others: others.take(KEY)), "the first child's end freed it"


def test_a_driver_that_was_alone_need_not_look_twice(folder: StoreFolder) -> None:
    """Whoever came since the lookup, still there or gone, is noticed; who had gone before it does not count."""
    as_another(folder, lambda others: None)
    with joined(folder, "run-1") as claims:
        moment = claims.look_around()
        assert moment.alone
        assert claims.undisturbed_since(moment)

        as_another(folder, lambda others: None)

        assert not claims.undisturbed_since(moment)
        assert claims.undisturbed_since(claims.look_around())
        with joined(folder, "run-2"):
            assert not claims.look_around().alone
            assert not claims.undisturbed_since(claims.look_around())
        assert not as_another(folder, lambda others: others.look_around().alone)


def test_the_file_is_private_and_no_link_is_followed(folder: StoreFolder) -> None:
    """It is made for its owner alone, and what somebody put in its place is not written to."""
    with joined(folder, "run-1") as claims:
        claims.take(KEY)
        status = os.stat(folder.path / "claims")
        assert (stat.S_IMODE(status.st_mode), status.st_size) == (0o600, 16)
    (folder.path / "claims").unlink()
    (folder.path / "claims").symlink_to(folder.path / "elsewhere")

    with pytest.raises(StoreError, match="keep claims"):
        Claims.join(folder, "run-1")

    assert not (folder.path / "elsewhere").exists()


@pytest.mark.parametrize("lose", [Path.read_bytes, Path.unlink])
def test_a_busy_drivers_claims_come_back_without_its_doing(folder: StoreFolder, lose: Callable[[Path], Any]) -> None:
    """A driver that waits, or runs a step itself, gets back what was dropped, also where the file is another one."""
    with joined(folder, "run-1") as claims:
        claims.take(KEY)
        lose(folder.path / "claims")

        end = time.monotonic() + 30
        while as_another(folder, lambda others: others.find_holder(KEY)) != Holder(os.getpid()):
            assert time.monotonic() < end, "the claim did not come back"
            time.sleep(0.02)
        assert not as_another(folder, lambda others: others.look_around().alone)


def test_claims_whose_file_was_removed_go_over_to_the_new_one(folder: StoreFolder) -> None:
    """What a run holds stays its own in the file that others make, and it is not alone unseen."""
    with joined(folder, "run-1") as claims, joined(folder, "run-2") as neighbour:
        claims.take(KEY)
        neighbour.take(OTHER)
        moment = claims.look_around()
        (folder.path / "claims").unlink()

        claims.look_around()
        neighbour.look_around()

        assert not claims.undisturbed_since(moment)
        assert claims.find_holder(OTHER) == Holder(os.getpid(), "run-2")
        assert as_another(folder, lambda others: (others.take(KEY), others.take(OTHER))) == (False, False)
        claims.release(KEY)
        assert as_another(folder, lambda others: others.take(KEY))
