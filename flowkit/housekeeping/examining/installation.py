"""Whether this Python, this flowkit and the libraries that it needs fit together."""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Callable, Iterable
from importlib import metadata
from pathlib import Path

from flowkit.housekeeping.examining.checks import Check, ok, problem, warning

DISTRIBUTION = "flowkit-pipelines"
OTHER = "flowkit"
"""A distribution of the package index that has nothing to do with this one, and installs a package of the same name."""

OLDEST_PYTHON = (3, 11)
_MOST_NAMED = 6

Version = Callable[[str], str | None]
"""Gives the installed version of a distribution, None where there is none."""


def installed_version(name: str) -> str | None:
    """Return the version of a distribution that is installed, None where it is not."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def check_python(version: tuple[int, ...] = sys.version_info[:3]) -> Check:
    """Return whether flowkit runs on this Python."""
    text = ".".join(map(str, version))
    if version[:2] < OLDEST_PYTHON:
        return problem("python", f"Python {text}", "install Python 3.11 or later, and flowkit into it.")
    return ok("python", f"Python {text} at {sys.executable}")


def check_flowkit(package: Path, version: str, installed: Version = installed_version) -> Check:
    """Return which flowkit runs, and whether another project's distribution is in its way.

    Args:
        package: The folder of the package that runs.
        version: Its version.
        installed: Tells what is installed.
    """
    found = f"flowkit {version} at {package}"
    other = installed(OTHER)
    if other is not None:
        return problem(
            "flowkit",
            f"{found}; the distribution '{OTHER}' {other}, another project, is installed over it",
            f"pip uninstall {OTHER}, then pip install --force-reinstall {DISTRIBUTION}.",
        )
    distributed = installed(DISTRIBUTION)
    if distributed is not None and distributed != version:
        return warning(
            "flowkit",
            f"{found}; installed is {DISTRIBUTION} {distributed}",
            "remove the other flowkit from PYTHONPATH, or install this one.",
        )
    return ok("flowkit", found)


def own_requirements(package: Path) -> list[str]:
    """Return what flowkit requires, as requirement lines; those of an extra with its marker."""
    try:
        return metadata.requires(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        return _requirements_of_source(package.parent)


def check_dependencies(requirements: Iterable[str], installed: Version = installed_version) -> Check:
    """Return whether each library that flowkit needs is there, and new enough."""
    from packaging.requirements import Requirement

    parsed = [Requirement(line) for line in requirements]
    needed = [line for line in parsed if line.marker is None or line.marker.evaluate({"extra": ""})]
    if not needed:
        return warning("dependencies", "what flowkit requires is not recorded", f"pip install {DISTRIBUTION}.")
    missing = [line for line in needed if installed(line.name) is None]
    old = [line for line in needed if line not in missing and not _fits(line, installed)]
    if missing or old:
        named = [f"{line.name} is missing" for line in missing]
        named += [f"{line.name} {installed(line.name)} is not {line.specifier}" for line in old]
        wanted = " ".join(f"'{line.name}{line.specifier}'" for line in (*missing, *old))
        return problem("dependencies", "; ".join(named[:_MOST_NAMED]), f"pip install {wanted}.")
    listed = ", ".join(f"{name} {installed(name)}" for name in ("dask", "distributed", "pandera", "pyarrow"))
    return ok("dependencies", f"{len(needed)} libraries, each new enough: {listed} and others")


def check_extras(requirements: Iterable[str], installed: Version = installed_version) -> Check:
    """Return whether libraries that flowkit can use but does not need are new enough where they are installed."""
    from packaging.requirements import Requirement

    parsed = [Requirement(line) for line in requirements]
    optional = [line for line in parsed if line.marker is not None and "extra" in str(line.marker)]
    there = [line for line in optional if installed(line.name) is not None and line.name != DISTRIBUTION]
    old = {line.name: line for line in there if not _fits(line, installed)}
    if old:
        named = "; ".join(f"{name} {installed(name)} is not {line.specifier}" for name, line in old.items())
        wanted = " ".join(f"'{name}{line.specifier}'" for name, line in old.items())
        return warning("extras", named, f"pip install {wanted}.")
    names = ("pandas", "polars", "scikit-learn")
    listed = [f"{name} {installed(name) or 'not installed'}" for name in names]
    return ok("extras", ", ".join(listed))


def check_zones() -> Check:
    """Return whether time zones are known, which schedules need."""
    import zoneinfo

    try:
        zoneinfo.ZoneInfo("Europe/Berlin")
    except zoneinfo.ZoneInfoNotFoundError:
        return problem("time zones", "this system has no time zone data", "pip install tzdata.")
    return ok("time zones", "known")


def _fits(requirement: object, installed: Version) -> bool:
    from packaging.requirements import Requirement

    assert isinstance(requirement, Requirement)
    version = installed(requirement.name)
    return version is not None and requirement.specifier.contains(version, prereleases=True)


def _requirements_of_source(folder: Path) -> list[str]:
    """Return the requirements in the `pyproject.toml` of a source tree, as an installed one would record them."""
    try:
        project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8")).get("project", {})
    except (OSError, ValueError):
        return []
    if project.get("name") != DISTRIBUTION:
        return []
    extras = project.get("optional-dependencies", {})
    optional = [f'{line} ; extra == "{name}"' for name, lines in extras.items() for line in lines]
    return [*project.get("dependencies", []), *optional]
