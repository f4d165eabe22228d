"""Classes that a library makes count with what they hold, whatever their text, and alike in every process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.fingerprint.projects import fingerprint, two_files, write_project
from tests.fingerprint.test_code_of_libraries import fingerprints, write_steps

PYDANTIC = "from typing import Any, ClassVar, Generic, TypeVar\nfrom pydantic import BaseModel, Field\n"
VALUE = "class R:\n    def __init__(self, rate):\n        self.rate = rate\n"

DIFFERENT = {
    "a pandera factory": """
        import pandera.pandas as pa
        def bounded(limit):
            class Bounded(pa.DataFrameModel):
                x: float = pa.Field(le=limit)
            return Bounded
        Small = bounded(<<5.0||2.0>>)
        """,
    "a pandera factory's check": """
        import pandera.pandas as pa
        def bounded(limit):
            class Bounded(pa.DataFrameModel):
                x: float
                @pa.check("x")
                def low(cls, series):
                    return series < limit
            return Bounded
        Small = bounded(<<5.0||2.0>>)
        """,
    "a pandera factory's configuration": """
        import pandera.pandas as pa
        def made(flag):
            class Bounded(pa.DataFrameModel):
                x: float
                class Config:
                    coerce = flag
            return Bounded
        Small = made(<<True||False>>)
        """,
    "a pydantic factory's default": """
        def made(k):
            class S(BaseModel):
                x: int = k
            return S
        Small = made(<<1||2>>)
        """,
    "a pydantic factory's bound": """
        def made(k):
            class S(BaseModel):
                x: int = Field(1, le=k)
            return S
        Small = made(<<1||2>>)
        """,
    "a pydantic factory's default factory": """
        def made(k):
            class S(BaseModel):
                x: list = Field(default_factory=lambda: [k])
            return S
        Small = made(<<1||2>>)
        """,
    "a pydantic factory's private attribute": """
        def made(k):
            class S(BaseModel):
                _x: int = k
            return S
        Small = made(<<1||2>>)
        """,
    "a pydantic factory's method": """
        def made(k):
            class S(BaseModel):
                def go(self):
                    return k
            return S
        Small = made(<<1||2>>)
        """,
    "a pydantic factory's property": """
        def made(k):
            class S(BaseModel):
                @property
                def go(self):
                    return k
            return S
        Small = made(<<1||2>>)
        """,
    "a pydantic factory's validator": """
        from pydantic import field_validator
        def made(*names):
            class S(BaseModel):
                x: int = 1
                y: int = 1
                @field_validator(*names)
                @classmethod
                def twice(cls, value):
                    return 2 * value
            return S
        Small = made(<<"x"||"y">>)
        """,
    "a method's default": """
        def made(k):
            class S(BaseModel):
                def go(self, by=k):
                    return by
            return S
        Small = made(<<1||2>>)
        """,
    "a field's type": """
        def made(k):
            class S(BaseModel):
                x: "k"
            return S
        Small = made(<<int||float>>)
        """,
    "a class from a loop": """
        MADE = []
        for limit in <<(1, 2)||(3, 2)>>:
            class S(BaseModel):
                x: int = limit
            MADE.append(S)
        Small = MADE[0]
        """,
    "a class variable's object, set later": """
        class S(BaseModel):
            r: ClassVar[R] = R(1)
        S.r = R(<<1||2>>)
        Small = S
        """,
    "a private name, set later": """
        class S(BaseModel):
            _k: ClassVar[Any] = None
        S._k = <<1||2>>
        Small = S
        """,
    "its configuration, set later": """
        class S(BaseModel):
            x: int = 1
        S.model_config["extra"] = <<"ignore"||"forbid">>
        S.model_rebuild(force=True)
        Small = S
        """,
    "a class method, set later": """
        class S(BaseModel):
            @classmethod
            def go(cls):
                return 0
        def other(cls):
            return <<1||2>>
        S.go = classmethod(other)
        Small = S
        """,
    "a trait": """
        import traitlets
        def made(k):
            class T(traitlets.HasTraits):
                v = traitlets.Float(k)
            return T
        Small = made(<<1.0||2.0>>)
        """,
    "a generic model's argument": """
        T = TypeVar("T")
        class Box(BaseModel, Generic[T]):
            v: T
        Small = Box[<<int||float>>]
        """,
    "a generic model's body": """
        T = TypeVar("T")
        class Box(BaseModel, Generic[T]):
            v: T
            n: int = <<1||2>>
        Small = Box[int]
        """,
    "a model from a call": """
        from pydantic import create_model
        Small = create_model("Small", x=(int, <<1||2>>))
        """,
    "the type in a model from a call": """
        from pydantic import create_model
        Small = create_model("Small", x=(<<int||float>>, 1))
        """,
    "a validator in a model from a call": """
        from pydantic import create_model, field_validator
        def change(cls, value):
            return value + <<1||2>>
        Small = create_model("Small", x=(int, 1), __validators__={"change": field_validator("x")(change)})
        """,
    "a pydantic dataclass": """
        from pydantic.dataclasses import dataclass
        def made(k):
            @dataclass
            class D:
                v: float = Field(1.0, le=k)
            return D
        Small = made(<<1||2>>)
        """,
    "a pydantic dataclass's configuration": """
        from pydantic.dataclasses import dataclass
        @dataclass(config={"extra": <<"ignore"||"forbid">>})
        class D:
            v: float = 1.0
        Small = D
        """,
    "a mapped class": """
        import sqlalchemy as sa
        from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
        def made(k):
            class Base(DeclarativeBase):
                pass
            class U(Base):
                __tablename__ = "u"
                id: Mapped[int] = mapped_column(primary_key=True)
                n: Mapped[int] = mapped_column(default=k)
            return U
        Small = made(<<1||2>>)
        """,
    "a mapped class that a base knows": """
        import sqlalchemy as sa
        from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
        class Small(DeclarativeBase):
            pass
        class U(Small):
            __tablename__ = "u"
            id: Mapped[int] = mapped_column(primary_key=True)
            n: Mapped[<<int||str>>]
        """,
    "a mapped class's function": """
        import sqlalchemy as sa
        from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
        def given():
            return <<1||2>>
        class Base(DeclarativeBase):
            pass
        class Small(Base):
            __tablename__ = "u"
            id: Mapped[int] = mapped_column(primary_key=True)
            n: Mapped[int] = mapped_column(default=given)
        """,
    "an array under a name with underscores": """
        import numpy as np
        class Small:
            __rates__ = np.array([<<0.1||0.2>>])
        """,
    "an object under a name with underscores": """
        class Small:
            __rates__ = R(<<1||2>>)
        """,
    "what beartype checks": """
        from beartype import beartype
        @beartype
        def Small(a: <<int||str>>) -> float:
            return 1.0
        """,
    "what beartype stands around": """
        from beartype import beartype
        @beartype
        def Small(a: R, b: list[dict[str, int]]) -> float:
            return <<1.0||2.0>>
        """,
    "how beartype checks": """
        from beartype import BeartypeConf, beartype
        @beartype(conf=BeartypeConf(is_pep484_tower=<<True||False>>))
        def Small(a: float) -> float:
            return 1.0
        """,
}


def _texts(before: str) -> list[str]:
    return [files["steps.py"] for files in two_files(before, "return Small")]


def _with_head(text: str) -> str:
    return text.replace("import flowkit as fk\n", f"import flowkit as fk\n{PYDANTIC}{VALUE}", 1)


@pytest.mark.parametrize("name", DIFFERENT)
def test_what_a_class_holds_counts(name: str, tmp_path: Path) -> None:
    """The same text with another value behind its names is another class."""
    found = [
        fingerprint(tmp_path / str(index), {"steps.py": _with_head(text)})
        for index, text in enumerate(_texts(DIFFERENT[name]))
    ]
    assert [item.uncacheable for item in found] == [None, None]
    assert found[0].digest != found[1].digest


USES = {
    "a pydantic factory's default": "Small(); Small.model_json_schema(); repr(Small()); Small.__signature__",
    "a generic model's body": "Small(v=1); Small.model_json_schema(); Small.model_rebuild(force=True)",
    "a model from a call": "Small(); Small.model_json_schema()",
    "a pydantic dataclass": "Small(1.0); repr(Small(1.0)); Small.__signature__",
    "a pandera factory": "Small.to_schema(); Small.to_json_schema()",
    "a pandera factory's check": "Small.to_schema(); Small.to_json_schema()",
    "a trait": "Small().v; Small.class_traits()",
    "a mapped class": "Small(); sa.select(Small); str(Small.__table__); Small.id.property",
    "what beartype stands around": "Small(R(1), [{}])",
}


@pytest.mark.parametrize("name", USES)
def test_use_changes_nothing(name: str, tmp_path: Path) -> None:
    """What a library keeps on a class once it was used says nothing of what that does."""
    text = _with_head(_texts(DIFFERENT[name])[0])
    before = fingerprint(tmp_path / "fresh", {"steps.py": text})
    used = fingerprint(tmp_path / "used", {"steps.py": f"{text}\n{USES[name]}\n"})
    assert before.uncacheable is None
    assert used.digest == before.digest


@pytest.mark.slow
def test_every_process_reads_the_same(tmp_path: Path) -> None:
    """Nothing that counts is an address, a salt or an order that the hash seed decides."""
    cases = {name: _with_head(_texts(text)[0]) for name, text in DIFFERENT.items()}
    write_steps(tmp_path, cases)
    first, second = ([(name, found[0], found[2]) for name, found in fingerprints(tmp_path).items()] for _ in range(2))
    assert len(first) == len(cases)
    assert second == first


FIRST_USE = """
import sys
from pathlib import Path
import pandas as pd
import steps
from flowkit.fingerprint.code import CodeFingerprinter
from flowkit.project import Project

def digest():
    return CodeFingerprinter(Project(Path.cwd())).of_step(steps.run.specification).digest

before = digest()
steps.Table.validate(pd.DataFrame({"x": [1.0], "kind": ["a"]}))
assert digest() == before
"""


def test_the_first_use_of_a_contract_changes_nothing(tmp_path: Path) -> None:
    """pandera learns of its checks' functions when a table is first validated: before and after are one."""
    text = """
    import pandas as pd
    import pandera.pandas as pa
    from typing import Annotated

    class Table(pa.DataFrameModel):
        x: float = pa.Field(ge=0, le=2)
        kind: str = pa.Field(isin=["a", "b"])

        @pa.dataframe_check
        def is_small(cls, rows):
            return len(rows) < 10

    @fk.step
    def run(rows: Annotated[pd.DataFrame, Table]) -> int:
        return len(rows)
    """
    write_project(tmp_path, {"steps.py": "import flowkit as fk\n" + textwrap.dedent(text)})
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FIRST_USE],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])},
        check=True,
    )


KERNEL = """
import json
from IPython.core.interactiveshell import InteractiveShell
from ipykernel.compiler import XCachingCompiler
from traitlets.config import Config

class Shell(InteractiveShell):
    compiler_class = XCachingCompiler

shell = Shell.instance(config=Config({"HistoryManager": {"enabled": False}}))

def cell(text):
    shell.run_cell(text, store_history=True).raise_error()

cell("import flowkit as fk\\nfrom pydantic import BaseModel\\nsession = fk.Session(inline=True)\\nLIMIT = 1")
cell(
    "@fk.step\\ndef one(x: int) -> int:\\n    return Model().v\\n"
    "@fk.pipeline\\ndef pipe() -> None:\\n    one(1)\\n"
)
NAMED = "class Model(BaseModel):\\n    v: int = LIMIT\\n"
TEN, TWENTY = NAMED.replace("LIMIT", "10"), NAMED.replace("LIMIT", "20")
said = []
for text in (NAMED, "LIMIT = 2", NAMED, TEN, TWENTY, TEN, TWENTY):
    cell(text)
    cell("node = session.run(pipe)['one']; outcome = [node.outcome.value, node.value() == Model().v]")
    said.append(shell.user_ns["outcome"])
print(json.dumps(said))
"""


@pytest.mark.slow
def test_a_class_in_a_cell_is_the_one_that_was_made(tmp_path: Path) -> None:
    """What a name meant when the class's cell was run counts; a cell that is run again is the latest one."""
    write_project(tmp_path, {})
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", KERNEL],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    said = json.loads(done.stdout.splitlines()[-1])
    assert all(is_true for _, is_true in said)
    # The second may run for nothing: its text names something that has another value by now.
    assert [outcome for outcome, _ in said[2:]] == ["executed", "executed", "executed", "reused", "reused"]


def test_the_part_of_a_class_shows_what_it_holds(tmp_path: Path) -> None:
    """Somebody who asks why a step runs again is shown the value that differs, and no library's tables."""
    for name, index in (("a pydantic factory's default", 0), ("a pandera factory", 0), ("a pydantic dataclass", 0)):
        texts = _texts(DIFFERENT[name])
        found = [
            fingerprint(tmp_path / name / str(side), {"steps.py": _with_head(text)}) for side, text in enumerate(texts)
        ]
        shown = [[part.source for part in item.parts if "<locals>" in part.name] for item in found]
        assert shown[0][index] != shown[1][index]
        assert len(shown[0][index].splitlines()) < 12
