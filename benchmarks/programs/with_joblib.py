"""Do a work with `joblib.Memory` in a folder: `with_joblib.py SHAPE SIZE executed|reused`."""

import sys

import remembered
import trivial
from joblib import Memory


def run(shape: str, size: int) -> int:
    """Return what the work comes to, from the folder where that has it."""
    memory = Memory(".joblib", verbose=0)
    if shape == "fan":
        square = memory.cache(remembered.square)
        return memory.cache(remembered.total)([square(number) for number in range(size - 1)])
    number, add_one = memory.cache(remembered.give_zero)(), memory.cache(remembered.add_one)
    for _ in range(size - 1):
        number = add_one(number)
    return number


if __name__ == "__main__":
    shape, size = sys.argv[1], int(sys.argv[2])
    assert run(shape, size) == trivial.expected(shape, size)
    assert remembered.calls == {"executed": size, "reused": 0}[sys.argv[3]], remembered.calls
