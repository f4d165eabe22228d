"""The trivial functions as steps, and pipelines of them. Imports flowkit alone."""

import trivial

import flowkit as fk

give_zero = fk.step(trivial.give_zero)
add_one = fk.step(trivial.add_one)
square = fk.step(trivial.square)
total = fk.step(trivial.total)


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
