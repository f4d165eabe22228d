"""The functions of `chain` and `fan`: trivial, so that all that is measured is what it costs to have them called."""

from counting import count


def give_zero() -> int:
    """Return 0."""
    count("give_zero")
    return 0


def add_one(number: int) -> int:
    """Return the next number."""
    count("add_one")
    return number + 1


def square(number: int) -> int:
    """Return the square of a number."""
    count("square")
    return number * number


def total(numbers: list[int]) -> int:
    """Return the sum of numbers."""
    count("total")
    return sum(numbers)
