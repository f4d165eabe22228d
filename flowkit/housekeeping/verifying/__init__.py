"""Runs recorded nodes again, judges what comes out, and goes through a store."""
