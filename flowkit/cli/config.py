"""`config show`: the settings that hold here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from flowkit.cli import options
from flowkit.cli.lazy import SuggestingGroup
from flowkit.cli.render.output import print_json, print_table, tell
from flowkit.config import Settings, load_settings
from flowkit.engine.report import JSON_FORMAT
from flowkit.project import Project

_KEYS = (
    "store",
    "remote",
    "trust_remote",
    "scheduler",
    "workers",
    "resources",
    "undeclared",
    "pickle",
    "code",
    "promotions",
    "retention",
)


@click.group(cls=SuggestingGroup, epilog=options.example("flowkit config show --env prod"))
def config() -> None:
    """Show the settings and where each came from."""


@config.command(epilog=options.example("flowkit config show --env prod"))
@options.env
@options.store
@options.workers
@options.scheduler
@options.json_output
def show(env: str | None, store: Path | None, workers: int | None, scheduler: str | None, as_json: bool) -> None:
    """Show each setting, its value and where it came from.

    An option beats a FLOWKIT_… variable, which beats [tool.flowkit.env.NAME], which beats [tool.flowkit] in
    pyproject.toml, which beats the default.
    """
    project = Project.containing(Path.cwd())
    settings = load_settings(project, env, {"store": store, "workers": workers, "scheduler": scheduler})
    rows = _rows(settings)
    if as_json:
        listed = [{"key": key, "value": value, "origin": origin} for key, value, origin in rows]
        print_json({"format": JSON_FORMAT, "env": settings.env, "root": str(project.root), "settings": listed})
        return
    tell(f"project {project.root}, environment {settings.env}")
    print_table(("setting", "value", "from"), [(key, _show(value), origin) for key, value, origin in rows])


def _rows(settings: Settings) -> list[tuple[str, Any, str]]:
    values = [(key, _as_json(getattr(settings, key)), settings.origin(key)) for key in _KEYS]
    params = [
        (f"params.{name}", _as_json(value), settings.origin(f"params.{name}"))
        for name, value in settings.params.items()
    ]
    return values + params


def _as_json(value: Any) -> Any:
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (list, tuple)):
        return [_as_json(item) for item in value]
    return {key: _as_json(item) for key, item in value.items()} if isinstance(value, dict) else str(value)


def _show(value: Any) -> str:
    if value is None:
        return "-"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
