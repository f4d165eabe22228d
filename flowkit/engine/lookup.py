"""Looks nodes up in the store and says for each whether it is reused, or why not. Used by runs and plans alike."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct
from msgspec.structs import replace

from flowkit import cache, engine
from flowkit.cache.current import Current
from flowkit.cache.key import compute_entry_key
from flowkit.cache.reuse import Found, ReuseDecision, decide_reuse
from flowkit.engine.foreseen import Foreseen
from flowkit.engine.keys import Clock, KeyedNode
from flowkit.engine.presence import describe_damage, verify_presence
from flowkit.errors import LostArtifactError
from flowkit.fingerprint.observed import ObservedDigests
from flowkit.graph.graph import is_among
from flowkit.records import Artifact, Digest, Entry, LatestSuccess, Output, Reason, StepOptions
from flowkit.store.base import Store

if TYPE_CHECKING:
    from flowkit.cache.content import Contents, ListingOf
    from flowkit.cache.reason import Miss
    from flowkit.engine.contents import Inputs

_Decided = tuple[ReuseDecision, Entry | None]
"""What was decided on a node, and the result that this store has for it, usable or not."""

_NOTHING_FOUND = ReuseDecision()

_WORTH_ASKING = (None, Reason.LOST, Reason.EXPIRED)
"""The decisions that a remote's result may change: nothing is here, or nothing that still counts."""

MOST_DESCRIBED = 200
"""Of how many nodes a run or plan says what differs in their data: each costs a read of what they took then."""

NameSet = Sequence[tuple[str, str]]
"""(kind, name) of what an execution read undeclared."""


IsGone = Callable[[str], bool]
"""Whether there is no project code any more behind `module:qualified name`; only the project's can be gone."""


class History(Protocol):
    """What the lineage store knows of earlier runs."""

    def inputs_of(self, executions: Sequence[int], /) -> Mapping[int, Inputs]:
        """Return what each execution took."""
        ...

    def find_entries(self, keys: Sequence[Digest], /) -> Mapping[Digest, Entry]:
        """Return the newest result under each key that has one."""
        ...

    def keys_of_last_run(self, pipeline: str, /) -> Sequence[Digest]:
        """Return the keys of what the last ended run of a pipeline used."""
        ...

    def find_uncached(self, keys: Sequence[Digest], /) -> Mapping[Digest, Entry]:
        """Return the newest success under each key, whether or not it was kept for reuse."""
        ...

    def observed_names(self, keys: Sequence[Digest], /) -> Mapping[Digest, Sequence[NameSet]]:
        """Return the sets of names that executions under each key read undeclared, the latest first."""
        ...

    def find_entries_at(self, entry_keys: Sequence[Digest], /) -> Mapping[Digest, Entry]:
        """Return the result that stands under each entry key that has one."""
        ...

    def failed_keys(self, keys: Sequence[Digest], /) -> Collection[Digest]:
        """Return those keys under which an attempt failed."""
        ...

    def latest_successes(self, pipeline: str, nodes: Sequence[str], /) -> Mapping[str, LatestSuccess]:
        """Return the latest success of each node that has one."""
        ...

    def dropped_on(self, digests: Sequence[Digest], /) -> Mapping[Digest, str]:
        """Return the UTC date on which a collection dropped each of these artifacts that it did."""
        ...


class Lookup(Struct, frozen=True):
    """What was decided on a node.

    Attributes:
        entry: The result to reuse, its artifacts verified; None where the node runs.
        found: The result that this store has but cannot reuse: what a new one supersedes.
        miss: Why the node runs; None where it is reused.
    """

    keyed: KeyedNode
    entry: Entry | None
    found: Entry | None
    miss: Miss | None


class Finder(Protocol):
    """Decides on nodes whose inputs are known."""

    def find(self, nodes: Sequence[KeyedNode], /) -> list[Lookup]:
        """Decide on each node."""
        ...


class Lookups:
    """Looks up the nodes of one run or plan.

    Args:
        history: Earlier runs.
        store: Where artifacts are checked before they are promised.
        pipeline: Whose latest successes a miss is explained against.
        forced: Nodes that run whatever there is.
        now: The clock.
        restamp: Told of an artifact whose files had changed and were hashed again, so that the next run need not.
        ask_remote: Gives other machines' results under keys that this store has nothing usable for, their artifacts
            verified.
        observed: Gives the digests of undeclared inputs as they are now.
        listing: Gives the files of folders that came in.
        spared: Nodes that run only where they must: their latest result does although they are declared cache=False.
        is_gone: Whether there is no project code any more behind a name that a stored value bears.
        warn: Told of a result that is damaged.
    """

    def __init__(
        self,
        history: History,
        store: Store,
        pipeline: str,
        forced: Collection[str],
        now: Clock,
        restamp: Callable[[Artifact], None],
        ask_remote: Callable[[Sequence[Digest]], Mapping[Digest, Entry]],
        observed: ObservedDigests,
        listing: ListingOf,
        spared: Collection[str] = (),
        is_gone: IsGone = lambda name: False,
        warn: Callable[[str], None] = lambda text: None,
    ) -> None:
        self._history = history
        self._store = store
        self._pipeline = pipeline
        self._forced = forced
        self._now = now
        self._restamp = restamp
        self._ask_remote = ask_remote
        self._observed = observed
        self._spared = spared
        self._is_gone = is_gone
        self._warn = warn
        self._listing = listing
        self._described = 0
        self._doubted: set[Digest] = set()
        self._foreseen = Foreseen(history, pipeline)

    def doubt(self, artifacts: Iterable[Digest]) -> None:
        """Believe no stamp of artifacts of which a part turned out to be damaged: other parts may be too."""
        self._doubted.update(artifacts)

    def find(self, nodes: Sequence[KeyedNode], /) -> list[Lookup]:
        """Decide on each node, with one query for all of them."""
        entries = self._find_entries([node.key for node in nodes])
        spared = [node.key for node in nodes if is_among(node.name, self._spared) and not _options(node).cache]
        entries.update(self._history.find_uncached(spared) if spared else {})
        decided = [self._decide(node, entries.get(node.key)) for node in nodes]
        decided = self._decide_with_remote(nodes, decided)
        missed = [node for node, (decision, _) in zip(nodes, decided, strict=True) if decision.entry is None]
        misses = self.explain(missed, {node.name: decision for node, (decision, _) in zip(nodes, decided, strict=True)})
        return [
            Lookup(node, decision.entry, found, misses.get(node.name))
            for node, (decision, found) in zip(nodes, decided, strict=True)
        ]

    def _find_entries(self, keys: Sequence[Digest]) -> dict[Digest, Entry]:
        """Return the newest result under each key for which all that it read undeclared is now as it was then."""
        newest = self._foreseen.find(keys)
        doubtful = [key for key, entry in newest.items() if entry.entry_key != compute_entry_key(key)]
        if not doubtful:
            return newest
        candidates = {
            key: [compute_entry_key(key, self._observed.observe(names)) for names in sets] + [compute_entry_key(key)]
            for key, sets in self._history.observed_names(doubtful).items()
        }
        standing = self._history.find_entries_at([entry_key for some in candidates.values() for entry_key in some])
        for key in doubtful:
            matching = [standing[entry_key] for entry_key in candidates.get(key, ()) if entry_key in standing]
            if matching:
                newest[key] = matching[0]
            else:
                del newest[key]
        return newest

    def explain(self, nodes: Sequence[KeyedNode], decisions: Mapping[str, ReuseDecision]) -> dict[str, Miss]:
        """Explain why each of these nodes runs.

        Args:
            nodes: Nodes that are not reused.
            decisions: What was decided on them; a node that is absent was simply not found.
        """
        if not nodes:
            return {}
        latest = self._history.latest_successes(self._pipeline, [node.name for node in nodes])
        failed = self._history.failed_keys([node.key for node in nodes])
        misses: dict[str, Miss] = {}
        for node in nodes:
            name = node.name
            decision, success = decisions.get(name, _NOTHING_FOUND), latest.get(name)
            misses[name] = cache.explain_miss(
                decision.reason,
                failed_before=node.key in failed,
                latest=success,
                current=self._current(node, success),
                gone=decision.gone,
                dropped=decision.dropped,
                is_ahead=decision.is_ahead,
            )
        return self._tell_data(nodes, misses, latest)

    def _tell_data(
        self, nodes: Sequence[KeyedNode], misses: dict[str, Miss], latest: Mapping[str, LatestSuccess]
    ) -> dict[str, Miss]:
        """Say what differs in the data of nodes that run on its account."""
        changed = [node for node in nodes if misses[node.name].reason is Reason.INPUT]
        changed = changed[: MOST_DESCRIBED - self._described]
        self._described += len(changed)
        executions = {node.name: latest[node.name].execution for node in changed}
        inputs = self._history.inputs_of([found for found in executions.values() if found is not None])
        for node in changed:
            before = inputs.get(executions[node.name] or 0, ())
            data_of = engine.compare_inputs(self._contents, before, node.inputs)
            misses[node.name] = cache.with_data(misses[node.name], data_of)
        return misses

    @cached_property
    def _contents(self) -> Contents:
        return engine.open_contents(self._store, self._listing)

    def _current(self, node: KeyedNode, latest: LatestSuccess | None) -> Current:
        """Return what a node's key is made of, with what its latest success read undeclared as that is now."""
        if latest is None or not latest.observed:
            return node.current
        names = [(item.kind, item.name) for item in latest.observed]
        return replace(node.current, observed=self._observed.observe(names))

    def _decide(self, node: KeyedNode, entry: Entry | None) -> _Decided:
        options = _options(node)
        if is_among(node.name, self._spared):
            options = replace(options, cache=True)
        forced = is_among(node.name, self._forced)
        present = None if entry is None or forced or not options.cache else self._verified(entry, node.name)
        decision = decide_reuse(
            Found(present or entry, present is not None, self._gone(present), self._dropped(entry, present)),
            options,
            forced=forced,
            uncacheable=node.current.code.uncacheable is not None,
            now=self._now(),
        )
        return decision, entry

    def _decide_with_remote(self, nodes: Sequence[KeyedNode], decided: Sequence[_Decided]) -> list[_Decided]:
        """Decide again on what this store cannot give, by what the remote has."""
        asked = {
            node.key: None
            for node, (decision, _) in zip(nodes, decided, strict=True)
            if decision.entry is None and decision.reason in _WORTH_ASKING
        }
        shared = self._ask_remote(list(asked)) if asked else {}
        if not shared:
            return list(decided)
        again: list[_Decided] = []
        for node, (decision, found) in zip(nodes, decided, strict=True):
            entry = shared.get(node.key) if decision.entry is None else None
            if entry is not None and _gives_what_it_should(entry, node):
                shared_one = Found(entry, gone=self._gone(entry))
                new = decide_reuse(shared_one, _options(node), forced=False, uncacheable=False, now=self._now())
                decision = new if new.entry is not None else decision
            again.append((decision, found))
        return again

    def gone_names(self, artifacts: Iterable[Artifact]) -> tuple[str, ...]:
        """Return the project's code that artifacts name and that is no longer there: they cannot be loaded without."""
        return find_gone(artifacts, self._is_gone)

    def _gone(self, entry: Entry | None) -> tuple[str, ...]:
        return self.gone_names(output.artifact for output in entry.outputs) if entry is not None else ()

    def _dropped(self, entry: Entry | None, present: Entry | None) -> str | None:
        """Return when a collection dropped a result that is not there."""
        if entry is None or present is not None:
            return None
        emptied = [output.artifact.digest for output in entry.outputs if not self._is_held(output.artifact)]
        return max(self._history.dropped_on(emptied).values(), default=None) if emptied else None

    @staticmethod
    def _is_held(artifact: Artifact) -> bool:
        return artifact.inline is not None or bool(artifact.files)

    def _verified(self, entry: Entry, name: str) -> Entry | None:
        """Return the entry with artifacts that are there and right; None where one is not."""

        def tell(error: LostArtifactError) -> None:
            self._warn(describe_damage(f"What {name!r} gave", error.facts))

        outputs = []
        for output in entry.outputs:
            doubted = output.artifact.digest in self._doubted
            artifact = verify_presence(self._store, output.artifact, tell, doubted=doubted)
            if artifact is None:
                return None
            if artifact is not output.artifact:
                self._restamp(artifact)
            outputs.append(Output(output.name, artifact))
        if all(new.artifact is old.artifact for new, old in zip(outputs, entry.outputs, strict=True)):
            return entry
        return replace(entry, outputs=tuple(outputs))


def _gives_what_it_should(entry: Entry, node: KeyedNode) -> bool:
    """Whether the outputs that another machine's record names are those of the step."""
    step = node.bound.prepared.step
    names = tuple(output.name for output in entry.outputs)
    if step.unpacks:
        return names == tuple(str(index) for index in range(len(names)))
    return names == tuple(output.name for output in step.outputs)


def find_gone(artifacts: Iterable[Artifact], is_gone: IsGone) -> tuple[str, ...]:
    """Return the names in stored values behind which there is no code any more."""
    names = dict.fromkeys(name for artifact in artifacts for name in artifact.refers)
    return tuple(name for name in names if is_gone(name))


def _options(node: KeyedNode) -> StepOptions:
    return node.bound.prepared.step.options


def no_sharing(keys: Sequence[Digest]) -> Mapping[Digest, Entry]:
    """Find nothing: where there is no remote."""
    return {}
