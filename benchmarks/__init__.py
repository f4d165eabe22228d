"""Measurements of whole processes: flowkit beside its floors, as ratios in one run.

`python -m benchmarks` runs every work, `python -m benchmarks chain-100 help` some of them. Each work has its floor
beside it: raw `dask.distributed`, `joblib.Memory`, an import, the disk. Nothing here fails because something is slow: a
machine's seconds are its own. What fails is a program that computes the wrong thing.
"""
