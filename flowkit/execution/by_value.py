"""Steps that travel by value, with the text around them: those of `__main__` and of notebooks."""

from __future__ import annotations

import linecache
import pickle
import types
from collections.abc import Iterator

from flowkit.authoring.step import Step
from flowkit.errors import CodeMismatchError
from flowkit.records import StepSpecification


def pickle_step(specification: StepSpecification) -> bytes:
    """Return a step by value, for code that no other process can import: `__main__` and notebooks.

    Raises:
        CodeMismatchError: Something that the function reaches cannot be pickled.
    """
    import cloudpickle

    # Only names that the body uses travel with a function, but its decorators are told apart by theirs.
    names = {name: value for name, value in specification.function.__globals__.items() if _is_flowkits(value)}
    try:
        content: bytes = cloudpickle.dumps((specification, names), protocol=5)
    except (pickle.PicklingError, TypeError, AttributeError, RecursionError) as error:
        raise CodeMismatchError.for_unpicklable(specification.name, error) from error
    return content


def pickle_unpacking(specification: StepSpecification) -> bytes:
    """Return what takes a list apart by value: classes that its annotations name go by name where they can.

    Raises:
        CodeMismatchError: An annotation cannot be pickled.
    """
    import cloudpickle

    try:
        content: bytes = cloudpickle.dumps((specification, {}), protocol=5)
    except (pickle.PicklingError, TypeError, AttributeError, RecursionError) as error:
        raise CodeMismatchError.for_unpicklable(specification.name, error) from error
    return content


def sources_around(specification: StepSpecification) -> dict[str, str]:
    """Return the text of every file or notebook cell that defines something beside a step that travels by value."""
    values = [specification.function, *specification.function.__globals__.values()]
    files = {file for value in values for file in _files_of(value)}
    texts = {file: "".join(linecache.getlines(file)) for file in files}
    return {file: text for file, text in texts.items() if text}


def _files_of(value: object) -> Iterator[str]:
    function = value.function if isinstance(value, Step) else value
    if isinstance(function, types.FunctionType):
        if function.__module__ == "__main__":
            yield function.__code__.co_filename
    elif isinstance(value, type) and value.__module__ == "__main__":
        for member in vars(value).values():
            yield from _files_of(member)


def _is_flowkits(value: object) -> bool:
    if isinstance(value, types.ModuleType):
        return value.__name__.partition(".")[0] == "flowkit"
    plain = isinstance(value, (type, types.FunctionType))
    return plain and str(getattr(value, "__module__", "")).partition(".")[0] == "flowkit"
