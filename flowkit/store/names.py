"""Names that may become part of a path in the store: made of hexadecimal digits and known patterns, nothing else."""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

from blake3 import blake3

from flowkit.errors import StoreError
from flowkit.records import Digest

_SUFFIX = r"(?:\.[A-Za-z0-9_-]{1,20}){1,3}"
_BLOB = re.compile(rf"[0-9a-f]{{2}}/[0-9a-f]{{62}}{_SUFFIX}", re.ASCII)
_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)
_SUFFIXES = re.compile(_SUFFIX, re.ASCII)
_RUN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}", re.ASCII)
_LOG = re.compile(r"(.+)\.([0-9]+)\.log", re.ASCII)
_PROBE = re.compile(r"probe-[0-9a-f]{32}", re.ASCII)

LIVE_SUFFIX = ".live"
"""What a log's name ends in while its node still runs; a driver that is killed leaves such a file."""

_PLAIN = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.#[]")
_LONGEST = 120
_PLAIN_NAME = re.compile(rf"[a-z0-9_\[\]#-][a-z0-9_.\[\]#-]{{0,{_LONGEST - 1}}}")
_DOT = ord(".")


def blob_name(digest: Digest, suffix: str) -> str:
    """Return the name below `blobs/` of the blob with `digest`: `ab/cdef….suffix`.

    Raises:
        StoreError: The digest is not 64 hexadecimal digits, or the suffix not letters and digits after dots.
    """
    if not _DIGEST.fullmatch(digest):
        raise StoreError.for_unsafe_name("blob", digest)
    if not _SUFFIXES.fullmatch(suffix):
        raise StoreError.for_unsafe_name("blob's suffix", suffix)
    return f"{digest[:2]}/{digest[2:]}{suffix}"


def check_digest(digest: Digest) -> Digest:
    """Return `digest` if it is 64 hexadecimal digits.

    Raises:
        StoreError: It is not.
    """
    if not _DIGEST.fullmatch(digest):
        raise StoreError.for_unsafe_name("record", digest)
    return digest


def check_blob_name(name: str) -> str:
    """Return `name` if it is one that `blob_name` gives.

    Raises:
        StoreError: It is not.
    """
    if not _BLOB.fullmatch(name):
        raise StoreError.for_unsafe_name("blob", name)
    return name


def digest_in(name: str) -> Digest:
    """Return the digest that the blob name `name` is made of."""
    check_blob_name(name)
    return name[:2] + name[3:65]


def suffix_in(name: str) -> str:
    """Return the suffix of the blob name `name`, with its dot."""
    check_blob_name(name)
    return name[65:]


def check_run_name(run: str) -> str:
    """Return `run` if it can be a folder's name.

    Raises:
        StoreError: It cannot.
    """
    if not _RUN.fullmatch(run):
        raise StoreError.for_unsafe_name("run", run)
    return run


def check_probe_name(name: str) -> str:
    """Return `name` if it is a probe's.

    Raises:
        StoreError: It is not.
    """
    if not _PROBE.fullmatch(name):
        raise StoreError.for_unsafe_name("probe", name)
    return name


def log_name(node: str, attempt: int) -> str:
    """Return the file name of a node's log: readable, safe, of bounded length, and different for different nodes.

    Letters, digits and `_-.#[]` stay, other bytes are percent-encoded. A name with capitals, or one too long, carries a
    hash of the whole, so that neither a file system that ignores case nor the cut can make two names one.
    """
    if _PLAIN_NAME.fullmatch(node):
        return f"{node}.{attempt:d}.log"
    raw = node.encode("utf-8", "surrogatepass")
    safe = "".join(
        chr(byte) if byte in _PLAIN and not (position == 0 and byte == _DOT) else f"%{byte:02X}"
        for position, byte in enumerate(raw)
    )
    if len(safe) > _LONGEST or node != node.lower():
        safe = f"{safe[:_LONGEST]}~{blake3(raw).hexdigest(8)}"
    return f"{safe}.{attempt:d}.log"


def node_in_log(name: str) -> tuple[str, int] | None:
    """Return the node and the attempt that a log's file name stands for, None where it is no log's name.

    Of a name that was cut its beginning and `…` is returned: the rest of it is nowhere.
    """
    found = _LOG.fullmatch(name.removesuffix(LIVE_SUFFIX))
    if found is None:
        return None
    safe, _, mark = found[1].partition("~")
    raw = unquote_to_bytes(safe)
    cut = mark and blake3(raw).hexdigest(8) != mark
    return raw.decode("utf-8", "replace") + ("…" if cut else ""), int(found[2])
