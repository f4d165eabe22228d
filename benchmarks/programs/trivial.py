"""Trivial functions, so that all that is measured is what it costs to have them called."""


def give_zero() -> int:
    """Return 0."""
    return 0


def add_one(number: int) -> int:
    """Return the next number."""
    return number + 1


def square(number: int) -> int:
    """Return the square of a number."""
    return number * number


def total(numbers: list[int]) -> int:
    """Return the sum of numbers."""
    return sum(numbers)


def expected(shape: str, size: int) -> int:
    """Return what a work of `size` calls comes to.

    Args:
        shape: `chain`, each call taking what the one before gave; or `fan`, all but the last apart, which sums up.
        size: How many calls there are.
    """
    return size - 1 if shape == "chain" else sum(number * number for number in range(size - 1))
