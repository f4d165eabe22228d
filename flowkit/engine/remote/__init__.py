"""Shares results with other machines."""
