"""What changes a step's result must change its code fingerprint."""

from __future__ import annotations

import pytest

from flowkit.fingerprint.code import CodeFingerprinter
from flowkit.project import Project
from tests.fingerprint.projects import (
    fingerprint,
    imported,
    steps_file,
    two_files,
    two_projects,
    variants,
    write_project,
)

ONE_FILE = {
    "1 body constant": (
        "",
        "return x + <<1||2>>",
    ),
    "2 operator": (
        "",
        "return x <<+||->> 1",
    ),
    "3 called name only": (
        "from math import sin, cos",
        "return <<sin||cos>>(x)",
    ),
    "3 called attribute only": (
        "import math",
        "return <<math.sin||math.cos>>(x)",
    ),
    "4 one and True": (
        "",
        "return [x, <<1||True>>]",
    ),
    "4 one and 1.0": (
        "",
        "return (x, <<1||1.0>>)",
    ),
    "5 zeros": (
        "",
        "return <<0.0||-0.0>>",
    ),
    "5 zeros in a tuple": (
        "",
        "return (x, <<0.0||-0.0>>)",
    ),
    "6 f-string text": (
        "",
        "return <<f'a||f'b>>{x}'",
    ),
    "6 f-string format": (
        "",
        "return f'{x:<<.1f||.2f>>}'",
    ),
    "7 default of a helper": (
        """
        def helper(x, y=<<1||2>>):
            return x + y
        """,
        "return helper(x)",
    ),
    "8 keyword default": (
        """
        def helper(x, *, y=<<1||2>>):
            return x
        """,
        "return helper(x)",
    ),
    "10 closure value": (
        """
        def make(n):
            def inner(x):
                return x * n
            return inner
        helper = make(<<2||3>>)
        """,
        "return helper(x)",
    ),
    "10 closure of equal text": (
        """
        def make(n):
            return lambda x: x * n
        N = <<2||2.0>>
        helper = make(N)
        """,
        "return helper(x)",
    ),
    "11 global": (
        "N = <<1||2>>",
        "return x * N",
    ),
    "11 global computed": (
        """
        N = <<1||2>>
        M = N * 2
        """,
        "return x * M",
    ),
    "11 global dict order": (
        "D = {<<'a': 1, 'b': 2||'b': 2, 'a': 1>>}",
        "return list(D)",
    ),
    "11 nested global": (
        "D = {'a': [1, (<<2||3>>,)]}",
        "return D",
    ),
    "11 global in a nested class": (
        "N = <<1||2>>",
        """
        class A:
            n = N
        return A.n
        """,
    ),
    "12 helper": (
        """
        def helper(x):
            return x + <<1||2>>
        """,
        "return helper(x)",
    ),
    "14 two levels down": (
        """
        def low(x):
            return x + <<1||2>>
        def helper(x):
            return low(x)
        """,
        "return helper(x)",
    ),
    "14 helper only passed on": (
        """
        def low(x):
            return x + <<1||2>>
        """,
        "return list(map(low, [x]))",
    ),
    "18 decorator body": (
        """
        def deco(f):
            def w(x):
                return f(x) + <<1||2>>
            return w
        @deco
        def helper(x):
            return x
        """,
        "return helper(x)",
    ),
    "18 decorator with wraps": (
        """
        import functools
        def deco(f):
            @functools.wraps(f)
            def w(x):
                return f(x) + <<1||2>>
            return w
        @deco
        def helper(x):
            return x
        """,
        "return helper(x)",
    ),
    "19 decorator argument": (
        """
        import functools
        def scale(n):
            def deco(f):
                @functools.wraps(f)
                def w(x):
                    return f(x) * n
                return w
            return deco
        @scale(<<2||3>>)
        def helper(x):
            return x
        """,
        "return helper(x)",
    ),
    "19 wrapped helper under wraps": (
        """
        import functools
        def deco(f):
            @functools.wraps(f)
            def w(x):
                return f(x)
            return w
        @deco
        def helper(x):
            return x + <<1||2>>
        """,
        "return helper(x)",
    ),
    "18 order of decorators": (
        """
        def a(f):
            return lambda x: f(x) + 1
        def b(f):
            return lambda x: f(x) * 2
        @<<a
        @b||b
        @a>>
        def helper(x):
            return x
        """,
        "return helper(x)",
    ),
    "18 context manager": (
        """
        import contextlib
        @contextlib.contextmanager
        def opened():
            yield <<1||2>>
        """,
        """
        with opened() as n:
            return x + n
        """,
    ),
    "18 lru_cache": (
        """
        import functools
        @functools.lru_cache
        def helper(x):
            return x + <<1||2>>
        """,
        "return helper(x)",
    ),
    "20 one of two lambdas": (
        "PAIR = (lambda x: x + 1, lambda x: x + 2); helper = PAIR[<<0||1>>]",
        "return helper(x)",
    ),
    "21 nested function": (
        "",
        """
        def inner(y):
            return y + <<1||2>>
        return inner(x)
        """,
    ),
    "21 helper of a nested function": (
        """
        def helper(x):
            return x + <<1||2>>
        """,
        """
        def inner(y):
            return helper(y)
        return inner(x)
        """,
    ),
    "22 comprehension": (
        "",
        "return [y + <<1||2>> for y in [x]]",
    ),
    "22 helper in a comprehension": (
        """
        def helper(x):
            return x + <<1||2>>
        """,
        "return [helper(y) for y in [x]]",
    ),
    "23 method": (
        """
        class A:
            def go(self, x):
                return x + <<1||2>>
        """,
        "return A().go(x)",
    ),
    "23 static and class methods": (
        """
        class A:
            @staticmethod
            def go(x):
                return x + <<1||2>>
        """,
        "return A.go(x)",
    ),
    "23 class attribute": (
        """
        class A:
            n = <<1||2>>
        """,
        "return A.n",
    ),
    "23 slots": (
        """
        class A:
            __slots__ = (<<'a'||'b'>>,)
        """,
        "return A()",
    ),
    "24 base class": (
        """
        class B:
            def go(self):
                return <<1||2>>
        class A(B):
            pass
        """,
        "return A().go()",
    ),
    "24 order of bases": (
        """
        class B:
            n = 1
        class C:
            n = 2
        class A(<<B, C||C, B>>):
            pass
        """,
        "return A().n",
    ),
    "24 metaclass": (
        """
        class M(type):
            def __call__(c):
                return <<1||2>>
        class A(metaclass=M):
            pass
        """,
        "return A()",
    ),
    "24 super of a method": (
        """
        class B:
            def go(self):
                return <<1||2>>
        class A(B):
            def go(self):
                return super().go()
        """,
        "return A().go()",
    ),
    "25 self of a bound method": (
        """
        class A:
            def __init__(self, n):
                self.n = n
            def go(self, x):
                return x * self.n
        helper = A(<<2||3>>).go
        """,
        "return helper(x)",
    ),
    "26 attribute of a callable instance": (
        """
        class A:
            def __init__(self, n):
                self.n = n
            def __call__(self, x):
                return x * self.n
        helper = A(<<2||3>>)
        """,
        "return helper(x)",
    ),
    "26 slots of an instance": (
        """
        class A:
            __slots__ = ('n',)
            def __init__(self, n):
                self.n = n
        S = A(<<2||3>>)
        """,
        "return S.n",
    ),
    "27 partial argument": (
        """
        from functools import partial
        helper = partial(pow, <<2||3>>)
        """,
        "return helper(x)",
    ),
    "27 partial keyword": (
        """
        from functools import partial
        def f(x, n):
            return x * n
        helper = partial(f, n=<<2||3>>)
        """,
        "return helper(x)",
    ),
    "28 property": (
        """
        class A:
            @property
            def n(self):
                return <<1||2>>
        """,
        "return A().n",
    ),
    "28 cached property": (
        """
        from functools import cached_property
        class A:
            @cached_property
            def n(self):
                return <<1||2>>
        """,
        "return A().n",
    ),
    "28 descriptor": (
        """
        class D:
            def __get__(self, o, t):
                return <<1||2>>
        class A:
            n = D()
        """,
        "return A().n",
    ),
    "29 dataclass default": (
        """
        from dataclasses import dataclass
        @dataclass
        class A:
            n: int = <<1||2>>
        """,
        "return A().n",
    ),
    "29 dataclass factory": (
        """
        from dataclasses import dataclass, field
        @dataclass
        class A:
            n: list = field(default_factory=lambda: [<<1||2>>])
        """,
        "return A().n",
    ),
    "29 dataclass field order": (
        """
        from dataclasses import dataclass
        @dataclass
        class A:
            <<n: int
            m||m: int
            n>>: int
        """,
        "return A(x, 1).n",
    ),
    "29 dataclass options": (
        """
        from dataclasses import dataclass
        @dataclass(eq=<<True||False>>)
        class A:
            n: int = 1
        """,
        "return A() == A()",
    ),
    "29 NamedTuple default": (
        """
        from typing import NamedTuple
        class A(NamedTuple):
            n: int = <<1||2>>
        """,
        "return A().n",
    ),
    "30 Enum value": (
        """
        import enum
        class E(enum.Enum):
            A = <<1||2>>
        """,
        "return E.A.value",
    ),
    "30 Enum method": (
        """
        import enum
        class E(enum.Enum):
            A = 1
            def go(self):
                return <<1||2>>
        """,
        "return E.A.go()",
    ),
    "32 exec-built function": (
        """
        space = {}
        exec('def helper(x):\\n    return x + <<1'||2'>>, space)
        helper = space['helper']
        """,
        "return helper(x)",
    ),
    "32 exec-built constant types": (
        """
        space = {}
        exec('def helper(x):\\n    return (x, <<1||True>>)', space)
        helper = space['helper']
        """,
        "return helper(x)",
    ),
    "32 exec-built name": (
        """
        import math
        space = vars(math).copy()
        exec('def helper(x):\\n    return <<sin||cos>>(x)', space)
        helper = space['helper']
        """,
        "return helper(x)",
    ),
    "35 generator": (
        """
        def helper(x):
            <<return [x]||yield x>>
        """,
        "return list(helper(x))",
    ),
    "35 async": (
        """
        <<def||async def>> helper(x):
            return x
        """,
        "return helper(x)",
    ),
    "37 another third-party function": (
        "import numpy as np",
        "return <<np.sin||np.cos>>(x)",
    ),
    "regular expression": (
        """
        import re
        P = re.compile(<<'a'||'b'>>)
        """,
        "return P",
    ),
    "regular expression flags": (
        """
        import re
        P = re.compile(<<'a'||'a', re.I>>)
        """,
        "return P",
    ),
    "array": (
        """
        import numpy as np
        A = np.array([1, <<2||3>>])
        """,
        "return A",
    ),
    "array dtype": (
        """
        import numpy as np
        A = np.zeros(<<2, 'f4'||1, 'f8'>>)
        """,
        "return A",
    ),
    "table": (
        """
        import pandas as pd
        T = pd.DataFrame({'a': [1, <<2||3>>]})
        """,
        "return T",
    ),
    "table of strings": (
        """
        import pandas as pd
        T = pd.DataFrame({'a': ['x', <<'y'||'z'>>]})
        """,
        "return T",
    ),
    "date": (
        """
        import datetime as dt
        D = dt.date(2026, 1, <<1||2>>)
        """,
        "return D",
    ),
    "Decimal": (
        """
        from decimal import Decimal
        D = Decimal(<<'1.0'||'1.00'>>)
        """,
        "return D",
    ),
    "estimator": (
        """
        from sklearn.linear_model import Ridge
        M = Ridge(alpha=<<1.0||2.0>>)
        """,
        "return M",
    ),
    "singledispatch implementation": (
        """
        import functools
        @functools.singledispatch
        def helper(x):
            return x
        @helper.register
        def _(x: float):
            return <<1||2>>
        """,
        "return helper(x)",
    ),
    "accessor": (
        """
        import pandas as pd
        @pd.api.extensions.register_dataframe_accessor('fk_test')
        class Acc:
            def __init__(self, t):
                self.t = t
            def go(self):
                return <<1||2>>
        """,
        "return pd.DataFrame().fk_test.go()",
    ),
    "docstring that is read": (
        """
        def helper(x):
            <<'one'||'two'>>
        """,
        "return helper.__doc__",
    ),
    "globals()": (
        "N = <<1||2>>",
        "return globals()['N']",
    ),
    "eval": (
        "N = <<1||2>>",
        "return eval('N')",
    ),
    "another step that is called": (
        """
        @fk.step
        def helper(x: float) -> float:
            return x + <<1||2>>
        """,
        "return helper(x)",
    ),
    "pydantic field": (
        """
        from pydantic import BaseModel, Field
        class A(BaseModel):
            n: int = Field(<<1||2>>, ge=0)
        """,
        "return A().n",
    ),
    "pydantic validator": (
        """
        from pydantic import BaseModel, field_validator
        class A(BaseModel):
            n: int
            @field_validator('n')
            @classmethod
            def check(cls, v):
                return v + <<1||2>>
        """,
        "return A(n=1).n",
    ),
    "global that a pydantic body reads": (
        """
        from pydantic import BaseModel
        N = <<1||2>>
        class A(BaseModel):
            n: int = N
        """,
        "return A().n",
    ),
    "a decorator that reads annotations": (
        """
        import functools
        def deco(f):
            @functools.wraps(f)
            def w(x):
                return w.__annotations__
            return w
        @deco
        def helper(x: <<int||float>>):
            return x
        """,
        "return helper(x)",
    ),
    "30 Enum fallback": (
        """
        import enum
        class E(enum.Enum):
            A = 1
            @classmethod
            def _missing_(cls, value):
                return <<cls.A||None>>
        """,
        "return E(x)",
    ),
    "23 data under a dunder name": (
        """
        class A:
            __scale__ = <<1||2>>
        """,
        "return A.__scale__",
    ),
    "polars table": (
        """
        import polars as pl
        T = pl.DataFrame({"a": [1, <<2||3>>], "b": ["x", None]})
        """,
        "return T",
    ),
    "arrow table": (
        """
        import pyarrow as pa
        T = pa.table({"a": [1, <<2||3>>], "b": ["x", None]})
        """,
        "return T",
    ),
    "implementation registered with a library's function": (
        """
        import json, pkgutil, functools
        pkgutil.fk_dispatch = functools.singledispatch(json.dumps)
        @pkgutil.fk_dispatch.register
        def low(x: float):
            return <<1||2>>
        """,
        "return pkgutil.fk_dispatch(x)",
    ),
    "unbound name that appears": (
        "<<||helper = 1>>",
        "return helper",
    ),
}


@pytest.mark.parametrize("case", ONE_FILE, ids=str)
def test_a_change_of_meaning_in_one_file_changes_the_fingerprint(case, tmp_path):
    """Whatever of the file can change the result counts; the step can still be cached."""
    before, after = two_files(*ONE_FILE[case])
    first = fingerprint(tmp_path / "before", before)
    second = fingerprint(tmp_path / "after", after)
    assert first.uncacheable is None
    assert second.uncacheable is None
    assert first.digest != second.digest
    assert fingerprint(tmp_path / "again", before).digest == first.digest
    changed = {part.name for part in first.parts} ^ {part.name for part in second.parts}
    old = {part.name: part.digest for part in first.parts}
    assert changed or any(old[part.name] != part.digest for part in second.parts)


FILES = {
    "13 helper in another module": (
        "from lib import low as helper",
        "return helper(x)",
        {
            "lib.py": """
            def low(x):
                return x + <<1||2>>
            """,
        },
    ),
    "15 module.attr": (
        "import lib",
        "return lib.low(x)",
        {
            "lib.py": """
            def low(x):
                return x + <<1||2>>
            """,
        },
    ),
    "15 package.module.attr": (
        "import pkg.lib",
        "return pkg.lib.low(x)",
        {
            "pkg/__init__.py": "",
            "pkg/lib.py": """
            def low(x):
                return x + <<1||2>>
            """,
        },
    ),
    "16 from x import y": (
        "from pkg.lib import low",
        "return low(x)",
        {
            "pkg/lib.py": """
            def low(x):
                return x + <<1||2>>
            """,
        },
    ),
    "17 re-exported": (
        "import pkg",
        "return pkg.low(x)",
        {
            "pkg/__init__.py": "from .lib import low",
            "pkg/lib.py": """
            def low(x):
                return x + <<1||2>>
            """,
        },
    ),
    "17 star import": (
        "from lib import *",
        "return low(x)",
        {
            "lib.py": """
            def low(x):
                return x + <<1||2>>
            """,
        },
    ),
    "11 global of another module": (
        "import lib",
        "return lib.N",
        {
            "lib.py": "N = <<1||2>>",
        },
    ),
    "local import": (
        "",
        """
        import lib
        return lib.low(x)
        """,
        {
            "lib.py": """
            def low(x):
                return x + <<1||2>>
            """,
        },
    ),
    "local import of a name": (
        "",
        """
        from lib import low as l
        return l(x)
        """,
        {
            "lib.py": """
            def low(x):
                return x + <<1||2>>
            """,
        },
    ),
    "local import with as": (
        "",
        """
        import pkg.lib as l
        return l.low(x)
        """,
        {
            "pkg/__init__.py": "",
            "pkg/lib.py": """
            def low(x):
                return x + <<1||2>>
            """,
        },
    ),
    "local import of a submodule": (
        "",
        """
        from pkg import lib
        return lib.low(x)
        """,
        {
            "pkg/__init__.py": "",
            "pkg/lib.py": """
            def low(x):
                return x + <<1||2>>
            """,
        },
    ),
    "local import used in a nested function": (
        "",
        """
        import lib
        def inner():
            return lib.low(x)
        return inner()
        """,
        {
            "lib.py": """
            def low(x):
                return x + <<1||2>>
            """,
        },
    ),
    "local import for its effect": (
        "",
        """
        import lib
        return x
        """,
        {
            "lib.py": "N = [<<1||2>>]",
        },
    ),
    "relative local import": (
        "from pkg.entry import helper",
        "return helper(x)",
        {
            "pkg/__init__.py": "",
            "pkg/entry.py": """
            def helper(x):
                from . import lib
                return lib.low(x)
            """,
            "pkg/lib.py": """
            def low(x):
                return x + <<1||2>>
            """,
        },
    ),
    "import for its effect": (
        """
        import registry
        import plugin
        """,
        "return registry.TABLE['f'](x)",
        {
            "plugin.py": """
            import registry
            FACTOR = 1
            registry.TABLE['f'] = lambda x: x * <<2||3>>
            """,
            "registry.py": "TABLE = {}",
        },
    ),
    "import for an effect that no global shows": (
        "import plugin",
        "return x",
        {
            "plugin.py": "print(<<'one'||'two'>>, end='')",
        },
    ),
    "a module passed on": (
        "import lib",
        "return getattr(lib, 'low')(x)",
        {
            "lib.py": """
            def low(x):
                return x + <<1||2>>
            """,
        },
    ),
    "a module in a dict": (
        """
        import lib
        M = {'lib': lib}
        """,
        "return M['lib'].low(x)",
        {
            "lib.py": """
            def low(x):
                return x + <<1||2>>
            """,
        },
    ),
    "a module's __getattr__": (
        "import lib",
        "return lib.anything",
        {
            "lib.py": """
            def __getattr__(name):
                return <<1||2>>
            """,
        },
    ),
    "a computed import": (
        "import importlib",
        "return importlib.import_module('l' + 'ib').low(x)",
        {
            "lib.py": """
            def low(x):
                return x + <<1||2>>
            """,
        },
    ),
    "a computed import under another name": (
        "from importlib import import_module as load",
        "return load('l' + 'ib').low(x)",
        {
            "lib.py": """
            def low(x):
                return x + <<1||2>>
            """,
        },
    ),
    "__import__": (
        "",
        "return __import__('lib').low(x)",
        {
            "lib.py": """
            def low(x):
                return x + <<1||2>>
            """,
        },
    ),
    "sys.modules": (
        "import sys, lib",
        "return sys.modules['lib'].low(x)",
        {
            "lib.py": """
            def low(x):
                return x + <<1||2>>
            """,
        },
    ),
    "base class in another module": (
        """
        import lib
        class A(lib.B):
            pass
        """,
        "return A().go()",
        {
            "lib.py": """
            class B:
                def go(self):
                    return <<1||2>>
            """,
        },
    ),
}


@pytest.mark.parametrize("case", FILES, ids=str)
def test_a_change_in_another_file_changes_the_fingerprint(case, tmp_path):
    """Helpers count across modules, however they are imported."""
    before, after = two_projects(*FILES[case])
    first = fingerprint(tmp_path / "before", before)
    second = fingerprint(tmp_path / "after", after)
    assert first.uncacheable is None
    assert first.digest != second.digest
    assert fingerprint(tmp_path / "again", before).digest == first.digest


def _patch_numpy(text):
    def change(module):
        space = {"__name__": "steps"}
        exec(text, space)
        module.np.fk_patched = space["f"]

    return change


LIVE = {
    "9 __defaults__": ("def helper(x, y=1):\n    return x + y", lambda m: setattr(m.helper, "__defaults__", (2,))),
    "33 monkeypatched helper": ("def helper(x):\n    return x", lambda m: setattr(m, "helper", lambda x: x + 1)),
    "attribute of a function": ("def helper(x):\n    return helper.n", lambda m: setattr(m.helper, "n", 3)),
    "31 redefined in place": (
        "def helper(x):\n    return x",
        lambda m: exec("def helper(x):\n    return x + 1", m.__dict__),
    ),
    "replaced code object": (
        "def helper(x):\n    return x",
        lambda m: setattr(m.helper, "__code__", (lambda x: x + 1).__code__),
    ),
    "patched method": (
        "class A:\n    def go(self):\n        return 1\nhelper = A",
        lambda m: setattr(m.A, "go", lambda self: 2),
    ),
    "patched pydantic method": (
        "from pydantic import BaseModel\nclass A(BaseModel):\n    def go(self):\n        return 1\nhelper = A",
        lambda m: setattr(m.A, "go", lambda self: 2),
    ),
    "shadowed builtin": ("def helper(x):\n    return len(x)", lambda m: setattr(m, "len", lambda x: 0)),
}


@pytest.mark.parametrize("case", LIVE, ids=str)
def test_a_change_to_live_objects_changes_the_fingerprint(case, tmp_path):
    """The key follows the code that runs, not the text that it came from."""
    before, change = LIVE[case]
    files = {"steps.py": steps_file(before)}
    first = fingerprint(tmp_path / "before", files)
    assert fingerprint(tmp_path / "after", files, change).digest != first.digest


def test_a_function_patched_into_a_library_counts(tmp_path):
    """An attribute of a third-party module that holds project code is followed."""
    files = {"steps.py": steps_file("import numpy as np", "return np.fk_patched(x)")}
    texts = ("def f(x):\n    return x + 1", "def f(x):\n    return x + 2")
    digests = {fingerprint(tmp_path / str(index), files, _patch_numpy(text)).digest for index, text in enumerate(texts)}
    assert len(digests) == 2


def test_an_edit_on_disk_without_a_reload_does_not_speak_for_the_code_that_runs(tmp_path):
    """Case 42: a process that holds old code never gives the fingerprint of the new text."""
    old = {"steps.py": steps_file("def helper(x):\n    return x + 1")}
    new = {"steps.py": steps_file("def helper(x):\n    return x + 2")}
    fresh_new = fingerprint(tmp_path / "new", new)
    fresh_old = fingerprint(tmp_path / "old", old)
    root = write_project(tmp_path / "edited", old)
    with imported(root) as module:
        specification = module.run.specification
        write_project(root, new)
        stale = CodeFingerprinter(Project(root)).of_step(specification)
    assert stale.digest != fresh_new.digest
    root = write_project(tmp_path / "told", old)
    with imported(root) as module:
        specification = module.run.specification
        fingerprinter = CodeFingerprinter(Project(root))
        assert fingerprinter.of_step(specification).digest == fresh_old.digest
        write_project(root, new)
        assert fingerprinter.of_step(specification).digest == fresh_old.digest


def test_the_version_option_counts(tmp_path):
    """Case 40: `version=` is a part of the fingerprint, and is named in it."""
    one = fingerprint(tmp_path / "1", {"steps.py": steps_file("", "return x", "@fk.step(version='1')")})
    two = fingerprint(tmp_path / "2", {"steps.py": steps_file("", "return x", "@fk.step(version='2')")})
    none = fingerprint(tmp_path / "0", {"steps.py": steps_file("", "return x")})
    assert len({one.digest, two.digest, none.digest}) == 3
    assert [part.source for part in two.parts if part.name == "version"] == ["2"]


SIGNATURES = {
    "return type": (
        "",
        "def run(x: int) -> <<int||float>>: return x",
    ),
    "parameter type": (
        "",
        "def run(x: <<int||float>>) -> int: return x",
    ),
    "literal": (
        "from typing import Literal",
        "def run(x: Literal[<<1||True>>]) -> int: return x",
    ),
    "contract": (
        """
        import pandas as pd, pandera.pandas as pa
        from typing import Annotated
        class T(pa.DataFrameModel):
            a: int = pa.Field(ge=<<0||1>>)
        """,
        "def run(x: Annotated[pd.DataFrame, T]) -> int: return 1",
    ),
    "base of a contract": (
        """
        import pandera.pandas as pa
        from pandera.typing import DataFrame
        class B(pa.DataFrameModel):
            a: <<int||float>>
        class T(B):
            b: int
        """,
        "def run(x: DataFrame[T]) -> int: return 1",
    ),
    "method of a parameter's type": (
        """
        class A:
            def go(self): return <<1||2>>
        """,
        "def run(x: A) -> int: return x.go()",
    ),
}


@pytest.mark.parametrize("case", SIGNATURES, ids=str)
def test_the_declared_types_and_contracts_count(case, tmp_path):
    """Case 36: what a step declares decides what is stored and validated."""
    sides = zip(*map(variants, SIGNATURES[case]), strict=True)
    texts = [f"import flowkit as fk\n{before}\n@fk.step\n{definition}\n" for before, definition in sides]
    first, second = (fingerprint(tmp_path / str(i), {"steps.py": text}) for i, text in enumerate(texts))
    assert first.uncacheable is None
    assert first.digest != second.digest
    assert fingerprint(tmp_path / "again", {"steps.py": texts[0]}).digest == first.digest
