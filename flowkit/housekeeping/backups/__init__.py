"""Backups: one file that holds a store as it was at one moment, and a store made of such a file."""
