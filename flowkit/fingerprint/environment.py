"""The environment's share of a key: interpreter, versions of reached packages, declared environment variables."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from blake3 import blake3

from flowkit.fingerprint.framing import frame_text
from flowkit.fingerprint.packages import Packages, installed_packages
from flowkit.records import Digest, EnvironmentFingerprint

_DOMAIN = b"flowkit environment 1\0"
_VARIABLE_CONTEXT = "flowkit 2026 digest of an environment variable"
_OWN_DISTRIBUTION = "flowkit-pipelines"
ABSENT = "absent"
_SWITCHES = {"pandera": "PANDERA_"}
"""By package, how the variables begin that it asks for when it is imported: without validation nothing is coerced."""


class EnvironmentReader:
    """Reads environment fingerprints. What was read of a package is kept until its installation changes.

    Args:
        variables: Where environment variables are read; `os.environ` unless given.
        python: The interpreter's `major.minor`; this one's unless given.
    """

    def __init__(self, variables: Mapping[str, str] | None = None, python: str | None = None) -> None:
        self._variables = os.environ if variables is None else variables
        self._python = python or f"{sys.version_info.major}.{sys.version_info.minor}"
        self._packages: Packages | None = None
        self._labels: dict[frozenset[str], dict[str, str]] = {}
        self._held = False

    @contextmanager
    def at_one_moment(self) -> Iterator[None]:
        """Look at what is installed once for all that is asked inside."""
        self._note_installed()
        outer, self._held = self._held, True
        try:
            yield
        finally:
            self._held = outer

    def read(self, distributions: frozenset[str], variables: Sequence[str] = ()) -> EnvironmentFingerprint:
        """Return the fingerprint of what a step depends on outside its code and arguments.

        Args:
            distributions: Names of the distributions that its code reaches; what they require is added.
            variables: Names of the environment variables that it declares. Their values are never kept.
        """
        packages = self._package_labels(distributions)
        values = {"python": self._python, "optimize": str(sys.flags.optimize), **packages}
        for name in sorted({*variables, *self._switches(packages)}):
            values[f"variable:{name}"] = digest_variable(name, self._variables)
        message = [frame_text(b"n", name) + frame_text(b"v", value) for name, value in sorted(values.items())]
        return EnvironmentFingerprint(blake3(_DOMAIN + b"".join(message)).hexdigest(), values)

    def _package_labels(self, distributions: frozenset[str]) -> dict[str, str]:
        if not self._held or self._packages is None:
            self._packages = self._note_installed()
        if distributions not in self._labels:
            self._labels[distributions] = {
                f"package:{found.name}": found.label
                for found in self._packages.closure(distributions)
                if found.name != _OWN_DISTRIBUTION
            }
        return self._labels[distributions]

    def _switches(self, packages: Mapping[str, str]) -> Iterator[str]:
        """Yield the variables that are set, and by which a package that is reached decides what it computes."""
        for package, prefix in _SWITCHES.items():
            if f"package:{package}" in packages:
                yield from (name for name in list(self._variables) if name.startswith(prefix))

    def _note_installed(self) -> Packages:
        packages = installed_packages()
        if packages is not self._packages:
            self._packages = packages
            self._labels = {}
        return packages


def digest_variable(name: str, variables: Mapping[str, str]) -> Digest | str:
    """Return the digest of an environment variable's value, `absent` where it is not set."""
    value = variables.get(name)
    if value is None:
        return ABSENT
    # Keyed by the variable's name, so that equal values of two variables do not show as equal.
    key = blake3(name.encode("utf-8", "surrogateescape"), derive_key_context=_VARIABLE_CONTEXT).digest()
    return blake3(value.encode("utf-8", "surrogateescape"), key=key).hexdigest()
