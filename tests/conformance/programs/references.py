"""Ways to refer to a definition: all forms of import, through packages, under other names, inside functions."""

from __future__ import annotations

from dataclasses import dataclass

from tests.conformance.programs.choices import Choices
from tests.conformance.programs.model import Binding, Item, Program, rank, relative


@dataclass(frozen=True)
class Reference:
    """A reference as written.

    Attributes:
        text: The expression.
        node: What it leads to first.
        inside: An import that must stand inside the function; empty where it stands at the top of the module.
    """

    text: str
    node: str
    inside: str = ""


def refer(c: Choices, program: Program, module: str, target: Item, in_function: bool = True) -> Reference:
    """Return a reference from a module to a definition, and add the import that it needs."""
    if target.module == module:
        return Reference(target.name, target.node)
    if rank(target.module) > rank(module) or (in_function and c.chance(15)):
        assert in_function
        return _inside(c, module, target)
    forms = [_from, _from_as, _attribute, _attribute_as, _from_package, _reexported, _star]
    if in_function and target.has_code and target.kind != "step":
        forms.append(_escaping)
    return c.pick(forms)(c, program, module, target)


def _import_of(c: Choices, module: str, target: str) -> str:
    dotted = relative(module, target)
    return dotted if dotted is not None and c.chance(60) else target


def _bind(program: Program, module: str, source: str, target: Item, name: str) -> str:
    binding = Binding(module, name, source, target)
    if not any(known.node == binding.node for known in program.bindings):
        program.bindings.append(binding)
        program.link(binding.node, target.node)
    return binding.node


def _from(c: Choices, program: Program, module: str, target: Item) -> Reference:
    return Reference(target.name, _bind(program, module, _import_of(c, module, target.module), target, target.name))


def _from_as(c: Choices, program: Program, module: str, target: Item) -> Reference:
    name = f"my_{target.name}"
    return Reference(name, _bind(program, module, _import_of(c, module, target.module), target, name))


def _attribute(c: Choices, program: Program, module: str, target: Item) -> Reference:
    if target.module.startswith("pack") and module.startswith("pack"):
        # A module of the package would import the package itself, which is still being made.
        return _from(c, program, module, target)
    _add_import(program, module, f"import {target.module}")
    return Reference(f"{target.module}.{target.name}", target.node)


def _attribute_as(c: Choices, program: Program, module: str, target: Item) -> Reference:
    name = f"the_{target.module.replace('.', '_')}"
    _add_import(program, module, f"import {target.module} as {name}")
    return Reference(f"{name}.{target.name}", target.node)


def _from_package(c: Choices, program: Program, module: str, target: Item) -> Reference:
    package, _, last = target.module.rpartition(".")
    if not package:
        return _attribute(c, program, module, target)
    name = c.pick([last, f"{last}_of"])
    if name == last and module.startswith("pack"):
        name = f"{last}_of"
    _add_import(program, module, f"from {package} import {last}" + (f" as {name}" if name != last else ""))
    return Reference(f"{name}.{target.name}", target.node)


def _star(c: Choices, program: Program, module: str, target: Item) -> Reference:
    _add_import(program, module, f"from {_import_of(c, module, target.module)} import *")
    return Reference(target.name, target.node)


def _reexported(c: Choices, program: Program, module: str, target: Item) -> Reference:
    """Refer to it as a package gives it on under a name of the package's own."""
    packages = [
        package
        for package in ("pack.deep", "pack")
        if rank(target.module) < rank(package) < rank(module) and relative(package, target.module) is not None
    ]
    if not packages or (module.startswith("pack") and "pack" in packages):
        return _from(c, program, module, target)
    package = c.pick(packages)
    public = f"{target.name}_out"
    source = relative(package, target.module)
    assert source is not None
    node = _bind(program, package, source, target, public)
    if module.startswith("pack") or c.chance(50):
        name = c.pick([public, f"{public}_here"])
        binding = Binding(module, name, package, Item(package, public, target.kind, "", target.use))
        if not any(known.node == binding.node for known in program.bindings):
            program.bindings.append(binding)
            program.link(binding.node, node)
        return Reference(name, binding.node)
    _add_import(program, module, f"import {package}")
    return Reference(f"{package}.{public}", node)


def _escaping(c: Choices, program: Program, module: str, target: Item) -> Reference:
    """Pass the module on as an object: then all of it counts."""
    name = f"all_of_{target.module.replace('.', '_')}"
    _add_import(program, module, f"import {target.module} as {name}")
    program.whole.add(target.module)
    return Reference(f"getattr({name}, {target.name!r})", f"{target.module}:*")


def _inside(c: Choices, module: str, target: Item) -> Reference:
    package, _, last = target.module.rpartition(".")
    options = [
        (target.name, f"from {_import_of(c, module, target.module)} import {target.name}"),
        (f"lately_{target.name}", f"from {target.module} import {target.name} as lately_{target.name}"),
        (f"{last}_now.{target.name}", f"import {target.module} as {last}_now"),
    ]
    if package:
        options.append((f"{last}_there.{target.name}", f"from {package} import {last} as {last}_there"))
    text, line = c.pick(options)
    return Reference(text, target.node, line)


def _add_import(program: Program, module: str, line: str) -> None:
    if line not in program.plain_imports[module]:
        program.plain_imports[module].append(line)
