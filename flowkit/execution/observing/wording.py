"""What is said of undeclared inputs."""

from __future__ import annotations

from collections.abc import Sequence

from flowkit.execution.observing.recorder import Observation
from flowkit.records import ObservedInput

_MOST = 8


def name_undeclared(observation: Observation) -> tuple[str, ...]:
    """Return what was read, each as a few words: `file data/rates.csv`, `variable MODE`, `program git`."""
    unnamed = observation.own | observation.inherited
    return tuple(
        dict.fromkeys(
            [
                *(f"{item.kind} {item.name}" for item in observation.inputs if item not in unnamed),
                *(f"program {name}" for name in observation.programs),
            ]
        )
    )


def warn_of_undeclared(step: str, named: Sequence[str]) -> str:
    """Return the warning that a step reads what it does not declare."""
    return (
        f"Step '{step}' reads without declaring it: {_list(named)}. It counts as an input; better make a file a "
        "parameter of type Path, and name a variable in @fk.step(env=…)."
    )


def warn_of_network(step: str) -> str:
    """Return the warning that a step asks the network and is reused as if its arguments alone decided its result."""
    return (
        f"Step '{step}' opens a network connection and its result is cached: its arguments decide its result, whatever "
        'the network says later. If so, say @fk.step(network=True); else let it run again with max_age="24h" or '
        "cache=False."
    )


def describe_unstable(names: Sequence[str]) -> str:
    """Return why a result is not to be reused, as the end of a sentence."""
    return f"{_list([repr(name) for name in names])} changed while the step ran"


def warn_of_unstable(step: str, reason: str) -> str:
    """Return the warning that a result is not to be reused, for a reason that ends the sentence before."""
    return f"Step '{step}': {reason}; this result will not be reused."


def describe_hidden(inputs: Sequence[ObservedInput]) -> str:
    """Return why a result is not to be reused whose step read what a secret names, as the end of a sentence."""
    return f"it reads what a secret's value names: {_list([f'{item.kind} {item.name}' for item in inputs])}"


def warn_of_hidden(step: str, inputs: Sequence[ObservedInput]) -> str:
    """Return the warning that a step reads what a secret names."""
    return (
        f"Step '{step}': {describe_hidden(inputs)}. Such a name is not kept, so nobody could tell later whether that "
        "changed; this result will not be reused. Build the name from something that is no secret, or say "
        "@fk.step(cache=False)."
    )


def _list(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST} more" if len(names) > _MOST else ""
    return ", ".join(names[:_MOST]) + more
