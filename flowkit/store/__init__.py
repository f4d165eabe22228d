"""The content-addressed store: immutable blobs in a folder, verified before use, written so that a crash tears none."""

from flowkit.store.base import Presence, Store
from flowkit.store.folder import StoreFolder
from flowkit.store.local import LocalStore
from flowkit.store.probe import read_probe, remove_probe, write_probe

__all__ = ["LocalStore", "Presence", "Store", "StoreFolder", "read_probe", "remove_probe", "write_probe"]
