"""Runs nodes somewhere: in this process, in step hosts, on Dask workers."""
