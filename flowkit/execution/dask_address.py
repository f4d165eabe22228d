"""Which scheduler's address may be used, and with which certificates."""

from __future__ import annotations

import ipaddress
import os
from typing import Any
from urllib.parse import urlsplit

from flowkit.errors import WorkerError

ALLOW_PLAIN_TCP = "FLOWKIT_ALLOW_PLAIN_TCP"

_ENCRYPTED = ("tls", "wss")


def check_address(scheduler: str) -> None:
    """Refuse a scheduler on the network without TLS: whoever reaches a plain Dask port can run code there.

    Raises:
        WorkerError: It is one, and `FLOWKIT_ALLOW_PLAIN_TCP` is not `1`.
    """
    parts = urlsplit(scheduler if "://" in scheduler else f"tcp://{scheduler}")
    if parts.scheme in (*_ENCRYPTED, "inproc") or os.environ.get(ALLOW_PLAIN_TCP) == "1":
        return
    host = parts.hostname or ""
    if host == "localhost":
        return
    try:
        is_loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        # A name: nothing is known of where it leads.
        is_loopback = False
    if not is_loopback:
        raise WorkerError.for_plain_tcp(scheduler)


def security_for(scheduler: str) -> Any:
    """Return the certificates that Dask's configuration names, as Dask takes them.

    Raises:
        WorkerError: The address is encrypted and there are none, or they cannot be read.
    """
    import distributed

    security = distributed.Security()  # type: ignore[no-untyped-call]
    if urlsplit(scheduler).scheme not in _ENCRYPTED:
        return security
    # Asked for here: a Dask client that fails for want of them takes half a minute to give up and says another thing.
    try:
        context = security.get_connection_args("client")["ssl_context"]  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as error:
        raise WorkerError.for_no_certificates(scheduler, f"{type(error).__name__}: {error}") from error
    if context is None:
        raise WorkerError.for_no_certificates(scheduler, "Dask's configuration names none")
    return security
