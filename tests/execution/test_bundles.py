"""Code bundles: what is in them, and imports from them in a fresh process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable

import pytest

from flowkit.errors import CodeMismatchError
from flowkit.execution.bundle import Bundle, BundledModule, build_bundle, load_bundle, store_bundle
from tests.execution.workshop import Workshop

Open = Callable[..., Workshop]


def in_fresh_process(shop: Workshop, bundle: str, program: str) -> dict[str, object]:
    """Run a program in a process that has the bundle installed, and return the object that it prints."""
    head = f"""
        import sys
        from pathlib import Path
        from flowkit.execution.bundle import load_bundle
        from flowkit.execution.finder import install_bundle
        install_bundle(load_bundle(Path({str(shop.folder.path)!r}), {bundle!r}), Path({str(shop.root)!r}))
        import json
        name = "pipelines.{shop.name}"
    """
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path)}
    text = textwrap.dedent(head) + textwrap.dedent(program)
    done = subprocess.run([sys.executable, "-c", text], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, object] = json.loads(done.stdout)
    return found


def test_a_bundle_holds_the_projects_loaded_modules(open_workshop: Open) -> None:
    """Modules of the project are in it with paths below its root; flowkit, packages and unloaded ones are not."""
    shop = open_workshop("from pipelines.loaded import x\n", loaded="x = 1\n", idle="y = 1\n")
    shop.load()

    bundle = build_bundle(shop.project)

    assert {f"pipelines.{shop.name}", "pipelines.loaded"} <= set(bundle.modules)
    assert bundle.modules["pipelines.loaded"] == BundledModule("pipelines/loaded.py", False, "x = 1\n")
    assert not [name for name in bundle.modules if name.startswith(("flowkit.", "pytest"))]
    assert "pipelines.idle" not in bundle.modules


def test_a_bundle_is_known_by_its_content(open_workshop: Open) -> None:
    """Equal modules give one digest, whatever their order; storing twice changes nothing; it reads back equal."""
    shop = open_workshop("")
    a, b = BundledModule("a.py", False, "x = 1\n"), BundledModule("b.py", False, "y = 1\n")

    digest = store_bundle(shop.folder, Bundle({"a": a, "b": b}))

    assert store_bundle(shop.folder, Bundle({"b": b, "a": a})) == digest == Bundle({"a": a, "b": b}).digest
    assert load_bundle(shop.folder.path, digest).modules == {"a": a, "b": b}
    assert Bundle({"a": b, "b": a}).digest != digest


@pytest.mark.parametrize("digest", ["f" * 64, "../../etc/passwd", "f" * 63, "F" * 64, ""])
def test_a_bundle_that_is_not_there_is_refused(open_workshop: Open, digest: str) -> None:
    """A missing digest, and a name that is no digest, are errors that name it."""
    shop = open_workshop("")

    with pytest.raises(CodeMismatchError, match="code bundle"):
        load_bundle(shop.folder.path, digest)


def test_a_changed_bundle_is_refused(open_workshop: Open) -> None:
    """Content that is not what its digest says is never imported."""
    shop = open_workshop("")
    digest = store_bundle(shop.folder, Bundle({"a": BundledModule("a.py", False, "x = 1\n")}))
    path = shop.folder.path / "bundles" / f"{digest}.json"
    path.chmod(0o600)
    path.write_text(json.dumps({"a": {"path": "a.py", "package": False, "source": "x = 2\n"}}))

    with pytest.raises(CodeMismatchError, match="code bundle"):
        load_bundle(shop.folder.path, digest)


def test_bundled_modules_are_really_imported_under_their_own_paths(open_workshop: Open) -> None:
    """The bundle's text runs although the file on disk changed; `__file__`, pickling and traces are the project's."""
    shop = open_workshop(
        """
        class Row:
            pass

        def query() -> str:
            return (Path(__file__).parent / "query.sql").read_text()

        def fail() -> None:
            raise ValueError("from the bundle")
        """
    )
    shop.file.with_name("query.sql").write_text("select 1")
    shop.load()
    digest = store_bundle(shop.folder, build_bundle(shop.project))
    shop.file.write_text("raise AssertionError('the file on disk was imported')\n")

    found = in_fresh_process(
        shop,
        digest,
        """
        import importlib, pickle, traceback
        module = importlib.import_module(name)
        try:
            module.fail()
        except ValueError:
            trace = traceback.format_exc()
        same = pickle.loads(pickle.dumps(module.Row)) is module.Row
        print(json.dumps({"file": module.__file__, "query": module.query(), "trace": trace, "same": same}))
        """,
    )

    assert found["file"] == str(shop.file)
    assert found["query"] == "select 1"
    assert found["same"] is True
    assert 'raise ValueError("from the bundle")' in str(found["trace"])
    assert f'File "{shop.file}"' in str(found["trace"])


def test_packages_and_folders_without_init_are_imported_from_the_bundle_alone(open_workshop: Open) -> None:
    """Relative imports and nested folders work where the project's files are not there at all."""
    shop = open_workshop("")
    modules = {
        "lib": BundledModule("lib/__init__.py", True, "from .inner import x\n"),
        "lib.inner": BundledModule("lib/inner.py", False, "from . import __name__ as parent\nx = parent\n"),
        "deep.down.leaf": BundledModule("deep/down/leaf.py", False, "y = __package__\n"),
    }
    digest = store_bundle(shop.folder, Bundle(modules))

    found = in_fresh_process(
        shop,
        digest,
        """
        import lib, deep.down.leaf
        print(json.dumps({"x": lib.x, "y": deep.down.leaf.y, "path": list(lib.__path__)}))
        """,
    )

    assert found == {"x": "lib", "y": "deep.down", "path": [str(shop.root / "lib")]}
