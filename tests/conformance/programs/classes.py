"""Classes in all their forms: members of every kind, bases, descriptors, metaclasses, dataclasses, enums, tuples."""

from __future__ import annotations

from tests.conformance.programs.bodies import indented
from tests.conformance.programs.builder import Builder, Draft
from tests.conformance.programs.data import container
from tests.conformance.programs.model import Item

TOTAL = "{ref}({arg}).total({arg})"


def plain(b: Builder, module: str) -> Item:
    """A class with members of every kind, and sometimes a base and a mixin of the program's own."""
    c = b.c
    draft = b.draft(module, "Box")
    bases = _bases(b, draft)
    members: list[list[str]] = [_method(b, draft, "total")]
    makers = (_property, _static, _class_method, _call, _operator, _cached_property, _class_data, _inner_class)
    makers += (_hook, _partial_method, _settable, _decorated)
    for maker in c.shuffled(makers)[: c.count(0, 3)]:
        members.append(maker(b, draft))
    inherited = ["        super().__init__()"] if c.chance(40) else []
    lines = [f"class {draft.name}{bases}:"]
    if c.chance(30):
        lines += ['    """Say what it holds."""', ""]
    lines += [f"    size = {c.number()}", f"    names = {container(c, 1)}", ""]
    lines += [
        "    def __init__(self, start=" + c.number() + "):",
        *inherited,
        f"        self.start = start + {c.number()}",
    ]
    for member in members:
        lines += ["", *indented(member)]
    return b.add(draft, "class", lines, TOTAL)


def _bases(b: Builder, draft: Draft) -> str:
    known = b.known(draft.module, ("class",), importable=True)
    names = []
    if known and b.c.chance(50):
        names.append(b.name_of(draft, b.c.pick(known), in_function=False))
    mixins = b.known(draft.module, ("mixin",), importable=True)
    if mixins and b.c.chance(50):
        names.insert(0, b.name_of(draft, b.c.pick(mixins), in_function=False))
    if not names and b.c.chance(20):
        names.append("abc.ABC")
    return f"({', '.join(names)})" if names else ""


def _method(b: Builder, draft: Draft, name: str, parameters: str = "self, x") -> list[str]:
    return [
        f"def {name}({parameters}):",
        *b.body(draft, 0, 1)[:-1],
        f"    return total + self.start * {b.c.number()} + self.size",
    ]


def _property(b: Builder, draft: Draft) -> list[str]:
    return ["@property", "def half(self):", f"    return self.start / {b.c.integer()}"]


def _static(b: Builder, draft: Draft) -> list[str]:
    return ["@staticmethod", f"def fixed(x, y={b.c.number()}):", *b.body(draft, 0, 1)]


def _class_method(b: Builder, draft: Draft) -> list[str]:
    return ["@classmethod", "def standard(cls):", f"    return cls({b.c.number()})"]


def _call(b: Builder, draft: Draft) -> list[str]:
    return [f"def __call__(self, x, *, by={b.c.number()}):", *b.body(draft, 0, 1)]


def _operator(b: Builder, draft: Draft) -> list[str]:
    name = b.c.pick(["__add__", "__mul__", "__lt__", "__getitem__"])
    return [f"def {name}(self, x):", f"    return self.start - x * {b.c.number()}"]


def _cached_property(b: Builder, draft: Draft) -> list[str]:
    return ["@functools.cached_property", "def lasting(self):", f"    return self.size {b.c.pick('+-')} {b.c.number()}"]


def _class_data(b: Builder, draft: Draft) -> list[str]:
    return [f"table = {container(b.c, 2)}"]


def _inner_class(b: Builder, draft: Draft) -> list[str]:
    return [
        "class Inner:",
        f"    width = {b.c.number()}",
        "",
        "    def get(self):",
        f"        return self.width * {b.c.number()}",
    ]


def _hook(b: Builder, draft: Draft) -> list[str]:
    known = b.known(draft.module, ("function", "recursive", "lambda", "decorated"), importable=True)
    if not known:
        return [f"hook = staticmethod(lambda x, y={b.c.number()}: x - y)"]
    return [f"hook = staticmethod({b.name_of(draft, b.c.pick(known), in_function=False)})"]


def _partial_method(b: Builder, draft: Draft) -> list[str]:
    return [f"at_once = functools.partialmethod(total, {b.c.number()})"]


def _settable(b: Builder, draft: Draft) -> list[str]:
    return [
        "@property",
        "def wide(self):",
        f"    return self.size + {b.c.number()}",
        "",
        "@wide.setter",
        "def wide(self, x):",
        f"    self.size = x * {b.c.number()}",
    ]


def _decorated(b: Builder, draft: Draft) -> list[str]:
    known = b.known(draft.module, ("decorator",), importable=True)
    if not known:
        return _property(b, draft)
    target = b.c.pick(known)
    outer, draft.reached = draft.reached, set()
    name = b.name_of(draft, target, in_function=False)
    draft.reached = outer | {f"{target.node}.inner"}
    return [f"@{name}", "def dressed(self, x=1):", f"    return x * {b.c.number()}"]


def mixin(b: Builder, module: str) -> Item:
    """A class without a constructor, to stand beside others."""
    draft = b.draft(module, "Mixin")
    lines = [
        f"class {draft.name}:",
        f"    extra = {b.c.number()}",
        "",
        "    def more(self, x):",
        *indented(b.body(draft, 0, 1)),
    ]
    return b.add(draft, "mixin", lines, "{ref}().more({arg})")


def data_class(b: Builder, module: str) -> Item:
    """A dataclass."""
    c = b.c
    draft = b.draft(module, "Row")
    options = c.pick(["", "(frozen=True)", "(order=True)", "(slots=True)", "(kw_only=True)", "(eq=False)"])
    lines = [
        f"@dataclasses.dataclass{options}",
        f"class {draft.name}:",
        f"    width: float = {c.number()}",
        f"    name: str = {c.text()}",
        f"    parts: list = dataclasses.field(default_factory=lambda: [{c.number()}, {c.number()}])",
        f"    hidden: int = dataclasses.field(default={c.integer()}, repr={c.pick([True, False])}, hash=None)",
        "",
        "    def total(self, x):",
        *indented(b.body(draft, 0, 1)[:-1]),
        f"        return total + self.width + len(self.parts) * {c.number()}",
    ]
    return b.add(draft, "dataclass", lines, "{ref}().total({arg})")


def enumeration(b: Builder, module: str) -> Item:
    """An enum, sometimes with a method."""
    c = b.c
    draft = b.draft(module, "Colour")
    base = c.pick(["enum.Enum", "enum.IntEnum", "enum.IntFlag"])
    lines = [f"class {draft.name}({base}):", f"    RED = {c.integer()}", f"    BLUE = 1{c.integer()}"]
    if c.chance(50):
        lines += ["", "    def scaled(self, x):", f"        return self.value * x + {c.number()}"]
    return b.add(draft, "enum", lines, f"{{ref}}.{c.pick(['RED', 'BLUE'])}.value")


def named_tuple(b: Builder, module: str) -> Item:
    """A named tuple with defaults and a method."""
    c = b.c
    draft = b.draft(module, "Pair")
    lines = [
        f"class {draft.name}(typing.NamedTuple):",
        f"    left: float = {c.number()}",
        f"    right: float = {c.number()}",
        "",
        "    def total(self, x):",
        f"        return self.left * x {c.pick('+-')} self.right",
    ]
    return b.add(draft, "namedtuple", lines, TOTAL)


def described(b: Builder, module: str) -> Item:
    """A class whose attribute is a descriptor of the program's own."""
    c = b.c
    draft, other = b.draft(module, "Seen"), b.draft(module, "Descriptor")
    lines = [
        f"class {other.name}:",
        f"    def __init__(self, by={c.number()}):",
        "        self.by = by",
        "",
        "    def __get__(self, owner, kind=None):",
        f"        return self.by * {c.number()}",
    ]
    b.add(other, "descriptor", lines, "")
    draft.reached.add(f"{module}:{other.name}")
    lines = [
        f"class {draft.name}:",
        f"    seen = {other.name}({c.number()})",
        "",
        "    def total(self, x):",
        *indented(b.body(draft, 0, 1)[:-1]),
        f"        return total + self.seen * {c.number()}",
    ]
    return b.add(draft, "described", lines, "{ref}().total({arg})")


def made_by_metaclass(b: Builder, module: str) -> Item:
    """A class of a metaclass of the program's own, which also keeps its subclasses in order."""
    c = b.c
    draft, other = b.draft(module, "Made"), b.draft(module, "Meta")
    lines = [
        f"class {other.name}(type):",
        "    def scale(cls, x):",
        f"        return x * {c.number()} + cls.size",
    ]
    b.add(other, "metaclass", lines, "")
    draft.reached.add(f"{module}:{other.name}")
    lines = [
        f"class {draft.name}(metaclass={other.name}):",
        f"    size = {c.number()}",
        f"    names = ({c.text()}, {c.text()})",
    ]
    return b.add(draft, "made", lines, "{ref}.scale({arg})")


def abstract(b: Builder, module: str) -> Item:
    """An abstract class and the one that fills it in, with slots and a hook for subclasses."""
    c = b.c
    draft, other = b.draft(module, "Filled"), b.draft(module, "Abstract")
    lines = [
        f"class {other.name}(abc.ABC):",
        f"    rate = {c.number()}",
        "",
        "    def __init_subclass__(cls, **options):",
        "        super().__init_subclass__(**options)",
        "        cls.registered = cls.__name__.lower()",
        "",
        "    @abc.abstractmethod",
        "    def get(self, x):",
        f"        return x * {c.number()}",
        "",
        "    def total(self, x):",
        f"        return self.get(x) * self.rate + {c.number()}",
    ]
    b.add(other, "abstract", lines, "")
    draft.reached.add(f"{module}:{other.name}")
    lines = [
        f"class {draft.name}({other.name}):",
        "    __slots__ = ('kept',)",
        "",
        "    def get(self, x):",
        f"        self.kept = super().get(x) + {c.number()}",
        "        return self.kept",
    ]
    return b.add(draft, "filled", lines, "{ref}().total({arg})")


def tagged(b: Builder, module: str) -> Item:
    """A class that a decorator of the program's own changes."""
    c = b.c
    draft, other = b.draft(module, "Tagged"), b.draft(module, "tag")
    lines = [f"def {other.name}(kind):", f"    kind.extra = [{c.number()}, kind.size]", "    return kind"]
    b.add(other, "class decorator", lines, "")
    lines = [f"@{other.name}", f"class {draft.name}:", f"    size = {c.number()}", ""]
    lines += ["    def total(self, x):", f"        return self.extra[0] * x + self.size * {c.number()}"]
    return b.add(draft, "tagged", lines, "{ref}().total({arg})")


def protocol(b: Builder, module: str) -> Item:
    """A protocol or generic class with the class that fills it in."""
    c = b.c
    draft, other = b.draft(module, "Real"), b.draft(module, "Proto")
    base = c.pick(["typing.Protocol", "typing.Generic[typing.AnyStr]"])
    lines = [f"class {other.name}({base}):", f"    rate = {c.number()}", "", "    def get(self, x):"]
    b.add(other, "protocol", [*lines, f"        return x * self.rate + {c.number()}"], "")
    draft.reached.add(f"{module}:{other.name}")
    lines = [f"class {draft.name}({other.name}):", "    def total(self, x):", *indented(b.body(draft, 0, 1)[:-1])]
    return b.add(draft, "real", [*lines, f"        return self.get(total) * {c.number()}"], "{ref}().total({arg})")


def exception(b: Builder, module: str) -> Item:
    """An exception of the program's own."""
    draft = b.draft(module, "Bad")
    lines = [f"class {draft.name}({b.c.pick(['ValueError', 'KeyError'])}):", f"    code = {b.c.number()}"]
    return b.add(draft, "exception", lines, "{ref}({arg}).code")


def managed(b: Builder, module: str) -> Item:
    """A context manager and iterator."""
    c = b.c
    draft = b.draft(module, "Held")
    lines = [
        f"class {draft.name}:",
        "    def __enter__(self):",
        f"        return {c.number()}",
        "",
        "    def __exit__(self, *error):",
        f"        return {c.pick(['True', 'False', 'None'])}",
        "",
        "    def __iter__(self):",
        f"        return iter(({c.number()}, {c.number()}))",
    ]
    return b.add(draft, "managed", lines, c.pick(["{ref}().__enter__()", "sum({ref}())"]))


MAKERS = (
    tagged,
    protocol,
    exception,
    managed,
    plain,
    plain,
    mixin,
    data_class,
    enumeration,
    named_tuple,
    described,
    made_by_metaclass,
    abstract,
)
