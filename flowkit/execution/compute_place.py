"""Where the Dask tasks of a step run, as its step host is told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct, field


class ComputePlace(Struct, frozen=True):
    """A Dask scheduler that a step's own computations may use.

    Attributes:
        address: The scheduler's address.
        security: Arguments of `distributed.Security`, where its connections need it.
        by_value: Whether the project's functions travel whole, because its workers cannot be trusted to import the
            code of this run. Workers that were started for this run alone import it from the run's code bundle.
    """

    address: str
    security: Mapping[str, object] = field(default_factory=dict)
    by_value: bool = False


def describe_security(security: Any) -> Mapping[str, object]:
    """Return the arguments by which a client joins a worker's cluster under the same TLS; empty where it has none."""
    if security is None or not getattr(security, "require_encryption", False):
        return {}
    return {
        "require_encryption": True,
        "tls_ca_file": security.tls_ca_file,
        "tls_client_cert": security.tls_client_cert or security.tls_worker_cert,
        "tls_client_key": security.tls_client_key or security.tls_worker_key,
    }
