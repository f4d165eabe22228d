"""What differs, in a person's names: parts of code, places inside values, content of artifacts. Tables of cases."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd
import pytest
from msgspec.structs import replace

from flowkit.cache.arguments import selection_in
from flowkit.cache.code_changes import compare_code
from flowkit.cache.content import Contents, Retyped, TableChange, compare_listings, compare_stored_tables
from flowkit.cache.current import Current
from flowkit.cache.inner import MOST_DIFFERENCES, differences_in_json, differences_in_texts
from flowkit.cache.reason import Change, Miss, compare, verb_of, with_data
from flowkit.cache.wording import describe_data, describe_table_change
from flowkit.codecs.registry import CodecRegistry
from flowkit.codecs.tables_manifest import TableDifference
from flowkit.errors import LostArtifactError
from flowkit.records import (
    ArgumentKind,
    ArgumentPart,
    Artifact,
    CodeFingerprint,
    CodePart,
    EnvironmentFingerprint,
    KeyParts,
    LatestSuccess,
    ObservedInput,
    Reason,
)

A, B = "a" * 64, "b" * 64
OWN = CodePart("m:train", "ast", A, "def train(): clean()")
CLEAN = CodePart("h:clean", "ast", A, "def clean(): return RATE", "m:train")
RATE = CodePart("h:RATE", "value", A, "2", "h:clean")
SIGNATURE = CodePart("signature", "value", A, "x: int", "m:train")
PARTS = (OWN, CLEAN, SIGNATURE, RATE)


def changed(part: CodePart, **fields: str | None) -> CodePart:
    return replace(part, digest=B, **fields)


@pytest.mark.parametrize(
    ("after", "labels", "path"),
    [
        ((OWN, CLEAN, SIGNATURE, changed(RATE, source="3")), ["constant h:RATE"], ("train", "h:clean", "h:RATE")),
        ((OWN, changed(CLEAN, source="def clean(): 1"), SIGNATURE, RATE), ["helper h:clean"], ("train", "h:clean")),
        ((changed(OWN, source="def train(): 1"), CLEAN, SIGNATURE, RATE), ["m:train"], ("train",)),
        ((OWN, CLEAN, changed(SIGNATURE, source="x: str"), RATE), ["signature"], ("train", "signature")),
        ((OWN, CLEAN, SIGNATURE), ["constant h:RATE"], ("train", "h:clean", "h:RATE")),
        ((OWN, CLEAN, SIGNATURE, RATE, replace(RATE, name="h:NEW")), ["constant h:NEW"], ("train", "h:clean", "h:NEW")),
        ((OWN, CLEAN, SIGNATURE, changed(RATE, source="3", via=None)), ["constant h:RATE"], None),
        ((OWN, CLEAN, SIGNATURE, changed(RATE, source="3", via="nowhere")), ["constant h:RATE"], None),
    ],
    ids=["value", "helper", "own", "signature", "gone", "new", "no way recorded", "damaged way"],
)
def test_a_part_is_told_by_what_it_is_and_how_it_is_reached(
    after: tuple[CodePart, ...], labels: list[str], path: tuple[str, ...] | None
) -> None:
    """The way leads from the step, in today's code or, for what is gone, in that of then."""
    found = compare_code(CodeFingerprint(A, PARTS), CodeFingerprint(B, after), "train")
    assert [change.label for change in found] == labels
    assert found[0].path == path


def test_the_most_telling_change_comes_first() -> None:
    """Texts before values before what is new before what only refers to another thing now."""
    after = (
        changed(OWN),
        changed(CLEAN, source="def clean(): return 2 * RATE"),
        SIGNATURE,
        changed(RATE, source="3"),
        CodePart("h:more", "ast", B, "def more(): ...", "h:clean"),
    )
    found = compare_code(CodeFingerprint(A, PARTS), CodeFingerprint(B, after), "train")
    assert [change.label for change in found] == ["helper h:clean", "constant h:RATE", "helper h:more", "m:train"]
    assert found[-1].note == "its text is the same: what it refers to, or was made with, is not"


def test_a_helper_with_another_name_is_one_change() -> None:
    """A function that was renamed or moved is not told as one that is new and one that is gone."""
    tidy = replace(CLEAN, name="other:tidy", digest=B, source="def tidy(): return RATE")
    after = (changed(OWN, source="def train(): tidy()"), tidy, SIGNATURE, replace(RATE, via="other:tidy"))
    found = compare_code(CodeFingerprint(A, PARTS), CodeFingerprint(B, after), "train")
    assert [change.label for change in found] == ["m:train", "helper other:tidy"]
    assert found[1].note == "it was called h:clean, and its text is otherwise the same"


def test_a_helper_that_moved_and_changed_is_one_change() -> None:
    """A module that was renamed and edited is told by the edit; what only moved along is not told."""
    moved = changed(replace(CLEAN, name="n:clean"), source="def clean(): return RATE + 1")
    after = (changed(OWN), moved, SIGNATURE, replace(RATE, name="n:RATE", via="n:clean"))
    found = compare_code(CodeFingerprint(A, PARTS), CodeFingerprint(B, after), "train")
    assert [change.label for change in found] == ["helper n:clean", "m:train"]
    assert (found[0].before, found[0].after) == (CLEAN.source, "def clean(): return RATE + 1")
    assert found[0].note == "it moved here from h"


def test_parts_of_one_name_in_several_modules_are_not_guessed_at() -> None:
    """Which of two functions of one name moved cannot be told: they are new and gone."""
    other = replace(CLEAN, name="k:clean", source="def clean(): return 7")
    moved = changed(replace(CLEAN, name="n:clean"), source="def clean(): return 8")
    found = compare_code(
        CodeFingerprint(A, (*PARTS, other)), CodeFingerprint(B, (OWN, moved, SIGNATURE, RATE)), "train"
    )
    assert {change.label for change in found} == {"helper n:clean", "helper h:clean", "helper k:clean"}


@pytest.mark.parametrize(
    ("name", "basis", "verb"),
    [("h:RATE", "value", "is no longer read"), ("h:clean", "ast", "is no longer reached")],
)
def test_what_a_step_leaves_out_may_still_be_there(name: str, basis: str, verb: str) -> None:
    """A constant or helper that the step does not come to any more is not said to be gone."""
    part = next(part for part in PARTS if part.name == name)
    assert part.basis == basis
    after = CodeFingerprint(B, tuple(other for other in PARTS if other is not part))
    environment = EnvironmentFingerprint(A)
    before = LatestSuccess("run", A, _key(A, ""), CodeFingerprint(A, PARTS), environment)
    changes = compare(before, Current(_key(A, ""), after, environment))
    assert verb_of(changes[0]) == verb


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("{'a': 1, 'b': {'c': [1, 2]}}", "{'a': 1, 'b': {'c': [1, 3]}}", [("o['b']['c'][1]", "2", "3")]),
        ("{'a': 1}", "{'a': 1, 'b': (1, 2)}", [("o['b']", None, "(1, 2)")]),
        ("Config(rate=3, name='x')", "Config(rate=4, name='x')", [("o.rate", "3", "4")]),
        ("[Config(rate=3)]", "[]", [("o[0]", "Config(rate=3)", None)]),
        ("{'ä': 'é'}", "{'ä': 'è'}", [("o['ä']", "'é'", "'è'")]),
        ("1.0", "2.0", None),
        ("[1]", "2", None),
        ("<object at 0x1>", "{}", None),
        ("{'a': <object>}", "{'a': 1}", None),
    ],
)
def test_the_place_inside_a_parameter_is_named(before: str, after: str, expected: list[object] | None) -> None:
    """A `repr` is parsed, never run; what does not read as Python has no inside."""
    found = differences_in_texts("o", before, after)
    assert (found and [(item.name, item.before, item.after) for item in found.first]) == expected


def test_a_text_that_would_do_harm_is_only_read() -> None:
    """What a value calls itself is data: nothing in it is evaluated."""
    found = differences_in_texts("o", "[__import__('os').system('false')]", "[2]")
    assert found is not None
    assert found.first[0].before == "__import__('os').system('false')"


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("3", "4", [("", "3", "4")]),
        ('{"x":[1,2]}', '{"x":[1,3]}', [("['x'][1]", "2", "3")]),
        ('{"$metrics":{"accuracy":0.5}}', '{"$metrics":{"accuracy":0.75}}', [("['accuracy']", "0.5", "0.75")]),
        ('{"$dataclass":["m:C",{"a":1}]}', '{"$dataclass":["m:C",{"a":2}]}', [(".a", "1", "2")]),
        ('{"$decimal":"1.5"}', '{"$decimal":"1.6"}', [("", "Decimal('1.5')", "Decimal('1.6')")]),
        ('{"$dict":[[1,"a"]]}', '{"$dict":[[1,"b"]]}', [("[1]", "'a'", "'b'")]),
        ('{"$enum":["m:C","A"]}', '{"$enum":["m:C","B"]}', [("", "m:C.A", "m:C.B")]),
    ],
)
def test_the_place_inside_a_json_value_is_named(before: str, after: str, expected: list[object]) -> None:
    """The encoding's tags are not shown to people."""
    found = differences_in_json("", before.encode(), after.encode())
    assert [(item.name, item.before, item.after) for item in found.first] == expected


def test_many_differences_are_counted_and_the_first_told() -> None:
    """A list of thousands of numbers does not flood an explanation."""
    found = differences_in_json("", json.dumps([1] * 5000).encode(), json.dumps([2] * 5000).encode())
    assert (found.count, len(found.first)) == (5000, MOST_DIFFERENCES)


def artifacts(text: str) -> list[Artifact]:
    """Return a JSON artifact for each letter: equal letters are equal content."""
    return [Artifact(letter * 64, "json", 1, letter.encode()) for letter in text]


@pytest.mark.parametrize(
    ("before", "after", "places", "words"),
    [
        ("1", "2", [0], "1 → 2"),
        ("123", "143", [1], "1 of 3 elements, [1] with 2 → 4"),
        ("123", "0123", [0], "3 elements → 4"),
        ("123", "12", [2], "3 elements → 2"),
        ("1223", "1233", [2], "1 of 4 elements, [2] with 2 → 3"),
        ("12", "34", [0, 1], "2 of 2 elements, [0] with 1 → 3"),
        ("12", "12", [], "the same content, with other code behind what it names"),
    ],
)
def test_the_elements_of_a_list_are_compared_in_their_places(
    before: str, after: str, places: list[int], words: str
) -> None:
    """What both lists begin and end with is the same, so an element at the front does not change all others."""
    contents = Contents(lambda artifact: artifact.inline or b"", lambda digest: None)
    found = contents.compare(artifacts(before), artifacts(after))
    assert [content.place for content in found.contents] == places
    assert found.differing == len(places)
    assert describe_data(found, "", "") == words


def test_the_code_is_named_that_the_same_content_brings_along() -> None:
    """Where an object is the one it was and the code of its class is not, the class is told; libraries are not."""
    model = Artifact(A, "pickle", 3, b"...", refers=("models:Mean", "collections:OrderedDict", "numpy:ndarray"))
    found = Contents(lambda artifact: b"", lambda digest: None).compare([model], [model])
    assert describe_data(found, "train (0)", "train (0)") == "the same content, with other code behind models:Mean"
    assert describe_data(found, "train (0)", "[train (0)]") == "the same content in another structure"


def test_content_that_is_gone_is_said_to_be_gone() -> None:
    """Of a side that the store has lost only its size is known."""

    def load(artifact: Artifact) -> bytes:
        raise LostArtifactError("gone")

    before, after = (Artifact(digest, "table", size) for digest, size in ((A, 10), (B, 12)))
    found = Contents(load, lambda digest: None).compare([before], [after])
    assert found.contents[0].lost
    assert describe_data(found, "", "") == "10 bytes → 12, and the content is gone"


def test_the_files_of_a_folder_are_compared_by_name() -> None:
    """Added, removed and changed; nothing is said where a listing was not kept."""
    found = compare_listings({"a": (A, 1), "b": (A, 1), "c": (A, 1)}, {"a": (A, 1), "b": (B, 1), "d": (A, 1)})
    assert found is not None
    assert (found.added, found.removed, found.changed) == (("d",), ("c",), ("b",))
    assert compare_listings(None, {}) is None


ROWS, OTHER_ROWS = (1000, 1000), (1000, 1020)
NAMES = ("a", "b", "c", "d")


@pytest.mark.parametrize(
    ("rows", "fields", "dtypes", "words"),
    [
        (ROWS, {"changed": ("a",)}, (), "column a differs (table of 1,000 rows)"),
        (ROWS, {"changed": ("a", "b")}, (), "columns a, b differ (table of 1,000 rows)"),
        (ROWS, {"changed": NAMES}, (), "all 4 columns differ (table of 1,000 rows)"),
        (ROWS, {"changed": ("a",), "added": ("c", "d"), "removed": ("e",)}, (),
         "column a differs; columns c, d added; column e removed (table of 1,000 rows)"),
        (ROWS, {"changed": ("a",)}, (Retyped("a", "int64", "float64"),),
         "column a (int64 → float64) differs (table of 1,000 rows)"),
        (ROWS, {"reordered": True}, (), "columns in another order (table of 1,000 rows)"),
        (ROWS, {"index_changed": True}, (), "another index (table of 1,000 rows)"),
        (ROWS, {"facts_changed": True}, (), "what it is besides its columns (table of 1,000 rows)"),
        (OTHER_ROWS, {"changed": NAMES, "index_changed": True}, (), "1,000 rows → 1,020"),
        (OTHER_ROWS, {"changed": NAMES}, (Retyped("b", "int", "str"),),
         "column b (int → str) differs (1,000 rows → 1,020)"),
        (OTHER_ROWS, {"changed": NAMES[:3], "added": ("d",)}, (), "column d added (1,000 rows → 1,020)"),
    ],
)  # fmt: skip
def test_a_table_is_told_in_a_phrase(
    rows: tuple[int, int], fields: dict[str, Any], dtypes: tuple[Retyped, ...], words: str
) -> None:
    """Columns by name, unless all of them changed because there are other rows."""
    none: dict[str, Any] = {"added": (), "removed": (), "changed": ()}
    flags = {"reordered": False, "index_changed": False, "facts_changed": False}
    columns = TableDifference(**(none | flags | fields))
    assert describe_table_change(TableChange(rows, columns, dtypes, len(NAMES))) == words


def test_a_column_whose_values_were_counted_is_told_by_their_number() -> None:
    """Nobody reads the rows of the table as the rows that differ."""
    columns = TableDifference((), (), ("a",), reordered=False, index_changed=False, facts_changed=False)
    counted = TableChange(ROWS, columns, (), len(NAMES), (("a", 1),))
    assert describe_table_change(counted) == "1 of 1,000 values of column a"


def _manifest(**columns: object) -> bytes:
    frame = pd.DataFrame(columns)
    return bytes(CodecRegistry("allow").choose(frame, pd.DataFrame).encode(frame, pd.DataFrame).payload)


@pytest.mark.parametrize(
    ("shown", "changed", "count"),
    [
        ("load (0123456789ab): fare, tips", ("fare",), 2),
        ("[load (0123456789ab)]: fare", ("fare",), 1),
        ("load (0123456789ab): fare, oth.*", ("fare", "others"), 2),
        ("load (0123456789ab)", ("fare", "others"), 3),
        ("load (0123456789ab): tips, …", ("fare", "others"), 3),
    ],
)
def test_only_the_columns_that_count_are_told(shown: str, changed: tuple[str, ...], count: int) -> None:
    """Behind a filtering contract other columns are no reason; a text that was cut hides none."""
    before = _manifest(fare=[1, 2], tips=[1, 1], others=[1, 1])
    after = _manifest(fare=[1, 3], tips=[1, 1], others=[2, 2])
    found = compare_stored_tables(before, after, selection_in(shown))
    assert found is not None
    assert (found.columns.changed, found.count) == (changed, count)


def _key(digest: str, shown: str) -> KeyParts:
    return KeyParts("train", A, A, (ArgumentPart("C", digest, ArgumentKind.PARAMETER, shown),))


@pytest.mark.parametrize(
    ("before", "after", "note"),
    [
        ("Config(1)", "Config(1)", "its text is the same: the code of its class is not"),
        ("x" * 2000, "x" * 2000, "it differs beyond the text that is kept"),
        ("1", "2", None),
    ],
)
def test_a_parameter_that_reads_the_same_says_why_it_differs(before: str, after: str, note: str | None) -> None:
    """Nobody is shown `x → x` without a word."""
    environment = EnvironmentFingerprint(A)
    latest = LatestSuccess("run", A, _key(A, before), CodeFingerprint(A, ()), environment)
    (change,) = compare(latest, Current(_key(B, after), CodeFingerprint(A, ()), environment))
    assert change.note == note


@pytest.mark.parametrize(
    ("name", "note"),
    [("conf/rates.json", "its name stands in h:clean"), ("rates.js", None), ("other.csv", None)],
)
def test_where_something_read_undeclared_is_named(name: str, note: str | None) -> None:
    """Who reads a file is looked for among the texts of the code: a name, not a part of one."""
    reading = replace(CLEAN, source='def clean(): return open("conf/rates.json")')
    code, environment = CodeFingerprint(A, (OWN, reading)), EnvironmentFingerprint(A)
    then, now = (ObservedInput("file", name, digest) for digest in (A, B))
    before = LatestSuccess("run", A, _key(A, ""), code, environment, (then,))
    (change,) = compare(before, Current(_key(A, ""), code, environment, (now,)))
    assert change.note == note


def test_only_inputs_that_are_on_both_sides_are_looked_into() -> None:
    """Content is loaded for nothing else: neither for parameters nor for inputs that are new."""
    asked: list[Change] = []
    changes = (
        Change(Reason.PARAMETER, "C", "1", "2"),
        Change(Reason.INPUT, "rows", "a", "b"),
        Change(Reason.INPUT, "more", None, "b"),
    )
    with_data(Miss(Reason.PARAMETER, "C: 1 → 2", changes), asked.append)  # type: ignore[func-returns-value]
    assert [change.name for change in asked] == ["rows"]
