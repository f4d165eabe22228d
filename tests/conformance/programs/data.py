"""Globals that hold data: every kind of constant, containers of them, instances, and what running code computed."""

from __future__ import annotations

from tests.conformance.programs.builder import Builder
from tests.conformance.programs.choices import Choices
from tests.conformance.programs.model import Item

LENGTH = "len(str({ref}))"


def number(b: Builder, module: str) -> Item:
    """A number."""
    return _constant(b, module, "LIMIT", "number", b.c.number(), "{ref}")


def literal(b: Builder, module: str) -> Item:
    """A constant or a container of constants, nested."""
    return _constant(b, module, "DATA", "data", container(b.c, 2), LENGTH)


def container(c: Choices, depth: int) -> str:
    """Return the text of a constant, or of a container of them."""
    if depth == 0 or c.chance(25):
        return c.pick([c.number(), c.text(), "None", "True", "False", "1", "0.0", "b'ab'", "1j", "...", "-0.0", "1.0"])
    items = [container(c, depth - 1) for _ in range(c.count(1, 3))]
    keys = [f"{key!r}: {value}" for key, value in zip(("k", 1, ("a", 2)), items, strict=False)]
    flat = ", ".join(container(c, 0) for _ in range(c.count(1, 3)))
    return c.pick(
        [
            f"[{', '.join(items)}]",
            f"({', '.join(items)},)",
            f"{{{', '.join(keys)}}}",
            f"{{{flat}}}",
            f"frozenset({{{flat}}})",
        ]
    )


def known_kind(b: Builder, module: str) -> Item:
    """A value of the standard library's kinds."""
    c = b.c
    shown = [
        f"re.compile({c.pick(['a+', 'b*', '[cd]'])!r}, {c.pick(['re.I', 're.M', '0'])})",
        f"decimal.Decimal('{c.integer()}.{c.integer()}')",
        f"datetime.date(20{c.integer() + 10}, {c.integer()}, {c.integer()})",
        f"datetime.timedelta(days={c.integer()}, seconds={c.number()})",
        f"range({c.integer()}, 2{c.integer()}, {c.integer()})",
        f"slice({c.integer()}, None, {c.integer()})",
        f"operator.itemgetter({c.integer()}, {c.text()})",
        f"complex({c.number()}, {c.number()})",
        f"bytearray({c.integer()})",
        f"enum.Enum('Made', {{'A': {c.integer()}, 'B': {c.text()}}})",
        f"collections.namedtuple('Made', 'a b', defaults=({c.number()}, {c.text()}))",
        f"types.SimpleNamespace(a={c.number()}, b={c.text()})",
        f"types.MappingProxyType({{'a': {c.number()}}})",
        f"collections.OrderedDict(a={c.number()}, b={c.text()})",
        f"collections.deque([{c.number()}], {c.integer()})",
        f"collections.Counter(a={c.integer()})",
        f"operator.methodcaller('get', {c.integer()}, by={c.text()})",
        f"fractions.Fraction({c.integer()}, 1{c.integer()})",
        f"pathlib.PurePosixPath({c.text()}, 'b')",
    ]
    return _constant(b, module, "KNOWN", "known", c.pick(shown), LENGTH)


def derived(b: Builder, module: str) -> Item:
    """A container with other data of the module in it."""
    known = [item for item in b.known(module, ("number", "data")) if item.module == module]
    if not known:
        return literal(b, module)
    draft = b.draft(module, "MORE")
    source = b.c.pick(known).name
    line = b.c.pick(
        [f"{draft.name} = [{source}, {b.c.number()}]", f"{draft.name} = {{'of': {source}, 'n': {b.c.text()}}}"]
    )
    return b.add(draft, "data", [line], LENGTH, has_code=False)


def computed(b: Builder, module: str) -> Item:
    """What a function of the program gave when the module was imported: its value counts, not its making."""
    known = [item for item in b.known(module, ("factory",), importable=True) if item.module == module]
    draft = b.draft(module, "COMPUTED")
    c = b.c
    line = f"{draft.name} = [n * {c.number()} for n in range({c.integer()}) if n != {c.integer()}]"
    if known:
        line = f"{draft.name} = {c.pick(known).name}({c.number()}).__name__"
    return b.add(draft, "data", [line], LENGTH, has_code=False)


def instance(b: Builder, module: str) -> Item:
    """An instance of a class of the program."""
    known = b.known(module, ("class",), importable=True)
    if not known:
        return literal(b, module)
    draft = b.draft(module, "thing")
    target = b.c.pick(known)
    name = b.name_of(draft, target, in_function=False)
    lines = [f"{draft.name} = {name}({b.c.number()})"]
    use = "{ref}.total({arg})"
    if b.c.chance(30):
        # A bound method: its instance's state counts.
        lines = [f"{draft.name} = {name}({b.c.number()}).total"]
        use = "{ref}({arg})"
    return b.add(draft, "instance", lines, use, has_code=False)


def _constant(b: Builder, module: str, stem: str, kind: str, text: str, use: str) -> Item:
    draft = b.draft(module, stem)
    return b.add(draft, kind, [f"{draft.name} = {text}"], use, has_code=False)


MAKERS = (number, number, literal, literal, known_kind, derived, computed, instance)
