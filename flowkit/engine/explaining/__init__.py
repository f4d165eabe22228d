"""Explains nodes, compares runs: what changed, from the code that decides."""
