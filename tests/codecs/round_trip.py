"""What a consumer receives of a value, by way of a codec or a registry."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flowkit.codecs.registry import CodecRegistry
from tests.codecs.memory_stored import MemoryStored

REGISTRY = CodecRegistry()
NOWHERE = Path("/nonexistent/no codec under test writes here")


def digest_of(value: Any, hint: Any = Any) -> str:
    return REGISTRY.encode(value, hint).digest


def received(value: Any, hint: Any = Any, folder: Path = NOWHERE, consumer: Any = None) -> Any:
    """Return decode(encode(value)), as a consumer annotated with `hint`, or with `consumer`, receives it."""
    encoded = REGISTRY.encode(value, hint)
    return REGISTRY.decode(MemoryStored(encoded), hint if consumer is None else consumer, folder)
