"""Constructs of the language and of common libraries through which a change reaches a step."""

from __future__ import annotations

import pytest

from tests.fingerprint.projects import fingerprint, two_projects, variants

LOW = """
def low(x):
    return x + <<1||2>>
"""

CASES = {
    "a module that is closed over": (
        """
        def make():
            import lib
            def inner(x):
                return lib.low(x)
            return inner
        helper = make()
        """,
        "return helper(x)",
        LOW,
    ),
    "a function as a default": (
        """
        def low(x):
            return <<1||2>>
        def helper(x, f=low):
            return f(x)
        """,
        "return helper(x)",
        "",
    ),
    "a table that decorators fill": (
        """
        T = {}
        def reg(f):
            T[f.__name__] = f
            return f
        @reg
        def low(x):
            return <<1||2>>
        """,
        "return T['low'](x)",
        "",
    ),
    "match": (
        """
        class A:
            __match_args__ = (<<'a', 'b'||'b', 'a'>>)
            a = 1; b = 2
        """,
        """
        match x:
            case A(1, 2):
                return 1
        """,
        "",
    ),
    "defaultdict": (
        """
        from collections import defaultdict
        D = defaultdict(lambda: <<1||2>>)
        """,
        "return D[x]",
        "",
    ),
    "object array": (
        """
        import numpy as np
        D = np.array([lambda: <<1||2>>, None], dtype=object)
        """,
        "return D",
        "",
    ),
    "bound builtin": (
        "J = '<<,||;>>'.join",
        "return J(x)",
        "",
    ),
    "item getter": (
        """
        import operator
        J = operator.itemgetter(<<1||2>>)
        """,
        "return J(x)",
        "",
    ),
    "chain.from_iterable": (
        """
        import itertools
        J = itertools.chain.from_iterable
        N = <<1||2>>
        """,
        "return J(x), N",
        "",
    ),
    "generic class": (
        """
        from typing import Generic, TypeVar
        T = TypeVar('T')
        class A(Generic[T]):
            n = <<1||2>>
        B = A[int]
        """,
        "return B",
        "",
    ),
    "pydantic instance": (
        """
        from pydantic import BaseModel
        class A(BaseModel):
            n: int = 0
        I = A(n=<<1||2>>)
        """,
        "return I",
        "",
    ),
    "self cycle": (
        """
        class A:
            def __init__(self):
                self.me = self
                self.n = <<1||2>>
        I = A()
        """,
        "return I.n",
        "",
    ),
    "mutual cycle": (
        """
        class A:
            pass
        I = A(); J = A(); I.o = J; J.o = I; J.n = <<1||2>>
        """,
        "return I.o.n",
        "",
    ),
    "module attr set": (
        """
        import lib
        lib.N = <<1||2>>
        """,
        "return lib.N",
        "N = 0",
    ),
    "two functions swapped": (
        """
        def a(x):
            return x
        def b(x):
            return -x
        F, G = <<a, b||b, a>>
        """,
        "return F(x) - G(x) * 2",
        "",
    ),
    "bound methods that are swapped": (
        """
        class C:
            def __init__(s, n):
                s.n = n
            def go(s, x):
                return s.n * x
        F, G = C(1).go, C(2).go
        """,
        "return <<F(x) - G(x)||G(x) - F(x)>>",
        "",
    ),
    "a cached method": (
        """
        import functools
        class A:
            @functools.lru_cache
            def go(self):
                return <<1||2>>
        """,
        "return A().go()",
        "",
    ),
    "partialmethod": (
        """
        import functools
        class A:
            def go(self, n):
                return n
            one = functools.partialmethod(go, <<1||2>>)
        """,
        "return A().one()",
        "",
    ),
    "singledispatchmethod": (
        """
        import functools
        class A:
            @functools.singledispatchmethod
            def go(self, n):
                return n
            @go.register
            def _(self, n: int):
                return <<1||2>>
        """,
        "return A().go(1)",
        "",
    ),
    "class decorator": (
        """
        def deco(c):
            c.extra = <<1||2>>
            return c
        @deco
        class A:
            pass
        """,
        "return A().extra",
        "",
    ),
    "getattr of class": (
        """
        class A:
            def __getattr__(self, n):
                return <<1||2>>
        """,
        "return A().zz",
        "",
    ),
    "init_subclass": (
        """
        class B:
            def __init_subclass__(cls):
                cls.n = <<1||2>>
        class A(B):
            pass
        """,
        "return A.n",
        "",
    ),
    "nested default": (
        "",
        """
        def inner(y=<<1||2>>):
            return y
        return inner()
        """,
        "",
    ),
    "nested annotation via decorator": (
        """
        def d(f):
            return f.__annotations__
        """,
        """
        @d
        def inner(y: <<int||float>>):
            return y
        return inner
        """,
        "",
    ),
    "walrus": (
        "",
        "return (y := x + <<1||2>>)",
        "",
    ),
    "star args": (
        """
        def helper(<<*a||**a>>):
            return a
        """,
        "return helper",
        "",
    ),
    "posonly": (
        """
        def helper(a, <<||/, >>b):
            return a
        """,
        "return helper",
        "",
    ),
    "kwonly": (
        """
        def helper(a, <<||*, >>b):
            return a
        """,
        "return helper",
        "",
    ),
    "param names": (
        """
        def helper(<<a, b||b, a>>):
            return a
        """,
        "return helper(1, 2)",
        "",
    ),
    "a global that is assigned": (
        """
        N = <<1||2>>
        def helper():
            global N
            N += 1
            return N
        """,
        "return helper()",
        "",
    ),
    "timezone": (
        """
        import zoneinfo
        Z = zoneinfo.ZoneInfo('<<UTC||Europe/Paris>>')
        """,
        "return Z",
        "",
    ),
    "random gen": (
        """
        import random
        R = random.Random(<<1||2>>)
        """,
        "return R.random()",
        "",
    ),
    "numpy generator": (
        """
        import numpy as np
        R = np.random.default_rng(<<1||2>>)
        """,
        "return R.random()",
        "",
    ),
    "timestamp": (
        """
        import pandas as pd
        R = pd.Timestamp('2026-01-0<<1||2>>')
        """,
        "return R",
        "",
    ),
    "categorical": (
        """
        import pandas as pd
        R = pd.Series(['a','b'], dtype=pd.CategoricalDtype(['a','b','<<c||d>>']))
        """,
        "return R",
        "",
    ),
    "sklearn pipeline": (
        """
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import FunctionTransformer
        R = make_pipeline(FunctionTransformer(lambda x: x + <<1||2>>))
        """,
        "return R",
        "",
    ),
    "deque": (
        """
        from collections import deque
        R = deque([1], maxlen=<<1||2>>)
        """,
        "return R",
        "",
    ),
    "counter": (
        """
        from collections import Counter
        R = Counter({'a': <<1||2>>})
        """,
        "return R",
        "",
    ),
    "slice global": (
        "R = slice(<<1||2>>)",
        "return R",
        "",
    ),
    "a helper that wears a builtin's name": (
        """
        import functools
        @functools.wraps(len)
        def helper(x):
            return <<1||2>>
        """,
        "return helper(x)",
        "",
    ),
    "a patched function that wears the library's name": (
        """
        import json, functools
        _o = json.dumps
        @functools.wraps(_o)
        def low(x):
            return <<1||2>>
        json.fk_d = low
        """,
        "return json.fk_d(x)",
        "",
    ),
    "text of eval": (
        "",
        "return eval('<<1||2>>')",
        "",
    ),
    "a local import of a value": (
        "",
        """
        from lib import N
        return N
        """,
        "N = <<1||2>>",
    ),
    "a fallback for a missing import": (
        """
        try:
            import nothing_here as n
        except ImportError:
            n = <<1||2>>
        """,
        "return n",
        "",
    ),
    "contextvar": (
        """
        import contextvars
        C = contextvars.ContextVar('<<a||b>>')
        """,
        "return C",
        "",
    ),
    "string of root": (
        """
        import os
        P = os.path.join(os.path.dirname(__file__), '<<a||b>>')
        """,
        "return P",
        "",
    ),
    "dict of modules": (
        """
        import lib
        import math
        M = [math, lib]
        """,
        "return M[1].low(x)",
        LOW,
    ),
    "type alias hint": (
        """
        from typing import Annotated
        X = Annotated[int, <<1||2>>]
        """,
        """
        def f(y: X):
            return y
        return f
        """,
        "",
    ),
    "bound format": (
        "F = '{:.<<1||2>>f}'.format",
        "return F(x)",
        "",
    ),
    "frozen dataclass with slots": (
        """
        from dataclasses import dataclass
        @dataclass(frozen=True, slots=True)
        class A:
            n: int
        I = A(<<1||2>>)
        """,
        "return I.n",
        "",
    ),
    "exception class": (
        """
        class E(Exception):
            code = <<1||2>>
        """,
        "raise E()",
        "",
    ),
    "async gen": (
        """
        async def helper(x):
            <<yield||await>> x
        """,
        "return helper(x)",
        "",
    ),
    "order of kwargs in call": (
        """
        def helper(**k):
            return list(k)
        """,
        "return helper(<<a=1, b=2||b=2, a=1>>)",
        "",
    ),
    "class in global dict subclass": (
        """
        class D(dict):
            def go(self):
                return <<1||2>>
        I = D(a=1)
        """,
        "return I.go()",
        "",
    ),
    "int subclass value": (
        """
        class I(int):
            pass
        N = I(<<1||2>>)
        """,
        "return N",
        "",
    ),
    "str enum": (
        """
        import enum
        class E(enum.StrEnum):
            A = enum.auto()
            <<B||C>> = enum.auto()
        """,
        "return list(E)",
        "",
    ),
    "typed dict": (
        """
        from typing import TypedDict
        class T(TypedDict):
            a: <<int||float>>
        """,
        """
        def f(y: T): return y
        return T
        """,
        "",
    ),
    "attribute of an Enum member": (
        """
        import enum
        class E(int, enum.Enum):
            def __new__(cls, n, label):
                self = int.__new__(cls, n)
                self._value_ = n
                self.label = label
                return self
            A = (1, '<<a||b>>')
        """,
        "return E.A.label",
        "",
    ),
    "what a base is made for": (
        """
        from typing import Generic, TypeVar
        T = TypeVar('T')
        class B(Generic[T]):
            pass
        class A(B[<<int||str>>]):
            pass
        """,
        "return A.__orig_bases__",
        "",
    ),
    "class registered with an abstract base": (
        """
        import abc
        class B(abc.ABC):
            pass
        class A:
            pass
        class C:
            pass
        B.register(<<A||C>>)
        """,
        "return isinstance(A(), B)",
        "",
    ),
    "list under a name with underscores": (
        """
        class A:
            __columns__ = ['a', '<<b||c>>']
        """,
        "return A.__columns__",
        "",
    ),
    "default of a context variable": (
        """
        import contextvars
        C = contextvars.ContextVar('c', default=<<1||2>>)
        """,
        "return C.get()",
        "",
    ),
    "object that pickles by its name": (
        """
        class A:
            def __init__(self, n):
                self.n = n
            def __reduce__(self):
                return 'CONFIG'
        CONFIG = A(<<1||2>>)
        """,
        "return CONFIG.n",
        "",
    ),
}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_change_counts_through_every_construct(case, tmp_path):
    """Whatever the way from the step to the change, it is followed, and the step can be cached."""
    before, body, lib = CASES[case]
    files = [
        two_projects(first, second, {"lib.py": lib})[side]
        for side, (first, second) in enumerate(zip(variants(before), variants(body), strict=True))
    ]
    first, second = (fingerprint(tmp_path / str(side), texts) for side, texts in enumerate(files))
    assert first.uncacheable is None
    assert second.uncacheable is None
    assert first.digest != second.digest
    assert fingerprint(tmp_path / "again", files[0]).digest == first.digest
