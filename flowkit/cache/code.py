"""The code that counts for a step: its own, with all that it reaches, and that of the codecs its values go through."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from flowkit.authoring.unpacking import UNPACKING_FORMAT
from flowkit.codecs.registry import CodecRegistry
from flowkit.fingerprint.encode import digest_value
from flowkit.graph.hint_text import format_hint
from flowkit.records import CodeFingerprint, Digest, StepSpecification


class Fingerprinter(Protocol):
    """Gives fingerprints of code, such as a `CodeFingerprinter`."""

    def at_one_moment(self) -> AbstractContextManager[None]:
        """Read all code and globals once for what is asked inside; nothing that could change them may run there."""
        ...

    def of_step(self, step: StepSpecification, extra: Sequence[object] = (), /) -> CodeFingerprint:
        """Return the fingerprint of a step's code, of all that it reaches, and of `extra`."""
        ...

    def of_value(self, value: object, /) -> Digest:
        """Return the fingerprint of a function or class that is passed as a value."""
        ...

    def of_name(self, name: str, /) -> Digest | None:
        """Return the fingerprint of project code that a stored value names; None where it is not the project's."""
        ...


class StepCode:
    """Fingerprints steps: the one place where it is said what code counts, for drivers and step hosts alike."""

    def __init__(self, fingerprinter: Fingerprinter, codecs: CodecRegistry) -> None:
        self._fingerprinter = fingerprinter
        self._codecs = codecs

    def at_one_moment(self) -> AbstractContextManager[None]:
        """Read all code and globals once for what is asked inside; nothing that could change them may run there."""
        return self._fingerprinter.at_one_moment()

    def of_step(self, step: StepSpecification) -> CodeFingerprint:
        """Return the fingerprint of a step, with the registered codecs that its annotations admit."""
        hints = [parameter.hint for parameter in step.parameters] + [output.hint for output in step.outputs]
        codecs = dict.fromkeys(codec for hint in hints for codec in self._codecs.codec_classes(hint))
        return self._fingerprinter.of_step(step, tuple(codecs))

    def of_unpacking(self, step: StepSpecification) -> CodeFingerprint:
        """Return the fingerprint of what takes a list apart: flowkit's own code, known by its version alone.

        What decides on how an element is stored counts too: its annotation, and the registered codecs that admits.
        """
        codecs = [self._fingerprinter.of_value(codec) for codec in self._codecs.codec_classes(step.hint)]
        parts = [UNPACKING_FORMAT, format_hint(step.hint), format_hint(step.outputs[0].hint), *codecs]
        return CodeFingerprint(digest_value("items", parts), ())

    def of_value(self, value: object) -> Digest:
        """Return the fingerprint of a function or class that is passed as a value."""
        return self._fingerprinter.of_value(value)

    def of_name(self, name: str) -> Digest | None:
        """Return the fingerprint of project code that a stored value names; None where it is not the project's."""
        return self._fingerprinter.of_name(name)
