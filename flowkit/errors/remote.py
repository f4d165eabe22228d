"""Errors of the remote that machines share results through. A run goes on without it; only its settings stop one."""

from __future__ import annotations

import re
from typing import Self

from flowkit.errors.store import StoreError

_PASSWORD = re.compile(r"(?<=://)[^/@]*@")


def hide_password(url: str) -> str:
    """Return an address without who it logs in as."""
    return _PASSWORD.sub("***@", url)


class RemoteError(StoreError):
    """A remote that cannot be reached, read or written."""

    @classmethod
    def for_failure(cls, url: str, action: str, reason: str) -> Self:
        """Return the error for what the file system behind `url` said; `action` is such as `read a blob`."""
        return cls(
            f"The remote cannot {action}: {reason.replace(url, hide_password(url))}",
            (("remote", hide_password(url)),),
            "check its address, your credentials and the network; without it results are not shared.",
        )

    @classmethod
    def for_protocol(cls, url: str, reason: str) -> Self:
        """Return the error for an address whose kind of file system is not installed."""
        return cls(
            f"The remote '{hide_password(url)}' cannot be used: {reason.replace(url, hide_password(url))}",
            (("remote", hide_password(url)),),
            "install the fsspec package for it, such as s3fs for s3:// or gcsfs for gs://, or mend 'remote'.",
        )
