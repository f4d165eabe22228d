"""No case of data is left out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from types import ModuleType

import pytest

from tests.conformance import test_data_cases, test_hit_cases, test_observed_cases, test_uncached_cases

RANGES = {
    test_data_cases: range(43, 78),
    test_hit_cases: range(78, 100),
    test_uncached_cases: range(100, 104),
    test_observed_cases: range(104, 112),
}


def _numbers_in(module: ModuleType) -> Iterator[int]:
    """Yield the number at the beginning of the name of each case of a module's tests."""
    for test in vars(module).values():
        for mark in getattr(test, "pytestmark", ()) if callable(test) else ():
            for label in mark.kwargs.get("ids") or ():
                found = re.match(r"case (\d+): ", label)
                if found:
                    yield int(found[1])


@pytest.mark.parametrize("module", RANGES, ids=lambda module: module.__name__.rpartition(".")[2])
def test_each_number_has_a_case(module: ModuleType) -> None:
    """Every number of a file's range stands before a case of it, and no other number does."""
    assert set(_numbers_in(module)) == set(RANGES[module])
