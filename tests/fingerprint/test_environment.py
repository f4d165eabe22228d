"""Whose a module is, which distribution it belongs to, and what of the environment counts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import types
from pathlib import Path

import pytest

from flowkit.fingerprint.environment import ABSENT, EnvironmentReader
from flowkit.fingerprint.ownership import Owner, owner, project_modules
from flowkit.fingerprint.packages import Packages, installed_packages
from flowkit.project import Project
from tests.fingerprint.projects import fingerprint, imported, steps_file, write_project


def install(site, name, version="1.0", modules=("lib.py",), requires=(), url=None):
    """Write a distribution as an installer would."""
    site.mkdir(parents=True, exist_ok=True)
    folder = site / f"{name.replace('-', '_')}-{version}.dist-info"
    folder.mkdir()
    headers = [f"Name: {name}", f"Version: {version}", *(f"Requires-Dist: {line}" for line in requires)]
    (folder / "METADATA").write_text("\n".join(headers) + "\n\nAbout it.\nRequires-Dist: not-a-header\n")
    (folder / "RECORD").write_text("".join(f"{module},sha256=x,1\n" for module in modules))
    if url is not None:
        (folder / "direct_url.json").write_text(json.dumps(url))
    return folder


@pytest.fixture
def site(tmp_path, monkeypatch):
    """An empty site-packages folder, first on the path."""
    folder = tmp_path / "env" / "site-packages"
    folder.mkdir(parents=True)
    monkeypatch.syspath_prepend(str(folder))
    return folder


VCS = {"url": "https://host/lib.git", "vcs_info": {"vcs": "git", "commit_id": "1"}}
LOCAL = {"url": "file:///src/lib", "dir_info": {}}
EDITABLE = {"url": "file:///src/lib", "dir_info": {"editable": True}}
ARCHIVE = {"url": "https://host/lib.whl", "archive_info": {}}


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (None, Owner.THIRD_PARTY),
        (ARCHIVE, Owner.THIRD_PARTY),
        (LOCAL, Owner.PROJECT),
        (EDITABLE, Owner.PROJECT),
        (VCS, Owner.PROJECT),
    ],
)
def test_an_installed_module_is_third_party_only_if_it_comes_from_an_index_or_archive(site, tmp_path, url, expected):
    """Local, editable and version-control installs change in place, so they are followed."""
    install(site, "fk-lib", modules=("fk_lib/__init__.py",), url=url)
    write_project(site, {"fk_lib/__init__.py": "def low(x):\n    return x\n"})
    project = Project(tmp_path)
    with imported(site, "fk_lib") as module:
        assert owner(module, project) is expected
        assert owner("fk_lib", project) is expected
        assert owner(module, Project(tmp_path, code=("fk_lib",))) is Owner.PROJECT
        assert owner(module, Project(tmp_path, code=("env/site-packages/fk_lib",))) is Owner.PROJECT
        assert ("fk_lib" in project_modules(project)) is (expected is Owner.PROJECT)


def test_ownership_of_what_is_always_there(tmp_path):
    """The standard library, flowkit, compiled packages, notebooks and loose files have the owners that are expected."""
    import zoneinfo

    import numpy as np

    import flowkit.records

    project = Project(tmp_path)
    assert owner(zoneinfo, project) is Owner.STDLIB
    assert owner(sys, project) is Owner.STDLIB
    assert owner(np, project) is Owner.THIRD_PARTY
    assert owner(np.linalg._umath_linalg, project) is Owner.THIRD_PARTY
    assert owner(flowkit.records, project) is Owner.FLOWKIT
    assert owner(types.ModuleType("__main__"), project) is Owner.PROJECT
    assert owner(types.ModuleType("made_up"), project) is Owner.PROJECT
    assert owner(sys.modules[__name__], project) is Owner.PROJECT


def test_a_file_in_site_packages_that_no_distribution_claims_is_followed(site, tmp_path):
    """What has no version cannot count by it."""
    write_project(site, {"fk_loose.py": ""})
    with imported(site, "fk_loose") as module:
        assert owner(module, Project(tmp_path)) is Owner.PROJECT


def test_an_upgrade_changes_the_environment_and_not_the_code(site, tmp_path):
    """Case 37: `why` tells an upgrade as `environment`."""
    folder = install(site, "fk-lib", "1.0", modules=("fk_lib.py",))
    write_project(site, {"fk_lib.py": "def low(x):\n    return x\n"})
    files = {"steps.py": steps_file("import fk_lib", "return fk_lib.low(x)")}
    reader = EnvironmentReader()
    first = fingerprint(tmp_path / "p1", files)
    before = reader.read(first.distributions)
    assert first.distributions == {"fk-lib"}
    folder.rename(folder.with_name("fk_lib-1.1.dist-info"))
    (site / "fk_lib.py").write_text("def low(x):\n    return x + 1\n")
    sys.modules.pop("fk_lib", None)
    second = fingerprint(tmp_path / "p2", files)
    after = reader.read(second.distributions)
    sys.modules.pop("fk_lib", None)
    assert first.digest == second.digest
    assert before.digest != after.digest
    assert (before.values["package:fk-lib"], after.values["package:fk-lib"]) == ("1.0", "1.1")


def test_a_reinstall_from_an_address_counts_though_it_keeps_its_version(site):
    """Where there is a `direct_url.json`, RECORD counts too."""
    folder = install(site, "fk-lib", url=ARCHIVE)
    before = EnvironmentReader().read(frozenset({"fk-lib"}))
    (folder / "RECORD").write_text("lib.py,sha256=y,1\n")
    (folder / "new").touch()
    assert EnvironmentReader().read(frozenset({"fk-lib"})).digest != before.digest


def test_requirements_count_to_their_end(site):
    """The closure of Requires-Dist counts as far as it is installed; development extras do not, accelerators do."""
    install(site, "fk-a", requires=("fk_B>=1", "fk-fast; extra == 'fast'", "fk-lint; extra == 'dev'", "not-there"))
    install(site, "fk-b", requires=("Fk.C ; python_version > '3'", "fk-deep; extra == 'fast'"))
    for name in ("fk-c", "fk-fast", "fk-lint", "fk-deep"):
        install(site, name, requires=("fk-a",) if name == "fk-c" else ())
    found = installed_packages().closure({"Fk_A"})
    assert [distribution.name for distribution in found] == ["fk-a", "fk-b", "fk-c", "fk-fast"]


def test_modules_are_found_by_record(site):
    """A distribution is found by any of the modules that it installs, whatever its own name is."""
    modules = (
        "fk_one/__init__.py",
        "fk_two.cpython-311-x86_64-linux-gnu.so",
        "../../bin/tool",
        "fk_three.py",
        "__pycache__/x.pyc",
    )
    install(site, "fk-many", modules=modules)
    install(site, "fk-space", modules=("fk_one/part.py",))
    packages = installed_packages()
    assert [found.name for found in packages.of_module("fk_one.part")] == ["fk-many", "fk-space"]
    assert packages.of_module("fk_two")
    assert packages.of_module("fk_three")
    assert not packages.of_module("tool")


def test_the_first_on_the_path_wins(tmp_path):
    """Of two installs of one name the one counts that would be imported."""
    first, second = (install(tmp_path / name, "fk-lib", version) for name, version in (("a", "1"), ("b", "2")))
    assert Packages([first, second]).named("FK_lib").version == "1"


def test_declared_variables_count_and_their_values_are_never_kept():
    """Case 39: a change of a declared variable counts, an undeclared one does not; only keyed digests are kept."""
    canary = "canary-4f1d"
    read = lambda variables, names: EnvironmentReader(variables).read(frozenset(), names)  # noqa: E731
    first = read({"A": canary, "B": canary}, ("A", "B"))
    assert canary not in repr(first)
    assert first.values["variable:A"] != first.values["variable:B"]
    assert first == read({"A": canary, "B": canary, "C": "1"}, ("B", "A", "A"))
    changed = (
        read({"A": canary, "B": "x"}, ("A", "B")),
        read({"A": canary}, ("A", "B")),
        read({"A": canary, "B": ""}, ("A", "B")),
    )
    assert len({first.digest, *(found.digest for found in changed)}) == 4
    assert changed[1].values["variable:B"] == ABSENT


def test_variables_that_switch_a_reached_package_count_while_they_are_set(site):
    """Without validation a contract coerces nothing; who reaches no contract keeps its key."""
    install(site, "pandera")
    install(site, "plain")
    off = {"PANDERA_VALIDATION_ENABLED": "False"}

    def digest(name, variables):
        return EnvironmentReader(variables).read(frozenset({name})).digest

    assert digest("pandera", off) != digest("pandera", {})
    assert digest("pandera", {"OTHER": "1"}) == digest("pandera", {})
    assert digest("plain", off) == digest("plain", {})


def test_the_interpreter_counts(monkeypatch):
    """Cases 38: the minor version and `-O` are part of every key."""
    here = EnvironmentReader().read(frozenset())
    assert here.values == {
        "python": f"{sys.version_info[0]}.{sys.version_info[1]}",
        "optimize": str(sys.flags.optimize),
    }
    assert EnvironmentReader(python="3.99").read(frozenset()).digest != here.digest


def test_flowkit_itself_does_not_count(site):
    """A new flowkit must not rerun everything."""
    install(site, "flowkit-pipelines", "9.9")
    assert "package:flowkit-pipelines" not in EnvironmentReader().read(frozenset({"flowkit-pipelines"})).values


READ = """
import sys

opened = []
sys.addaudithook(lambda event, args: event == "open" and opened.append(str(args[0])))

from flowkit.fingerprint.environment import EnvironmentReader
from flowkit.fingerprint.packages import installed_packages

EnvironmentReader().read(frozenset({"pandas"}))
first = [path for path in opened if ".dist-info" in path]
opened.clear()
EnvironmentReader().read(frozenset({"pandas"}))
again = [path for path in opened if ".dist-info" in path]
installed_packages().of_module("pandas")
installed_packages().of_module("sklearn")
records = [path for path in opened if path.endswith("RECORD")]
print(len(set(first)) <= 3 * len(installed_packages().closure({"pandas"})), len(first) == len(set(first)), again)
print(len(records) == len(set(records)), "importlib.metadata" in sys.modules)
"""


@pytest.mark.parametrize(
    ("line", "module"),
    [
        ("pack/__init__.py", "pack"),
        ("pack/deep/x,y.py", "pack"),
        ('"pack/x,y.py"', "pack"),
        ("one.py", "one"),
        ("native.cpython-311-x86_64-linux-gnu.so", "native"),
        ("__pycache__/one.cpython-311.pyc", None),
        ("lib-1.0.dist-info/RECORD", None),
        ("../../bin/tool", None),
    ],
)
def test_what_a_record_lists_gives_the_modules(site, line, module):
    """Packages, single files and extensions; nothing of the metadata, of byte code or outside."""
    folder = install(site, "lib", modules=(line,))
    expected = frozenset() if module is None else frozenset({module})
    assert Packages([folder]).named("lib").modules == expected

    (folder / "RECORD").write_bytes((folder / "RECORD").read_bytes().replace(b"\n", b"\r\n"))
    assert Packages([folder]).named("lib").modules == expected


def test_a_distribution_does_not_own_modules_of_python(site, tmp_path):
    """A backport under the name of one is never imported: neither its presence nor its version counts."""
    source = """
        import flowkit as fk
        from enum import Enum

        @fk.step
        def run() -> Enum:
            ...
    """
    before = fingerprint(tmp_path / "before", {"steps.py": source})
    install(site, "enum34", modules=("enum/__init__.py",))
    after = fingerprint(tmp_path / "after", {"steps.py": source})

    assert after == before
    assert "enum34" not in after.distributions


def test_reading_opens_little_and_nothing_twice():
    """Files of what is asked for alone, each once in a process, and `importlib.metadata` is not imported for it."""
    done = subprocess.run([sys.executable, "-c", READ], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["True True []", "True False"]


def test_relative_entries_of_the_path_are_found(tmp_path, monkeypatch):
    """An empty entry of `sys.path` is the current directory, and entries that are no folders are passed over."""
    install(tmp_path, "fk-here")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", os.fspath(Path("none")), *sys.path])
    assert installed_packages().named("fk-here") is not None
