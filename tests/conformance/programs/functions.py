"""Functions in all their forms: plain, recursive, partial, closed over, decorated, cached, dispatched, in tables."""

from __future__ import annotations

from tests.conformance.programs.bodies import indented
from tests.conformance.programs.builder import Builder, Draft
from tests.conformance.programs.model import Item

CALLED = "{ref}({arg})"
FUNCTIONS = ("function", "recursive", "lambda", "partial", "product", "decorated", "cached", "dispatched")
NUMBERS = ("number",)


def plain(b: Builder, module: str) -> Item:
    """A function with parameters of all kinds."""
    draft = b.draft(module, "low")
    c = b.c
    shown = [
        "x",
        f"x, base={c.number()}",
        f"x, *, scale={c.number()}, name={c.text()}",
        f"x, base={c.number()}, /, *rest, scale={c.number()}, **others",
        "x, base=" + _default(b, draft),
        "x, *, scale=" + _default(b, draft),
    ]
    signature = c.pick(shown)
    first = [f"    x = x + {name}" for name in ("base", "scale") if f"{name}=" in signature]
    documented = ['    """Say what it does."""'] if c.chance(30) else []
    lines = [f"def {draft.name}({signature}):", *documented, *first, *b.body(draft)]
    calls = [CALLED, "sum(map({ref}, ({arg}, 2)))", "next(filter(None, map({ref}, range(3))), 1)"]
    call = c.pick(calls) if "scale=" not in signature or not c.chance(50) else f"{{ref}}({{arg}}, scale={c.number()})"
    return b.add(draft, "function", lines, call)


def _default(b: Builder, draft: Draft) -> str:
    known = [item for item in b.known(draft.module, NUMBERS, importable=True) if item.module == draft.module]
    if not known or b.c.chance(50):
        return b.c.number()
    # What it is when the function is made counts, which the function's own values tell.
    return b.c.pick(known).name


def recursive(b: Builder, module: str) -> Item:
    """A function that calls itself."""
    draft = b.draft(module, "again")
    c = b.c
    lines = [
        f"def {draft.name}(x, depth={c.integer()}):",
        "    if depth <= 0:",
        f"        return x {c.pick(['+', '-'])} {c.number()}",
        f"    total = {draft.name}(x + {c.number()}, depth - 1)",
        *b.body(draft, 0, 1)[:-1],
        "    return total",
    ]
    return b.add(draft, "recursive", lines, CALLED)


def mutual(b: Builder, module: str) -> Item:
    """Two functions that call each other, of one module or, by an import inside, of two."""
    c = b.c
    other_module = c.pick([module, "near", "pack.tools"])
    draft, other = b.draft(module, "ping"), b.draft(other_module, "pong")
    there = other.name
    inside = []
    if other_module != module:
        inside = [f"    from {other_module} import {other.name}"]
    back = []
    if other_module != module:
        back = [f"    from {module} import {draft.name}"]
    first = [
        f"def {draft.name}(x, depth={c.integer()}):",
        *inside,
        *b.body(draft, 0, 1)[:-1],
        f"    return total if depth <= 0 else {there}(x, depth - 1) + {c.number()}",
    ]
    second = [f"def {other.name}(x, depth={c.integer()}):", *back, f"    return {draft.name}(x, depth - {c.integer()})"]
    draft.reached.add(f"{other_module}:{other.name}")
    other.reached.add(f"{module}:{draft.name}")
    b.add(other, "recursive", second, CALLED)
    return b.add(draft, "recursive", first, CALLED)


def produced(b: Builder, module: str) -> Item:
    """A generator function."""
    draft = b.draft(module, "series")
    lines = [f"def {draft.name}(x):", *b.body(draft)[:-1], f"    yield from (total, x, {b.c.number()})"]
    return b.add(draft, "generator", lines, "sum({ref}({arg}))")


def one_lambda(b: Builder, module: str) -> Item:
    """A lambda under a global name, sometimes beside another one on its line."""
    draft = b.draft(module, "short")
    c = b.c
    uses = b.uses(draft, 0, 1, in_function=False)
    first = f"lambda x, y={c.number()}: {' + '.join(['x * y', *uses])} - {c.number()}"
    if c.chance(50):
        return b.add(draft, "lambda", [f"{draft.name} = {first}"], CALLED)
    line = f"{draft.name} = ({first}), (lambda x: x + {c.number()})"
    return b.add(draft, "lambdas", [line], f"{{ref}}[{c.count(0, 1)}]({{arg}})")


def partial(b: Builder, module: str) -> Item:
    """A partial of an earlier function."""
    known = b.known(module, ("recursive",), importable=True)
    if not known:
        return recursive(b, module)
    draft = b.draft(module, "part")
    target = b.name_of(draft, b.c.pick(known), in_function=False)
    line = f"{draft.name} = functools.partial({target}, depth={b.c.integer()})"
    return b.add(draft, "partial", [line], CALLED, has_code=False)


def factory(b: Builder, module: str) -> Item:
    """A function that makes functions."""
    draft = b.draft(module, "make")
    c = b.c
    inner = c.name("inner")
    use = b.uses(draft, 0, 1, importable=True)
    lines = [
        f"def {draft.name}(n, factor={c.number()}):",
        *indented(draft.inside),
        f"    offset = n {c.pick(['+', '*', '-'])} {c.number()}",
        "",
        f"    def {inner}(x):",
        *indented([f"total = offset + x * {c.number()} - factor", *(f"total += {item}" for item in use)], 2),
        "        return total",
        "",
        f"    return {inner}",
    ]
    return _with_inner(b, draft, "factory", lines, f"{{ref}}({c.number()})({{arg}})")


def _with_inner(b: Builder, draft: Draft, kind: str, lines: list[str], use: str) -> Item:
    item = b.add(draft, kind, lines, use, is_factory=True)
    for node in draft.reached:
        b.program.link(f"{item.node}.inner", node)
    b.program.link(item.node, f"{item.node}.inner")
    return item


def product(b: Builder, module: str) -> Item:
    """What a factory gives, under a global name."""
    known = b.known(module, ("factory",), importable=True)
    target = b.c.pick(known) if known else factory(b, module)
    draft = b.draft(module, "made")
    made = b.name_of(draft, target, in_function=False)
    draft.reached = {f"{target.node}.inner"}
    line = f"{draft.name} = {made}({b.c.number()})"
    return b.add(draft, "product", [line], CALLED, has_code=False)


def decorator(b: Builder, module: str) -> Item:
    """A decorator, with arguments or without."""
    draft = b.draft(module, "wrap")
    c = b.c
    inner = c.name("wrapper")
    use = [f"total += {item}" for item in b.uses(draft, 0, 1, importable=True)]
    wraps = ["@functools.wraps(function)"] if c.chance(60) else []
    wrapper = [
        *wraps,
        f"def {inner}(x, *args, **kwargs):",
        f"    total = function(x, *args, **kwargs) {c.pick(['+', '-', '*'])} {c.number()}",
        *indented(use),
    ]
    if c.chance(50):
        lines = [
            f"def {draft.name}(function):",
            *indented([*draft.inside, *wrapper, "    return total", "", f"return {inner}"]),
        ]
        return _with_inner(b, draft, "decorator", lines, "")
    between = c.name("around")
    lines = [
        f"def {draft.name}(factor, *, shift={c.number()}):",
        *indented(draft.inside),
        f"    def {between}(function):",
        *indented([*wrapper, "    return total * factor + shift", "", f"return {inner}"], 2),
        "",
        f"    return {between}",
    ]
    return _with_inner(b, draft, "decorator of arguments", lines, "")


def decorated(b: Builder, module: str) -> Item:
    """A function with one or two decorators of the program's own."""
    known = b.known(module, ("decorator", "decorator of arguments"), importable=True)
    if not known:
        known = [decorator(b, module)]
    draft = b.draft(module, "dressed")
    above = []
    reached = set()
    for target in dict.fromkeys(item.name for item in [b.c.pick(known) for _ in range(b.c.count(1, 2))]):
        item = next(found for found in known if found.name == target)
        name = b.name_of(draft, item, in_function=False)
        reached.add(f"{item.node}.inner")
        arguments = ""
        if item.kind == "decorator of arguments":
            arguments = f"({b.c.number()}, shift={b.c.number()})" if b.c.chance(50) else f"({b.c.number()})"
        above.append(f"@{name}{arguments}")
    draft.reached = reached
    lines = [*above, f"def {draft.name}(x):", *b.body(draft)]
    return b.add(draft, "decorated", lines, CALLED)


def cached(b: Builder, module: str) -> Item:
    """A function behind a decorator of the standard library."""
    draft = b.draft(module, "kept")
    above, use = b.c.pick(
        [
            (f"@functools.lru_cache(maxsize={b.c.integer()})", CALLED),
            ("@functools.cache", CALLED),
            ("@contextlib.contextmanager", "{ref}({arg}).__enter__()"),
        ]
    )
    lines = [above, f"def {draft.name}(x):", *b.body(draft)]
    if "context" in above:
        lines[-1] = "    yield total"
    return b.add(draft, "cached", lines, use)


def dispatched(b: Builder, module: str) -> Item:
    """A function with implementations by type, all under one name."""
    draft = b.draft(module, "by_type")
    c = b.c
    lines = [
        "@functools.singledispatch",
        f"def {draft.name}(x):",
        f"    return {c.number()}",
        "",
        "",
        f"@{draft.name}.register({c.pick(['float', 'int'])})",
        "def _(x):",
        *b.body(draft),
    ]
    return b.add(draft, "dispatched", lines, CALLED)


def table(b: Builder, module: str) -> Item:
    """A container of functions."""
    known = b.known(module, FUNCTIONS, importable=True)
    if not known:
        return plain(b, module)
    draft = b.draft(module, "TABLE")
    names = [b.name_of(draft, b.c.pick(known), in_function=False) for _ in range(b.c.count(1, 2))]
    entries = ", ".join(f"{key!r}: {name}" for key, name in zip("ab", names, strict=False))
    line = f"{draft.name} = {{{entries}, 'c': lambda v: v * {b.c.number()}}}"
    return b.add(draft, "table", [line], f"{{ref}}[{b.c.pick(['a', 'c'])!r}]({{arg}})")


def escaped_builtin(b: Builder, module: str) -> Item:
    """A name of the standard library under a global name."""
    draft = b.draft(module, "borrowed")
    line = f"{draft.name} = {b.c.pick(['math.sin', 'math.cos', 'operator.neg', 'abs', 'float', 'math.floor'])}"
    return b.add(draft, "borrowed", [line], CALLED, has_code=False)


def registered(b: Builder, module: str) -> Item:
    """A table that functions enter by a decorator."""
    draft = b.draft(module, "REGISTRY")
    enter, first, second = (b.c.name(stem) for stem in ("enter", "one", "two"))
    lines = [
        f"{draft.name} = {{}}",
        "",
        "",
        f"def {enter}(name):",
        "    def keep(function):",
        f"        {draft.name}[name] = function",
        "        return function",
        "",
        "    return keep",
    ]
    for key, name in (("a", first), ("b", second)):
        lines += ["", "", f"@{enter}({key!r})", f"def {name}(x, by={b.c.number()}):", *b.body(draft, 0, 1)]
    return b.add(draft, "registry", lines, f"{{ref}}[{b.c.pick(['a', 'b'])!r}]({{arg}})")


def conditional(b: Builder, module: str) -> Item:
    """A function that is defined in one of two ways, or replaced by another: only what there is in the end counts."""
    draft = b.draft(module, "either")
    low, high = b.c.integer(), b.c.integer()
    way = b.c.pick(["replaced", "tried", "asked"])
    ways, reached = [], []
    # What is written nowhere must not leave an import behind, which would be one for its effect.
    for _ in range(1 if way == "replaced" else 2):
        draft.reached = set()
        ways.append([f"def {draft.name}(x, *, by={b.c.number()}):", *b.body(draft, 0, 1)])
        reached.append(draft.reached)
    first, second = ways[0], ways[-1]
    if way == "replaced":
        lines = [*first, "", "", f"{draft.name} = functools.partial({draft.name}, by={b.c.number()})"]
    elif way == "tried":
        failing = ["try:", "    import no_such_module", "except ImportError:"]
        lines = [*failing, *indented(first), "else:", *indented(second)]
    else:
        lines = [f"if {low} > {high}:", *indented(first), "else:", *indented(second)]
    draft.reached = reached[-1] if way == "asked" and low <= high else reached[0]
    return b.add(draft, "conditional", lines, CALLED)


def awaited(b: Builder, module: str) -> Item:
    """A coroutine function; nothing runs it to its end."""
    draft = b.draft(module, "soon")
    lines = [f"async def {draft.name}(x, by={b.c.number()}):", *b.body(draft)]
    return b.add(draft, "coroutine", lines, "len([later.close() for later in [{ref}({arg})]])")


MAKERS = (
    plain, plain, plain, recursive, mutual, produced, one_lambda, partial, product, decorated, cached, dispatched,
    table, escaped_builtin, registered, conditional, awaited,
)  # fmt: skip
