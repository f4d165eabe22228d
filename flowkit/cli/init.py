"""`init`: a new project that runs and passes its tests as it is."""

from __future__ import annotations

import os
from pathlib import Path

import click

import flowkit
from flowkit.cli import options
from flowkit.cli.render.output import print_json
from flowkit.engine.report import JSON_FORMAT
from flowkit.scaffold.origin import is_on_this_machine, own_requirement
from flowkit.scaffold.project import project_files, project_name, write_project


@click.command(epilog=options.example("flowkit init churn", "flowkit init . --name churn"))
@click.argument("folder", type=click.Path(path_type=Path), default=".")
@click.option("--name", metavar="NAME", help="Call the project so; like its folder by default.")
@options.json_output
def init(folder: Path, name: str | None, as_json: bool) -> None:
    """Make a new project: a first pipeline, its tests, CI.

    FOLDER is made where there is none; the current one by default. A file that is there already is never overwritten:
    then nothing is written at all.
    """
    root = folder.absolute()
    called = project_name(Path(os.path.normpath(root)), name)
    requirement = own_requirement(Path(flowkit.__file__).parent, flowkit.__version__)
    files = project_files({"name": called, "flowkit": requirement})
    write_project(root, files)
    if as_json:
        shown = {"root": os.path.normpath(root), "name": called, "requirement": requirement, "files": list(files)}
        print_json({"format": JSON_FORMAT, **shown})
        return
    for path in files:
        click.echo(f"  {folder / path}")
    click.echo(f"{called} is made; flowkit itself is required as {requirement}")
    if is_on_this_machine(requirement):
        click.echo("That is a place on this machine: change it in pyproject.toml before CI or others install it.")
    change = [] if os.path.normpath(root) == os.getcwd() else [f"cd {folder}"]
    click.echo("next: " + " && ".join([*change, "make run", "make test"]))
