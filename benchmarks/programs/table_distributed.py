"""Do the table work with raw `dask.distributed`, two processes, submitted at once, nothing stored."""

import tabular
from distributed import Client

if __name__ == "__main__":
    with Client(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as client:
        rows = client.submit(tabular.make)
        for number in range(tabular.ADDED):
            rows = client.submit(tabular.add, rows, number)
        tabular.prove_total(client.submit(tabular.total, rows).result())
