"""Instances, taken apart: known kinds by their content or name, all others by what they would be pickled as."""

from __future__ import annotations

import contextvars
import copyreg
import enum
import gc
import struct
import sys
import threading
import types
import typing
import weakref
from typing import Any

from flowkit.fingerprint.bytecode import normalise_code
from flowkit.fingerprint.callables import is_project_code, is_wrapper
from flowkit.fingerprint.ownership import Owner
from flowkit.fingerprint.sinks import is_logger, is_sink, is_stream, without_caches
from flowkit.fingerprint.syntax import constant_bytes
from flowkit.fingerprint.tokens import Tokens, text
from flowkit.fingerprint.values import UnencodableError, ValueEncoder, join

_LIVE = (
    ("subprocess", ("Popen",)),
    ("multiprocessing.process", ("BaseProcess",)),
    ("concurrent.futures._base", ("Executor", "Future")),
)
"""Classes of what is going on outside of the data, by module: some would let themselves be taken apart all the same."""

_THREADING = frozenset({"_thread", "threading", "_threading_local"})
_WEAK_MAPPINGS = (weakref.WeakKeyDictionary, weakref.WeakValueDictionary)


def encode_known_kind(encoder: ValueEncoder, value: Any) -> Tokens | None:
    """Return the tokens of an instance that counts by type, by name or by its own rule; None for anything else."""
    kind = type(value)
    if isinstance(value, enum.Enum):
        return [*encoder.tokens(kind), text(b"s", value.name or ""), *encoder.tokens(value.value)]
    if is_logger(value):
        return [text(b"g", value.name)]
    if is_stream(value):
        return [text(b"h", "stream")]
    if is_sink(value) and encoder.context.owner_of_class(kind) is not Owner.PROJECT:
        # What it was made with says how and where words are shown.
        return [text(b"h", "sink"), encoder.context.foreign(kind.__module__, kind.__qualname__)]
    if isinstance(value, contextvars.ContextVar):
        return [text(b"v", value.name), *encoder.tokens(_default_of(value))]
    if kind is struct.Struct:
        return [text(b"S", value.format)]
    if kind.__module__ in _THREADING:
        # Locks and events hold no data that a result could depend on from one run to the next.
        return [text(b"h", kind.__qualname__), *_local_attributes(encoder, value)]
    if isinstance(value, _WEAK_MAPPINGS):
        return encoder.pairs(b"k", list(value.items()), in_order=False)
    if isinstance(value, weakref.WeakSet):
        return encoder.unordered(b"K", list(value))
    if kind is types.CodeType:
        return [text(b"s", value.co_name), normalise_code(value)]
    if kind.__name__ == "Secret" and kind.__module__.partition(".")[0] == "flowkit":
        return [text(b"X", value.name)]
    if kind.__name__ == "Dispatcher" and kind.__module__.partition(".")[0] == "pandera":
        # It learns of pandera's own functions when a table is first validated; the check that holds it says which.
        ours = [
            function for function in value._function_registry.values() if is_project_code(encoder.context, function)
        ]
        return [*encoder.tokens(kind), *encoder.unordered(b"k", ours)]
    if kind.__name__ == "BeartypeConf" and kind.__module__.partition(".")[0] == "beartype":
        # It keeps its hash, which is another one in every process.
        return [*encoder.tokens(kind), *encoder.pairs(b"d", sorted(value.kwargs.items()))]
    return None


def _local_attributes(encoder: ValueEncoder, value: Any) -> Tokens:
    """Return the tokens of what a thread-local holds as data; connections and locks in it count as it does."""
    if type(value) is not threading.local:
        return []
    found = [
        [text(b"n", name), *tokens]
        for name, item in sorted(_attributes_where_made(value).items())
        if type(item).__module__ not in _THREADING and (tokens := encoder.attempt(item)) is not None
    ]
    return join(b"m", found) if found else []


def _attributes_where_made(value: Any) -> dict[str, Any]:
    """Return a thread-local's attributes in the thread that made it, which imported its module.

    Whoever asks may be another thread than that which a step host imports in. Where Python does not show those of other
    threads, the own ones are given.
    """
    for held in gc.get_referents(value):
        if type(held) is dict and held and all(type(key) is weakref.ref for key in held):
            return dict(next(iter(held.values())))
    return dict(value.__dict__)


def _default_of(variable: contextvars.ContextVar[Any]) -> Any:
    """Return what a context variable holds where nothing has set it."""
    try:
        return contextvars.Context().run(variable.get)
    except LookupError:
        return None


def encode_array(encoder: ValueEncoder, value: Any) -> Tokens | None:
    """Return the tokens of a numpy array, scalar, dtype or ufunc; None for anything else."""
    numpy = sys.modules.get("numpy")
    if numpy is None or not isinstance(value, (numpy.ndarray, numpy.generic, numpy.dtype, numpy.ufunc)):
        return None
    if isinstance(value, numpy.ufunc):
        name = value.__name__
        if getattr(numpy, name, None) is not value and not _is_from_library(value):
            raise UnencodableError(f"it is the numpy function {name}, made from Python code that it does not show")
        return [encoder.context.foreign("numpy", name)]
    if isinstance(value, numpy.dtype):
        return [encoder.context.foreign("numpy", "dtype"), *encoder.tokens(numpy.lib.format.dtype_to_descr(value))]
    array = numpy.asarray(value)
    parts = [encoder.tokens(type(value)), encoder.tokens(array.dtype), encoder.tokens(array.shape)]
    masked = sys.modules.get("numpy.ma")
    if masked is not None and isinstance(value, masked.MaskedArray):
        parts += [encoder.tokens(masked.getmaskarray(value)), encoder.tokens(value.fill_value)]
    return join(b"a", [*parts, *_contents(encoder, numpy, array)])


def _contents(encoder: ValueEncoder, numpy: Any, array: Any) -> list[Tokens]:
    """Return the tokens of an array's elements; field by field, as the padding between fields is left-over memory."""
    if array.dtype.names is not None:
        return [part for name in array.dtype.names for part in _contents(encoder, numpy, array[name])]
    if array.dtype.hasobject:
        return [encoder.sequence(b"l", array.ravel().tolist())]
    little = array.astype(array.dtype.newbyteorder("<"), copy=False)
    return [[constant_bytes(numpy.ascontiguousarray(little).tobytes())]]


def _is_from_library(function: Any) -> bool:
    special = sys.modules.get("scipy.special")
    return special is not None and getattr(special, function.__name__, None) is function


def encode_hint(encoder: ValueEncoder, value: Any) -> Tokens | None:
    """Return the tokens of an annotation that is not a plain class; None for anything else."""
    if value is typing.Any or isinstance(value, typing._SpecialForm):
        return [text(b"y", str(value))]
    origin = typing.get_origin(value)
    if origin is not None:
        arguments = list(typing.get_args(value))
        # `int | None` and `Optional[int]` mean the same and are of two types.
        name: Tokens = [text(b"y", "Union")] if origin in (typing.Union, types.UnionType) else encoder.tokens(origin)
        return join(b"y", [name, *(encoder.tokens(argument) for argument in arguments)])
    if isinstance(value, typing.TypeVar):
        bounds = (value.__bound__, value.__constraints__, value.__covariant__, value.__contravariant__)
        return [text(b"y", value.__name__), *encoder.sequence(b"t", bounds)]
    if isinstance(value, (typing.ParamSpec, typing.ForwardRef)):
        return [text(b"y", str(value))]
    if isinstance(value, typing.NewType):
        return [text(b"y", value.__name__), *encoder.tokens(value.__supertype__)]
    if type(value).__name__ == "TypeAliasType":
        return [text(b"y", value.__name__), *encoder.tokens(value.__value__)]
    return [text(b"y", repr(value))] if type(value).__module__ == "typing" else None


def encode_instance(encoder: ValueEncoder, value: Any) -> Tokens | None:
    """Return the tokens of any other instance, by its reduction: what makes it, and its state by sorted names.

    Raises:
        UnencodableError: It cannot be reduced, as open files, connections and generators cannot, or it is live.
    """
    kind = type(value)
    if _is_live(value):
        raise UnencodableError(f"it is a {kind.__module__}.{kind.__qualname__}, which is more than its data")
    registered = copyreg.dispatch_table.get(kind)
    try:
        reduced = value.__reduce_ex__(4) if registered is None else registered(value)
    except Exception as error:
        raise UnencodableError(f"it is a {kind.__module__}.{kind.__qualname__} ({error})") from error
    if isinstance(reduced, str):
        # A global that is named instead: what it holds stays with it.
        held = (
            vars(value) if encoder.context.owner_of_class(kind) is Owner.PROJECT and hasattr(value, "__dict__") else {}
        )
        return join(b"I", [encoder.tokens(kind), [text(b"s", reduced)], _encode_state(encoder, held)])
    if kind.__module__.partition(".")[0] == "polars" and _calls_python(reduced):
        raise UnencodableError(f"it is a polars {kind.__name__} with a Python function, which it does not show")
    make, arguments, state, items, pairs = (list(reduced[:5]) + [None] * 5)[:5]
    state = without_caches(kind, state)
    parts = [encoder.tokens(kind), encoder.tokens(make), encoder.tokens(arguments), _encode_state(encoder, state)]
    if items is not None:
        parts.append(encoder.sequence(b"l", items))
    if pairs is not None:
        parts.append(encoder.pairs(b"d", pairs))
    parts.append(encoder.pairs(b"h", _held_code(encoder, value)))
    return join(b"R", parts)


def _held_code(encoder: ValueEncoder, value: Any) -> list[tuple[str, Any]]:
    """Return the project's functions among an object's attributes: a reduction may name them, or leave them out."""
    state = getattr(value, "__dict__", None)
    held = sorted(state.items()) if type(state) is dict and all(type(name) is str for name in state) else []
    return [(name, item) for name, item in held if is_wrapper(item) and is_project_code(encoder.context, item)]


def _is_live(value: Any) -> bool:
    loaded = ((sys.modules.get(module), names) for module, names in _LIVE)
    return any(isinstance(value, getattr(module, name)) for module, names in loaded if module for name in names)


def _calls_python(reduced: Any) -> bool:
    """Whether what polars would pickle holds a pickled Python function: it says nothing of what that refers to."""
    return any(isinstance(part, bytes) and b"PLPYFN" in part for item in reduced for part in _flat(item))


def _flat(item: Any) -> tuple[Any, ...]:
    return item if isinstance(item, tuple) else (item,)


def _encode_state(encoder: ValueEncoder, state: Any) -> Tokens:
    if type(state) is dict:
        return encoder.pairs(b"m", state.items(), in_order=False)
    if type(state) is tuple and len(state) == 2 and type(state[1]) is dict:
        # The state of a class with slots: that of its dict, then the slots.
        return join(b"m", [_encode_state(encoder, state[0]), encoder.pairs(b"m", state[1].items(), in_order=False)])
    return encoder.tokens(state)
