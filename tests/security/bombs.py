"""Pickles that tell on whoever loads them, and where they can be hidden."""

from __future__ import annotations

import io
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flowkit.codecs.base import Encoded, digest_payload
from flowkit.codecs.tables_manifest import dump_manifest
from flowkit.store.names import blob_name
from flowkit.store.packs import plan_file


class Bomb:
    """Leaves a file where it is told to as soon as it is unpickled."""

    def __init__(self, sign: Path) -> None:
        self.sign = sign

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.sign,)


def pickled(sign: Path) -> bytes:
    return pickle.dumps(Bomb(sign), protocol=5)


def array_of_objects(sign: Path) -> bytes:
    """Return an `.npy` file with a pickled object in it, as numpy would write one."""
    import numpy as np

    file = io.BytesIO()
    np.save(file, np.array([Bomb(sign)], dtype=object), allow_pickle=True)
    return file.getvalue()


def joblib_file(sign: Path) -> bytes:
    import joblib

    file = io.BytesIO()
    joblib.dump(Bomb(sign), file)
    return file.getvalue()


def json_of_a_class(sign: Path) -> bytes:
    """Return JSON in which tags name classes and functions that no annotation names."""
    return json.dumps({"$dataclass": ["pathlib:Path.touch", {"self": str(sign)}]}).encode()


def json_of_an_object(sign: Path) -> bytes:
    """Return JSON as jsonpickle writes it."""
    return json.dumps({"py/reduce": [{"py/function": "pathlib.Path.touch"}, {"py/tuple": [str(sign)]}]}).encode()


def table_of_polars(sign: Path) -> bytes:
    """Return a table whose column's dtype is a function of polars that would read a file."""
    return dump_manifest(
        {
            "kind": "polars.DataFrame",
            "rows": 1,
            "columns": [{"label": "a", "as": "polars", "dtype": ["read_csv", str(sign)], "data": {"chunks": []}}],
            "flags": {},
            "pickled": [],
        }
    )


PAYLOADS: dict[str, Callable[[Path], bytes]] = {
    "a pickle": pickled,
    "an array of objects": array_of_objects,
    "a joblib file": joblib_file,
    "JSON that names a function": json_of_a_class,
    "JSON of jsonpickle": json_of_an_object,
    "a table that names a function": table_of_polars,
}


def encode(format_name: str, payload: bytes, suffix: str) -> Encoded:
    """Return a payload under the digest that it would have in that format: an attacker knows how to compute it."""
    return Encoded(format_name, digest_payload(format_name, payload), payload, suffix)


def write_blob(folder: Path, encoded: Encoded) -> str:
    """Write a blob below `folder` as a store or remote holds it, and return its name."""
    name = blob_name(encoded.digest, encoded.suffix)
    target = folder / "blobs" / name
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(b"".join(bytes(part) for part in plan_file(name, encoded, {}).parts()))
    return name
