"""The trivial functions, counting how often they are called: what `joblib.Memory` remembers must not be."""

import trivial

calls = 0


def give_zero() -> int:
    """Return 0."""
    global calls
    calls += 1
    return trivial.give_zero()


def add_one(number: int) -> int:
    """Return the next number."""
    global calls
    calls += 1
    return trivial.add_one(number)


def square(number: int) -> int:
    """Return the square of a number."""
    global calls
    calls += 1
    return trivial.square(number)


def total(numbers: list[int]) -> int:
    """Return the sum of numbers."""
    global calls
    calls += 1
    return trivial.total(numbers)
