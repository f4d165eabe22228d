"""An argument that is empty names nothing: it is neither the last run nor the current folder."""

from __future__ import annotations

import pytest

from tests.commands import Tell


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["verify", "--rerun", ""], "No run is called ''."),
        (["logs", ""], "No run is called ''."),
        (["lineage", ""], "'' is not an artifact."),
        (["artifact", "show", ""], "'' is not an artifact."),
        (["why", "", "load"], "The target '' names no pipeline."),
        (["check", ":small"], "The target ':small' names no pipeline."),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_an_empty_argument_is_refused(ask: Tell, arguments: list[str], message: str) -> None:
    """What is empty is refused with the word that was meant, before anything runs or is hashed."""
    answer = ask(*arguments)

    assert answer.code == 2
    assert answer.err.startswith(f"Error: {message}\n"), answer.err
