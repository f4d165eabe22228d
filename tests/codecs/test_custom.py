"""Codecs that a person registers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest

from flowkit.codecs import custom
from flowkit.codecs.custom import codec, custom_codecs
from flowkit.codecs.registry import CodecRegistry
from flowkit.errors import CodecError
from tests.codecs.memory_stored import MemoryStored
from tests.codecs.round_trip import REGISTRY, digest_of, received
from tests.ids import stable_id


class Net:
    def __init__(self, weights: list[float]) -> None:
        self.weights = weights


class DeepNet(Net):
    pass


class Other:
    pass


@pytest.fixture(autouse=True)
def no_codecs_left() -> Iterator[None]:
    """Begin without a codec, whatever other files of tests declare, and take back what a test declared."""
    before = dict(custom._REGISTERED)
    custom._REGISTERED.clear()
    yield
    custom._REGISTERED.clear()
    custom._REGISTERED.update(before)


class JsonNet:
    def save(self, value: Net, path: Path) -> None:
        path.write_text(json.dumps(value.weights))

    def load(self, path: Path) -> Net:
        return Net(json.loads(path.read_text()))


def test_a_value_goes_through_its_codec(tmp_path: Path) -> None:
    """The content of the artifact is the file that `save` wrote, and the consumer gets what `load` made of it."""
    assert codec(Net, suffix=".net.json")(JsonNet) is JsonNet
    encoded = REGISTRY.encode(Net([1.0]), Net)
    assert (encoded.format, encoded.suffix) == ("custom:JsonNet", ".net.json")
    assert encoded.payload == b"[1.0]"
    assert received(Net([1.0]), Net, tmp_path).weights == [1.0]
    assert digest_of(Net([1.0])) == digest_of(Net([1.0])) != digest_of(Net([2.0]))


def test_large_content_survives_its_temporary_file(tmp_path: Path) -> None:
    """A large file is mapped, not copied, and is whole after its folder is gone."""
    codec(Net, suffix=".bin")(JsonNet)
    weights = [float(number) for number in range(300_000)]
    encoded = REGISTRY.encode(Net(weights), Net)
    assert isinstance(encoded.payload, memoryview)
    assert REGISTRY.decode(MemoryStored(encoded), Net, tmp_path).weights == weights


def test_the_class_decides_then_its_bases_then_the_annotation() -> None:
    """The nearest registered class of the value's own line wins; an abstract class in the annotation comes last."""

    class Deep(JsonNet):
        pass

    class Shape(type("Meta", (type,), {"__instancecheck__": lambda cls, value: isinstance(value, Other)})("A", (), {})):
        pass

    class Shapes(JsonNet):
        pass

    codec(Net, suffix=".a")(JsonNet)
    assert REGISTRY.choose(DeepNet([]), Any).format == "custom:JsonNet"
    codec(DeepNet, suffix=".b")(Deep)
    assert REGISTRY.choose(DeepNet([]), Net).format.endswith("Deep")
    assert REGISTRY.choose(Net([]), Any).format == "custom:JsonNet"
    codec(Shape, suffix=".c")(Shapes)
    assert REGISTRY.choose(Other(), Shape | None).format.endswith("Shapes")
    assert REGISTRY.choose(Other(), Any).format == "opaque"


def test_a_codec_serves_where_pickle_is_denied(tmp_path: Path) -> None:
    """Registering a codec is the remedy that a denied pickle names, and it works."""
    denying = CodecRegistry("deny")
    with pytest.raises(CodecError, match="denies"):
        denying.encode(Net([]), Net)
    codec(Net, suffix=".n")(JsonNet)
    assert denying.decode(MemoryStored(denying.encode(Net([3.0]), Net)), Net, tmp_path).weights == [3.0]


def test_codec_classes_reached_by_an_annotation_are_known() -> None:
    """What a step's key must count: codecs of the annotated class, its bases and its subclasses, and all for `Any`."""
    codec(Net, suffix=".n")(JsonNet)
    for hint in (Net, DeepNet, Net | None, object, Any):
        assert REGISTRY.codec_classes(hint) == (JsonNet,)
    for hint in (int, Other, list[int]):
        assert REGISTRY.codec_classes(hint) == ()


def test_declaring_again_replaces() -> None:
    """Running a notebook cell again gives the new class the type, and leaves one codec."""

    def declare() -> type:
        class Cell(JsonNet):
            pass

        return codec(Net, suffix=".n")(Cell)

    declare()
    second = declare()
    assert [made.codec_class for made in custom_codecs()] == [second]


class NoLoad:
    def save(self, value: Any, path: Path) -> None: ...


class FewArguments(JsonNet):
    def save(self, path: Path) -> None: ...  # type: ignore[override]


class AsyncLoad(JsonNet):
    async def load(self, path: Path) -> Net: ...  # type: ignore[override]


class NeedsArgument(JsonNet):
    def __init__(self, device: str) -> None: ...


class Sized(Protocol):
    size: int


WRONG = [
    (Net, ".n", NoLoad, "no method load"),
    (Net, ".n", FewArguments, "save cannot be called"),
    (Net, ".n", AsyncLoad, "async"),
    (Net, ".n", NeedsArgument, "without arguments"),
    (Net, ".n", lambda: 1, "not a class"),
    (Net, ".n", JsonNet(), "not a class"),
    (list[Net], ".n", JsonNet, "not a class"),
    ("Net", ".n", JsonNet, "not a class"),
    (Any, ".n", JsonNet, "not a class"),
    (Sized, ".n", JsonNet, "not a class"),
    (dict, ".n", JsonNet, "have a codec already"),
    (Net, "n", JsonNet, "suffix 'n'"),
    (Net, "./../x", JsonNet, "suffix"),
    (Net, ".n\n", JsonNet, "suffix"),
    (Net, "", JsonNet, "suffix"),
    (Net, None, JsonNet, "suffix"),
]


@pytest.mark.parametrize(("type_", "suffix", "codec_class", "shown"), WRONG, ids=stable_id)
def test_a_class_that_cannot_serve_is_refused_when_declared(
    type_: Any, suffix: Any, codec_class: Any, shown: str
) -> None:
    """What is wrong with a codec is said when it is declared, not when the first model is lost."""
    with pytest.raises(CodecError, match="cannot be registered") as caught:
        codec(type_, suffix=suffix)(codec_class)
    assert shown in str(caught.value)
    assert caught.value.hint
    assert custom_codecs() == ()


def test_two_codecs_for_a_type_or_of_a_name_are_refused() -> None:
    """Which codec stores a value never depends on what was imported last."""
    codec(Net, suffix=".n")(JsonNet)
    rival = type("Rival", (JsonNet,), {"__module__": "elsewhere", "__qualname__": "Rival"})
    namesake = type("JsonNet", (JsonNet,), {"__module__": "elsewhere", "__qualname__": "JsonNet"})
    with pytest.raises(CodecError, match="has the codec"):
        codec(Net, suffix=".n")(rival)
    with pytest.raises(CodecError, match="has that name already"):
        codec(Other, suffix=".n")(namesake)


class Raising(JsonNet):
    def save(self, value: Any, path: Path) -> None:
        raise OSError("device gone")


class Nothing(JsonNet):
    def save(self, value: Any, path: Path) -> None: ...


class OtherName(JsonNet):
    def save(self, value: Any, path: Path) -> None:
        path.with_suffix(".npz").write_bytes(b"")


class Folder(JsonNet):
    def save(self, value: Any, path: Path) -> None:
        path.mkdir()


@pytest.mark.parametrize(
    ("codec_class", "shown"),
    [(Raising, "device gone"), (Nothing, "left nothing"), (OtherName, "left value.npz"), (Folder, "left value.n")],
)
def test_a_save_that_leaves_no_file_is_reported(codec_class: Any, shown: str) -> None:
    """`save` must leave one file at its path; the error says what it left."""
    codec(Net, suffix=".n")(codec_class)
    with pytest.raises(CodecError, match="could not save a value of type") as caught:
        REGISTRY.encode(Net([]), Net)
    assert shown in str(caught.value)


def test_a_load_that_fails_or_gives_something_else_is_reported(tmp_path: Path) -> None:
    """A consumer never receives what is not of the codec's class."""

    class Wrong(JsonNet):
        def load(self, path: Path) -> Any:
            return json.loads(path.read_text())

    class Breaks(JsonNet):
        def load(self, path: Path) -> Any:
            raise ValueError("bad header")

    for codec_class, shown in ((Wrong, "returned a list"), (Breaks, "bad header")):
        codec(Net, suffix=".n")(codec_class)
        with pytest.raises(CodecError, match="could not load what it saved") as caught:
            received(Net([]), Net, tmp_path)
        assert shown in str(caught.value)


def test_an_unregistered_codec_is_named_when_reading(tmp_path: Path) -> None:
    """Reading what a codec wrote without importing it says which class to import."""
    codec(Net, suffix=".n")(JsonNet)
    stored = MemoryStored(REGISTRY.encode(Net([]), Net))
    custom._REGISTERED.clear()
    with pytest.raises(CodecError, match="No codec reads the format 'custom:JsonNet'") as caught:
        REGISTRY.decode(stored, Net, tmp_path)
    assert "import the module that declares the codec class JsonNet" in caught.value.hint
