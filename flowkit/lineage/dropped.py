"""Artifacts whose files are gone: when a collection removed them, and what makes them again."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

from msgspec import Struct

from flowkit.lineage.reader import Reader
from flowkit.lineage.texts import to_prefix
from flowkit.records import UNPACKING, Digest

_DROPPED = """
    SELECT a.digest, date(d.at, 'unixepoch')
    FROM artifact AS a
    JOIN dropped AS d ON d.artifact = a.id
    WHERE substr(a.digest, 1, 12) IN ({values})"""

# The newest execution that stands for later runs, else the newest: its run has the parameters that give this content.
_MAKER = """
    SELECT r.run, p.name
    FROM artifact AS a
    JOIN output AS o ON o.artifact = a.id
    JOIN execution AS x ON x.id = o.execution
    JOIN run AS r ON r.id = x.run
    JOIN pipeline_node AS p ON p.id = x.pipeline_node
    JOIN word AS w ON w.id = p.step
    LEFT JOIN entry AS e ON e.execution = x.id
    WHERE substr(a.digest, 1, 12) = ? AND w.text <> ?
    ORDER BY e.id IS NULL, x.id DESC
    LIMIT 1"""

_ELEMENT = re.compile(r"\[\d+\]$", re.ASCII)


class Dropped(Struct, frozen=True):
    """An artifact that a collection dropped.

    Attributes:
        on: UTC date.
        run: A run that made it; None where no step did.
        node: The node of that run.
    """

    digest: Digest
    on: str
    run: str | None
    node: str | None

    @property
    def command(self) -> str | None:
        """The command that makes it again, None where there is none."""
        return remake_command(self.run, self.node) if self.run is not None and self.node is not None else None


def remake_command(run: str, node: str, options: str = "") -> str:
    """Return the command that makes what a node of a run gave again.

    Args:
        run: The run.
        node: The node. Of an element of a mapped call the whole call is named: where its list is known only when the
            pipeline runs no element can be selected by itself. What stands of the others is reused.
        options: What follows, such as ` --store elsewhere`.
    """
    return f"flowkit rerun {run} --select {shlex.quote(_ELEMENT.sub('', node))}{options}"


def dropped_on(reader: Reader, digests: Sequence[Digest]) -> dict[Digest, str]:
    """Return the UTC date on which a collection dropped each of these artifacts that it did."""
    rows = reader.select_among(_DROPPED, [to_prefix(digest) for digest in dict.fromkeys(digests)])
    return {digest.hex(): on for digest, on in rows}


def find_dropped(reader: Reader, digest: Digest) -> Dropped | None:
    """Return what is known of a dropped artifact; None for one that no collection dropped."""
    on = dropped_on(reader, [digest]).get(digest)
    return None if on is None else Dropped(digest, on, *(find_maker(reader, digest) or (None, None)))


def find_maker(reader: Reader, digest: Digest) -> tuple[str, str] | None:
    """Return the (run, node) that makes an artifact again; None where no step made it."""
    made = reader.select(_MAKER, (to_prefix(digest), UNPACKING))
    return (str(made[0][0]), str(made[0][1])) if made else None
