"""The trivial functions as steps, and pipelines of them. Imports flowkit alone."""

import flowkit as fk


@fk.step
def give_zero() -> int:
    """Return 0."""
    return 0


@fk.step
def add_one(number: int) -> int:
    """Return the next number."""
    return number + 1


@fk.step
def square(number: int) -> int:
    """Return the square of a number."""
    return number * number


@fk.step
def total(numbers: list[int]) -> int:
    """Return the sum of numbers."""
    return sum(numbers)


@fk.pipeline
def chain(size: int = 100) -> int:
    """Call after call, each taking what the one before gave."""
    number = give_zero()
    for _ in range(size - 1):
        number = add_one(number)
    return number


@fk.pipeline
def fan(size: int = 200) -> int:
    """All calls but the last apart; the last one sums up."""
    return total(fk.collect(square(fk.each(range(size - 1)))))
