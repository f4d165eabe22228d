"""Measurements of whole processes: flowkit beside raw `dask.distributed` and plain Python, as ratios in one run.

`python -m benchmarks` runs every work, `python -m benchmarks chain-100 help` some of them. Nothing here fails because
something is slow: a machine's seconds are its own. What fails is a program that computes the wrong thing.
"""
