"""Secrets as a step's author meets them: read where the step runs, shown nowhere."""

from __future__ import annotations

import copy
import json
import os
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import flowkit as fk
from flowkit.authoring.secrets import mask, masked_spans
from flowkit.errors import CodecError, ParameterError, SecretError, SecretUseError
from flowkit.execution.capture import Spool
from flowkit.fingerprint.encode import encode_value
from flowkit.parameters import dump_parameters, load_parameters, parse_parameters, show_parameters

CANARY = "canary-Zx81-value"


@dataclass
class Connection:
    """A parameter with a secret in it."""

    host: str
    password: fk.Secret[str]


@fk.step
def length(db: fk.Secret[str] = fk.Secret("TEST_DB")) -> int:
    """Use a secret."""
    return len(db.value)


@fk.step
def connect(connection: Connection, more: list[fk.Secret[str]]) -> int:
    """Use secrets that stand in containers."""
    return len(connection.password.value) + sum(len(secret.value) for secret in more)


@fk.pipeline
def using(db: fk.Secret[str], connection: Connection | None = None) -> None:
    """Hand secrets on."""
    length(db)
    if connection is not None:
        connect(connection, [db])


@pytest.fixture(autouse=True)
def _surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TEST_DB", "TEST_DB_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("FLOWKIT_SECRETS", str(tmp_path / "secrets"))
    # What these tests read must not be masked in what others print.
    monkeypatch.setattr("flowkit.authoring.secrets._KNOWN", set())


def test_a_secret_is_read_from_variable_then_file_then_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable beats the file that `NAME_FILE` names beats the folder of secrets; each is read anew."""
    secret = fk.Secret("TEST_DB")
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "TEST_DB").write_text("from the folder\n")
    assert secret.value == "from the folder"
    (tmp_path / "file").write_text("from a file\r\n")
    monkeypatch.setenv("TEST_DB_FILE", str(tmp_path / "file"))
    assert secret.value == "from a file"
    monkeypatch.setenv("TEST_DB", "from the variable")
    assert secret.value == "from the variable"


def test_a_secret_that_is_not_there_names_the_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is missing or unreadable is told with its name, the places and the remedy."""
    with pytest.raises(SecretError, match="TEST_DB_FILE") as caught:
        _ = fk.Secret("TEST_DB").value
    assert str(tmp_path / "secrets" / "TEST_DB") in str(caught.value)
    for content in (None, b"\xff\xfe"):
        if content is not None:
            (tmp_path / "file").write_bytes(content)
        monkeypatch.setenv("TEST_DB_FILE", str(tmp_path / "file"))
        with pytest.raises(SecretError, match="cannot be read"):
            _ = fk.Secret("TEST_DB").value


@pytest.mark.parametrize("given", ["postgres://u:p@h", "", "A B", "1A", "A-B", None, 3])
def test_a_name_is_a_name(given: object) -> None:
    """What cannot be the name of a variable may be the secret itself: it is refused and not repeated."""
    with pytest.raises(SecretUseError) as caught:
        fk.Secret(given)  # type: ignore[arg-type]
    assert "u:p" not in str(caught.value)


def test_no_form_of_a_secret_shows_its_value(monkeypatch: pytest.MonkeyPatch) -> None:
    """repr, str, formats, pickles and copies carry the name; one with a given value cannot be pickled."""
    monkeypatch.setenv("TEST_DB", CANARY)
    secret = fk.Secret("TEST_DB")
    assert secret.value == CANARY
    for text in (repr(secret), str(secret), f"{secret}", f"{[secret]}", repr(pickle.dumps(secret))):
        assert CANARY not in text
        assert "TEST_DB" in text
    assert pickle.loads(pickle.dumps(secret)) == copy.deepcopy(secret) == secret
    given = fk.Secret.of(CANARY)
    assert given.value == CANARY
    assert CANARY not in repr(given) + f"{given}"
    with pytest.raises(SecretUseError, match="pickled"):
        pickle.dumps(given)


def test_a_secret_counts_by_its_name_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A changed value is the same argument; another name is another one; a given value has no key."""
    monkeypatch.setenv("TEST_DB", "one")
    first = encode_value(fk.Secret("TEST_DB"))
    monkeypatch.setenv("TEST_DB", "two")
    assert encode_value(fk.Secret("TEST_DB")) == first != encode_value(fk.Secret("OTHER_DB"))
    with pytest.raises(SecretUseError):
        encode_value(fk.Secret.of("x"))


def test_given_secrets_are_for_plain_calls() -> None:
    """`Secret.of` works in a plain call; as an argument in a pipeline it is refused with the step and the parameter."""
    assert length(fk.Secret.of("four")) == 4

    @fk.pipeline
    def wrong() -> None:
        connect(Connection("h", fk.Secret.of("x")), [])

    with pytest.raises(SecretUseError, match=r"'connect'.*\n.*connection"):
        wrong.build({})


def test_parameters_take_and_keep_the_name() -> None:
    """`-p db=NAME` gives the name, in containers too; it is shown and recorded so, and `rerun` gets it back."""
    texts = ["db=TEST_DB", 'connection={"host": "h", "password": "OTHER_DB"}']
    values = parse_parameters(using, texts)
    assert values == {"db": fk.Secret("TEST_DB"), "connection": Connection("h", fk.Secret("OTHER_DB"))}
    assert show_parameters(values) == {"db": "TEST_DB", "connection": {"host": "h", "password": "OTHER_DB"}}
    assert load_parameters(using, dump_parameters(using, values)) == values


@pytest.mark.parametrize(
    "text", [f"db=postgres://{CANARY}", f'connection={{"host": "h", "password": "{CANARY}", "x": 1}}']
)
def test_a_value_in_place_of_a_name_is_not_repeated(text: str) -> None:
    """Who gives the secret itself reads what is wrong, but not the secret."""
    with pytest.raises(ParameterError) as caught:
        parse_parameters(using, [text, "db=TEST_DB"] if text.startswith("connection") else [text])
    assert CANARY not in str(caught.value)


def test_a_step_returns_no_secret() -> None:
    """A secret, alone or inside a value, is refused as a result."""
    from flowkit.codecs.registry import CodecRegistry

    for value in (fk.Secret("TEST_DB"), Connection("h", fk.Secret("TEST_DB")), [fk.Secret("TEST_DB")]):
        with pytest.raises(CodecError, match="secret"):
            CodecRegistry().encode(value, object)


def test_texts_lose_every_form_of_a_value(monkeypatch: pytest.MonkeyPatch) -> None:
    """A value is masked as it is, quoted in the usual ways, and line by line; very short ones are left."""
    monkeypatch.setenv("TEST_DB", 'p@ss "word"\nsecond-line')
    _ = fk.Secret("TEST_DB").value
    for text in (
        'p@ss "word"\nsecond-line',
        'p@ss \\"word\\"\\nsecond-line',
        "p%40ss%20%22word%22%0Asecond-line",
        "p%40ss+%22word%22%0Asecond-line",
        'p@ss "word"',
        "second-line",
    ):
        assert mask(f"<{text}>") == "<***>"
    monkeypatch.setenv("TEST_DB", "abc")
    _ = fk.Secret("TEST_DB").value
    assert mask("abcdef") == "abcdef"


SPELLINGS: dict[str, Callable[[str], str]] = {
    "itself": str,
    "stripped": str.strip,
    "repr": repr,
    "repr beside both quotes": lambda value: repr(f"'{value}\""),
    "ascii": ascii,
    "ascii beside both quotes": lambda value: ascii(f"'{value}\""),
    "in a list": lambda value: repr([value]),
    "bytes": lambda value: repr(value.encode()),
    "bytes beside both quotes": lambda value: repr(b"'\"" + value.encode()),
    "JSON": json.dumps,
    "JSON as it is": lambda value: json.dumps(value, ensure_ascii=False),
    "URL": lambda value: quote(value, safe=""),
    "form": quote_plus,
    "path": lambda value: os.path.abspath(f"data/{value}.csv"),
    "lines": lambda value: " ".join(value.splitlines()),
    "lines stripped": lambda value: "|".join(map(str.strip, value.splitlines())),
    "lines in a list": lambda value: repr(value.splitlines()),
    "lines in an ascii list": lambda value: ascii(value.splitlines()),
    "lines as bytes": lambda value: repr(value.encode().splitlines()),
}
LETTERS = "aZ9ßäЖ日🔑 '\"\\\t%/&+:=.-"
LINES = st.text(LETTERS, min_size=1, max_size=8).map(lambda text: f"k{text}e7z")
VALUES = st.lists(LINES, min_size=1, max_size=3).map("\n".join)


@pytest.mark.slow
@pytest.mark.parametrize("spell", SPELLINGS.values(), ids=SPELLINGS)
@given(value=VALUES)
@settings(max_examples=40)
def test_no_spelling_of_a_value_or_of_its_lines_is_left(spell: Callable[[str], str], value: str) -> None:
    """Whatever Python, JSON, a URL or a path makes of a secret's value or of a line of it, none of it is kept."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("flowkit.authoring.secrets._KNOWN", {value})
        left = mask(spell(value))
        assert "e7z" not in left
        assert masked_spans(spell(value).encode()) != []


@pytest.mark.parametrize(
    ("value", "shown", "left"),
    [
        ("userxx\npw-77x\nzz", "L userxx L pw-77x L zz", "L *** L *** L zz"),
        ("pässwörtß99", "b'p\\xc3\\xa4ssw\\xc3\\xb6rt\\xc3\\x9f99'", "b'***'"),
        ("abc", "abcdef", "abcdef"),
        ("one\nab\n  \n", "one ab    ", "one ab    "),
    ],
)
def test_short_lines_and_bytes_are_masked_from_four_characters_on(value: str, shown: str, left: str) -> None:
    """A line counts from four characters on, as a value does: shorter ones are in half of all words."""
    fk.Secret.of(value)
    assert mask(shown) == left


@pytest.mark.slow
@pytest.mark.parametrize("before", [0, 1, (1 << 20) - 9, (1 << 20) - 1, 1 << 20, 5_000_000 - 7, 5_000_000 + 6_000_000])
def test_a_log_loses_secrets_at_every_border(before: int, tmp_path: Path) -> None:
    """No border of a piece, nor the cut of a log that is too long, lets a secret or a part of one through."""
    fk.Secret.of(CANARY)
    spool = Spool.create()
    with open(spool.descriptor, "wb", closefd=False) as file:
        file.write(b"." * before + CANARY.encode() + b"." * 12_000_000)

    assert spool.save(str(tmp_path / "log"))

    spool.close()
    kept = (tmp_path / "log").read_bytes()
    assert masked_spans(kept) == []
    assert set(kept.replace(b"***", b"")) <= set(b".\n" + "… 0123456789 bytes left out".encode())
    assert CANARY[:6].encode() not in kept
    assert CANARY[-6:].encode() not in kept
