"""Do a work in plain Python: `with_plain.py SHAPE SIZE`."""

import sys

import trivial


def run(shape: str, size: int) -> int:
    """Return what the work comes to."""
    if shape == "fan":
        return trivial.total([trivial.square(number) for number in range(size - 1)])
    number = trivial.give_zero()
    for _ in range(size - 1):
        number = trivial.add_one(number)
    return number


if __name__ == "__main__":
    shape, size = sys.argv[1], int(sys.argv[2])
    assert run(shape, size) == trivial.expected(shape, size)
