"""Errors of processes: steps that end theirs, workers that cannot be reached or are not what they should be."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from typing import ClassVar, Self

from flowkit.errors.base import cut
from flowkit.errors.step import InputError, StepError, ValueTypeError

_LIKELY = {
    "SIGSEGV": "invalid memory access in compiled code",
    "SIGBUS": "invalid memory access; a full disk or a truncated mapped file does that too",
    "SIGABRT": "compiled code gave up",
    "SIGFPE": "invalid arithmetic in compiled code",
    "SIGILL": "compiled code for another processor",
    "SIGKILL": "out of memory, or killed by somebody",
    "SIGTERM": "told to end by somebody",
}


_MEND = "mend it there; what has finished is reused by the next run."
_ASKED = "a step has nobody to ask: make the answer a parameter of the step, given by -p to the pipeline."
_NOTHING_TO_READ = "EOF when reading a line"


class StepExitError(StepError):
    """A step that ended its process, or tried to."""

    retryable: ClassVar[bool] = False

    @classmethod
    def for_sys_exit(cls, step: str, code: object) -> Self:
        """Report a call of `sys.exit`."""
        shown = "" if code is None else repr(code)
        return cls(
            f"Step '{step}' called sys.exit({shown}).",
            (("step", step),),
            "raise an exception to fail, or fk.Skip(reason) to skip; return a value to succeed.",
        )

    @classmethod
    def for_interrupt(cls, step: str) -> Self:
        """Report a `KeyboardInterrupt` that the step itself raised."""
        return cls(
            f"Step '{step}' raised KeyboardInterrupt.",
            (("step", step),),
            "raise an exception of your own; a run is interrupted with Ctrl-C in its terminal.",
        )


class StepDeathError(StepError):
    """A step whose process died under it."""

    @classmethod
    def for_exit_code(cls, step: str, code: int, *, started: bool = True) -> Self:
        """Report a process that ended by itself, as `os._exit` does; `started` is whether the step's body ran."""
        return cls(
            f"Step '{step}' ended its process with exit code {code}{_when(started)}.",
            (("step", step), ("exit code", str(code))),
            "look for os._exit, or for a library that ends the process; 'flowkit logs' shows what it printed.",
        )

    @classmethod
    def for_signal(cls, step: str, number: int, *, started: bool = True) -> Self:
        """Report a process that was killed by a signal."""
        name = signal_name(number)
        likely = _LIKELY.get(name)
        facts = [("step", step), ("signal", f"{name} ({number})")]
        if likely:
            facts.append(("likely", likely))
        tail = " (out of memory?)" if name == "SIGKILL" else ""
        return cls(
            f"Step '{step}' was killed by {name}{tail}{_when(started)}.",
            facts,
            "'flowkit logs' shows what it printed; run it with --inline under a debugger.",
        )

    @classmethod
    def for_processor_time(cls, step: str, limit: int) -> Self:
        """Report a process that the system killed once it had used `limit` seconds of processor time."""
        return cls(
            f"Step '{step}' used up the {limit} s of processor time that its process may take, and was killed.",
            (("step", step), ("limit", f"{limit} s (RLIMIT_CPU)")),
            "raise the limit where it is set (resource.setrlimit in a step, or ulimit -t), or let it compute less.",
        )

    @classmethod
    def for_closed_pipe(cls, step: str) -> Self:
        """Report a step that closed file descriptors which are not its own."""
        return cls(
            f"Step '{step}' closed the pipe through which its process reports.",
            (("step", step),),
            "close only files that the step opened; os.closerange and daemonising libraries close all.",
        )

    @classmethod
    def for_garbled_pipe(cls, step: str) -> Self:
        """Report a step that wrote to a file descriptor which is not its own."""
        return cls(
            f"Step '{step}' wrote into the pipe through which its process reports.",
            (("step", step),),
            "write only to files that the step opened, and to no descriptor by its number but 1 and 2.",
        )

    @classmethod
    def for_lost_worker(cls, step: str, worker: str, error: str) -> Self:
        """Report a step that ran on a worker that is gone."""
        return cls(
            f"Step '{step}' was running on worker {worker} when that was lost.",
            (("step", step), ("worker", worker), ("error", error)),
            "look at that worker's own log; out of memory and shut-down machines are the usual causes.",
        )


class StepLimitError(StepError):
    """A step that took more time or memory than it may."""

    @classmethod
    def for_timeout(cls, step: str, limit: float) -> Self:
        """Report a step that was killed at its timeout, `limit` seconds."""
        return cls(
            f"Step '{step}' exceeded its timeout of {limit:g} s and was killed.",
            (("step", step), ("timeout", f"{limit:g} s")),
            "give it more time with @step(timeout=…), or look at its log for what it waits for.",
        )

    @classmethod
    def for_memory(cls, step: str, limit: int, used: int, processes: int = 1) -> Self:
        """Report a step that was killed at its memory limit, in bytes, which its `processes` held together."""
        held = f"{used / 1e6:.0f} MB"
        if processes > 1:
            held += f" in {processes} processes, with what the step started; shared memory counts once"
        return cls(
            f"Step '{step}' exceeded {limit / 1e6:.0f} MB of memory and was killed.",
            (("step", step), ("limit", f"{limit / 1e6:.0f} MB"), ("used", held)),
            "give it more with @step(memory=…), or let it work on less at once.",
        )

    @classmethod
    def for_memory_error(cls, step: str, text: str) -> Self:
        """Report a `MemoryError`."""
        return cls(
            f"Step '{step}' ran out of memory.",
            (("step", step), ("error", text or "MemoryError")),
            "let it work on less at once, run fewer --workers, or use a larger machine.",
        )


class StepRaisedError(StepError):
    """An exception of the user's own code, as it is recorded."""

    @classmethod
    def for_exception(cls, step: str, error: BaseException, text: str, where: str) -> Self:
        """Report what a step raised; `where` is the innermost line of its own code."""
        first = text.partition("\n")[0]
        said = f": {cut(first, 300)}" if text else ""
        facts = [("step", step)]
        if where:
            facts.append(("at", where))
        asked = isinstance(error, EOFError) and text == _NOTHING_TO_READ
        return cls(f"Step '{step}' raised {type(error).__name__}{said}", facts, _ASKED if asked else _MEND)

    @staticmethod
    def about_champion(reference: str) -> tuple[tuple[str, str], str]:
        """Return the fact and the hint where what raised was given the model that `reference` points to."""
        return (
            ("champion", f"{reference}, which an earlier run trained, perhaps on other columns"),
            "give the model the columns it knows, as in rows[model.feature_names_in_]; or leave baseline= out of "
            "promote(): the champion's recorded metrics are compared then.",
        )

    @staticmethod
    def about_gone_code(reference: str, names: Sequence[str]) -> tuple[tuple[str, str], str]:
        """Return the fact and the hint where the model that `reference` points to names code that is gone."""
        module, _, name = names[0].partition(":")
        return (
            ("champion", f"{reference} was trained with code that is no longer there: {', '.join(names)}"),
            f"keep the old name until there is a new champion, such as a module {module} that imports "
            f"{name.partition('.')[0]} from where it is now; or leave baseline= out of promote(): the champion's "
            "recorded metrics are compared then.",
        )


class StepInputError(InputError):
    """A declared input file that a step could not read."""

    @classmethod
    def for_missing_file(cls, step: str, path: str) -> Self:
        """Nothing is there."""
        return cls(
            f"Step '{step}' needs '{path}', which does not exist.",
            (("looked at", path),),
            "check the path; relative ones start at the project's root, those given by -p at the current directory.",
        )

    @classmethod
    def for_undeclared(cls, step: str, named: Sequence[str]) -> Self:
        """It read what it does not declare, in a project that does not allow that."""
        return cls(
            f"Step '{step}' reads without declaring it: {', '.join(named)}.",
            (("step", step), ("setting", 'undeclared = "error"')),
            'make a file a parameter of type Path, name a variable in @fk.step(env=…), or set undeclared = "track".',
        )

    @classmethod
    def for_forbidden_file(cls, step: str, path: str) -> Self:
        """This user may not read it."""
        return cls(
            f"Step '{step}' may not read '{path}'.",
            (),
            f"give this user permission, as with: chmod u+r '{path}'.",
        )

    @classmethod
    def for_folder(cls, step: str, path: str) -> Self:
        """A folder stands where the step opens a file."""
        return cls(
            f"Step '{step}' opens '{path}' as a file, but it is a folder.",
            (),
            "name a file in it, or let the step list the folder.",
        )

    @classmethod
    def for_empty_file(cls, step: str, path: str, error: str) -> Self:
        """It holds nothing."""
        return cls(
            f"Step '{step}' cannot read '{path}': the file is empty.",
            (("error", error),),
            "check how the file is made, or raise fk.Skip in the step where an empty file is fine.",
        )

    @classmethod
    def for_encoding(cls, step: str, path: str, encoding: str, offset: int, byte: int) -> Self:
        """It is not text in the encoding that the step reads it with; `offset` counts bytes from its beginning."""
        return cls(
            f"Step '{step}' cannot read '{path}': it is not {encoding} at byte {offset}.",
            (("byte", f"0x{byte:02x} at offset {offset}"),),
            "pass the encoding it really has, such as encoding='latin-1', or convert the file.",
        )

    @classmethod
    def for_damaged_file(cls, step: str, path: str, kind: str, error: str) -> Self:
        """It is cut short or is no file of its kind."""
        return cls(
            f"Step '{step}' cannot read '{path}': it is truncated or no {kind} file.",
            (("error", error),),
            "make or copy the file again.",
        )

    @classmethod
    def for_content(cls, step: str, path: str, kind: str, error: str) -> Self:
        """A library could not make sense of what is in it; `kind` is the class of what it raised."""
        return cls(
            f"Step '{step}' cannot read '{path}': its content is not what the reader expects.",
            (("error", "\n".join(line for line in f"{kind}: {error}".splitlines() if line.strip())),),
            "mend the file where the error says, or tell the reader how the file is really written.",
        )


class StepOutputError(ValueTypeError):
    """A result that does not have the declared outputs."""

    @classmethod
    def for_count(cls, step: str, wanted: Sequence[str], given: str) -> Self:
        """Report a number of outputs other than the declared one."""
        return cls(
            f"Step '{step}' declares {len(wanted)} outputs and returned {given}.",
            (("step", step), ("outputs", ", ".join(wanted)), ("returned", given)),
            "return one value for each output that the return annotation names.",
        )


def signal_name(number: int) -> str:
    """Return the name of a signal, such as `SIGSEGV`."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _when(started: bool) -> str:
    return "" if started else " before the step began, while its module was imported"
