"""Changes of code that no edit of one file makes: cells, patches, extensions, packages, other Pythons, stale code."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flowkit.cache.key import KEY_FORMAT, compute_cache_key
from flowkit.fingerprint.environment import EnvironmentReader
from flowkit.records import KeyParts
from tests.commands import MAIN, ROOT, edit
from tests.conformance.code_project import PIPELINE, run, run_program, write
from tests.dask_cluster import dask_cluster

CELLS = {
    "helper": "def helper(x):\n    return x + 2",
    "helper of the same text": None,
    "helper as a lambda": "helper = lambda x: x + 2",
    "global": "N = 5",
    "step": "@fk.step\ndef one(x: float) -> float:\n    return helper(x) * N + 1",
    "class": "class A:\n    def go(self, x):\n        return x\ndef helper(x):\n    return A().go(x)",
    "method of that class": "class A:\n    def go(self, x):\n        return x + 1",
    "helper in place": "helper.__code__ = (lambda x: x + 9).__code__",
    "class in place": "A.go = lambda self, x: x + 3\ndef helper(x):\n    return A().go(x)",
    "import of another function": "from math import sin as helper",
}
KERNEL = """
import json, sys
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

shell = InteractiveShell.instance(config=Config({"HistoryManager": {"enabled": False}}))
STEPS = '''
import flowkit as fk
N = 3
def helper(x):
    return x + 1
@fk.step
def one(x: float) -> float:
    return helper(x) * N
@fk.step
def other(x: float) -> float:
    return x
@fk.pipeline
def pipe() -> None:
    one(2.0)
    other(2.0)
session = fk.Session(inline=True)
'''
RUN = "run = session.run(pipe); said = [run.status.value, run['one'].outcome.value, run['other'].outcome.value]"
HELPER = "def helper(x):\\n    return x + 1"

found = {}
last = HELPER
for what, cell in [("first", STEPS), *json.loads(sys.argv[1]).items()]:
    shell.run_cell(cell or last).raise_error()
    last = cell or last
    shell.run_cell(RUN).raise_error()
    found[what] = shell.user_ns["said"]
print()
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Return the outcomes of the step and of its neighbour after each cell of one session."""
    root = tmp_path_factory.mktemp("cells")
    write(root, {"pyproject.toml": ""})
    said: dict[str, list[str]] = run_program(root, KERNEL, json.dumps(CELLS))
    return said


@pytest.mark.slow
@pytest.mark.parametrize("case", [f"case 31: redefined notebook cell, {what}" for what in CELLS])
def test_a_cell_that_is_run_again_counts(cells: dict[str, list[str]], case: str) -> None:
    """What a cell defines anew counts from then on; a cell that says the same again changes nothing."""
    what = case.partition(", ")[2]
    assert cells[what] == ["succeeded", "executed" if CELLS[what] is not None else "reused", "reused"]


PATCHED = {
    "pyproject.toml": "",
    "lib.py": "def low(x, y=1):\n    return x + y\n\n\nclass A:\n    def go(self, x):\n        return x\n",
    "pipelines/cases.py": """
import flowkit as fk
import lib

def middle(x):
    return lib.A().go(lib.low(x))

@fk.step
def one(x: float) -> float:
    return middle(x)

@fk.step
def other(x: float) -> float:
    return x

@fk.pipeline
def pipe() -> None:
    one(2.0)
    other(2.0)
""",
}
PATCHING = """
import json, sys
import flowkit as fk
from pipelines import cases
import lib

def told(**settings):
    with fk.Session(**settings) as session:
        run = session.run(cases.pipe)
        try:
            value = run["one"].value()
        except fk.FlowkitError as error:
            value = str(error)
        return [run["one"].outcome.value, value, run["other"].outcome.value]

where = json.loads(sys.argv[1])
first = told(inline=True)
exec(sys.argv[2])
print()
print(json.dumps([first, *(told(**settings) for settings in where)]))
"""
PATCHES = {
    "case 33: helper monkeypatched before the run": ("lib.low = lambda x: x + 40", 42.0, "lib:low"),
    "case 33: method monkeypatched before the run": ("lib.A.go = lambda self, x: x + 39", 42.0, "lib:A.go"),
    "case 33: helper of the step's module monkeypatched": (
        "cases.middle = lambda x: 42.0",
        42.0,
        "pipelines.cases:middle",
    ),
    "case 9: __defaults__ changed in the program": ("lib.low.__defaults__ = (40,)", 42.0, "lib:low"),
}


@pytest.mark.slow
@pytest.mark.cluster
@pytest.mark.parametrize("case", PATCHES, ids=str)
def test_a_patch_counts_in_this_process_and_is_refused_by_others(tmp_path: Path, case: str) -> None:
    """Inline the patched code runs and is recorded as such; a step host has the written one, refuses, and names it."""
    patch, value, named = PATCHES[case]
    write(tmp_path, PATCHED)
    elsewhere = {"workers": 1, "store": str(tmp_path / "other")}

    first, inline, hosted = run_program(tmp_path, PATCHING, json.dumps([{"inline": True}, elsewhere]), patch)

    assert first == ["executed", 3.0, "executed"]
    assert inline == ["executed", value, "reused"]
    assert hosted[::2] == ["failed", "executed"]
    assert re.search(rf"^  reaches .*\b{re.escape(named)}", hosted[1], re.MULTILINE), hosted[1]
    assert "was not run" in hosted[1]


EDIT_ON_DISK = "text = open('lib.py').read(); open('lib.py', 'w').write({})"
ON_A_CLUSTER = {
    "case 42: edit on disk without reload": EDIT_ON_DISK.format("text.replace('x + y', 'x - y')"),
    "case 33: helper monkeypatched before a run on a cluster": "lib.low = lambda x: x",
}


@pytest.mark.slow
@pytest.mark.cluster
@pytest.mark.parametrize("case", ON_A_CLUSTER, ids=str)
def test_a_worker_of_a_cluster_refuses_other_code(tmp_path: Path, case: str) -> None:
    """Where driver and worker disagree the step is not run, and the refusal names the helper; others run."""
    write(tmp_path, PATCHED)
    with dask_cluster(tmp_path / "dask") as cluster:
        cluster.add_worker()
        where = [{"scheduler": cluster.address, "store": str(tmp_path / "other")}]

        first, there = run_program(tmp_path, PATCHING, json.dumps(where), ON_A_CLUSTER[case])

    assert first == ["executed", 3.0, "executed"]
    assert there[::2] == ["failed", "executed"]
    assert re.search(r"^  reaches .*\blib:low$", there[1], re.MULTILINE)


STALE = {
    "a helper's body": "text.replace('x + y', 'x - y')",
    "a line above": "'\\n\\n' + text.replace('x + y', 'x - y')",
}


@pytest.mark.slow
@pytest.mark.cluster
@pytest.mark.parametrize("case", [f"case 42: edit on disk without reload, {what}" for what in STALE])
def test_an_edit_that_was_not_loaded_never_passes_for_what_ran(tmp_path: Path, case: str) -> None:
    """A process with old code runs it inline and is refused by others; the next one runs the new, which is kept."""
    text = STALE[case.partition(", ")[2]]
    write(tmp_path, PATCHED)
    change = EDIT_ON_DISK.format(text)
    where = [{"inline": True}, {"workers": 1, "force": "one"}]

    first, inline, hosted = run_program(tmp_path, PATCHING, json.dumps(where), change)
    fresh, again = run(tmp_path), run(tmp_path)

    assert first == ["executed", 3.0, "executed"]
    assert inline == ["reused", 3.0, "reused"]
    assert hosted[0] == "failed"
    assert re.search(r"^  reaches .*\blib:low$", hosted[1], re.MULTILINE)
    assert [fresh["one"][key] for key in ("outcome", "reason")] == ["executed", "code"]
    assert [nodes["other"]["outcome"] for nodes in (fresh, again)] == ["reused", "reused"]
    assert again["one"]["outcome"] == "reused"


EXTENSION = """
#include <Python.h>
static PyObject *value(PyObject *self, PyObject *args) {{ return PyLong_FromLong({number}); }}
static PyMethodDef methods[] = {{{{"value", value, METH_NOARGS, ""}}, {{NULL}}}};
static struct PyModuleDef module = {{PyModuleDef_HEAD_INIT, "fast", "", -1, methods}};
PyMODINIT_FUNC PyInit_fast(void) {{ return PyModule_Create(&module); }}
"""
WITH_EXTENSION = {
    "pyproject.toml": "",
    "near/__init__.py": "",
    "near/lib.py": "from . import {name}\n\n\ndef helper():\n    return {name}.{value}\n",
    "pipelines/cases.py": """
import flowkit as fk
from near.lib import helper

@fk.step
def one() -> str:
    return repr(helper())

@fk.step
def other() -> int:
    return 1

@fk.pipeline
def pipe() -> None:
    one()
    other()
""",
}


def compile_extension(folder: Path, number: int) -> None:
    """Compile an extension module whose function gives a number."""
    source = folder / "fast.c"
    source.write_text(EXTENSION.format(number=number))
    target = folder / f"fast{sysconfig.get_config_var('EXT_SUFFIX')}"
    # Not over the old file: a process that has mapped it would see it change.
    target.unlink(missing_ok=True)
    include = sysconfig.get_paths()["include"]
    subprocess.run(["cc", "-shared", "-fPIC", f"-I{include}", "-o", target, source], check=True, capture_output=True)
    source.unlink()


def has_compiler() -> bool:
    """Whether extensions can be built here."""
    return bool(shutil.which("cc")) and (Path(sysconfig.get_paths()["include"]) / "Python.h").exists()


@pytest.mark.slow
@pytest.mark.parametrize("case", ["case 34: bytes of a project's extension, built again"] * has_compiler())
def test_an_extension_that_is_built_again_counts(tmp_path: Path, case: str) -> None:
    """An extension of the project counts by its bytes, reached through a helper."""
    texts = {name: text.replace("{name}.{value}", "fast.value()") for name, text in WITH_EXTENSION.items()}
    write(tmp_path, {name: text.replace("{name}", "fast") for name, text in texts.items()})

    compile_extension(tmp_path / "near", 1)
    before = run(tmp_path)
    compile_extension(tmp_path / "near", 2)
    after = run(tmp_path)
    again = run(tmp_path)

    assert_missed_once(before, after, again, "code")
    assert before["one"]["outputs"] != after["one"]["outputs"]


@pytest.mark.slow
@pytest.mark.parametrize("case", ["case 34: bytes of a project's extension, an edited file"])
def test_an_extension_whose_file_changes_counts(tmp_path: Path, case: str) -> None:
    """The same without a compiler: somebody's extension that lies in the project, one byte longer."""
    file = Path(importlib.util.find_spec("blake3.blake3").origin)
    texts = {name: text.replace("{value}", "blake3(b'').hexdigest()") for name, text in WITH_EXTENSION.items()}
    write(tmp_path, {name: text.replace("{name}", "blake3") for name, text in texts.items()})
    shutil.copy(file, tmp_path / "near" / file.name)
    before = run(tmp_path)
    with (tmp_path / "near" / file.name).open("ab") as opened:
        opened.write(b"\0")
    after = run(tmp_path)

    assert_missed_once(before, after, run(tmp_path), "code")


def assert_missed_once(
    before: dict[str, Any], after: dict[str, Any], again: dict[str, Any], reason: str, detail: str = ""
) -> None:
    """Check that `one` ran again once for a reason, and `other` never."""
    assert [nodes["one"]["outcome"] for nodes in (before, after, again)] == ["executed", "executed", "reused"]
    assert after["one"]["reason"] == reason
    assert detail in after["one"]["detail"]
    assert [nodes["other"]["outcome"] for nodes in (after, again)] == ["reused", "reused"]


def install(site: Path, name: str, version: str, text: str, requires: str = "", address: str = "") -> None:
    """Write a distribution with one module into a `site-packages` folder, in place of what is there of it."""
    for old in site.glob(f"{name}-*.dist-info"):
        shutil.rmtree(old)
    info = site / f"{name}-{version}.dist-info"
    info.mkdir(parents=True)
    (site / f"{name}.py").write_text(text)
    needed = f"Requires-Dist: {requires}\n" if requires else ""
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needed}\n")
    (info / "RECORD").write_text(f"{name}.py,sha256={abs(hash(text))},\n{info.name}/METADATA,,\n{info.name}/RECORD,,\n")
    if address:
        (info / "direct_url.json").write_text(address)


STEPS_OF_PACKAGES = """
import flowkit as fk
import fk_direct
import fk_user
import fk_archive
import fk_folder
import fk_same
from helpers import through, lazily, wrapped

@fk.step
def direct() -> int:
    return fk_direct.go()

@fk.step
def by_helper() -> int:
    return through()

@fk.step
def by_local_import() -> int:
    return lazily()

@fk.step
def by_decorator() -> int:
    return wrapped()

@fk.step
def by_requirement() -> int:
    return fk_user.go()

@fk.step
def from_an_archive() -> int:
    return fk_archive.go()

@fk.step
def from_a_folder() -> int:
    return fk_folder.go()

@fk.step
def of_another_package() -> int:
    return fk_same.go()

@fk.step
def of_none() -> int:
    return 1

@fk.pipeline
def pipe() -> None:
    direct(), by_helper(), by_local_import(), by_decorator(), by_requirement()
    from_an_archive(), from_a_folder(), of_another_package(), of_none()
"""
HELPERS_OF_PACKAGES = """
import fk_direct

def through():
    return fk_direct.go()

def lazily():
    import fk_direct as tools
    return tools.go()

@fk_direct.passing
def wrapped():
    return 3
"""
UPGRADED = {
    "direct": "fk-direct: 1.0 → 1.1",
    "by_helper": "fk-direct: 1.0 → 1.1",
    "by_local_import": "fk-direct: 1.0 → 1.1",
    "by_decorator": "fk-direct: 1.0 → 1.1",
    "by_requirement": "fk-base: 1.0 → 1.1",
    "from_an_archive": "fk-archive: 1.0",
    "from_a_folder": "fk_folder:go changed",
}


def install_all(site: Path, version: str) -> None:
    """Install the packages that the steps use; the version is that of those which are upgraded."""
    # An installer removes what was compiled: files of one size and second would be taken for what they were.
    for compiled in site.rglob("__pycache__"):
        shutil.rmtree(compiled)
    text = f"import functools\ndef go():\n    return {version.replace('.', '')}\n"
    passing = "def passing(f):\n    @functools.wraps(f)\n    def inner():\n        return f()\n    return inner\n"
    install(site, "fk_direct", version, text + passing)
    install(site, "fk_base", version, text)
    install(site, "fk_user", "1.0", "import fk_base\ndef go():\n    return fk_base.go()\n", "fk_base>=1")
    install(site, "fk_archive", "1.0", text, address='{"url": "file:///fk_archive.tar.gz", "archive_info": {}}')
    install(site, "fk_folder", "1.0", text, address='{"url": "file:///fk_folder", "dir_info": {}}')
    install(site, "fk_same", "1.0", "def go():\n    return 1\n")


@pytest.fixture(scope="module")
def upgraded(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """Return the nodes of runs before and after packages were upgraded, and of one more."""
    root = tmp_path_factory.mktemp("packages")
    site = root / "env" / "site-packages"
    write(root, {"pyproject.toml": "", "helpers.py": HELPERS_OF_PACKAGES, PIPELINE: STEPS_OF_PACKAGES})
    found = []
    for version in ("1.0", "1.1", "1.1"):
        install_all(site, version)
        found.append(run(root, PYTHONPATH=f"{ROOT}{os.pathsep}{site}"))
    return found


@pytest.mark.slow
@pytest.mark.parametrize("case", [f"case 37: version of a package reached {how}" for how in UPGRADED])
def test_an_upgrade_of_a_package_that_is_reached_counts(upgraded: list[dict[str, Any]], case: str) -> None:
    """Its users run again, those of other packages do not; what comes from a folder counts by its code."""
    before, after, again = upgraded
    how = case.rpartition(" ")[2]
    reason = "code" if how == "from_a_folder" else "environment"
    assert before[how]["outcome"] == "executed"
    assert (after[how]["outcome"], after[how]["reason"]) == ("executed", reason), after[how]["detail"]
    assert UPGRADED[how] in after[how]["detail"]
    assert again[how]["outcome"] == "reused"
    assert {after[name]["outcome"] for name in ("of_another_package", "of_none")} == {"reused"}


PLAIN = {
    "pyproject.toml": "",
    PIPELINE: """
import flowkit as fk

def helper(x):
    return x + 1

@fk.step
def one(x: float) -> str:
    return str(helper(x))

@fk.pipeline
def pipe() -> None:
    one(2.0)
""",
}


def other_interpreters() -> Iterator[str]:
    """Yield interpreters of other minor versions that have the few packages which such a run needs."""
    named = [entry for entry in os.environ.get("FLOWKIT_OTHER_PYTHONS", "").split(os.pathsep) if entry]
    found = {shutil.which(f"python3.{minor}") for minor in range(11, 20) if minor != sys.version_info.minor}
    for python in (*named, *sorted(filter(None, found))):
        asked = subprocess.run([python, "-c", "import blake3, click"], capture_output=True, check=False, timeout=60)
        if asked.returncode == 0:
            yield python


@pytest.mark.slow
@pytest.mark.parametrize("case", ["case 38: Python minor version"])
def test_another_minor_version_of_python_runs_everything_again(tmp_path: Path, case: str) -> None:
    """A result of one minor version is not one of another; going back hits. The version is a value of the key."""
    versions = [EnvironmentReader(python=python).read(frozenset()) for python in ("3.11", "3.12")]
    assert len({version.digest for version in versions}) == 2
    assert len({compute_cache_key(KeyParts("one", "c", version.digest, ())) for version in versions}) == 2
    write(tmp_path, PLAIN)
    assert run(tmp_path)["one"]["reason"] == "new"
    for python in other_interpreters():
        done = subprocess.run(
            [python, "-c", MAIN, "run", PIPELINE, "--inline", "--json"],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
            timeout=100,
        )
        (node,) = json.loads(done.stdout)["nodes"]
        assert (node["outcome"], node["reason"]) == ("executed", "environment")
        assert node["detail"].startswith("python: 3.")
    assert run(tmp_path)["one"]["outcome"] == "reused"


@pytest.mark.parametrize("case", ["case 41: key-format version"])
def test_the_format_of_keys_counts(case: str) -> None:
    """A key of one format is never one of another."""
    parts = KeyParts("one", "c" * 64, "e" * 64, ())
    assert compute_cache_key(parts) == compute_cache_key(parts, key_format=KEY_FORMAT)
    assert len({compute_cache_key(parts, key_format=number) for number in range(1, 12)}) == 11


@pytest.mark.slow
@pytest.mark.parametrize("case", ["case 41: key-format version of a later release"])
def test_a_later_format_finds_no_earlier_entry(tmp_path: Path, case: str) -> None:
    """A release whose keys have another format runs everything again, and an earlier one still finds its own."""
    write(tmp_path, PLAIN)
    later = f"import flowkit.cache.key as key; key.compute_cache_key.__defaults__ = ({KEY_FORMAT + 1},); {MAIN}"

    def run_later() -> str:
        done: dict[str, Any] = run_program(tmp_path, later, "run", PIPELINE, "--inline", "--json")
        return str(done["nodes"][0]["outcome"])

    assert [run(tmp_path)["one"]["outcome"], run_later(), run_later()] == ["executed", "executed", "reused"]
    assert run(tmp_path)["one"]["outcome"] == "reused"
    edit(tmp_path / PIPELINE, "x + 1", "x + 2")
    assert run(tmp_path)["one"]["reason"] == "code"
