"""One attempt of one node, and packets, in the driver's own process."""

from __future__ import annotations

import os
import signal
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from flowkit.execution.capture import Spool
from flowkit.execution.inline import InlineExecutor
from flowkit.execution.packets import BUDGET_SPENT, REUSABLE, WAITS
from flowkit.fingerprint.files import digest_path
from flowkit.fingerprint.stamps import stamp_path
from flowkit.graph.arguments import FileInput, Gather, Ref
from flowkit.records import Artifact, FailureKind, Outcome
from tests.execution.workshop import Workshop, results, returned, run_all, started

Open = Callable[..., Workshop]


@pytest.fixture
def executor() -> Iterator[InlineExecutor]:
    made = InlineExecutor(capture=True)
    yield made
    made.close()


def file_input(path: Path) -> FileInput:
    kind, digest, size = digest_path(path)
    return FileInput(path, Artifact(digest, kind, size), stamp_path(path))


def test_a_consumer_gets_what_the_store_holds(open_workshop: Open, executor: InlineExecutor) -> None:
    """A value goes through encode and decode also within a process: changing it does not reach another consumer."""
    shop = open_workshop(
        """
        @fk.step
        def rows() -> list[int]:
            return [1, 2]

        @fk.step
        def spoil(rows: list[int]) -> int:
            rows.append(3)
            return len(rows)
        """
    )
    flow = shop.load()
    executor.start(shop.settings())

    orders = [shop.order(flow.rows), *(shop.order(flow.spoil, f"spoil{i}", rows=Ref("rows")) for i in range(2))]
    ended = results(run_all(executor, [shop.packet(*orders)]))

    assert [shop.value(ended[f"spoil{i}"], int) for i in range(2)] == [3, 3]


def test_a_constant_is_the_attempts_own(open_workshop: Open, executor: InlineExecutor) -> None:
    """A step receives a sorted copy of a dict, so neither its order nor a change to it can matter."""
    shop = open_workshop(
        """
        @fk.step
        def keys(options: dict[str, int]) -> list[str]:
            found = list(options)
            options.clear()
            return found
        """
    )
    flow = shop.load()
    options = {"b": 1, "a": 2}
    executor.start(shop.settings())

    ended = results(run_all(executor, [shop.packet(shop.order(flow.keys, options=options))]))

    assert shop.value(ended["keys"], list[str]) == ["a", "b"]
    assert options == {"b": 1, "a": 2}


def test_skipped_producers_are_none_or_left_out(open_workshop: Open, executor: InlineExecutor) -> None:
    """A skipped producer gives None to a parameter, and nothing to a `collect`."""
    shop = open_workshop(
        """
        @fk.step
        def one() -> int:
            return 1

        @fk.step
        def both(single: int | None, many: list[int]) -> str:
            return f"{single} {many}"
        """
    )
    flow = shop.load()
    gone = Ref("gone")
    order = shop.order(flow.both, single=gone, many=Gather((Ref("one"), gone)))
    executor.start(shop.settings())

    ended = results(run_all(executor, [shop.packet(shop.order(flow.one), replace(order, skipped=frozenset({gone})))]))

    assert shop.value(ended["both"], str) == "None [1]"


def test_several_outputs_are_artifacts_of_their_own(open_workshop: Open, executor: InlineExecutor) -> None:
    """A tuple, a NamedTuple and a dataclass are split into their outputs; metrics are read off."""
    shop = open_workshop(
        """
        from dataclasses import dataclass
        from typing import NamedTuple

        class Split(NamedTuple):
            train: int
            test: int

        @dataclass
        class Report:
            text: str
            scores: fk.Metrics

        @fk.step
        def pair() -> tuple[int, str]:
            return 1, "x"

        @fk.step
        def split() -> Split:
            return Split(1, 2)

        @fk.step
        def report() -> Report:
            return Report("fine", fk.Metrics(accuracy=0.5))
        """
    )
    flow = shop.load()
    executor.start(shop.settings())

    packet = shop.packet(shop.order(flow.pair), shop.order(flow.split), shop.order(flow.report))
    ended = results(run_all(executor, [packet]))

    assert [output.name for output in ended["pair"].outputs] == ["0", "1"]
    assert [output.name for output in ended["split"].outputs] == ["train", "test"]
    assert [output.name for output in ended["report"].outputs] == ["text", "scores"]
    assert ended["report"].metrics == (("accuracy", 0.5),)


@pytest.mark.parametrize(
    ("body", "kind", "words"),
    [
        ("-> tuple[int, int]:\n    return (1, 2, 3)", FailureKind.TYPE, "declares 2 outputs and returned a tuple of 3"),
        ("-> tuple[int, int]:\n    return 1", FailureKind.TYPE, "returned one int"),
        ("-> int:\n    return 'x'", FailureKind.TYPE, "did not return what it declares"),
        ("-> object:\n    return open(os.devnull)", FailureKind.CODEC, "cannot be stored"),
        ("-> int:\n    raise SystemExit(3)", FailureKind.EXITED, "called sys.exit(3)"),
        ("-> int:\n    return 1 // 0", FailureKind.RAISED, "raised ZeroDivisionError"),
    ],
    ids=["too many", "one", "type", "handle", "exit", "raises"],
)
def test_a_bad_end_fails_the_node_alone(
    open_workshop: Open, executor: InlineExecutor, body: str, kind: FailureKind, words: str
) -> None:
    """Each bad end is told in its words, and the next node of the packet runs."""
    shop = open_workshop(f"@fk.step\ndef bad() {body}\n\n@fk.step\ndef good() -> int:\n    return 1\n")
    flow = shop.load()
    executor.start(shop.settings())

    ended = results(run_all(executor, [shop.packet(shop.order(flow.bad), shop.order(flow.good))]))

    failure = ended["bad"].failure
    assert ended["bad"].outcome is Outcome.FAILED
    assert failure is not None
    assert failure.kind is kind
    assert words in failure.message
    assert "bad" in failure.message or dict(failure.facts)["step"] == "bad"
    assert ended["good"].outcome is Outcome.EXECUTED


def test_ctrl_c_goes_through(open_workshop: Open, executor: InlineExecutor) -> None:
    """In the driver's process a KeyboardInterrupt is a person's, and ends the run."""
    shop = open_workshop("@fk.step\ndef stop() -> int:\n    raise KeyboardInterrupt\n")
    flow = shop.load()
    executor.start(shop.settings())

    with pytest.raises(KeyboardInterrupt):
        run_all(executor, [shop.packet(shop.order(flow.stop))])


def test_what_a_step_changes_in_its_process_is_put_back(open_workshop: Open, executor: InlineExecutor) -> None:
    """Folder, variables, umask, time zone, filters are as before after each node; a step begins in the root."""
    shop = open_workshop(
        """
        import signal, warnings

        @fk.step
        def change() -> str:
            before = os.getcwd()
            warnings.simplefilter("error")
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
            os.environ["TZ"] = "Asia/Tokyo"
            time.tzset()
            os.chdir("/")
            os.environ["FLOWKIT_TESTS"] = "changed"
            del os.environ["HOME"]
            os.umask(0)
            return before
        """
    )
    flow = shop.load()
    environment, folder = dict(os.environ), os.getcwd()
    state = (time.tzname, list(warnings.filters), signal.getsignal(signal.SIGHUP))
    executor.start(shop.settings())

    ended = results(run_all(executor, [shop.packet(shop.order(flow.change))]))
    mask = os.umask(0o022)
    os.umask(mask)

    assert shop.value(ended["change"], str) == str(shop.root)
    assert dict(os.environ) == environment
    assert os.getcwd() == folder
    assert (time.tzname, warnings.filters, signal.getsignal(signal.SIGHUP)) == state
    assert mask != 0


def test_scratch_is_fresh_and_a_returned_path_in_it_is_kept(open_workshop: Open, executor: InlineExecutor) -> None:
    """Each attempt has an empty scratch folder, gone afterwards; a returned file survives it, in the store."""
    shop = open_workshop(
        """
        @fk.step
        def write(text: str) -> Path:
            assert not list(fk.scratch().iterdir())
            path = fk.scratch() / "out.txt"
            path.write_text(text)
            return path

        @fk.step
        def read(left: Path, right: Path) -> str:
            return left.read_text() + right.read_text() + left.name
        """
    )
    flow = shop.load()
    executor.start(shop.settings())

    orders = [shop.order(flow.write, name, text=name) for name in ("a", "b")]
    reader = shop.order(flow.read, left=Ref("a"), right=Ref("b"))
    ended = results(run_all(executor, [shop.packet(*orders, reader)]))

    assert shop.value(ended["read"], str) == "about.txt"


def test_output_is_kept_only_where_there_is_any(
    open_workshop: Open, executor: InlineExecutor, capfd: pytest.CaptureFixture[str]
) -> None:
    """Prints, also those of child processes, are in the node's log and not on the driver's streams."""
    shop = open_workshop(
        """
        import subprocess

        @fk.step
        def loud() -> int:
            print("from python")
            subprocess.run(["echo", "from a child"], check=True)
            return 1

        @fk.step
        def quiet() -> int:
            return 1
        """
    )
    flow = shop.load()
    executor.start(shop.settings())

    ended = results(run_all(executor, [shop.packet(shop.order(flow.loud), shop.order(flow.quiet))]))

    assert shop.log(ended["loud"]).splitlines() == ["from python", "from a child"]
    assert ended["quiet"].log is None
    assert capfd.readouterr().out == ""


def test_an_input_that_changes_while_the_step_runs_is_not_reused(open_workshop: Open, executor: InlineExecutor) -> None:
    """The result counts, with a warning, and says why it must not be cached."""
    shop = open_workshop(
        """
        @fk.step
        def load(csv: Path) -> int:
            csv.write_text("changed")
            return 1
        """
    )
    flow = shop.load()
    path = shop.root / "in.csv"
    path.write_text("fare")
    executor.start(shop.settings())

    ended = results(run_all(executor, [shop.packet(shop.order(flow.load, csv=file_input(path)))]))

    assert ended["load"].outcome is Outcome.EXECUTED
    assert "changed while the step ran" in (ended["load"].uncached or "")
    assert ended["load"].warnings


def test_a_missing_input_fails_its_node(open_workshop: Open, executor: InlineExecutor) -> None:
    """A file that is gone when the node begins is an input failure that names it; the step is not called."""
    shop = open_workshop("@fk.step\ndef load(csv: Path) -> int:\n    raise AssertionError\n")
    flow = shop.load()
    path = shop.root / "in.csv"
    path.write_text("fare")
    order = shop.order(flow.load, csv=file_input(path))
    path.unlink()
    executor.start(shop.settings())

    ended = results(run_all(executor, [shop.packet(order)]))

    assert ended["load"].failure is not None
    assert ended["load"].failure.kind is FailureKind.INPUT
    assert "'in.csv'" in ended["load"].failure.message
    assert ("looked at", str(path)) in ended["load"].failure.facts


def test_a_contract_is_validated_unless_the_producer_has_proven_it(
    open_workshop: Open, executor: InlineExecutor
) -> None:
    """A consumer's contract is checked on hand-over; where the driver says it is proven, it is not checked again."""
    shop = open_workshop(
        """
        from typing import Annotated
        import pandas as pd
        import pandera.pandas as pa

        class Trip(pa.DataFrameModel):
            fare: float = pa.Field(ge=0)

        @fk.step
        def load() -> pd.DataFrame:
            return pd.DataFrame({"fare": [1.0, -1.0]})

        @fk.step
        def use(trips: Annotated[pd.DataFrame, Trip]) -> int:
            return len(trips)
        """
    )
    # Contracts refer to names of the module, which postponed annotations resolve.
    flow = shop.load()
    executor.start(shop.settings())
    order = shop.order(flow.use, trips=Ref("load"))

    checked = results(run_all(executor, [shop.packet(shop.order(flow.load), order)]))
    trusted = replace(shop.order(flow.use, trips=Ref("load")), validated=frozenset({"trips"}))
    passed = results(run_all(executor, [shop.packet(shop.order(flow.load), trusted)]))

    assert checked["use"].failure is not None
    assert checked["use"].failure.kind is FailureKind.CONTRACT
    assert passed["use"].outcome is Outcome.EXECUTED


def test_a_node_whose_key_can_be_reused_is_handed_back(open_workshop: Open, executor: InlineExecutor) -> None:
    """A key that was computed here and is among the live ones is not run, and what waits for it is handed back."""
    shop = open_workshop(
        """
        @fk.step
        def one() -> int:
            return 1

        @fk.step
        def add(x: int) -> int:
            return x + 1
        """
    )
    flow = shop.load()
    executor.start(shop.settings())

    def chain() -> list:
        return [shop.order(flow.one), shop.order(flow.add, "a", x=Ref("one")), shop.order(flow.add, "b", x=Ref("a"))]

    first = results(run_all(executor, [shop.packet(*chain())]))
    one, a, b = chain()
    a = replace(a, live_keys=frozenset({first["a"].key}))
    events = run_all(executor, [shop.packet(one, a, b)])

    assert started(events) == ["one"]
    assert returned(events) == {"a": REUSABLE, "b": WAITS}


def test_keys_computed_here_are_the_drivers(open_workshop: Open, executor: InlineExecutor) -> None:
    """A key computed from a packet's own outputs equals one computed from the same artifacts as inputs."""
    shop = open_workshop(
        """
        @fk.step
        def one() -> int:
            return 1

        @fk.step
        def add(x: int, y: fk.Untracked[int] = 0) -> int:
            return x + 1
        """
    )
    flow = shop.load()
    executor.start(shop.settings())
    ended = results(run_all(executor, [shop.packet(shop.order(flow.one), shop.order(flow.add, x=Ref("one"), y=1))]))

    made = {Ref("one"): ended["one"].outputs[0].artifact}
    again = results(run_all(executor, [shop.packet(shop.with_inputs(shop.order(flow.add, x=Ref("one"), y=2), made))]))

    assert again["add"].key == ended["add"].key


def test_time_spent_hands_the_rest_back(open_workshop: Open, executor: InlineExecutor) -> None:
    """What has not started when the budget is over is handed back; the first node always runs."""
    shop = open_workshop("@fk.step\ndef nap() -> int:\n    time.sleep(0.05)\n    return 1\n")
    flow = shop.load()
    executor.start(shop.settings())

    events = run_all(executor, [shop.packet(*(shop.order(flow.nap, f"n{i}") for i in range(3)), budget=0.01)])

    assert started(events) == ["n0"]
    assert returned(events) == {"n1": BUDGET_SPENT, "n2": BUDGET_SPENT}


def test_a_log_that_cannot_be_written_is_not_the_beginning_of_the_next_one(tmp_path: Path) -> None:
    """What was printed is forgotten then, and the caller is told."""
    spool = Spool.create()
    (tmp_path / "file").touch()
    os.write(spool.descriptor, b"of the first attempt")

    with pytest.raises(OSError, match="file"):
        spool.save(str(tmp_path / "file" / "first.log"))

    os.write(spool.descriptor, b"of the second")
    assert spool.save(str(tmp_path / "second.log"))
    assert (tmp_path / "second.log").read_bytes() == b"of the second"
    spool.close()
