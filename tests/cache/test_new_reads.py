"""What edited code may newly read, told from two texts: the pure decision, on its own."""

from __future__ import annotations

import pytest

from flowkit.cache.new_reads import find_new_reads
from flowkit.records import CodeFingerprint, CodePart


def code(*sources: str, basis: str = "ast") -> CodeFingerprint:
    parts = tuple(CodePart(f"m:f{place}", basis, source, source) for place, source in enumerate(sources))
    return CodeFingerprint("a" * 64, parts)


PLAIN = "def f(a):\n    return a + 1"


@pytest.mark.parametrize(
    ("before", "after", "readers", "may_be"),
    [
        (PLAIN, "def f(b):\n    return b + 1", [], False),
        (PLAIN, "def f(open):\n    return open + 1", [], False),
        (PLAIN, "def f(a):\n    open = a\n    return (lambda: open + 1)()", [], False),
        (PLAIN, "def f(a):\n    return a + len(a)", [], True),
        (PLAIN, "def f(a):\n    return a + 'b.csv'", [], True),
        (PLAIN, "def f(a):\n    return open(a).read()", ["open"], True),
        (PLAIN, "def f(a):\n    return [b.read_text() for b in a]", ["read_text"], True),
        (PLAIN, "def f(a):\n    import os\n    return os.environ[a]", ["environ"], True),
        ("def f(a):\n    return open(a)", "def f(b):\n    return open(b)", [], True),
        ("def f(a):\n    return open(a)", "def f(a):\n    return pd.read_csv(a)", [], True),
        ("def f(a):\n    return open(a)", "def f(a):\n    return open(a), os.getenv(a)", ["getenv"], True),
        (PLAIN, "no text of Python", [], True),
    ],
)
def test_what_is_newly_named_tells(before: str, after: str, readers: list[str], may_be: bool) -> None:
    """Readers that are new where there were none are refused; other news may read; other variables do not."""
    found = find_new_reads(code(before), code(after), (), takes_files=False, has_read=False)
    assert [reader for _, reader in found.readers] == readers
    assert found.may_be is may_be


def test_a_function_that_is_only_called_otherwise_reads_what_it_did() -> None:
    """Where it reads, another name for it or for what it calls is no news; another function or text is."""
    opens = "def f0(a):\n    return open(a)"
    before = CodeFingerprint("a" * 64, (CodePart("m:f0", "ast", opens, opens),))

    def after(name: str, source: str) -> bool:
        current = CodeFingerprint("b" * 64, (CodePart(f"m:{name}", "ast", source, source),))
        return find_new_reads(before, current, (), takes_files=False, has_read=True).may_be

    assert not after("loaded", "def loaded(a):\n    return open(a)")
    assert after("loaded", "def loaded(a):\n    return open(a + 'b')")


def test_what_comes_in_may_be_read_in_any_way() -> None:
    """A step that takes files may open them, and read variables that it declares."""
    opens = code("def f(a):\n    return open(a)")
    assert find_new_reads(code(PLAIN), opens, (), takes_files=True, has_read=False).readers == ()
    asks = code("def f(a):\n    return os.environ['MODE']")
    assert find_new_reads(code(PLAIN), asks, ("MODE",), takes_files=False, has_read=False).readers == ()
    assert find_new_reads(code(PLAIN), asks, ("OTHER",), takes_files=False, has_read=False).readers != ()


def test_code_without_a_text_is_looked_through_by_its_instructions() -> None:
    """Code that was made at run time is told by what it loads; what has no text, and is the same, hides nothing."""
    before = code("RESUME\nLOAD_FAST a\nRETURN_VALUE", basis="bytecode")
    after = code("RESUME\nLOAD_GLOBAL open\nLOAD_FAST a\nCALL\nRETURN_VALUE", basis="bytecode")
    assert find_new_reads(before, after, (), takes_files=False, has_read=False).readers == (("m:f0", "open"),)
    unread = "p.py 73f014690bb0"
    found = find_new_reads(code(unread, PLAIN), code(unread, PLAIN), (), takes_files=False, has_read=False)
    assert found.may_be is False
