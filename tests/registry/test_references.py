from __future__ import annotations

import pytest

from flowkit.errors import RegistryError
from flowkit.registry.references import ModelReference, parse_reference


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("taxi", ModelReference("taxi")),
        ("taxi:7", ModelReference("taxi", 7)),
        ("taxi@champion", ModelReference("taxi", alias="champion")),
        ("Taxi-2_b.x:10", ModelReference("Taxi-2_b.x", 10)),
    ],
)
def test_references_are_read_and_written_back(text: str, reference: ModelReference) -> None:
    """The three kinds a person writes, and the same text again."""
    assert parse_reference(text) == reference
    assert str(reference) == text


@pytest.mark.parametrize(
    "text",
    ["", ":7", "@champion", "taxi:", "taxi:0", "taxi:-1", "taxi:x", "taxi:1.5", "taxi:٣", "taxi@", "taxi@a b", "ta xi",
     "../taxi", "taxi/7", "taxi:7@champion", "taxi@champion:7", ".hidden", "-x", "x" * 101, "taxi\n", "täxi"],
)  # fmt: skip
def test_anything_else_is_refused_with_a_remedy(text: str) -> None:
    """A name that could be mistaken for a path, an option or another reference is none."""
    with pytest.raises(RegistryError) as caught:
        parse_reference(text)
    assert caught.value.hint
    assert caught.value.exit_code == 2
