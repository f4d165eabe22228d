"""What is said of two fingerprints that should be one."""

from __future__ import annotations

from flowkit.fingerprint.difference import differing_parts
from tests.fingerprint.projects import fingerprint, steps_file

BEFORE = "COLUMNS = ['a', 'b']\ndef helper(x): return [x, COLUMNS]"


def _made(tmp_path, name, before, body="return helper(x)"):
    return fingerprint(tmp_path / name, {"steps.py": steps_file(before, body)})


def test_equal_fingerprints_have_no_differing_parts(tmp_path):
    """What is alike is not named."""
    assert differing_parts(_made(tmp_path, "1", BEFORE), _made(tmp_path, "2", BEFORE)) == ()


def test_a_global_of_another_value_is_named_as_a_value(tmp_path):
    """A list made of a set has another order in each process, while every text is the same."""
    one, other = _made(tmp_path, "1", BEFORE), _made(tmp_path, "2", BEFORE.replace("'a', 'b'", "'b', 'a'"))
    assert differing_parts(one, other) == (("steps:COLUMNS", "value"),)


def test_an_edited_function_is_named_with_how_it_was_read(tmp_path):
    """An edit is told from a value that merely differs."""
    one, other = _made(tmp_path, "1", BEFORE), _made(tmp_path, "2", BEFORE.replace("[x,", "[x + 1,"))
    assert differing_parts(one, other) == (("steps:helper", "ast"),)


def test_a_part_of_only_one_side_is_named(tmp_path):
    """What one process reaches and the other does not is a difference, whichever side it is on."""
    one, other = _made(tmp_path, "1", BEFORE), _made(tmp_path, "2", BEFORE, "return x")
    names = [("steps:run", "ast"), ("steps:helper", "ast"), ("steps:COLUMNS", "value")]
    assert sorted(differing_parts(one, other)) == sorted(differing_parts(other, one)) == sorted(names)
