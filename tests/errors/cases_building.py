"""Pipelines whose bodies cannot be built: handles used as values, wrong calls, names, fan-out, promotions."""

from __future__ import annotations

from tests.errors.golden import Case

_STEPS = """

@fk.step
def load(rows: int = 3) -> int:
    return rows


@fk.step
def total(values: list[int]) -> int:
    return sum(values)


@fk.step
def add(left: int, right: int) -> int:
    return left + right


@fk.step
def measure(model: int) -> fk.Metrics:
    return fk.Metrics(accuracy=1.0)
"""


def _body(name: str, *lines: str, before: str = "", parameters: str = "", command: str = "") -> Case:
    body = "\n".join(f"    {line}" for line in lines)
    source = f"{before}{_STEPS}\n\n@fk.pipeline\ndef shop({parameters}) -> None:\n{body}\n"
    return Case(name, source, command or "check pipelines/shop.py:shop")


HANDLES = (
    _body("handle-equal", "rows = load()", "if rows == 3:", "    add(rows, 1)"),
    _body("handle-less", "rows = load()", "if rows < 3:", "    add(rows, 1)"),
    _body("handle-bool", "rows = load()", "if rows:", "    add(rows, 1)"),
    _body("handle-len", "rows = load()", "add(len(rows), 1)"),
    _body("handle-str", "rows = load()", "add(int(str(rows)), 1)"),
    _body("handle-f-string", "rows = load()", "print(f'{rows} rows')"),
    _body("handle-numpy", "import numpy as np", "rows = load()", "add(np.asarray(rows), 1)"),
    _body("handle-iteration", "for row in load():", "    add(row, 1)"),
    _body("handle-attribute", "rows = load()", "add(rows.count, 1)"),
    _body("handle-index", "rows = load()", "add(rows[0], 1)"),
    _body("handle-call", "rows = load()", "add(rows(), 1)"),
    _body("handle-int", "rows = load()", "add(int(rows), 1)"),
    _body("handle-hash", "rows = load()", "seen = {rows}", "add(rows, 1)"),
    _body("handle-add", "rows = load()", "add(rows + 1, 1)"),
    _body("handle-contains", "rows = load()", "if 3 in rows:", "    add(rows, 1)"),
    _body("handle-assign", "rows = load()", "rows.count = 3"),
    _body("handle-unpack", "left, right = load()", "add(left, right)"),
    _body("each-arithmetic", "rows = fk.each([1, 2])", "add(rows + 1, 1)"),
    _body("mapped-iteration", "for row in load(fk.each([1, 2])):", "    add(row, 1)"),
)

CALLS = (
    _body("unknown-input", "load(rowz=3)"),
    _body("unknown-input-far", "load(quantity=3)"),
    _body("missing-argument", "add(load())"),
    _body("too-many-arguments", "load(1, 2)"),
    _body("repeated-argument", "load(1, rows=2)"),
    _body("constant-type", "load('three')"),
    _body("constant-none", "load(None)"),
    _body("constant-nested", "total([1, 'two', 3])"),
    _body("constant-huge", "total(['x' * 5_000])"),
    _body("constant-huge-int", "total([10 ** 6_000, 'x'])"),
    _body("constant-holds-itself", "values: list = []", "values.append(values)", "total(values)"),
    _body(
        "constant-nested-deeply",
        "values: list = []",
        "for _ in range(5_000):",
        "    values = [values]",
        "total(values)",
    ),
    _body("unsafe-node-name", "load.named('../etc')()"),
    _body("long-node-name", "load.named('n' * 300)()"),
    _body("duplicate-node-name", "load.named('a')(1)", "add.named('a')(1, 2)"),
    Case(
        "duplicate-step-name",
        """

@fk.step
def load() -> int:
    return 1


first = load


@fk.step
def load() -> int:
    return 2


@fk.pipeline
def shop() -> None:
    first()
    load()
""",
    ),
    _body("two-each", "add(fk.each([1, 2]), fk.each([3, 4]))"),
    _body("each-of-text", "load(fk.each('abc'))"),
    _body("each-of-dict", "load(fk.each({'a': 1}))"),
    _body("each-of-number", "load(fk.each(3))"),
    _body("each-of-result", "load(fk.each(load()))"),
    _body("each-in-each", "load(fk.each(load(fk.each([1, 2]))))"),
    _body("each-wrong-element", "load(fk.each([1, 'two']))"),
    _body("collect-of-unmapped", "total(fk.collect(load()))"),
    _body("collect-of-value", "total(fk.collect([1, 2]))"),
    _body("collect-forgotten", "total(load(fk.each([1, 2])))"),
    _body(
        "promote-no-gates", "model = load()", "fk.promote(model, to='shop@champion', metrics=measure(model), gates=[])"
    ),
    _body(
        "promote-not-a-gate",
        "model = load()",
        "fk.promote(model, to='shop@champion', metrics=measure(model), gates=[0.9])",
    ),
    _body(
        "promote-no-alias",
        "model = load()",
        "fk.promote(model, to='shop', metrics=measure(model), gates=[fk.at_least('accuracy', 0.5)])",
    ),
    _body(
        "promote-value",
        "fk.promote(3, to='shop@champion', metrics=measure(load()), gates=[fk.at_least('accuracy', 0.5)])",
    ),
    _body("champion-name", "fk.champion('../shop', int)"),
    _body("gate-threshold", "fk.at_least('accuracy', load())"),
    _body("gate-tolerance", "fk.no_worse_than('accuracy', tolerance=-1)"),
    _body("gate-better", "fk.no_worse_than('accuracy', better='more')"),
    _body("gate-metric", "fk.at_least('', 0.5)"),
    _body("empty-pipeline", "pass"),
    _body("body-raises", "limits = {'low': 1}", "load(limits['high'])"),
    _body("cycle-of-pipelines", "again()", before="\n\n@fk.pipeline\ndef again() -> None:\n    shop()\n"),
    _body(
        "pipeline-called-outside", "load()", before="\n\n@fk.pipeline\ndef other() -> None:\n    load()\n\n\nother()\n"
    ),
    _body("champion-outside", "load()", before="\n\nmodel = fk.champion('shop', int)\n"),
    _body("parameter-type", "load(rows)", parameters="rows: int = 3", command="check pipelines/shop.py -p rows=three"),
    _body("parameter-unknown", "load(rows)", parameters="rows: int = 3", command="check pipelines/shop.py -p rosw=3"),
    _body("parameter-missing", "load(rows)", parameters="rows: int"),
    _body("parameter-form", "load(rows)", parameters="rows: int = 3", command="check pipelines/shop.py -p rows"),
    _body(
        "parameter-twice",
        "load(rows)",
        parameters="rows: int = 3",
        command="check pipelines/shop.py -p rows=1 -p rows=2",
    ),
    _body("parameter-default", "load(rows)", parameters="rows: int = 'three'"),
    _body(
        "parameter-huge", "load(rows)", parameters="rows: int", command=f"check pipelines/shop.py -p rows={'9' * 5_000}"
    ),
    _body(
        "parameter-nested-deeply",
        "total(rows)",
        parameters="rows: list[int]",
        command=f"check pipelines/shop.py -p rows={'[' * 5_000}{']' * 5_000}",
    ),
    _body(
        "inner-pipeline-parameter",
        "other(rows='three')",
        before="\n\n@fk.pipeline\ndef other(rows: int) -> None:\n    load(rows)\n",
    ),
    _body("select-unknown", "load()", command="plan pipelines/shop.py --select laod"),
)
