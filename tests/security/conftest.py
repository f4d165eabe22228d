"""The counts of the corpora are told as those of the fault campaigns are."""

from __future__ import annotations

from tests.faults.conftest import pytest_terminal_summary, tell_figure

__all__ = ["pytest_terminal_summary", "tell_figure"]
