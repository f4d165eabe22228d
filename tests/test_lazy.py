"""Names of packages that are imported when they are used, and what a start leaves alone."""

import gc
import importlib
import subprocess
import sys
from pathlib import Path

import flowkit

ROOT = Path(flowkit.__file__).parent
LAZY = sorted(
    file.parent.relative_to(ROOT.parent).as_posix().replace("/", ".")
    for file in ROOT.rglob("__init__.py")
    if "lazy_names(" in file.read_text()
)


def names_in(package: str) -> dict[str, str]:
    """Return the lazy names of a package with their modules, as its `__getattr__` knows them."""
    function = vars(importlib.import_module(package))["__getattr__"]
    table: dict[str, str] = function.__closure__[function.__code__.co_freevars.index("modules")].cell_contents
    return table


def test_a_lazy_name_is_what_its_module_has_and_no_module_hides_it() -> None:
    """A package's attribute is the module of that name once that is imported, whatever the table says."""
    assert len(LAZY) > 5
    for package in LAZY:
        folder = ROOT.parent / package.replace(".", "/")
        for name, module in names_in(package).items():
            assert not (folder / f"{name}.py").exists(), (package, name)
            assert not (folder / name / "__init__.py").exists(), (package, name)
            assert getattr(importlib.import_module(package), name) is getattr(
                importlib.import_module(f"{package}.{module}"), name
            )


def run(code: str) -> str:
    """Return what a fresh process prints."""
    done = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": str(ROOT.parent)}, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_a_process_of_somebody_elses_keeps_how_it_looks_for_garbage() -> None:
    """A library neither freezes what is there nor changes how often Python looks; what was switched off stays off."""
    code = (
        "import gc; gc.set_threshold(50, 5, 5)\n"
        "import flowkit as fk; fk.Session; fk.step\n"
        "print(gc.get_threshold(), gc.isenabled(), gc.get_freeze_count())\n"
        "gc.disable(); fk.codec; print(gc.isenabled())"
    )
    assert run(code) == "(50, 5, 5) True 0\nFalse"


def test_a_command_looks_for_garbage_as_before_once_it_is_imported() -> None:
    """Only what was imported is never looked at again, and what a pipeline's module sets by itself stays set."""
    code = (
        "import gc; before = gc.get_threshold()\n"
        "import flowkit.__main__; from flowkit.garbage import keeping_imports\n"
        "print(gc.get_threshold() == before, gc.get_freeze_count() > 1000)\n"
        "with keeping_imports(): gc.set_threshold(7, 7, 7)\n"
        "print(gc.get_threshold())\n"
        "with keeping_imports(): gc.disable()\n"
        "print(gc.isenabled())"
    )
    assert run(code) == "True True\n(7, 7, 7)\nFalse"


def test_steps_in_a_commands_own_process_find_everything() -> None:
    """What watches steps looks for caches among all objects, of which frozen ones are none."""
    code = (
        "import functools, gc; import flowkit.__main__; from flowkit.garbage import keeping_imports\n"
        "from flowkit.execution.observing import install_watches; install_watches()\n"
        "with keeping_imports(): cached = functools.cache(lambda: 1)\n"
        "print(gc.get_freeze_count(), any(found is cached for found in gc.get_objects()))"
    )
    assert run(code) == "0 True"


def test_frozen_objects_of_others_stay_frozen() -> None:
    """Who froze what was there before a fork has reasons."""
    code = "import gc; gc.freeze(); before = gc.get_freeze_count(); import flowkit as fk; fk.Session\n"
    assert int(run(code + "print(gc.get_freeze_count() >= before - 100 > 0)") == "True")
    assert gc.get_freeze_count() == 0
