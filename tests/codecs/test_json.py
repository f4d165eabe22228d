"""JSON by exact type: what reads back, what differs, what is refused."""

from __future__ import annotations

import dataclasses
import enum
import json
import math
import typing
from collections import OrderedDict, defaultdict, namedtuple
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, NamedTuple, NewType, TypedDict, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pydantic
import pytest

from flowkit.authoring.types import Metrics
from flowkit.codecs.base import Encoded, digest_payload
from flowkit.codecs.json import JsonCodec
from flowkit.codecs.json_writer import ForeignValueError
from flowkit.errors import CodecError
from tests.codecs.memory_stored import MemoryStored
from tests.codecs.round_trip import NOWHERE
from tests.ids import stable_id

CODEC = JsonCodec()
T = TypeVar("T")


class Colour(enum.Enum):
    RED = 1
    BLUE = "b"


class Level(enum.IntEnum):
    LOW = 1


class Mode(enum.StrEnum):
    FAST = "fast"


class Right(enum.Flag):
    READ = 1
    WRITE = 2


class Point(NamedTuple):
    x: float
    y: float


@dataclass
class Split:
    name: str
    shares: tuple[float, ...]
    colour: Colour = Colour.RED
    rest: Split | None = None


@dataclass(frozen=True, slots=True)
class Frozen:
    value: float


@dataclass
class Box(Generic[T]):
    inside: T


@dataclass
class Twin:
    value: float


@dataclass
class Base:
    a: int


@dataclass
class Derived(Base):
    b: int = 0


@dataclass
class Lazy:
    a: int

    @cached_property
    def double(self) -> int:
        return 2 * self.a


@dataclass
class Hidden:
    a: int

    def __post_init__(self) -> None:
        self.secret = 1


class Settings(pydantic.BaseModel):
    rate: float
    layers: list[int] = [1]
    point: Point | None = None


class Open(pydantic.BaseModel, extra="allow"):
    a: int
    _seen: int = 0


class Doubling(pydantic.BaseModel):
    a: int

    @pydantic.field_validator("a")
    @classmethod
    def double(cls, value: int) -> int:
        return 2 * value


class Options(TypedDict):
    depth: int
    rate: float


Old = namedtuple("Old", "a b")
Identifier = NewType("Identifier", int)


def trip(value: Any, hint: Any = Any, consumer: Any = None) -> Any:
    encoded = CODEC.encode(value, hint)
    return CODEC.decode(MemoryStored(encoded), hint if consumer is None else consumer, NOWHERE)


def text_of(value: Any, hint: Any = Any) -> str:
    return bytes(CODEC.encode(value, hint).payload).decode()


def stored_text(text: str) -> MemoryStored:
    payload = text.encode()
    return MemoryStored(Encoded("json", digest_payload("json", payload), payload, ".json"))


VALUES = [
    (None, None),
    (True, bool),
    (0, int),
    (-(2**70), int),
    (2**2048 - 1, int),
    (2**2048, int),
    (0.1, float),
    (1e300, float),
    (5e-324, float),
    (float("inf"), float),
    (float("-inf"), float),
    (1 + 2j, complex),
    (complex(-0.0, float("inf")), complex),
    ("", str),
    ('quote " back \\ slash \n \x00 {"$tuple":[1]}', str),
    ("\u00e9 e\u0301", str),
    ("lone \ud800 surrogate, pair \ud83d\ude00", str),
    ([], list),
    ([1, [2.0, "3"], None], list),
    ((), tuple),
    ((1, (2,)), tuple[int, tuple[int]]),
    ({}, dict),
    ({"a": 1, "b": [True]}, dict),
    ({1: "a", "1": "b", (1, 2): "c", None: "d"}, dict),
    ({"$tuple": [1]}, dict),
    ({"$tuple": [1], "b": 2}, dict),
    ({"a": {"$x": {"$": 1}}}, dict),
    ({1, 2, "3", (4,)}, set),
    (frozenset({"a", "b"}), frozenset[str]),
    ({frozenset({1}), frozenset({2})}, set),
    (b"\x00\xff", bytes),
    (bytearray(b"ab"), bytearray),
    (date(2024, 2, 29), date),
    (datetime(2024, 1, 1, 12, 30, 1, 5), datetime),
    (datetime(2024, 1, 1, tzinfo=UTC), datetime),
    (datetime(2024, 10, 27, 2, 30, tzinfo=ZoneInfo("Europe/Madrid"), fold=1), datetime),
    (datetime(2024, 1, 1, tzinfo=timezone(timedelta(hours=-3), "here")), datetime),
    (datetime.min, datetime),
    (time(23, 59, 59, 999999, tzinfo=UTC), time),
    (timedelta(days=-1, microseconds=1), timedelta),
    (Decimal("1.10"), Decimal),
    (Decimal("-0E+7"), Decimal),
    (Decimal("Infinity"), Decimal),
    (Fraction(-1, 3), Fraction),
    (UUID(int=7), UUID),
    (Colour.BLUE, Colour),
    (Level.LOW, Level),
    (Mode.FAST, Mode),
    (Right.READ | Right.WRITE, Right),
    (Right(0), Right),
    ({Mode.FAST: 1}, dict[Mode, int]),
    (Colour.RED, Literal[Colour.RED]),
    ([Point(1.0, 2.0)], list[Point]),
    (Old(1, "x"), Old),
    (Split("a", (0.1, 0.9), Colour.BLUE, Split("b", ())), Split),
    (Frozen(0.0), Annotated[Frozen, "unit"]),
    ({Frozen(1.0): 1}, dict[Frozen, int]),
    (Box(Frozen(1.0)), Box[Frozen]),
    ([Base(1), Derived(1, 2)], list[Base | Derived]),
    (Settings(rate=0.5, point=Point(1.0, 2.0)), Settings),
    (Settings(rate=0.5), Settings | None),
    (Open(a=1, z={"$z": 1}), Open),
    (Doubling(a=2), Doubling),
    ({"depth": 1, "rate": 0.5}, Options),
    (Identifier(3), Identifier),
    (Metrics(b=2.0, a=1.0), Metrics),
    ({"fold": Metrics(a=0.5)}, dict[str, Metrics]),
]


@pytest.mark.parametrize(("value", "hint"), VALUES, ids=stable_id)
def test_a_value_reads_back_as_it_was(value: Any, hint: Any) -> None:
    """decode(encode(x)) equals x, of exactly its type, and encodes to the same bytes again."""
    back = trip(value, hint)
    assert back == value
    assert type(back) is type(value)
    assert CODEC.encode(back, hint) == CODEC.encode(value, hint)


NESTED_TYPES = [([1, True, 1.0, "1"], [int, bool, float, str]), ([(1,), [1], {1}], [tuple, list, set])]


@pytest.mark.parametrize(("value", "types"), NESTED_TYPES)
def test_types_inside_containers_are_kept(value: list[Any], types: list[type]) -> None:
    """Equal values of different types stay apart inside containers."""
    assert [type(item) for item in trip(value, list)] == types


APART = [
    (1, True),
    (1, 1.0),
    (1, "1"),
    (0.0, -0.0),
    (None, "null"),
    (0, False),
    ((1, 2), [1, 2]),
    ([1], {1}),
    ({1}, frozenset({1})),
    ({"1": 2}, {1: 2}),
    ({1: 2}, {True: 2}),
    ({"a": 1}, [["a", 1]]),
    (("ab", "c"), ("a", "bc")),
    ((1, 1), (11,)),
    ([[1], [2]], [[1, 2]]),
    (b"a", bytearray(b"a")),
    (b"a", "a"),
    ("\u00e9", "e\u0301"),
    (Decimal("1.0"), Decimal("1.00")),
    (datetime(2024, 1, 1), datetime(2024, 1, 1, tzinfo=UTC)),
    (datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 1, tzinfo=ZoneInfo("UTC"))),
    (datetime(2024, 1, 1, fold=0), datetime(2024, 1, 1, fold=1)),
    (date(2024, 1, 1), datetime(2024, 1, 1)),
    (Frozen(1.0), Twin(1.0)),
    (Mode.FAST, "fast"),
    (Level.LOW, 1),
    (Point(1.0, 2.0), (1.0, 2.0)),
    (Metrics(a=1.0), {"a": 1.0}),
    ({"$tuple": [1]}, (1,)),
    (float("inf"), "inf"),
]


@pytest.mark.parametrize(("one", "other"), APART, ids=stable_id)
def test_what_differs_in_type_or_value_differs_in_digest(one: Any, other: Any) -> None:
    """Values that Python may call equal, or that a careless text makes alike, have digests of their own."""
    hint = Frozen | Twin | Mode | Level | Point
    assert CODEC.encode(one, hint).digest != CODEC.encode(other, hint).digest
    assert CODEC.encode([one], hint).digest != CODEC.encode([other], hint).digest


def test_order_of_insertion_does_not_count() -> None:
    """Dicts and sets encode the same whatever order they were filled in, and dicts are received sorted."""
    one, other = {"b": 1, "a": 2, "c": {3, 1}}, {"c": {1, 3}, "a": 2, "b": 1}
    assert text_of(one) == text_of(other)
    assert list(trip(one)) == ["a", "b", "c"]
    assert text_of({2: "b", 1: "a"}) == text_of({1: "a", 2: "b"})


def test_shared_references_and_interning_do_not_count() -> None:
    """A value used twice encodes as two equal values do."""
    part, made = [1], "".join(["ab", "cd"])
    assert text_of([part, part]) == text_of([[1], [1]])
    assert text_of([made, "abcd"]) == text_of(["abcd", "abcd"])


def test_nan_is_one_value_whatever_its_bits() -> None:
    """NaN encodes equal to itself, negative NaN included, and reads back as NaN."""
    assert text_of([math.nan]) == text_of([float("-nan")]) == '[{"$float":"nan"}]'
    assert math.isnan(trip(math.nan, float))


def test_nan_keys_do_not_depend_on_insertion_order() -> None:
    """Keys that are written alike are ordered by their values."""
    one, other = float("nan"), float("nan")
    assert text_of({one: 1, other: 2}) == text_of({other: 2, one: 1})


def test_metrics_are_floats_sorted_by_name() -> None:
    """Metrics are stored as an object of floats by name, whole numbers included."""
    assert text_of(Metrics(b=1, a=math.nan), Metrics) == '{"$metrics":{"a":{"$float":"nan"},"b":1.0}}'


NUMPY = [
    (np.float64(0.5), float, 0.5),
    (np.float32(0.5), float, 0.5),
    (np.int64(3), int, 3),
    (np.int64(3), float, 3.0),
    (np.int64(3), int | float, 3),
    (np.float64(3), complex, 3 + 0j),
    (np.bool_(True), bool, True),
    (np.uint64(2**64 - 1), Any, 2**64 - 1),
    (np.str_("a"), str, "a"),
    ([np.int64(1), np.float64(2)], list[float], [1.0, 2.0]),
    ((np.int64(1), np.int64(1)), tuple[int, float], (1, 1.0)),
    ({"a": np.int8(1)}, dict[str, float], {"a": 1.0}),
    ({np.int64(1): "a"}, dict[int, str], {1: "a"}),
    ({np.str_("k"): 1}, dict[str, int], {"k": 1}),
    ({np.str_("a"), np.str_('"')}, set[str], {"a", '"'}),
    (Frozen(np.int64(1)), Frozen, Frozen(1.0)),
    (Settings.model_construct(rate=np.float64(1)), Settings, Settings(rate=1.0)),
]


def shown(value: Any) -> str:
    """The value's text, which tells types apart; a set has no order of its own."""
    return repr(sorted(value)) if isinstance(value, set) else repr(value)


@pytest.mark.parametrize(("value", "hint", "expected"), NUMPY, ids=stable_id)
def test_numpy_scalars_become_the_annotated_number(value: Any, hint: Any, expected: Any) -> None:
    """A numpy number is stored as the Python number that the annotation admits, and stays that."""
    back = trip(value, hint)
    assert back == expected
    assert shown(back) == shown(expected)
    assert text_of(value, hint) == text_of(back, hint)


class Text(str):
    pass


REFUSED = [
    (Text("a"), Any, "itself"),
    (OrderedDict(a=1), dict, "itself"),
    ([defaultdict(int)], list, "[0]"),
    ({"a": {"b": [0, object()]}}, dict, "['a']['b'][1]"),
    ((1, range(3)), tuple, "[1]"),
    (np.datetime64("2024"), Any, "itself"),
    (np.timedelta64(1, "ns"), int, "itself"),
    (np.float64(1), np.float64, "numpy type"),
    ([np.float32(1)], list[np.float32], "[0]"),
    (pd.Timestamp("2024"), datetime, "itself"),
    (Path("x"), Path, "file"),
    (Frozen(1.0), Any, "annotation does not name"),
    ([Derived(1)], list[Base], "[0]"),
    (Hidden(1), Hidden, "'secret' is not a field"),
    (Frozen, Any, "itself"),
    (lambda: 1, Any, "itself"),
]


@pytest.mark.parametrize(("value", "hint", "shown"), REFUSED, ids=stable_id)
def test_what_json_cannot_hold_is_refused_with_its_place(value: Any, hint: Any, shown: str) -> None:
    """Subclasses, unknown objects and classes that the annotation does not name are refused, never written as text."""
    with pytest.raises(ForeignValueError, match="cannot be stored as JSON") as caught:
        CODEC.encode(value, hint)
    assert shown in str(caught.value)


def test_a_zone_without_a_key_is_refused() -> None:
    """A time zone that cannot be named is not stored as an offset in its stead."""

    class Zone(ZoneInfo):
        pass

    with pytest.raises(ForeignValueError, match="ZoneInfo"):
        CODEC.encode(datetime(2024, 1, 1, tzinfo=Zone("UTC")), datetime)


def test_a_cycle_or_very_deep_nesting_is_refused() -> None:
    """What would not end, or depends on how much stack is left, is refused at a fixed depth."""
    cycle: list[Any] = []
    cycle.append(cycle)
    deep: list[Any] = []
    for _ in range(90):
        deep = [deep]
    assert trip(deep, list) == deep
    with pytest.raises(ForeignValueError, match="nested"):
        CODEC.encode(cycle, list)


def test_cached_properties_are_left_out() -> None:
    """A computed property that a class keeps beside its fields does not count."""
    used = Lazy(2)
    assert used.double == 4
    assert text_of(used, Lazy) == text_of(Lazy(2), Lazy)


def test_pydantic_models_keep_what_was_set_and_are_not_validated_again() -> None:
    """Extra and private values and the set of given fields survive; validators do not run on a value twice."""
    model = Open(a=1, more=[1, 2])
    model._seen = 5
    back = trip(model, Open)
    assert (back.more, back._seen, back.model_fields_set) == ([1, 2], 5, {"a", "more"})
    assert trip(Settings(rate=1.0), Settings).model_dump(exclude_unset=True) == {"rate": 1.0}
    assert trip(Doubling(a=2), Doubling).a == 4


def test_classes_come_from_the_consumers_annotation() -> None:
    """A stored class is found through unions, containers and base classes of the consumer; `Any` names none."""
    assert trip(Derived(1, 2), Derived, consumer=Base | None) == Derived(1, 2)
    assert trip([Frozen(1.0)], list[Frozen], consumer=typing.Sequence[Frozen | Twin]) == [Frozen(1.0)]
    for consumer in (Any, object, dict, Twin):
        with pytest.raises(CodecError, match="Frozen cannot be read as"):
            trip(Frozen(1.0), Frozen, consumer=consumer)


def test_a_name_in_the_text_is_never_imported() -> None:
    """A payload that names any class or function of any module gets none of them."""
    for name in ("os:system", "subprocess:Popen", "builtins:eval", "pathlib:Path", "tests.codecs.test_json:Frozen"):
        for tag in ("$dataclass", "$namedtuple", "$enum", "$flag"):
            with pytest.raises(CodecError, match="cannot be read"):
                CODEC.decode(stored_text(json.dumps({tag: [name, {"value": 1}]})), Any, NOWHERE)


def test_a_class_that_moved_is_found_by_its_qualified_name() -> None:
    """A result survives its class being moved to another module."""
    stored = stored_text('{"$dataclass":["notebook:Frozen",{"value":1.0}]}')
    assert CODEC.decode(stored, Frozen, NOWHERE) == Frozen(1.0)


CHANGED = [
    ('{"$dataclass":["m:Frozen",{"value":1.0,"unit":"s"}]}', Frozen, "no longer has unit"),
    ('{"$dataclass":["m:Frozen",{}]}', Frozen, "now has value"),
    ('{"$enum":["m:Colour","GREEN"]}', Colour, "no member 'GREEN'"),
    ('{"$namedtuple":["m:Frozen",{"value":1.0}]}', Frozen, "another kind"),
]


@pytest.mark.parametrize(("text", "hint", "shown"), CHANGED)
def test_a_class_that_changed_is_reported(text: str, hint: Any, shown: str) -> None:
    """Stored fields that no longer fit are never dropped or filled in."""
    with pytest.raises(CodecError, match="does not fit") as caught:
        CODEC.decode(stored_text(text), hint, NOWHERE)
    assert shown in str(caught.value)


DAMAGED = ["", "{", "nul", '{"$nope":1}', '{"$set":[[1]]}', '{"$int":"x"}', '{"$float":"1e5"}', '{"$dict":[1]}',
           '{"$datetime":["2024-01-01T00:00:00",0,"No/Zone"]}', '{"$datetime":["x",0,"../../etc/passwd"]}',
           '{"$bytes":"!"}', '{"$dataclass":1}', '{"$decimal":"x"}', '{"$model":[]}', '{"$path":{}}']  # fmt: skip


@pytest.mark.parametrize("text", DAMAGED)
def test_damaged_text_is_one_clear_error(text: str) -> None:
    """Content that does not follow the format is a CodecError, whatever is wrong with it."""
    with pytest.raises(CodecError, match="does not follow its format"):
        CODEC.decode(stored_text(text), Any, NOWHERE)


def test_annotations_that_do_not_resolve_count_as_any() -> None:
    """A class whose field names a type unknown at run time is still stored by its own class."""
    made = dataclasses.make_dataclass("Made", [("a", "NoSuchName"), ("b", int, field(default=1))])
    assert trip(made(2), made) == made(2)
