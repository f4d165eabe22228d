"""What Dask itself would print while flowkit is connected."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from distributed.client import AllExit

from flowkit.execution.dask_quiet import Hush

pytestmark = pytest.mark.cluster


@pytest.fixture
def hush() -> Iterator[Hush]:
    hush = Hush()
    yield hush
    hush.lift()


def leave_alone(error: Exception) -> None:
    """Let a task of an event loop fail, and ask nobody why."""

    async def fail() -> None:
        raise error

    async def start() -> None:
        task = asyncio.create_task(fail())
        await asyncio.wait([task])

    asyncio.run(start())


def test_the_leftovers_of_waiting_for_many_are_not_told(hush: Hush, caplog: pytest.LogCaptureFixture) -> None:
    """Dask raises one of these for each result that is lost, and hears of the first."""
    leave_alone(AllExit())

    assert caplog.text == ""


def test_an_exception_of_somebody_else_is_told(hush: Hush, caplog: pytest.LogCaptureFixture) -> None:
    """What a library's task raised and nobody asked for is asyncio's to print, as ever."""
    leave_alone(ValueError("mine"))

    assert "ValueError: mine" in caplog.text


def test_all_is_told_once_flowkit_has_gone(caplog: pytest.LogCaptureFixture) -> None:
    """Others in this process may use Dask then, and want to know."""
    Hush().lift()

    leave_alone(AllExit())

    assert "AllExit" in caplog.text
