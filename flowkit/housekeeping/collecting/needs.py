"""Which files artifacts need beyond those that are recorded of them: what the files themselves refer to.

A file that was written again in another layout leads those who refer to it on to a third one, of which their records
know nothing; and what is damaged of an artifact may lie in a file that has nothing to do with it; see
`store.references`. Whatever is removed is held against this too.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from msgspec import Struct
from msgspec.structs import replace

from flowkit.lineage.collection import file_names
from flowkit.lineage.holdings import Holdings
from flowkit.lineage.reader import Reader
from flowkit.store.references import References


class Needs(Struct, frozen=True):
    """The files that artifacts need and their records do not name.

    Attributes:
        unrecorded: By the artifact's number; only of those that need such files.
    """

    unrecorded: Mapping[int, frozenset[str]]

    def without(self, gone: Collection[int]) -> frozenset[str]:
        """Return the files that the artifacts need which are not `gone`."""
        return frozenset().union(*(names for artifact, names in self.unrecorded.items() if artifact not in gone))

    def of(self, artifacts: Collection[int]) -> frozenset[str]:
        """Return the files that these artifacts need."""
        return frozenset().union(*(self.unrecorded.get(artifact, frozenset()) for artifact in artifacts))


def find_needs(references: References, reader: Reader, holdings: Holdings) -> tuple[Holdings, Needs]:
    """Return what a store holds, each artifact with all the files that it needs, and which of them no record names.

    Raises:
        StoreError: A file cannot be read, so that what it leads to is not known.
    """
    names = file_names(reader)
    numbers = {name: number for number, name in names.items()}
    unrecorded: dict[int, frozenset[str]] = {}
    artifacts = []
    for holding in holdings.artifacts:
        recorded = {names[file] for file in holding.files if file in names}
        own = names.get(holding.files[0])
        more = references.needed_for(own, to_mend=True) - recorded if own is not None else frozenset()
        if more:
            unrecorded[holding.id] = more
            known = (numbers[name] for name in sorted(more) if numbers.get(name) in holdings.sizes)
            artifacts.append(replace(holding, files=(*holding.files, *known)))
        else:
            artifacts.append(holding)
    return replace(holdings, artifacts=tuple(artifacts)), Needs(unrecorded)
