"""Do the breast-cancer work with raw `dask.distributed`, two processes, submitted at once, nothing stored.

The functions are those of the example pipeline, written to `plain_cancer.py` without anything of flowkit's.
"""

from operator import itemgetter

import plain_cancer as plain
from distributed import Client

STRENGTHS = (0.01, 0.1, 1.0, 10.0)

if __name__ == "__main__":
    with Client(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as client:
        rows = client.submit(plain.build_features, client.submit(plain.validate, client.submit(plain.ingest)))
        parts = client.submit(plain.split, rows)
        train, validation, test = (client.submit(itemgetter(number), parts) for number in range(3))
        models = [client.submit(plain.train, train, strength) for strength in STRENGTHS]
        best = client.submit(plain.pick_best, models, validation)
        metrics = client.submit(plain.evaluate, best, test).result()
        assert metrics["accuracy"] > 0.9, metrics
        assert metrics["recall"] > 0.85, metrics
