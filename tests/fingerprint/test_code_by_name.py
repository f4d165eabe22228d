"""Code that is reached by a name in text, through a library's table of names, or by reading code itself."""

from __future__ import annotations

import pytest

from tests.fingerprint.projects import fingerprint, two_files, two_projects

TABLE = "import pandas as pd\ndf = pd.DataFrame({'x': [1, 2, 3]})\n"

MUST_MISS = {
    "attribute of a thread-local": (
        "import threading\nC = threading.local()\nC.rate = <<0.1||0.2>>\nC.lock = threading.Lock()\n"
        "C.lines = (x for x in 'ab')",
        "return x * C.rate",
    ),
    "subclass of a library's class": (
        "import sklearn.base as sb\nclass Mine(sb.BaseEstimator):\n    rate = <<0.1||0.2>>",
        "return [kind.rate for kind in sb.BaseEstimator.__subclasses__() if kind.__name__ == 'Mine']",
    ),
    "subclass of a name of a library's": (
        "from sklearn.base import BaseEstimator\nclass Mine(BaseEstimator):\n    rate = <<0.1||0.2>>",
        "return [kind.rate for kind in BaseEstimator.__subclasses__() if kind.__name__ == 'Mine']",
    ),
    "query names a global": (
        TABLE + "LIMIT = <<3||2>>",
        "return len(df.query('x > @LIMIT'))",
    ),
    "query names a function": (
        TABLE + "def big(s): return s > <<3||2>>",
        "return len(df.query('@big(x)', engine='python'))",
    ),
    "query names an attribute": (
        TABLE + "class Limits:\n    top = <<3||2>>",
        "return len(df.query('x > @Limits.top'))",
    ),
    "query in a nested function": (
        TABLE + "LIMIT = <<3||2>>",
        "return len(df.pipe(lambda d: d.query('x > @LIMIT')))",
    ),
    "query of an f-string": (
        TABLE + "LIMIT = <<3||2>>",
        "return len(df.query(f'x > @LIMIT and x < {x}'))",
    ),
    "query of an f-string that makes a name": (
        TABLE + "LIMIT = <<3||2>>",
        "name = 'LIMIT'\nreturn len(df.query(f'x > @{name}'))",
    ),
    "query of an f-string around a global": (
        TABLE + "WHERE = 'x > @' + 'LIMIT'\nLIMIT = <<3||2>>",
        "return len(df.query(f'{WHERE} and x < 9'))",
    ),
    "query of a variable": (
        TABLE + "WHERE = 'x > @' + 'LIMIT'\nLIMIT = <<3||2>>",
        "return len(df.query(WHERE))",
    ),
    "query of a sum": (
        TABLE + "LIMIT = <<3||2>>",
        "return len(df.query('x > @' + ['LIMIT'][0]))",
    ),
    "query of a formatted text": (
        TABLE + "LIMIT = <<3||2>>",
        "return len(df.query('x > @{}'.format('LIMIT')))",
    ),
    "query with a variable option": (
        TABLE + "LIMIT = <<3||2>>",
        "return len(df.query('x > @LIMIT', engine=str('python')))",
    ),
    "eval of a table": (
        TABLE + "LIMIT = <<3||2>>",
        "return df.eval('x + @LIMIT').sum()",
    ),
    "eval of pandas": (
        TABLE + "LIMIT = <<3||2>>",
        "return pd.eval('LIMIT + 1')",
    ),
    "query that was bound before": (
        TABLE + "LIMIT = <<3||2>>",
        "ask = df.query\nreturn len(ask('x > @LIMIT'))",
    ),
    "globals of a frame": (
        "import sys\nLIMIT = <<1||2>>",
        "return sys._getframe().f_globals['LIMIT']",
    ),
    "globals of a function": (
        "def helper(): pass\nLIMIT = <<1||2>>",
        "return helper.__globals__['LIMIT']",
    ),
    "globals of a function by getattr": (
        "def helper(): pass\nLIMIT = <<1||2>>",
        "return getattr(helper, '__globals__')['LIMIT']",
    ),
    "text of a function": (
        "import inspect\ndef helper(x):\n    # <<one||two>>\n    return x",
        "return len(inspect.getsource(helper))",
    ),
    "text of a class": (
        "import inspect\nclass Helper:\n    # <<one||two>>\n    pass",
        "return len(inspect.getsource(Helper))",
    ),
    "text read by a helper": (
        "import inspect\ndef helper(x):\n    # <<one||two>>\n    return x\ndef read(f): return inspect.getsource(f)",
        "return len(read(helper))",
    ),
    "signature of a function": (
        "import inspect\ndef helper(x: <<int||float>>): return x",
        "return str(inspect.signature(helper))",
    ),
    "hints of a function": (
        "import typing\ndef helper(x: <<int||float>>): return x",
        "return str(typing.get_type_hints(helper))",
    ),
    "annotations of a function": (
        "def helper(x: <<int||float>>): return x",
        "return str(helper.__annotations__)",
    ),
    "subclass among the names": (
        "class Base: pass\nclass One(Base):\n    def run(self): return <<1||2>>",
        "return Base.__subclasses__()[0]().run()",
    ),
    "subclass of a subclass": (
        """
        class Base: pass
        class One(Base): pass
        class Two(One):
            def run(self): return <<1||2>>
        def deepest(kind):
            while kind.__subclasses__(): kind = kind.__subclasses__()[0]
            return kind
        """,
        "return deepest(Base)().run()",
    ),
    "order of subclasses": (
        "class Base: pass\nclass <<One||Two>>(Base): pass\nclass <<Two||One>>(Base): pass",
        "return Base.__subclasses__()[0].__name__",
    ),
    "built-in function as an operator": (
        "import operator\nclass Op(int):\n    __add__ = operator.<<add||mul>>",
        "return Op(2) + 5",
    ),
    "descriptor as an operator": (
        "class Op(int):\n    __add__ = int.<<__sub__||__mul__>>",
        "return Op(2) + 5",
    ),
    "class variable of a model set later": (
        "import pydantic\nfrom typing import ClassVar\nclass M(pydantic.BaseModel):\n    K: ClassVar[int] = 0\n"
        "M.K = <<1||2>>",
        "return M.K",
    ),
    "registered check of a contract": (
        """
        import pandas as pd, pandera.pandas as pa, pandera.extensions as extensions
        from pandera.api.checks import Check
        Check.REGISTERED_CUSTOM_CHECKS.pop('above_all', None)
        @extensions.register_check_method(statistics=['v'])
        def above_all(table, *, v): return table > v + <<0||1>>
        class T(pa.DataFrameModel):
            a: int = pa.Field(above_all=0)
        """,
        "return len(T.validate(pd.DataFrame({'a': [3]})))",
    ),
    "registered check by attribute": (
        """
        import pandas as pd, pandera.pandas as pa, pandera.extensions as extensions
        from pandera.api.checks import Check
        Check.REGISTERED_CUSTOM_CHECKS.pop('above_all', None)
        @extensions.register_check_method(statistics=['v'])
        def above_all(table, *, v): return table > v + <<0||1>>
        """,
        "return len(pa.DataFrameSchema({'a': pa.Column(int, pa.Check.above_all(0))}).columns)",
    ),
    "padded array": (
        "import numpy as np\nA = np.zeros(2, np.dtype([('a', 'i1'), ('b', 'f8')], align=True))\nA['b'] = <<1||2>>",
        "return A['b'].sum()",
    ),
    "masked array": (
        "import numpy as np\nA = np.ma.array([1, 2, 3], mask=[0, 0, <<0||1>>])",
        "return int(A.sum())",
    ),
    "byte order of an array": (
        "import numpy as np\nA = np.array([1, 256], '<<<i4||>i4>>')",
        "return A.dtype.str",
    ),
}


@pytest.mark.parametrize("case", MUST_MISS, ids=str)
def test_what_is_reached_by_a_name_counts(case, tmp_path):
    """What a query, a registry or reflection leads to changes the result, and so the fingerprint."""
    first, second = two_files(*MUST_MISS[case])
    before = fingerprint(tmp_path / "1", first)
    assert before.uncacheable is None
    assert before.digest != fingerprint(tmp_path / "2", second).digest
    assert before.digest == fingerprint(tmp_path / "3", first).digest


MUST_HIT = {
    "a global that a query does not name": (
        TABLE + "OTHER = <<3||2>>",
        "return len(df.query('x > 1 and OTHER'))",
    ),
    "a global beside a query of an f-string": (
        TABLE + "OTHER = <<3||2>>",
        "return len(df.query(f'x > {x}'))",
    ),
    "a word of the docstring beside a query": (
        TABLE + "OTHER = 3",
        "'''<<one||two @other>>'''\nreturn len(df.query('x > 1'))",
    ),
    "a method named eval": (
        "class Model:\n    def eval(self): return 1\nmodel = Model()\nOTHER = <<3||2>>",
        "return model.eval()",
    ),
    "annotations that nothing reads": (
        "def helper(x: <<int||float>>): return x",
        "return helper(x)",
    ),
    "a comment in code whose signature is read": (
        "import inspect\ndef helper(x):\n    # <<one||two>>\n    return x",
        "return str(inspect.signature(helper))",
    ),
    "a subclass where none are listed": (
        "class Base:\n    def run(self): return 1\nclass One(Base):\n    def run(self): return <<1||2>>",
        "return Base().run()",
    ),
}


@pytest.mark.parametrize("case", MUST_HIT, ids=str)
def test_what_is_named_nowhere_does_not_count(case, tmp_path):
    """Reading some names in text must not make a step depend on all others."""
    first, second = two_files(*MUST_HIT[case])
    before = fingerprint(tmp_path / "1", first)
    assert before.uncacheable is None
    assert before.digest == fingerprint(tmp_path / "2", second).digest


COMPUTED_IMPORTS = {
    "spec of a file": (
        "import importlib.util, pathlib",
        "spec = importlib.util.spec_from_file_location('plug', pathlib.Path(__file__).parent / 'plug.py')\n"
        "module = importlib.util.module_from_spec(spec)\nspec.loader.exec_module(module)\nreturn module.X",
    ),
    "spec by name": (
        "from importlib.util import find_spec",
        "return find_spec('pl' + 'ug').loader.load_module().X",
    ),
    "loader of a file": (
        "from importlib.machinery import SourceFileLoader",
        "return SourceFileLoader('plug', 'plug.py').load_module().X",
    ),
    "runpy module": (
        "import runpy",
        "return runpy.run_module('plug')['X']",
    ),
    "runpy path": (
        "from runpy import run_path",
        "return run_path('plug.py')['X']",
    ),
    "name of pkgutil": (
        "import pkgutil",
        "return pkgutil.resolve_name('plug:X')",
    ),
    "partial import": (
        "import importlib, functools\nload = functools.partial(importlib.import_module, 'plug')",
        "return load().X",
    ),
    "imported inside": (
        "",
        "import runpy\nreturn runpy.run_module('plug')['X']",
    ),
    "pickle of a file": (
        "import pickle",
        "with open('model.pkl', 'rb') as file:\n    return pickle.load(file).predict(x)",
    ),
    "pickle of a constant": (
        "from pickle import loads\nMODEL = b'cplug\\nX\\n.'",
        "return loads(MODEL)",
    ),
    "unpickler of one's own": (
        "import pickle\nclass Reader(pickle.Unpickler):\n    pass",
        "return Reader(open('model.pkl', 'rb')).load()",
    ),
    "partial pickle": (
        "import cloudpickle, functools\nload = functools.partial(cloudpickle.loads)",
        "return load(b'cplug\\nX\\n.')",
    ),
    "joblib": (
        "import joblib",
        "return joblib.load('model.joblib')",
    ),
    "joblib function": (
        "from joblib import load",
        "return load('model.joblib')",
    ),
    "a library that is not loaded": (
        "",
        "import torch\nreturn torch.load('model.pt', weights_only=False)",
    ),
    "pickle of pandas": (
        "import pandas as pd",
        "return pd.read_pickle('model.pkl')",
    ),
    "function of pandas": (
        "from pandas import read_pickle",
        "return read_pickle('model.pkl')",
    ),
    "unsafe yaml": (
        "import yaml",
        "return yaml.unsafe_load('!!python/name:plug.X')",
    ),
    "loader of yaml": (
        "import yaml\nfrom yaml import UnsafeLoader as Loader",
        "return yaml.load('!!python/name:plug.X', Loader=Loader)",
    ),
    "shelf": (
        "import shelve",
        "return shelve.open('models')['one']",
    ),
    "module of another process": (
        "import subprocess, sys",
        "return subprocess.check_output([sys.executable, '-m', 'plug', str(x)])",
    ),
    "module in a tuple of words": (
        "import subprocess",
        "return subprocess.run(['python', '-m', 'plug'])",
    ),
    "module in a command line": (
        "import os",
        "return os.system(f'python -u -m plug {x}')",
    ),
    "name of pydoc": (
        "import pydoc",
        "return pydoc.locate('pl' + 'ug.X')",
    ),
}


@pytest.mark.parametrize("case", COMPUTED_IMPORTS, ids=str)
def test_an_import_by_computed_name_counts_every_source(case, tmp_path):
    """What is loaded by a path or name known only when the code runs may be any file of the project."""
    first, second = two_projects(*COMPUTED_IMPORTS[case], {"plug.py": "X = <<1||2>>\n"})
    before = fingerprint(tmp_path / "1", first)
    assert before.digest != fingerprint(tmp_path / "2", second).digest
    assert before.digest == fingerprint(tmp_path / "3", first).digest


@pytest.mark.parametrize(
    "body",
    [
        "import subprocess\nreturn subprocess.run(['python', '-m', 'http.server'])",
        "import subprocess\nreturn subprocess.run(['git', 'commit', '-m', 'update'])",
        "import json\nreturn json.loads('1')",
        "import pickle\nreturn pickle.dumps(1)",
        "return yaml.safe_load('1')",
    ],
    ids=str,
)
def test_data_that_names_no_code_is_no_import(body, tmp_path):
    """Only loaders that can give the project's own objects count for its sources."""
    first, second = two_projects("import yaml", body, {"plug.py": "X = <<1||2>>\n"})
    assert fingerprint(tmp_path / "1", first).digest == fingerprint(tmp_path / "2", second).digest


@pytest.mark.parametrize("read", ["helpers.__dict__['LIMIT']", "helpers.get.__globals__['LIMIT']"], ids=str)
def test_the_namespace_of_another_module_counts_whole(read, tmp_path):
    """A module that is opened as a dict may be read under any name."""
    helpers = {"helpers.py": "LIMIT = <<1||2>>\ndef get(): pass\n"}
    first, second = two_projects("import helpers", f"return {read}", helpers)
    assert fingerprint(tmp_path / "1", first).digest != fingerprint(tmp_path / "2", second).digest


@pytest.mark.filterwarnings("ignore::polars.exceptions.PolarsInefficientMapWarning")
@pytest.mark.parametrize("made", ["pl.col('a').map_elements(h, return_dtype=pl.Int64)", "[pl.col('a').map_batches(h)]"])
def test_an_expression_that_calls_python_is_uncacheable_by_name(made, tmp_path):
    """polars shows its Python functions as pickled bytes only, which do not tell what they refer to."""
    files = {"steps.py": f"import flowkit as fk\nimport polars as pl\ndef h(x): return x + 1\nEXPRESSION = {made}\n"}
    files["steps.py"] += "@fk.step\ndef run(x: float) -> str:\n    return str(EXPRESSION)\n"
    found = fingerprint(tmp_path, files)
    assert found.uncacheable is not None
    assert "EXPRESSION" in found.uncacheable
    assert "Python function" in found.uncacheable


def test_padding_between_fields_does_not_count(tmp_path):
    """The bytes that align the fields of an array are whatever the memory held before."""
    text = """
    import numpy as np
    kind = np.dtype([('a', 'i1'), ('b', 'f8')], align=True)
    A = np.frombuffer(bytearray(b'\\x<<00||ff>>' * 32), kind)
    A['a'], A['b'] = 1, 2.5
    """
    first, second = two_files(text, "return A['b'].sum()")
    assert fingerprint(tmp_path / "1", first).digest == fingerprint(tmp_path / "2", second).digest
