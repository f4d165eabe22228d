"""What flowkit's own source never does with data, by its syntax trees; every exception is listed with its reason."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator

import pytest

from tests.security.call_sites import Call, calls, modules, uses_of

UNPICKLING = {
    "codecs/pickling.py:load_pickle": "a blob whose digest was checked, of this project's store or a trusted remote",
    "codecs/pickling.py:load_naming": "bytes that the line above has just pickled",
    "codecs/tables_chunks.py:TableReader.unpickle": "a cell of such a table, which must own up to it and be allowed to",
    "execution/channel.py:FrameReader._complete": "a pipe between this process and its own child",
    "execution/dask_external.py:ExternalCluster._receive": "a worker of the cluster, which can run code as us anyway",
    "execution/dask_external.py:ExternalCluster._land": "the same",
    "execution/dask_worker.py:warm_worker": "the driver, whose code the worker runs anyway",
    "execution/dask_worker.py:run_envelope": "the same",
    "execution/dask_worker.py:retire_hosts": "the same",
    "execution/host.py:serve": "the supervisor, this process's parent",
    "execution/steps.py:_unpickle": "an order of the driver",
}
"""Every place that unpickles, and whom the bytes are from."""

RUNNING_CODE = {
    "cache/new_reads.py:_words_of": "compiled and looked at, never executed: recorded source",
    "fingerprint/source.py:SourceFile.codes": "compiled and compared, never executed: a source of the project",
    "fingerprint/source.py:_parse": "parsed: a source of the project",
    "execution/finder.py:BundleLoader.get_code": "a module of the project, from a bundle whose digest was checked",
}
"""Every `eval`, `exec` and `compile`."""

IMPORTING = {
    "fingerprint/named.py:find_named": "a name that a stored value bears, if the project's own",
    "fingerprint/resolve.py:_Resolver._import": "an import that stands in the project's code",
    "contracts/loading.py:_load": "a module of pandera that it names",
    "lazy.py:lazy_names.__getattr__": "a name of a package, from a table in the source",
    "execution/worker_executor.py:WorkerExecutor._open_cluster": "one of two modules that it names",
    "cli/completers.py:_completer.complete": "a constant",
    "cli/lazy.py:LazyGroup.get_command": "a command, from a table in the source",
    "session/session.py:Session.last": "a constant",
    "targets.py:_import_below_root": "the file that a person named",
    "targets.py:_import_named": "the module that a person named",
    "codecs/tables_scalars.py:_decode_pytz": "a constant",
    "execution/host.py:set_up": "modules of the run's code, named by the driver",
    "execution/steps.py:_look_up": "the module of a step, named by the driver",
}
"""Every import of a module by a name that is no part of a statement."""

STARTING = {
    "housekeeping/examining/workers.py:_run": "this Python, with code that is a constant",
    "engine/provenance.py:GitQuery.__init__": "git, with constant arguments",
    "execution/host_process.py:Spawner.start.order": "this Python, with code that is a constant",
}
"""Every process that is started."""

FORMATTED_SQL = {
    # The statement up to the columns' names, a constant of who calls it; and question marks.
    "lineage/bulk.py": {"into", "', '.join([row] * size)"},
    "lineage/collection.py": {"table", "RunStatus.RUNNING.value"},
    "lineage/connection.py": {"mode", "'FULL' if durable else 'OFF'", "int(seconds * 1000)"},
    # Names that the database itself gives, quoted; what is made of them is never executed, or shown to a person.
    "lineage/hindrances.py": {"table", "', '.join(columns)", "self.kind.upper()", "quoted"},
    "lineage/history.py": {"view"},
    "lineage/schema.py": {"name", "query", "columns"},
    # Parts of the schema that flowkit makes: a table, the columns and the condition of an index.
    "lineage/soundness.py": {"kind.upper()", "name", "table", "columns", "where", "twice"},
}
"""What is put into a statement's text beside constants, by module: words of the source itself, and numbers."""

VIEWS_OF_CONSTANTS = "lineage/views.py"
"""Builds its texts when it is imported, of what stands in it."""

COMPARES = "fingerprint/computed_imports.py"
"""Has such functions in a table, to know them in a person's code."""

_SQL = re.compile(r"\b(SELECT|INSERT|UPDATE|DELETE|PRAGMA|WHERE|ORDER BY|CREATE|DROP|VALUES)\b")
_CONSTANT = re.compile(r"_?[A-Z][A-Z0-9_]*(\['\w+'\])?")

_BUILT_IN = frozenset({"eval", "exec", "compile", "__import__"})
_PICKLERS = frozenset({"pickle", "cloudpickle", "dill", "marshal", "joblib", "shelve"})
_LOADERS = frozenset({"load", "loads", "open"})


def is_unpickling(call: Call) -> bool:
    owner, _, name = call.called.rpartition(".")
    return (owner in _PICKLERS and name in _LOADERS) or call.called.endswith(("Unpickler", "unpickler.load"))


def places(matches: Callable[[Call], bool]) -> set[str]:
    return {call.place for call in calls() if matches(call)}


@pytest.mark.parametrize(
    ("matches", "listed"),
    [
        pytest.param(is_unpickling, UNPICKLING, id="unpickling"),
        pytest.param(lambda call: call.called in _BUILT_IN, RUNNING_CODE, id="running code"),
        pytest.param(lambda call: call.called.rpartition(".")[2] == "import_module", IMPORTING, id="importing"),
        pytest.param(
            lambda call: (
                call.called.startswith(("subprocess.", "os.system", "os.popen", "os.exec", "os.spawn"))
                and "SimpleQueue" not in call.called
            ),
            STARTING,
            id="starting processes",
        ),
    ],
)
def test_code_runs_only_at_known_places(matches: Callable[[Call], bool], listed: dict[str, str]) -> None:
    """Whatever loads pickles, runs, imports or starts code stands in a list here, with the reason why it may."""
    assert places(matches) == set(listed)


@pytest.mark.parametrize(
    ("library", "names"), [("pickle", {"load", "loads"}), ("importlib", {"import_module"})], ids=["pickle", "importlib"]
)
def test_what_runs_code_is_called_where_it_is_seen(library: str, names: set[str]) -> None:
    """Neither is passed on as a value, or under another name, for a later call that no list above would know."""
    uses = [use for use in uses_of(library, frozenset(names)) if not use.startswith(COMPARES)]
    called = [f"{call.place.partition(':')[0]}: {call.called}" for call in calls()]

    assert {use for use in uses if uses.count(use) != called.count(use)} <= {
        f"{name}: from importlib import import_module"
        for name in (
            "cli/completers.py",
            "cli/lazy.py",
            "contracts/loading.py",
            "execution/worker_executor.py",
            "lazy.py",
            "session/session.py",
        )
    }


@pytest.mark.parametrize(
    ("is_meant", "why"),
    [
        (lambda call: "yaml" in call.called, "YAML can name classes"),
        (lambda call: call.called in ("tempfile.mktemp", "os.tempnam"), "another user can take the name first"),
        (lambda call: call.called in ("np.load", "numpy.load", "pd.read_pickle", "joblib.load"), "it may unpickle"),
        (lambda call: call.called.endswith((".eval", ".query")), "pandas evaluates the text"),
        (lambda call: any(word.arg in ("shell", "allow_pickle") for word in call.node.keywords), "a shell, or pickle"),
        (lambda call: call.called in ("shutil.unpack_archive", "tarfile.open") or call.called.endswith("extractall"),
         "names in an archive lead out of the folder"),
    ],
)  # fmt: skip
def test_some_calls_are_never_made(is_meant: Callable[[Call], bool], why: str) -> None:
    """There is no list of exceptions to these."""
    assert places(is_meant) == set(), why


def test_no_statement_is_made_of_values() -> None:
    """A text with words of SQL has only constants of the source put into it; values travel as parameters."""
    found = {(one.name, part) for one in modules() for part in _parts_put_into_sql(one.tree)}
    unknown = {
        (name, part)
        for name, part in found
        if name != VIEWS_OF_CONSTANTS and not _CONSTANT.fullmatch(part) and part not in FORMATTED_SQL.get(name, set())
    }

    assert unknown == set()
    assert {part for _, part in found} >= set().union(*FORMATTED_SQL.values())


def _parts_put_into_sql(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            fixed = " ".join(str(part.value) for part in node.values if isinstance(part, ast.Constant))
            if _SQL.search(fixed):
                yield from (ast.unparse(part.value) for part in node.values if isinstance(part, ast.FormattedValue))
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod | ast.Add):
            for side, other in ((node.left, node.right), (node.right, node.left)):
                if isinstance(side, ast.Constant) and isinstance(side.value, str) and _SQL.search(side.value):
                    yield ast.unparse(other)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "format":
            text = node.func.value
            if isinstance(text, ast.Constant) and _SQL.search(str(text.value)):
                yield from map(ast.unparse, (*node.args, *(word.value for word in node.keywords)))
