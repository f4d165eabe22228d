"""What commands print: plain lines in a pipe, tables and a live view on a terminal. Only this package uses rich."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flowkit.lazy import lazy_names

if TYPE_CHECKING:
    from flowkit.cli.render.run_live import LiveListener as LiveListener

__getattr__ = lazy_names(__name__, {"LiveListener": "run_live"})
