"""Functions that cannot be steps or pipelines, and options that do not fit."""

from __future__ import annotations

from tests.errors.golden import Case

_END = """

@fk.pipeline
def shop() -> None:
    count()
"""


def _option(name: str, option: str) -> Case:
    return Case(
        f"option-{name}",
        f"""

@fk.step({option})
def count() -> int:
    return 1
{_END}""",
    )


def _step(name: str, step: str) -> Case:
    return Case(name, f"\n\n{step.strip()}\n{_END}")


STEPS = (
    _step("missing-annotation", "@fk.step\ndef count(rows) -> int:\n    return 1"),
    _step("missing-return-annotation", "@fk.step\ndef count(rows: int):\n    return 1"),
    _step(
        "type-checking-only",
        """from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from decimal import Decimal


@fk.step
def count(price: "Decimal") -> int:
    return 1""",
    ),
    _step("annotation-typo", '@fk.step\ndef count(price: "Decimle") -> int:\n    return 1'),
    _step("annotation-not-python", '@fk.step\ndef count(price: "list[") -> int:\n    return 1'),
    _step("async-step", "@fk.step\nasync def count() -> int:\n    return 1"),
    _step("generator-step", "@fk.step\ndef count() -> int:\n    yield 1"),
    _step("async-generator-step", "@fk.step\nasync def count() -> int:\n    yield 1"),
    _step(
        "method-step",
        "class Shop:\n    @fk.step\n    def count(self) -> int:\n        return 1\n\n\ncount = Shop.count",
    ),
    _step("lambda-step", "count = fk.step(lambda: 1)"),
    _step("class-step", "@fk.step\nclass count:\n    pass"),
    _step("builtin-step", "count = fk.step(len)"),
    _step("star-arguments", "@fk.step\ndef count(*rows: int) -> int:\n    return 1"),
    _step("positional-only", "@fk.step\ndef count(rows: int, /) -> int:\n    return 1"),
    Case("async-pipeline", "\n\n@fk.pipeline\nasync def shop() -> None:\n    pass\n"),
    Case("pipeline-annotation", "\n\n@fk.pipeline\ndef shop(rows) -> None:\n    pass\n"),
    Case("unsafe-pipeline-name", '\n\n@fk.pipeline(name="../shop")\ndef shop() -> None:\n    pass\n'),
    _option("retries", "retries=-1"),
    _option("retries-huge", "retries=-" + "9" * 600),
    _option("timeout", 'timeout="10x"'),
    _option("memory", 'memory="2XB"'),
    _option("cpus", "cpus=0"),
    _option("cache", 'cache="no"'),
    _option("tags", 'tags="nightly"'),
    _option("env", 'env="TZ"'),
    _option("backoff", "backoff=0.5"),
    _option("resources", "resources=3"),
    _option("resources-value", 'resources={"gpu": "one"}'),
    _option("unknown", "retry=3"),
)
