"""What a command that builds a pipeline opens: its target, settings and parameters, and a session on its store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from flowkit.authoring.pipeline import Pipeline
from flowkit.config import Settings, load_settings
from flowkit.errors import FlowkitError, TargetError
from flowkit.frames import telling_place, user_frames
from flowkit.garbage import keeping_imports
from flowkit.parameters import load_parameters, parse_parameters
from flowkit.project import Project
from flowkit.records import RunRecord
from flowkit.session.session import Session
from flowkit.targets import load_target, project_of

_PACKAGE = str(Path(__file__).parents[1])


class Opened(Struct, frozen=True):
    """A target that is ready to be built.

    Attributes:
        target: As it is recorded.
        parameters: A typed value for every parameter.
    """

    pipeline: Pipeline[..., Any]
    project: Project
    settings: Settings
    target: str
    parameters: Mapping[str, Any]


def open_target(text: str, parameters: Sequence[str], env: str | None, **flags: Any) -> Opened:
    """Load a target with its settings and its parameters from the command line.

    Args:
        text: The target.
        parameters: What `-p` was given.
        env: What `--env` was given.
        **flags: Settings given as options; None where they were not.

    Raises:
        UsageError: The target, a setting or a parameter does not fit.
    """
    project, settings = _configure(project_of(text), env, flags)
    pipeline, _, target = _load(text, project, settings, from_record=False)
    with telling_place(project.root):
        return Opened(pipeline, project, settings, target, parse_parameters(pipeline, parameters, settings.params))


def open_record(record: RunRecord, project: Project, **flags: Any) -> Opened:
    """Load what a recorded run ran, with its environment and its parameters.

    Raises:
        UsageError: The target is gone, or a recorded parameter does not fit any more.
    """
    project, settings = _configure(project, record.env, flags)
    pipeline, _, target = _load(record.target, project, settings, from_record=True)
    return Opened(pipeline, project, settings, target, load_parameters(pipeline, dict(record.parameters)))


@contextmanager
def open_session(opened: Opened, *, inline: bool = False) -> Iterator[Session]:
    """Yield a session for what was opened; what the pipeline's own body raises is told as its author's."""
    with Session(project=opened.project, settings=opened.settings, inline=inline) as session:
        try:
            yield session
        except FlowkitError:
            raise
        except (Exception, SystemExit) as error:
            if not _raised_in_body(error, opened.pipeline):
                raise
            frames = user_frames(error, opened.project.root)
            raise TargetError.for_failed_body(opened.pipeline.name, error, frames) from None


def _configure(project: Project, env: str | None, flags: Mapping[str, Any]) -> tuple[Project, Settings]:
    settings = load_settings(project, env, flags)
    return replace(project, code=settings.code), settings


def _load(text: str, project: Project, settings: Settings, *, from_record: bool) -> tuple[Any, Project, str]:
    # A typed relative file starts in the current folder, a recorded one at the project's root.
    with keeping_imports():
        loaded = load_target(text, project if from_record else None)
    return loaded.pipeline, replace(loaded.project, code=settings.code), loaded.text


def _raised_in_body(error: BaseException, pipeline: Pipeline[..., Any]) -> bool:
    """Return whether an exception came out of the pipeline's body, from anything but flowkit's own code below it."""
    body = pipeline.function.__code__
    trace, within, file = error.__traceback__, False, ""
    while trace is not None:
        within = within or trace.tb_frame.f_code is body
        file = trace.tb_frame.f_code.co_filename
        trace = trace.tb_next
    return within and not file.startswith(_PACKAGE)
