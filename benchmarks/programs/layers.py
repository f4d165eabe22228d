"""A pipeline of waves, as wide as they are told: nodes with a result of another node, a number and a text each."""

import flowkit as fk


@fk.step
def begin(number: int) -> int:
    """Return the number."""
    return number


@fk.step
def go_on(value: int, number: int, word: str = "plain") -> int:
    """Return the next value."""
    return value + number + len(word)


@fk.pipeline
def layers(waves: int = 20, width: int = 100) -> None:
    """Each wave takes what the one before gave."""
    values = [begin(number) for number in range(width)]
    for wave in range(1, waves):
        values = [go_on(value, wave, word=f"word-{wave}") for value in values]


@fk.pipeline
def wide() -> None:
    """Ten thousand nodes."""
    layers(waves=100, width=100)
