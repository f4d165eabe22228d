"""Do a work with raw `dask.distributed`, two processes, submitted at once, nothing stored: `… SHAPE SIZE`."""

import sys
from typing import Any

import trivial
from distributed import Client


def submit(client: Client, shape: str, size: int) -> Any:
    """Submit all calls and return the last one's future."""
    if shape == "fan":
        return client.submit(trivial.total, client.map(trivial.square, range(size - 1)))
    number = client.submit(trivial.give_zero)
    for _ in range(size - 1):
        number = client.submit(trivial.add_one, number)
    return number


if __name__ == "__main__":
    shape, size = sys.argv[1], int(sys.argv[2])
    with Client(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as client:
        assert submit(client, shape, size).result() == trivial.expected(shape, size)
