"""The content-addressed store: immutable blobs in a folder, verified before use, written so that a crash tears none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flowkit.lazy import lazy_names

if TYPE_CHECKING:
    from flowkit.store.base import Presence as Presence
    from flowkit.store.base import Store as Store
    from flowkit.store.folder import StoreFolder as StoreFolder
    from flowkit.store.local import LocalStore as LocalStore
    from flowkit.store.probe import read_probe as read_probe
    from flowkit.store.probe import remove_probe as remove_probe
    from flowkit.store.probe import write_probe as write_probe

_MODULES = {
    "LocalStore": "local",
    "Presence": "base",
    "Store": "base",
    "StoreFolder": "folder",
    "read_probe": "probe",
    "remove_probe": "probe",
    "write_probe": "probe",
}

__all__ = sorted(_MODULES)

# What proves that other machines see a store is imported where there are some.
__getattr__ = lazy_names(__name__, _MODULES)
