"""The verdict on whether a value or a type fits an annotation."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from flowkit.contracts import Mismatch


class Verdict(StrEnum):
    """How a type fits, from best to worst; `unknown` is decided on the value while the pipeline runs."""

    FITS = "fits"
    WARNS = "warns"
    UNKNOWN = "unknown"
    REFUSED = "refused"


_ORDER = tuple(Verdict)


class Fit(Struct, frozen=True):
    """A verdict with its reason.

    Attributes:
        detail: What does not fit, or cannot be told, as a clause; empty where it fits.
        mismatches: The columns of two contracts that do not fit.
        remedy: A hint for the case at hand, where there is a better one than to change a type.
    """

    verdict: Verdict
    detail: str = ""
    mismatches: tuple[Mismatch, ...] = ()
    remedy: str = ""

    def within(self, place: str) -> Fit:
        """Return the same verdict with the place inside of a container before its detail."""
        return replace(self, detail=f"{place}: {self.detail}") if self.detail else self


FITS = Fit(Verdict.FITS)


def warns(detail: str) -> Fit:
    """Return a verdict that lets it pass with a warning."""
    return Fit(Verdict.WARNS, detail)


def unknown(detail: str) -> Fit:
    """Return a verdict that leaves it to the value."""
    return Fit(Verdict.UNKNOWN, detail)


def refused(detail: str, remedy: str = "") -> Fit:
    """Return a verdict that it does not fit."""
    return Fit(Verdict.REFUSED, detail, remedy=remedy)


def worst(fits: Iterable[Fit]) -> Fit:
    """Return the first of the worst verdicts; `FITS` where there are none."""
    return max(fits, key=_rank, default=FITS)


def best(fits: Iterable[Fit]) -> Fit:
    """Return the first of the best verdicts of at least one."""
    return min(fits, key=_rank)


def _rank(fit: Fit) -> int:
    return _ORDER.index(fit.verdict)
