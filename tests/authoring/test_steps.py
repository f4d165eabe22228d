"""Steps: what can be one, how a call binds, and that a step is a plain function outside of a pipeline."""

from __future__ import annotations

import dataclasses
import pickle
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

import flowkit as fk
from flowkit.errors import ArgumentError, StepDefinitionError

if TYPE_CHECKING:
    from decimal import Decimal


class Halves(NamedTuple):
    low: int
    high: int


@dataclasses.dataclass(frozen=True)
class Named:
    left: int
    right: float

    def __post_init__(self) -> None:
        self.left + self.right  # would fail on handles


@fk.step
def double(number: int, times: int = 1) -> int:
    return number * 2 * times


@fk.step
def halves(number: int) -> Halves:
    return Halves(number // 2, number - number // 2)


@fk.step
def named(number: int) -> Named:
    return Named(number, 0.5)


@fk.step
def pair(number: int) -> tuple[int, str]:
    return double(number), str(number)


def test_a_step_outside_of_a_pipeline_just_calls_the_function() -> None:
    """A unit test calls a step like the function that it is, and steps call steps."""
    assert double(3) == 6
    assert pair(2) == (4, "2")
    assert double.__name__ == "double"


def test_a_step_is_pickled_by_its_name() -> None:
    """Unpickling gives the very object of the module, so a step has one identity."""
    assert pickle.loads(pickle.dumps(double)) is double


def build(body: Callable[[], Any]) -> list[str]:
    return list(fk.pipeline(name="built")(body).build({}).nodes)


def test_calls_are_named_after_their_step() -> None:
    """`train`, `train#2`, `train[0]`, `train#2[0]`, and a name of one's own."""

    def body() -> None:
        first = double(1)
        double(first)
        mapped = double(fk.each([1, 2]))
        double.named("other")(mapped)

    assert build(body) == ["double", "double#2", "double#3[0]", "double#3[1]", "other[0]", "other[1]"]


def test_several_outputs_keep_the_shape_of_the_return_annotation() -> None:
    """A tuple unpacks, a NamedTuple and a dataclass are read by field, also of a mapped step."""

    def body() -> None:
        low, high = halves(1)
        number, _ = pair(low)
        double(halves(number).high, times=high)
        double(named(2).left)
        many = halves(fk.each([1, 2]))
        double(many.low)

    assert build(body)[-4:] == ["halves#3[0]", "halves#3[1]", "double#3[0]", "double#3[1]"]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: double(), "needs 'number'"),
        (lambda: double(1, 2, 3), "takes 2 arguments, but 3 were given"),
        (lambda: double(1, tmes=2), "has no parameter 'tmes'"),
        (lambda: double(1, number=2), "is given 'number' twice"),
    ],
)
def test_a_call_that_does_not_bind_is_refused(call: Callable[[], Any], message: str) -> None:
    """Unknown, missing, repeated and surplus arguments are errors while the pipeline is built."""
    with pytest.raises(ArgumentError, match=message):
        build(lambda_pipeline(call))


def lambda_pipeline(call: Callable[[], Any]) -> Callable[[], Any]:
    def body() -> None:
        call()

    return body


def test_an_unknown_argument_comes_with_the_nearest_name() -> None:
    """The hint says what was probably meant."""
    with pytest.raises(ArgumentError) as caught:
        build(lambda_pipeline(lambda: double(1, tmes=2)))
    assert caught.value.hint == "did you mean 'times'?"


def two_of_one_name() -> tuple[Any, Any]:
    def one() -> Any:
        @fk.step
        def twin(number: int) -> int:
            return number

        return twin

    return one(), one()


def test_two_different_steps_of_one_name_are_refused() -> None:
    """The message gives both places and the way out."""
    first, second = two_of_one_name()

    def body() -> None:
        first(1)
        second(2)

    with pytest.raises(fk.FlowkitError, match="Two different steps called 'twin'") as caught:
        build(body)
    assert "named" in caught.value.hint


def unannotated(number) -> int:  # type: ignore[no-untyped-def]
    return number


def without_return(number: int):  # type: ignore[no-untyped-def]
    return number


async def awaited(number: int) -> int:
    return number


def generated(number: int) -> Iterator[int]:
    yield number


def starred(*numbers: int) -> int:
    return sum(numbers)


class Holder:
    def method(self, number: int) -> int:
        return number


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (unannotated, "no annotation for parameter 'number'"),
        (without_return, "no annotation for the return value"),
        (awaited, "an async function"),
        (generated, "a generator"),
        (starred, "every parameter needs a name"),
        (Holder.method, "a method"),
        (3, "a int"),
    ],
)
def test_what_cannot_be_a_step_is_refused_by_name(function: Any, message: str) -> None:
    """Not annotated, async, a generator, a method, starred: refused at the decorator, before anything runs."""
    with pytest.raises(StepDefinitionError, match=message) as caught:
        fk.step(function)
    assert caught.value.hint


def test_an_annotation_only_for_type_checkers_is_refused() -> None:
    """A name that exists only under TYPE_CHECKING cannot be checked or stored by."""

    @fk.step
    def priced(amount: Decimal) -> int:
        return int(amount)

    with pytest.raises(StepDefinitionError, match="'Decimal', which does not exist") as caught:
        build(lambda_pipeline(lambda: priced(1)))
    assert "import 'Decimal'" in caught.value.hint


@pytest.mark.parametrize(
    "options",
    [
        {"timeout": "ten"},
        {"retries": -1},
        {"retries": True},
        {"retry_delay": "-1s"},
        {"backoff": 0.5},
        {"memory": "2 parsecs"},
        {"tags": "x"},
        {"cache": 1},
        {"cpus": 0},
        {"retry": 1},
    ],
)
def test_an_option_that_does_not_fit_is_refused(options: dict[str, Any]) -> None:
    """A bad value or an unknown option of `@step` is named with what would fit."""
    with pytest.raises(StepDefinitionError, match=next(iter(options))) as caught:
        fk.step(**options)
    assert caught.value.hint


def test_options_are_read_with_their_units() -> None:
    """Durations become seconds and sizes bytes."""

    @fk.step(retries=2, retry_delay="250ms", timeout="10m", max_age="24h", memory="2GB", tags=("slow",), env=("TZ",))
    def heavy() -> int:
        return 1

    options = heavy.options
    assert (options.retry_delay, options.timeout, options.max_age, options.memory) == (0.25, 600, 86400, 2 * 10**9)
    assert (options.tags, options.env) == (("slow",), ("TZ",))
