"""`store-put`, `store-get`: a table of 800 MB put and got, beside the machine's own write with fsync and mapped read.

`get` is the first one of a process, so that all of it is hashed. It is measured with the files' pages in memory, which
is the harder of the two, and with the pages dropped. Figures are megabytes a second. The mapped read that is judged by
adds up eight bytes at a time; told beside it are one byte at a time (`touch_bytewise`), and BLAKE3 of the mapped file
in all threads (`hash`).
"""

from __future__ import annotations

from pathlib import Path

from benchmarks.measure import Limit, Variant, Work, python, run_program

MEGABYTES = 800
_SHARE = 0.7


def _program(name: str) -> list[str]:
    return python("large_store.py", name, str(MEGABYTES))


def _fill(folder: Path) -> None:
    if not (folder / "record").exists():
        run_program(_program("put"), folder)


STORE_PUT = Work(
    name="store-put",
    about="a table of 800 MB put, beside the same bytes written with fsync",
    variants=(Variant("flowkit", lambda folder: _program("put")),),
    beside="flowkit",
    limits=(Limit("flowkit", least=_SHARE, figure="put", beside="flowkit", beside_figure="write"),),
    rounds=2,
    warms=False,
)

STORE_GET = Work(
    name="store-get",
    about="a table of 800 MB got and verified, beside a mapped read that touches every byte",
    variants=(Variant("flowkit", lambda folder: _program("get"), _fill),),
    beside="flowkit",
    limits=(
        Limit("flowkit", least=_SHARE, figure="get", beside="flowkit", beside_figure="touch"),
        Limit("flowkit", least=_SHARE, figure="get_from_disk", beside="flowkit", beside_figure="touch_from_disk"),
    ),
    rounds=2,
    warms=False,
)
