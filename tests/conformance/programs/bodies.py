"""Bodies of functions: statements of every kind of the language around uses of other definitions.

Every body takes a number `x`, keeps a number `total`, and returns one. No statement raises, grows without bound or
depends on anything but `x`, so a program can be run as well as fingerprinted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tests.conformance.programs.choices import Choices

Statement = Callable[[Choices, str], list[str]]
INDENT = "    "


def body(c: Choices, uses: Sequence[str], low: int = 1, high: int = 3) -> list[str]:
    """Return the indented lines of a function body with each use in it once, and some statements without."""
    lines = [f"total = x * {c.number()}"]
    for use in uses:
        lines += c.pick(WITH_USE)(c, use)
    for _ in range(c.count(low, high)):
        lines += c.pick(ALONE)(c, "x")
    lines.append(c.pick(ENDINGS).format(n=c.number()))
    return indented(lines)


def indented(lines: Sequence[str], depth: int = 1) -> list[str]:
    """Return lines further to the right."""
    return [INDENT * depth + line if line else line for line in lines]


ENDINGS = ("return math.fmod(total, 97.0)", "return float(total % 89)", "return round(total - {n}, 6)")


def _plain(c: Choices, use: str) -> list[str]:
    return [f"total {c.pick(['+', '-'])}= {use}"]


def _conditional(c: Choices, use: str) -> list[str]:
    return [
        f"if x {c.pick(['>', '<=', '!=', '<', '>='])} {c.number()} {c.pick(['and', 'or'])} not total == {c.number()}:",
        f"    total += {use}",
        f"elif total < {c.number()}:",
        f"    total -= {c.number()}",
        "else:",
        f"    total = {use} + {c.number()}",
    ]


def _ternary(c: Choices, use: str) -> list[str]:
    return [f"total += {use} if total > {c.number()} else {c.number()}"]


def _comprehension(c: Choices, use: str) -> list[str]:
    shown = [
        f"total += sum([{use} * i for i in range({c.integer()}) if i % 2 == 1 and i < 2])",
        f"total += len({{i: {use} for i in range(2)}}) + {c.number()}",
        f"total += max(({use} - i for i in range(1, 3)), default={c.number()})",
        f"total += len({{{use}, {c.number()}}})",
    ]
    return [c.pick(shown)]


def _nested(c: Choices, use: str) -> list[str]:
    name = c.name("inner")
    return [
        f"def {name}(y, z={c.number()}, *, w={c.number()}):",
        f"    return y * z - w + {use}",
        "",
        f"total += {name}(total, w={c.number()})",
    ]


def _lambda(c: Choices, use: str) -> list[str]:
    name = c.name("pick")
    return [f"{name} = lambda y, z={c.number()}: y + z - {use}", f"total = {name}(total)"]


def _tried(c: Choices, use: str) -> list[str]:
    return [
        "try:",
        f"    total += {{'a': {c.number()}}}[{c.pick(['a', 'b'])!r}]",
        f"except {c.pick(['(KeyError, IndexError)', 'KeyError', 'LookupError'])} as error:",
        f"    total += {use} + len(str(error))",
        "else:",
        f"    total -= {c.number()}",
        "finally:",
        f"    total += {use if c.chance(30) else c.number()}",
    ]


def _with(c: Choices, use: str) -> list[str]:
    return [f"with contextlib.suppress({c.pick(['ValueError', 'KeyError'])}, OSError):", f"    total += {use}"]


def _matched(c: Choices, use: str) -> list[str]:
    shown = [
        [
            f"match int(total) % {c.integer()}:",
            f"    case 0 | {c.integer()}:",
            f"        total += {use}",
            f"    case n if n > {c.integer()}:",
            f"        total -= {use}",
            "    case _:",
            f"        total += {c.number()}",
        ],
        [
            f"match ('kind', {use}, {c.number()}):",
            f"    case ({c.text()}, _, _):",
            f"        total += {c.number()}",
            "    case (str(kind), float() | int() as n, *rest):",
            f"        total += n + len(kind) * {c.integer()} + len(rest)",
        ],
        [
            f"match {{'k': {use}, 'm': {c.text()}}}:",
            f"    case {{'k': n, 'm': {c.text()}}}:",
            f"        total += n * {c.integer()}",
            "    case {'k': n, **others}:",
            f"        total -= n + len(others) * {c.integer()}",
        ],
    ]
    return c.pick(shown)


def _formatted(c: Choices, use: str) -> list[str]:
    return [f"total += len(f'''{{{use}:.{c.integer()}f}} of {{total!r:>{c.integer()}}} {c.pick(['kg', 'm', 'no'])}''')"]


def _walrus(c: Choices, use: str) -> list[str]:
    return [f"if (found := {use}) > {c.number()}:", f"    total += found * {c.number()}"]


def _generator(c: Choices, use: str) -> list[str]:
    name = c.name("produce")
    return [
        f"def {name}(n):",
        f"    yield {use}",
        f"    yield from (n, {c.number()})",
        "",
        f"total += sum({name}(total))",
    ]


def _nonlocal(c: Choices, use: str) -> list[str]:
    name = c.name("raise_it")
    return [
        f"kept = {c.number()}",
        f"def {name}():",
        "    nonlocal kept",
        f"    kept += {use}",
        "",
        f"{name}()",
        f"total {c.pick(['+', '-'])}= kept",
    ]


def _local_class(c: Choices, use: str) -> list[str]:
    name = c.name("Local")
    return [
        f"class {name}:",
        f"    size = {c.number()}",
        "    def get(self):",
        f"        return self.size + {use}",
        "",
        f"total += {name}().get()",
    ]


def _chained(c: Choices, use: str) -> list[str]:
    return [f"total += {use} if {c.number()} < x <= {c.integer()} else -{use}"]


def _loop(c: Choices, _: str) -> list[str]:
    return [
        f"for index, item in enumerate(({c.number()}, {c.number()}, {c.text()})):",
        f"    if index == {c.integer()} or isinstance(item, {c.pick(['str', 'float'])}):",
        f"        {c.pick(['break', 'continue'])}",
        f"    total += item {c.pick(['*', '+', '-'])} index",
        "else:",
        f"    total -= {c.number()}",
    ]


def _while(c: Choices, _: str) -> list[str]:
    return [f"left = {c.integer()}", "while left > 0:", "    left -= 1", f"    total += left * {c.number()}"]


def _mathematics(c: Choices, use: str) -> list[str]:
    name = c.pick(["sin", "cos", "atan", "tanh", "floor"])
    return [f"total += math.{name}({use}) {c.pick(['+', '-', '*'])} {c.number()}"]


def _containers(c: Choices, _: str) -> list[str]:
    shown = [
        f"total += len([{c.text()}, *'abc', {c.number()}][{c.integer() - 2}:])",
        f"total += {{'one': {c.number()}, **{{'two': {c.number()}}}}}.get({c.pick(['one', 'two', 'six'])!r}, 0)",
        f"total += sum(sorted(({c.number()}, {c.number()}, {c.number()}), key=lambda v: -v)[:2])",
        f"total += len({c.text()}.upper() + {c.text()}.strip() * {c.integer()})",
        f"total += (1 if {c.number()} in ({c.number()}, {c.number()}) else 0)",
        f"total += len(bytes({c.integer()}) + b'ab') if x is not None else {c.number()}",
        f"total += max({c.number()}, min(x, {c.number()}))",
        f"total += int.from_bytes(b'\\x01', {c.pick(['big', 'little'])!r}) * {c.integer()}",
        f"total += divmod({c.integer()}, {c.integer()})[{c.count(0, 1)}]",
    ]
    return [c.pick(shown)]


def _unpacked(c: Choices, _: str) -> list[str]:
    return [f"first, *others = ({c.number()}, {c.number()}, {c.number()})", "total += first - len(others)"]


def _two_lambdas(c: Choices, _: str) -> list[str]:
    return [f"up, down = (lambda y: y + {c.number()}), (lambda y: y - {c.number()})", "total = down(up(total))"]


def _asserted(c: Choices, _: str) -> list[str]:
    return [f"assert x > -{c.integer()}000, {c.text()}"]


def _bits(c: Choices, _: str) -> list[str]:
    return [
        f"total += (int(x) {c.pick(['&', '|', '^', '<<', '>>'])} {c.integer()}) {c.pick(['//', '%'])} {c.integer()}"
    ]


def _keyworded(c: Choices, _: str) -> list[str]:
    return [f"total += float(dict(a={c.number()}, b={c.number()})[{c.pick(['a', 'b'])!r}])"]


ALONE: tuple[Statement, ...] = (
    _mathematics, _loop, _while, _containers, _unpacked, _two_lambdas, _asserted, _bits, _keyworded,
    _conditional, _comprehension, _matched, _tried, _formatted, _nested, _chained,
)  # fmt: skip
WITH_USE: tuple[Statement, ...] = (
    _plain, _conditional, _ternary, _comprehension, _nested, _lambda, _tried, _with, _matched, _formatted, _walrus,
    _generator, _nonlocal, _local_class, _chained, _mathematics,
)  # fmt: skip
