"""Which addresses of Dask may be used, and with which certificates."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Iterable
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
    if not _is_safe(scheduler):
        raise WorkerError.for_plain_tcp(scheduler)


def check_worker_address(worker: str) -> None:
    """Refuse a worker that is spoken to over the network without TLS, wherever its scheduler is.

    Raises:
        WorkerError: It is one, and `FLOWKIT_ALLOW_PLAIN_TCP` is not `1`.
    """
    if not _is_safe(worker):
        raise WorkerError.for_plain_worker(worker)


def describe_open_ports(listeners: Iterable[tuple[str, str]]) -> str | None:
    """Say in one sentence which (place, address) listen beyond this machine without TLS; None where none does.

    By default Dask's commands listen on every interface, also where their address is one of loopback.
    """
    wide = [(place, address) for place, address in listeners if not _is_safe(address)]
    if not wide:
        return None
    named = ", ".join(f"{place} at {address}" for place, address in wide[:3]) + (", …" if len(wide) > 3 else "")
    return (
        f"Anyone on the network can run code through the Dask cluster, which listens there without TLS: {named}. "
        "Start it with '--host 127.0.0.1', or with TLS."
    )


def _is_safe(address: str) -> bool:
    """Whether only this machine, or who has a certificate, can speak to an address; a name may lead anywhere."""
    if os.environ.get(ALLOW_PLAIN_TCP) == "1":
        return True
    try:
        parts = urlsplit(address if "://" in address else f"tcp://{address}")
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return False
    # Others than `urlsplit` may find another host in `127.0.0.1@elsewhere` and the like.
    shown = f"[{host}]" if ":" in host else host
    if parts.netloc.lower() not in (shown, f"{shown}:{port}"):
        return False
    if parts.scheme in (*_ENCRYPTED, "inproc") or host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


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
