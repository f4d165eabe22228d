"""A remote: a folder behind an fsspec URL through which machines hit each other's results.

```
<url>/blobs/ab/cdef….table          the store's own files, by the same names
<url>/entries/<cache key>/<entry key>.json   one small record a result, written after its blobs
```

A file appears whole or not at all, and one that is there is never written again but for a record that a rerun
supersedes. What comes from a remote is verified by its digest before it is used; nothing here decides whether it is.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

from flowkit.errors import RemoteError, StoreError
from flowkit.records import Digest
from flowkit.store.files import write_file_durably
from flowkit.store.folder import StoreFolder, make_shard
from flowkit.store.names import check_blob_name, check_digest

_BLOCK = 4 << 20
_TORN_ON_WRITE = frozenset({"file", "local", "sftp", "ssh", "smb", "hdfs", "webhdfs", "arrow_hdfs"})
"""File systems in which a half-written file has its name already, so that it is written beside and renamed."""


class Remote:
    """The files of a remote. Safe to use from several threads.

    Args:
        url: Such as `s3://bucket/flowkit` or `file:///mnt/shared/flowkit`.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._lock = threading.Lock()
        self._connected: tuple[Any, str] | None = None

    def read_records(self, cache_key: Digest) -> list[bytes]:
        """Return every record under a cache key, in no order.

        Raises:
            RemoteError: The remote cannot be asked.
        """
        with self._reporting("look for a result"):
            system, root = self._connect()
            folder = f"{root}/entries/{check_digest(cache_key)}"
            try:
                names = system.ls(folder, detail=False, refresh=True)
            except FileNotFoundError:
                return []
            return [system.cat_file(name) for name in names if str(name).endswith(".json")]

    def is_there(self) -> bool:
        """Say whether the folder, or what stands for one, is there: the first blob or record makes it.

        Raises:
            RemoteError: The remote cannot be asked.
        """
        with self._reporting("be looked at"):
            system, root = self._connect()
            return bool(system.exists(root))

    def write_record(self, cache_key: Digest, entry_key: Digest, content: bytes, *, replace: bool) -> None:
        """Write a record; one that is there is kept unless `replace`.

        Raises:
            RemoteError: It cannot be written.
        """
        with self._reporting("keep a result"):
            self._write(f"entries/{check_digest(cache_key)}/{check_digest(entry_key)}.json", content, replace)

    def send_blob(self, folder: StoreFolder, name: str, *, replace: bool = False) -> None:
        """Copy a blob of this machine's store to the remote; one that is there is kept unless `replace`.

        Raises:
            RemoteError: It cannot be written.
        """
        path = folder.blob_path(name)
        with self._reporting("keep a blob"), path.open("rb") as file:
            self._write(f"blobs/{name}", file, replace)

    def fetch_blob(self, folder: StoreFolder, name: str) -> bool:
        """Copy a blob into this machine's store, unless it is there; say whether there is such a blob.

        Its content is not verified.

        Raises:
            RemoteError: It cannot be read.
            StoreError: It cannot be kept here.
        """
        path = folder.blob_path(check_blob_name(name))
        if path.exists():
            return True
        with self._reporting("read a blob"):
            system, root = self._connect()
            try:
                opened = system.open(f"{root}/blobs/{name}", "rb")
            except FileNotFoundError:
                return False
        make_shard(folder, name)
        with opened as source:
            try:
                write_file_durably(path, self._blocks(source), temporary_folder=folder.temporary, replace=False)
            except OSError as error:
                raise StoreError.for_os_error("keep a value", path, error) from error
        return True

    def _blocks(self, source: IO[bytes]) -> Iterator[bytes]:
        while True:
            with self._reporting("read a blob"):
                block = source.read(_BLOCK)
            if not block:
                return
            yield block

    def _write(self, name: str, content: bytes | IO[bytes], replace: bool) -> None:
        system, root = self._connect()
        path = f"{root}/{name}"
        if not replace and system.exists(path):
            return
        system.makedirs(path.rpartition("/")[0], exist_ok=True)
        if not _tears(system):
            _copy(system, content, path)
            return
        beside = f"{path}.{os.urandom(8).hex()}.part"
        try:
            _copy(system, content, beside)
            system.mv(beside, path)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                system.rm_file(beside)
            raise

    def _connect(self) -> tuple[Any, str]:
        import fsspec

        with self._lock:
            if self._connected is None:
                try:
                    system, root = fsspec.core.url_to_fs(self.url, use_listings_cache=False, skip_instance_cache=True)
                except (ImportError, ValueError) as error:
                    raise RemoteError.for_protocol(self.url, str(error)) from error
                self._connected = system, str(root).rstrip("/")
            return self._connected

    @contextmanager
    def _reporting(self, action: str) -> Iterator[None]:
        """Turn whatever a file system raises into a `RemoteError`: each kind has exceptions of its own."""
        try:
            yield
        except StoreError:
            raise
        except Exception as error:
            reason = str(error) or type(error).__name__
            raise RemoteError.for_failure(self.url, action, reason) from error


def _tears(system: Any) -> bool:
    protocols = system.protocol if isinstance(system.protocol, (tuple, list)) else (system.protocol,)
    return not _TORN_ON_WRITE.isdisjoint(protocols)


def _copy(system: Any, content: bytes | IO[bytes], path: str) -> None:
    with system.open(path, "wb") as target:
        if isinstance(content, bytes):
            target.write(content)
            return
        while block := content.read(_BLOCK):
            target.write(block)
