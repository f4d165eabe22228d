"""Whether an artifact is there and right, and the warning where it is not."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from flowkit.errors import LostArtifactError
from flowkit.records import Artifact
from flowkit.store.base import Presence, Store


def describe_damage(what: str, facts: Sequence[tuple[str, str]]) -> str:
    """Return the warning of an artifact that turned out to be gone or damaged.

    Args:
        what: It, as the beginning of the sentence.
        facts: Those of the `LostArtifactError`.
    """
    told = dict(facts)
    kept = f"; the damaged file is kept as {told['kept']}" if told.get("kept", "").startswith("quarantine/") else ""
    where = f" ({told['file']})" if "file" in told else ""
    return f"{what} is gone or damaged{where}; it is made again{kept}."


def verify_presence(
    store: Store,
    artifact: Artifact,
    tell: Callable[[LostArtifactError], None] = lambda error: None,
    *,
    rescue: bool = False,
    doubted: bool = False,
) -> Artifact | None:
    """Return an artifact that is there and holds what it should, hashed where its files changed; None where not.

    Args:
        store: Where it is looked for.
        artifact: Its record.
        tell: Told of damage that comes to light.
        rescue: Whether it is also put together where a file is gone whose parts can still be read from quarantine.
        doubted: Whether it was found damaged before: it is hashed whole then, whatever the record says of its files.
    """
    presence = store.check(artifact)
    if presence is Presence.PRESENT and not doubted:
        return artifact
    if presence is Presence.LOST and not rescue:
        return None
    try:
        return store.verify(artifact)
    except LostArtifactError as error:
        tell(error)
        return None
