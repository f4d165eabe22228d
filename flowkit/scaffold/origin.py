"""Where this flowkit was installed from, as a requirement that a new project can write down (PEP 508, PEP 610)."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

DISTRIBUTION = "flowkit-pipelines"


def own_requirement(package: Path, version: str) -> str:
    """Return the requirement that installs the flowkit which is running.

    Args:
        package: The folder of the package `flowkit`.
        version: Its version, for an install from an index.
    """
    if _is_source(package.parent):
        # A source tree, installed in editable mode or on the path: what stands beside it may be another flowkit.
        return f"{DISTRIBUTION} @ {package.parent.resolve().as_uri()}"
    try:
        recorded = metadata.distribution(DISTRIBUTION).read_text("direct_url.json")
    except metadata.PackageNotFoundError:
        recorded = None
    return requirement_of(json.loads(recorded), version) if recorded else f"{DISTRIBUTION}=={version}"


def requirement_of(direct_url: Mapping[str, Any], version: str) -> str:
    """Return the requirement for what `direct_url.json` records; without secrets that its address may hold.

    Args:
        direct_url: The recorded object.
        version: Required where it says nothing of use.
    """
    url = direct_url.get("url")
    if not isinstance(url, str) or not url:
        return f"{DISTRIBUTION}=={version}"
    url = _without_secret(url)
    vcs = direct_url.get("vcs_info")
    fragments = []
    if isinstance(vcs, Mapping):
        url = f"{vcs.get('vcs', 'git')}+{url}@{vcs.get('commit_id', 'HEAD')}"
    elif isinstance(archive := direct_url.get("archive_info"), Mapping) and (digest := _sha256(archive)):
        fragments.append(f"sha256={digest}")
    if isinstance(folder := direct_url.get("subdirectory"), str):
        fragments.append(f"subdirectory={folder}")
    return f"{DISTRIBUTION} @ {url}" + (f"#{'&'.join(fragments)}" if fragments else "")


def is_on_this_machine(requirement: str) -> bool:
    """Return whether no other machine could install the requirement."""
    return "@ file:" in requirement or "+file:" in requirement


def _is_source(folder: Path) -> bool:
    try:
        project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8")).get("project", {})
    except (OSError, ValueError):
        # No project's folder: flowkit is installed there.
        return False
    return bool(project.get("name") == DISTRIBUTION)


def _sha256(archive: Mapping[str, Any]) -> str | None:
    hashes = archive.get("hashes")
    found = hashes.get("sha256") if isinstance(hashes, Mapping) else None
    return found if isinstance(found, str) else None


def _without_secret(url: str) -> str:
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    # An ssh address needs its user; a variable's name is no secret, and pip puts the value in.
    if not at or (":" not in user and parts.scheme == "ssh") or user.startswith("${"):
        return url
    return urlunsplit(parts._replace(netloc=host))
