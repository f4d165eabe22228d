"""What a fingerprint tells besides its digest: parts, modules, distributions, and what cannot be cached."""

from __future__ import annotations

import importlib.util
import shutil
import sysconfig
import zipfile

import pytest

from flowkit.fingerprint.code import CodeFingerprinter
from flowkit.project import Project
from tests.fingerprint.projects import fingerprint, imported, steps_file, write_project

TWO_LEVELS = """
import lib
N = {n}
def helper(x):
    return lib.low(x) * N
"""


def _parts(found):
    return {part.name: part for part in found.parts}


def test_a_change_in_a_helper_changes_that_helpers_part_alone(tmp_path):
    """`why` compares parts, so a part speaks for itself and not for what it refers to."""
    step = {"steps.py": steps_file(TWO_LEVELS.format(n=1))}
    first = _parts(fingerprint(tmp_path / "1", step | {"lib.py": "def low(x):\n    return x + 1\n"}))
    second = _parts(fingerprint(tmp_path / "2", step | {"lib.py": "def low(x):\n    return x + 2\n"}))
    assert list(first) == ["steps:run", "steps:helper", "lib:low", "signature", "steps:N"]
    assert [name for name in first if first[name].digest != second[name].digest] == ["lib:low"]
    assert second["lib:low"].source == "def low(x):\n    return x + 2"
    assert {part.basis for part in first.values()} == {"ast", "value"}


def test_each_part_names_the_part_that_first_refers_to_it(tmp_path):
    """The way back from any part leads to the step's own function; a wrapper is no stage of its own."""
    text = """
    import functools
    import lib
    LIMIT = 3
    CHOICES = {"low": lib.low}
    @functools.lru_cache
    def kept(x):
        return x + LIMIT
    class Model:
        def fit(self, x):
            return CHOICES["low"](x)
    def helper(x):
        return kept(x) + Model().fit(x)
    """
    lib = "class Base:\n    pass\ndef low(x, base=Base):\n    return lib_rate * x\nlib_rate = 2\n"
    found = fingerprint(tmp_path, {"steps.py": steps_file(text), "lib.py": lib})
    via = {part.name: part.via for part in found.parts}
    assert via == {
        "steps:run": None,
        "steps:helper": "steps:run",
        "steps:Model": "steps:helper",
        "steps:kept": "steps:helper",
        "steps:Model.fit": "steps:Model",
        "lib:low": "steps:CHOICES",
        "lib:Base": "lib:low",
        "signature": "steps:run",
        "steps:CHOICES": "steps:Model.fit",
        "steps:LIMIT": "steps:kept",
        "lib:lib_rate": "lib:low",
    }


SHOWN = {
    "a plain value": ("1.5", "1.5"),
    "an enum member": ("Colour.RED", "<Colour.RED: 1>"),
    "a dataclass": ("Point(1, (2,))", "Point(x=1, y=(2,))"),
    "an empty set": ("set()", "set()"),
    "a set": ("{'b', 'a'}", "{'a', 'b'}"),
    "a function": ("[low]", "[steps:low]"),
    "a partial": ("functools.partial(low, x=2)", "partial(steps:low, x=2)"),
    "what is called a secret": ("{'user': 'x', 'password': 'hunter2'}", "{'user': 'x', 'password': <hidden>}"),
    "a pattern": ("re.compile('a+')", "re.compile('a+')"),
    "a path": ("pathlib.PurePosixPath('a/b')", "PurePosixPath('a/b')"),
    "an array": ("np.zeros((2, 3))", "<numpy.ndarray (2, 3) float64>"),
    "a table": ("pd.DataFrame({'dtype': [1], 'shape': [2]})", "<pandas.DataFrame (1, 2)>"),
    "what hides a field": ("Hiding(1, 'secret')", "Hiding(x=1)"),
    "a long list": ("[['x' * 40] * 2, 2, 'y' * 60]", "[\n    ['{x}', '{x}'],\n    2,\n    '{y}',\n]"),
    "a long text": ("'a\\n' * 60", "\n".join(["'a\\n'"] * 60)),
}


CLASSES = """
import dataclasses, enum, functools, pathlib, re
import numpy as np
import pandas as pd
class Colour(enum.Enum):
    RED = 1
@dataclasses.dataclass
class Point:
    x: int
    y: tuple
@dataclasses.dataclass
class Hiding:
    x: int
    y: str = dataclasses.field(repr=False)
def low(x):
    return x
"""


def test_a_global_is_shown_as_it_is_written(tmp_path):
    """A diff of two values names the item that changed: one a line where they are many, and never an address."""
    values = "\n".join(f"V{place} = {written}" for place, (written, _) in enumerate(SHOWN.values()))
    read = ", ".join(f"V{place}" for place in range(len(SHOWN)))
    parts = _parts(fingerprint(tmp_path, {"steps.py": steps_file(CLASSES + values, f"return {read}")}))
    found = {what: parts[f"steps:V{place}"].source for place, what in enumerate(SHOWN)}
    assert found == {
        what: shown.replace("{x}", "x" * 40).replace("{y}", "y" * 60) for what, (_, shown) in SHOWN.items()
    }


def test_a_change_of_a_global_changes_its_part_alone_and_shows_it(tmp_path):
    """A global is a part of its own, with its value as text."""
    lib = {"lib.py": "def low(x):\n    return x + 1\n"}
    first = _parts(fingerprint(tmp_path / "1", lib | {"steps.py": steps_file(TWO_LEVELS.format(n=1))}))
    second = _parts(fingerprint(tmp_path / "2", lib | {"steps.py": steps_file(TWO_LEVELS.format(n=27))}))
    assert [name for name in first if first[name].digest != second[name].digest] == ["steps:N"]
    assert (first["steps:N"].source, second["steps:N"].source) == ("1", "27")


def test_a_decorated_steps_source_is_shown_as_it_stands(tmp_path):
    """The source of a part is the text of the file, decorators and comments included."""
    found = fingerprint(tmp_path, {"steps.py": steps_file("", "return x  # so", "@fk.step(retries=2)")})
    assert found.parts[0].source == "@fk.step(retries=2)\ndef run(x: float) -> float:\n    return x  # so"


def test_modules_and_distributions_that_are_reached_are_named(tmp_path):
    """Bundles are made of the reached modules, environments of the reached distributions."""
    files = {
        "steps.py": steps_file(
            "import pkg.lib\nimport sklearn.linear_model as lm\nimport pandas as pd", "return pkg.lib.low(x), lm.Ridge"
        ),
        "pkg/__init__.py": "",
        "pkg/lib.py": "import numpy as np\ndef low(x):\n    return np.sin(x)\n",
        "pkg/other.py": "",
    }
    found = fingerprint(tmp_path, files)
    assert found.modules == {"steps", "pkg", "pkg.lib"}
    assert found.distributions == {"numpy", "scikit-learn"}


def test_a_distribution_counts_through_hints_and_local_imports(tmp_path):
    """A type in the signature and an import in the body are reached, and the import is not performed."""
    text = "import flowkit as fk\nimport pandas as pd\n@fk.step\ndef run(x: pd.DataFrame) -> int:\n"
    text += "    from rich.console import Console\n    import yaml as y\n    return Console(y)\n"
    found = fingerprint(tmp_path, {"steps.py": text})
    assert found.distributions == {"pandas", "rich", "pyyaml"}


UNCACHEABLE = {
    "open file": ("HANDLE = open(__file__)", "HANDLE", "TextIOWrapper"),
    "generator": ("HANDLE = (n for n in [1])", "HANDLE", "generator"),
    "connection": ("import sqlite3\nHANDLE = sqlite3.connect(':memory:')", "HANDLE", "Connection"),
    "nested": ("HANDLE = {'a': [open(__file__)]}", "HANDLE", "TextIOWrapper"),
    "a socket": ("import socket\nHANDLE = socket.socket()", "HANDLE", "socket"),
    "a failing reduction": (
        "class A:\n    def __reduce_ex__(self, p):\n        raise ValueError('no')\nHANDLE = A()",
        "HANDLE",
        "no",
    ),
    "a hidden function": ("import numpy as np\nHANDLE = np.frompyfunc(lambda x: x, 1, 1)", "HANDLE", "numpy function"),
    "too deep": ("HANDLE = []\nfor _ in range(3000):\n    HANDLE = [HANDLE]", "HANDLE", "deeply"),
}


@pytest.mark.parametrize("case", UNCACHEABLE, ids=str)
def test_what_cannot_be_encoded_is_uncacheable_and_named(case, tmp_path):
    """Cases 100 to 102: nothing falls back to nothing; the message names the global."""
    before, name, reason = UNCACHEABLE[case]
    found = fingerprint(tmp_path, {"steps.py": steps_file(before, f"return {name}")})
    assert found.uncacheable is not None
    assert found.uncacheable.startswith(f"steps:{name} ")
    assert reason in found.uncacheable


def test_a_closure_over_a_handle_names_the_variable_and_the_function(tmp_path):
    """The way to what cannot be encoded is told where it has no global name."""
    before = """
        def make(handle):
            def inner(x):
                return handle.read()
            return inner
        helper = make(open(__file__))
    """
    found = fingerprint(tmp_path, {"steps.py": steps_file(before)})
    assert "'handle'" in str(found.uncacheable)
    assert "steps:make.<locals>.inner" in str(found.uncacheable)


def test_a_class_body_whose_text_was_edited_after_the_import_is_uncacheable(tmp_path):
    """Where a library's metaclass hides the body, only proven text may speak for it."""
    text = (
        "from pydantic import BaseModel\nclass A(BaseModel):\n    n: int = {}\n    def go(self):\n        return {}\n"
    )
    root = write_project(tmp_path, {"steps.py": steps_file(text.format(1, 1), "return A().go()")})
    with imported(root) as module:
        specification = module.run.specification
        write_project(root, {"steps.py": steps_file(text.format(1, 2), "return A().go()")})
        found = CodeFingerprinter(Project(root)).of_step(specification)
    assert "A" in str(found.uncacheable)


def test_cycles_and_deep_chains_of_helpers_are_followed(tmp_path):
    """Recursion, mutual recursion, self-reference and 2,000 levels of helpers end."""
    chain = "\n".join(f"def f{n}(x):\n    return f{n + 1}(x)" for n in range(2000))
    before = chain + "\ndef f2000(x):\n    return f0(x) and LOOP\nLOOP = []\nLOOP.append({'self': LOOP})"
    found = fingerprint(tmp_path / "1", {"steps.py": steps_file(before, "return f0(x)")})
    assert found.uncacheable is None
    assert len(found.parts) == 2001 + 1 + 1 + 1
    changed = before.replace("return f1000(x)", "return f1000(x) + 1")
    assert fingerprint(tmp_path / "2", {"steps.py": steps_file(changed, "return f0(x)")}).digest != found.digest


def test_a_long_expression_is_no_problem(tmp_path):
    """An expression that is deeper than Python's recursion limit for functions has a canonical form."""
    total = " + ".join(["x"] * 900)
    assert fingerprint(tmp_path, {"steps.py": steps_file("", f"return {total}")}).parts[0].basis == "ast"


def test_lambdas_of_one_name_are_parts_of_their_own(tmp_path):
    """Parts of one qualified name are numbered, so none hides another."""
    found = fingerprint(tmp_path, {"steps.py": steps_file("a, b = (lambda x: x), (lambda x: x + 1)", "return a(b(x))")})
    names = [part.name for part in found.parts]
    assert names[:3] == ["steps:run", "steps:<lambda>", "steps:<lambda>#2"]
    assert [part.source for part in found.parts[1:3]] == ["lambda x: x", "lambda x: x + 1"]


def test_exec_built_code_is_told_by_its_bytecode(tmp_path):
    """Where no text is proven the basis says so, and the source is a listing."""
    before = "space = {}\nexec('def helper(x):\\n    return x + 1', space)\nhelper = space['helper']"
    part = next(part for part in fingerprint(tmp_path, {"steps.py": steps_file(before)}).parts if "helper" in part.name)
    assert part.basis == "bytecode"
    assert "LOAD_CONST 1" in part.source


def test_a_compiled_extension_of_the_project_counts_by_its_bytes(tmp_path):
    """Case 34: any byte of the file counts, for its functions cannot be looked into."""
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    extension = importlib.util.find_spec("_bisect").origin
    digests = []
    for name, tail in (("1", b""), ("2", b"\0")):
        root = write_project(
            tmp_path / name, {"steps.py": steps_file("from native import _bisect", "return _bisect.bisect([], x)")}
        )
        (root / "native").mkdir()
        (root / "native" / "__init__.py").write_text("")
        copy = root / "native" / f"_bisect{suffix}"
        shutil.copy(extension, copy)
        copy.write_bytes(copy.read_bytes() + tail)
        with imported(root) as module:
            found = CodeFingerprinter(Project(root)).of_step(module.run.specification)
        assert "native._bisect" in found.modules
        digests.append(found.digest)
    assert digests[0] != digests[1]


def test_a_helper_without_source_counts_by_its_bytecode(tmp_path):
    """A module that is installed as bytecode alone is followed too."""
    import compileall

    digests = []
    for name in ("1", "2"):
        root = write_project(
            tmp_path / name,
            {
                "steps.py": steps_file("from lib import low", "return low(x)"),
                "lib.py": f"def low(x):\n    return x + {name}\n",
            },
        )
        compileall.compile_file(root / "lib.py", quiet=1, legacy=True)
        (root / "lib.py").unlink()
        with imported(root) as module:
            digests.append(CodeFingerprinter(Project(root)).of_step(module.run.specification).digest)
    assert digests[0] != digests[1]


def test_a_helper_in_a_zip_file_is_read_through_its_loader(tmp_path):
    """Sources that are no files are verified like any other."""
    root = write_project(
        tmp_path,
        {
            "steps.py": steps_file(
                "import sys\nsys.path.append(__file__.replace('steps.py', 'lib.zip'))\nfrom zipped import low",
                "return low(x)",
            )
        },
    )
    with zipfile.ZipFile(root / "lib.zip", "w") as archive:
        archive.writestr("zipped.py", "def low(x):\n    # why\n    return x + 1\n")
    with imported(root) as module:
        found = CodeFingerprinter(Project(root)).of_step(module.run.specification)
    assert next(part.basis for part in found.parts if part.name == "zipped:low") == "ast"


def test_extra_objects_count(tmp_path):
    """A codec's class is part of the fingerprint of the steps that use it."""
    root = write_project(
        tmp_path, {"steps.py": steps_file("class Codec:\n    def save(self):\n        return 1", "return x")}
    )
    with imported(root) as module:
        fingerprinter = CodeFingerprinter(Project(root))
        plain = fingerprinter.of_step(module.run.specification)
        first = fingerprinter.of_step(module.run.specification, [module.Codec])
        module.Codec.save = lambda self: 2
        second = fingerprinter.of_step(module.run.specification, [module.Codec])
    assert len({plain.digest, first.digest, second.digest}) == 3
    assert "steps:Codec" in {part.name for part in first.parts}


def test_a_secret_in_a_global_is_not_shown(tmp_path):
    """Only plain data is rendered; of anything else only its type is shown."""
    before = """
        class Token:
            value = "hunter2"
            def __repr__(self):
                return self.value
        TOKEN = Token()
    """
    found = fingerprint(tmp_path, {"steps.py": steps_file(before, "return TOKEN")})
    shown = next(part.source for part in found.parts if part.name == "steps:TOKEN")
    assert shown == "<steps.Token>"


def test_of_value_tells_functions_apart(tmp_path):
    """A function that is passed as a parameter counts by its code."""
    root = write_project(tmp_path, {"steps.py": "def a(x):\n    return x\ndef b(x):\n    return x + 1\n"})
    with imported(root) as module:
        fingerprinter = CodeFingerprinter(Project(root))
        assert fingerprinter.of_value(module.a) == fingerprinter.of_value(module.a)
        assert fingerprinter.of_value(module.a) != fingerprinter.of_value(module.b)
        assert fingerprinter.of_value(len) != fingerprinter.of_value(max)


@pytest.mark.parametrize(
    ("decorator", "last"),
    [("", "# a dataclass"), ("(frozen=True, order=True)", "# a dataclass with order=True, frozen=True")],
)
def test_a_dataclass_is_shown_by_its_fields(tmp_path, decorator, last):
    """What `dataclass` generates is not what a person wrote; hints are whole, and defaults stand with them."""
    text = f"import dataclasses\n@dataclasses.dataclass{decorator}\nclass C:\n    n: list[int]\n    rate: float = 0.5\n"
    found = _parts(fingerprint(tmp_path, {"steps.py": steps_file(text, "return C([x]).rate")}))
    assert found["steps:C"].source.splitlines() == [
        "class C(object):",
        "    n: list[int]",
        "    rate: float = 0.5",
        f"    {last}",
    ]
