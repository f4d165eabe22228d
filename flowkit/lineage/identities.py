"""The integer ids behind words, runs and code: looked up, or made where they are new.

What was looked up is remembered until `forget`, which must follow a rollback or another process's commit.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Hashable

from flowkit.errors import NotRecordedError
from flowkit.lineage.texts import clean_text, to_bytes, to_json
from flowkit.records import CodeFingerprint, CodePart, EnvironmentFingerprint


class _Words(dict[str, int]):
    """Ids by text. Each node asks for a dozen, nearly all of them known: a dictionary answers fastest."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        super().__init__()
        self._connection = connection

    def __missing__(self, text: str) -> int:
        clean = (clean_text(text),)
        row = self._connection.execute("SELECT id FROM word WHERE text = ?", clean).fetchone()
        if row is None:
            known = self._connection.execute("INSERT INTO word (text) VALUES (?)", clean).lastrowid
            assert known is not None
        else:
            known = row[0]
        self[text] = known
        return known


class Identities:
    """Ids of one connection's database.

    Attributes:
        words: Of short texts that recur; one that is new is recorded as it is asked for.
        values: Of the arguments' values that recur, by digest, kind and text; `Batch` adds them.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.words = _Words(connection)
        self.values: dict[tuple[bytes, int, str], int] = {}
        self._connection = connection
        self._known: dict[Hashable, int] = {}
        self._runs: dict[str, tuple[int, int]] = {}

    def forget(self) -> None:
        """Drop what is remembered."""
        self.values.clear()
        self.words.clear()
        self._known.clear()
        self._runs.clear()

    def word(self, text: str) -> int:
        """Return the id of a short text that recurs."""
        return self.words[text]

    def run(self, run: str) -> tuple[int, int]:
        """Return the ids of a run and of its pipeline.

        Raises:
            NotRecordedError: It has not begun.
        """
        known = self._runs.get(run)
        if known is None:
            row = self._connection.execute("SELECT id, pipeline FROM run WHERE run = ?", (run,)).fetchone()
            if row is None:
                raise NotRecordedError.for_run(run, ())
            known = self._runs[run] = row
        return known

    def code(self, code: CodeFingerprint) -> int:
        """Return the id of a code fingerprint, recording its parts where it is new.

        Sources are those that were met first: a later text of the same digest differs in layout or comments only.
        """
        known = self._known.get(("code", code.digest))
        if known is None:
            digest = to_bytes(code.digest)
            known = self._find("SELECT id FROM code_fingerprint WHERE digest = ?", (digest,))
            if known is None:
                known = self._insert_code(digest, code)
            self._known["code", code.digest] = known
        return known

    def environment(self, environment: EnvironmentFingerprint) -> int:
        """Return the id of an environment fingerprint."""
        known = self._known.get(("environment", environment.digest))
        if known is None:
            digest = to_bytes(environment.digest)
            known = self._find("SELECT id FROM environment WHERE digest = ?", (digest,)) or self._insert(
                "INSERT INTO environment (digest, content) VALUES (?, ?)", (digest, to_json(dict(environment.values)))
            )
            self._known["environment", environment.digest] = known
        return known

    def _insert_code(self, digest: bytes, code: CodeFingerprint) -> int:
        identity = self._insert(
            "INSERT INTO code_fingerprint (digest, modules, distributions, uncacheable) VALUES (?, ?, ?, ?)",
            (digest, to_json(sorted(code.modules)), to_json(sorted(code.distributions)), code.uncacheable),
        )
        positions: dict[str | None, int] = {part.name: position for position, part in enumerate(code.parts)}
        self._connection.executemany(
            "INSERT INTO code_member (code, position, part, via) VALUES (?, ?, ?, ?)",
            [
                (identity, position, self._code_part(part), positions.get(part.via))
                for position, part in enumerate(code.parts)
            ],
        )
        return identity

    def _code_part(self, part: CodePart) -> int:
        row = (to_bytes(part.digest), clean_text(part.name), self.word(part.basis))
        return self._find("SELECT id FROM code_part WHERE digest = ? AND name = ? AND basis = ?", row) or self._insert(
            "INSERT INTO code_part (digest, name, basis, source) VALUES (?, ?, ?, ?)", (*row, clean_text(part.source))
        )

    def _find(self, statement: str, parameters: tuple[object, ...]) -> int | None:
        row: tuple[int] | None = self._connection.execute(statement, parameters).fetchone()
        return row[0] if row is not None else None

    def _insert(self, statement: str, parameters: tuple[object, ...]) -> int:
        identity = self._connection.execute(statement, parameters).lastrowid
        assert identity is not None
        return identity
