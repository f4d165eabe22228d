"""Which clusters are accepted, and how others are refused."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from flowkit.errors import WorkerError
from flowkit.execution.base import HostSettings
from flowkit.execution.dask_address import check_address
from flowkit.execution.dask_probe import check_answer, describe_mismatches
from flowkit.execution.dask_worker import describe_worker, own_digest, package_versions
from flowkit.execution.worker_executor import WorkerExecutor
from flowkit.store.probe import write_probe
from tests.execution.workshop import Workshop, wait_for_workers

Open = Callable[..., Workshop]


@pytest.mark.parametrize(
    ("address", "accepted"),
    [
        ("tcp://127.0.0.1:8786", True),
        ("127.0.0.1:8786", True),
        ("tcp://localhost:8786", True),
        ("tcp://[::1]:8786", True),
        ("tls://scheduler.example.org:8786", True),
        ("tcp://10.0.0.7:8786", False),
        ("scheduler.example.org:8786", False),
        ("tcp://localhost.example.org:8786", False),
        ("ws://10.0.0.7:8786", False),
        ("", False),
    ],
)
def test_plain_tcp_off_loopback_is_refused(address: str, accepted: bool) -> None:
    """Whoever reaches a plain Dask port can run code, so only loopback and TLS are accepted."""
    if accepted:
        check_address(address)
        return
    with pytest.raises(WorkerError, match="without TLS") as refused:
        check_address(address)
    assert refused.value.exit_code == 4


def test_plain_tcp_can_be_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A person who trusts the network says so in the environment."""
    monkeypatch.setenv("FLOWKIT_ALLOW_PLAIN_TCP", "1")

    check_address("tcp://10.0.0.7:8786")


def test_a_worker_proves_store_python_and_flowkit(open_workshop: Open, tmp_path: Path) -> None:
    """What does not match is refused by the worker's address and by what differs."""
    shop = open_workshop("")
    store = str(shop.folder.path)
    probe = write_probe(shop.folder, "nonce")
    good = describe_worker(store, probe)

    check_answer("tcp://w:1", good, "nonce", store)
    for answer, words in [
        ({**good, "python": "3.9"}, "another Python"),
        ({**good, "flowkit": "other"}, "another flowkit"),
        (describe_worker(str(tmp_path / "elsewhere"), probe), "does not see the store"),
        ({**good, "probe": "other"}, "does not see the store"),
        (ModuleNotFoundError("flowkit"), "cannot run steps"),
        (None, "cannot run steps"),
    ]:
        with pytest.raises(WorkerError, match=words) as refused:
            check_answer("tcp://w:1", answer, "nonce", store)
        assert "tcp://w:1" in refused.value.message


def test_versions_that_differ_are_told_by_place() -> None:
    """One sentence groups the places by package and version; where all agree there is none."""
    here = package_versions()
    other = here | {"dask": "0.1"}

    told = describe_mismatches(
        {"the scheduler": {**here, "distributed": None}, "w:2": other, "w:1": other, "w:3": here}
    )

    assert describe_mismatches({"w:1": here}) is None
    assert told is not None
    assert f"dask is {here['dask']} here and 0.1 on w:1, w:2; " in told
    assert f"distributed is {here['distributed']} here and missing on the scheduler." in told
    assert "cloudpickle" not in told


def test_flowkits_own_digest_is_stable() -> None:
    """Two looks at one installation agree."""
    first = own_digest()
    own_digest.cache_clear()

    assert own_digest() == first


@pytest.mark.cluster
def test_a_scheduler_that_is_not_there_is_named(open_workshop: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for ever: the address is in the message."""
    monkeypatch.setattr("flowkit.execution.dask_external._CONNECT_SECONDS", 0.5)
    shop = open_workshop("")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    executor = WorkerExecutor(scheduler=address)
    executor.start(shop.settings())

    with pytest.raises(WorkerError, match="cannot be reached") as refused:
        wait_for_workers(executor)
    executor.close()

    assert address in refused.value.message


@pytest.mark.cluster
def test_a_local_cluster_opens_no_port(open_workshop: Open) -> None:
    """Nothing listens on the network while steps run on this machine."""
    shop = open_workshop("@fk.step\ndef one() -> int:\n    return 1\n")
    shop.load()
    before = _listening()
    executor = WorkerExecutor(workers=1)
    try:
        executor.start(shop.settings())
        wait_for_workers(executor)
        assert _listening() == before
    finally:
        executor.close()


def _listening() -> set[str]:
    own = {
        os.readlink(f"/proc/self/fd/{name}")
        for name in os.listdir("/proc/self/fd")
        if os.path.exists(f"/proc/self/fd/{name}")
    }
    sockets = {item[8:-1] for item in own if item.startswith("socket:[")}
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in sockets:
                found.add(fields[1])
    return found


def test_importing_execution_is_light() -> None:
    """No module of execution imports anything heavy: a reused run must not pay for what it does not do."""
    program = textwrap.dedent(
        """
        import sys
        import flowkit.execution.dask_worker, flowkit.execution.host, flowkit.execution.inline
        import flowkit.execution.worker_executor
        heavy = {"pandas", "pyarrow", "pandera", "pydantic", "numpy", "beartype", "networkx", "sqlite_utils",
                 "distributed", "dask", "rich", "cloudpickle", "asyncio"}
        print(sorted(heavy & set(sys.modules)))
        """
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path)}

    found = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)

    assert found.stdout.strip() == "[]"


def test_settings_that_differ_only_in_warm_modules_are_the_same() -> None:
    """What is imported beforehand makes no other host necessary."""
    assert HostSettings("s", "r", warm=("a",)) == HostSettings("s", "r", warm=("b",))
