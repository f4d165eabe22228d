"""Errors of processes: steps that end theirs, workers that cannot be reached or are not what they should be."""

from __future__ import annotations

import signal
from collections.abc import Mapping, Sequence
from typing import ClassVar, Self

from flowkit.errors.base import cut
from flowkit.errors.step import InputError, StepError, ValueTypeError
from flowkit.errors.store import StoreError
from flowkit.errors.usage import UsageError

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
    def for_closed_pipe(cls, step: str) -> Self:
        """Report a step that closed file descriptors which are not its own."""
        return cls(
            f"Step '{step}' closed the pipe through which its process reports.",
            (("step", step),),
            "close only files that the step opened; os.closerange and daemonising libraries close all.",
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
        return cls(f"Step '{step}' raised {type(error).__name__}{said}", facts, _MEND)

    @staticmethod
    def about_champion(reference: str) -> tuple[tuple[str, str], str]:
        """Return the fact and the hint where what raised was given the model that `reference` points to."""
        return (
            ("champion", f"{reference}, which an earlier run trained, perhaps on other columns"),
            "give the model the columns it knows, as in rows[model.feature_names_in_]; or leave baseline= out of "
            "promote(): the champion's recorded metrics are compared then.",
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


class CodeMismatchError(StepError):
    """A worker whose code is not the code of this run."""

    retryable: ClassVar[bool] = False

    @classmethod
    def for_step(
        cls,
        step: str,
        wanted: str,
        found: str,
        worker: str,
        modules: Sequence[tuple[str, str]] = (),
        parts: Sequence[str] = (),
    ) -> Self:
        """Report a step whose code differs between the driver and the process that was to run it.

        Args:
            step: The step.
            wanted: The fingerprint in this run.
            found: The fingerprint there.
            worker: Where it was to run.
            modules: The modules that differ, each with the file that it was loaded from there.
            parts: The functions and classes that are others there.
        """
        facts = [("step", step), ("this run", wanted), ("the worker", found), ("worker", worker)]
        facts += [("differs", f"{name} (there from {file})") for name, file in modules]
        facts += [("reaches", ", ".join(parts))] if parts else []
        return cls(
            f"The code of step '{step}' in the worker is not the code of this run, so it was not run.",
            tuple(facts),
            "start again if a file was edited, or a function replaced, after this run had loaded it; rename a module "
            "that the worker has by the same name.",
        )

    @classmethod
    def for_environment(cls, step: str, differences: Sequence[tuple[str, str | None, str | None]], worker: str) -> Self:
        """Report a step that reaches packages in other versions, or variables with other values, than in this run.

        Args:
            step: The step.
            differences: (`package:NAME`, `variable:NAME` or another name, the driver's, the worker's); None is absent.
            worker: Where it was to run.
        """
        names = [name.partition(":")[2] or name for name, _, _ in differences]
        shown = ", ".join(f"'{name}'" for name in names) or "something"
        facts = [("step", step), ("worker", worker)]
        facts += [(name.replace(":", " "), _show_difference(name, here, there)) for name, here, there in differences]
        return cls(
            f"Step '{step}' needs {shown} as in this run, and the worker has another, so it was not run.",
            tuple(facts),
            "give the workers the packages and the environment variables of the driver, and start them again.",
        )

    @classmethod
    def for_values(cls, step: str, names: Sequence[str], worker: str) -> Self:
        """Report a step that reaches globals which have other values in the process that was to run it."""
        shown = ", ".join(f"'{name}'" for name in names)
        return cls(
            f"Step '{step}' reaches {shown}, which has another value in each process, so it was not run.",
            (("step", step), ("globals", ", ".join(names)), ("worker", worker)),
            "give it the same value everywhere, such as by sorting what comes from a set, or compute it in a step.",
        )

    @classmethod
    def for_missing_step(cls, step: str, module: str, qualname: str, reason: str) -> Self:
        """Report a step that the process cannot find."""
        return cls(
            f"The worker cannot find step '{step}'.",
            (("step", step), ("looked for", f"{module}:{qualname}"), ("reason", reason)),
            "define the step at the top level of a module of the project.",
        )

    @classmethod
    def for_unpicklable(cls, step: str, error: BaseException) -> Self:
        """Report a function of a notebook or script that cannot travel by value."""
        return cls(
            f"The code of step '{step}' cannot be sent to a worker by value.",
            (("step", step), ("error", f"{type(error).__name__}: {error}")),
            "move the step into a module of the project, or run with --inline.",
        )

    @classmethod
    def for_packet(cls, error: BaseException) -> Self:
        """Report arguments or steps by value that do not load in the process that was to run them."""
        return cls(
            "The worker cannot load what its nodes are called with.",
            (("error", f"{type(error).__name__}: {error}"),),
            "define the classes of constant arguments in modules of the project.",
        )

    @classmethod
    def for_bundle(cls, digest: str, reason: str) -> Self:
        """Report a code bundle that is gone or damaged."""
        return cls(
            "The code bundle of this run cannot be read.",
            (("bundle", digest), ("reason", reason)),
            "run again; the bundle is written anew.",
        )


def _show_difference(name: str, here: str | None, there: str | None) -> str:
    if name.startswith("variable:"):
        # Values of variables are nobody's business; what is compared are their digests.
        words = ["not set" if value in (None, "absent") else "set" for value in (here, there)]
        return "another value" if words[0] == words[1] else f"{words[0]} for this run, {words[1]} there"
    return f"{here or 'absent'} for this run, {there or 'absent'} there"


class WorkerError(StoreError):
    """Workers that cannot be reached or cannot see the store."""

    @classmethod
    def for_blind_worker(cls, worker: str, store: str) -> Self:
        """Report a worker that does not see the driver's store."""
        return cls(
            f"Worker {worker} does not see the store of this run.",
            (("worker", worker), ("store", store)),
            "put the store on a disk that all workers see at the same path, and name it with --store.",
        )

    @classmethod
    def for_other_version(cls, worker: str, what: str, here: str, there: str) -> Self:
        """Report a worker that runs another Python or flowkit."""
        return cls(
            f"Worker {worker} runs another {what} than this driver.",
            (("worker", worker), ("driver's", here), ("worker's", there)),
            f"start the workers with the same {what} as the driver.",
        )

    @classmethod
    def for_unusable_worker(cls, worker: str, reason: str) -> Self:
        """Report a worker that could not answer what every worker is asked first."""
        return cls(
            f"Worker {worker} cannot run steps.",
            (("worker", worker), ("reason", reason)),
            "install flowkit on it, in the version that the driver has.",
        )

    @classmethod
    def for_no_worker(cls, scheduler: str, seconds: float, silent: Mapping[str, str]) -> Self:
        """Report a cluster in which no worker came up, with those that are listed and gave no answer."""
        return cls(
            f"No worker was there within {seconds:g} s.",
            (
                ("scheduler", scheduler),
                ("needed", "at least one worker with one thread"),
                *(("no answer", f"{worker}: {reason}") for worker, reason in silent.items()),
            ),
            f"start one: `dask worker {scheduler}`.",
        )

    @classmethod
    def for_unmet_need(cls, step: str, cpus: int, resources: Mapping[str, float], workers: int, seconds: float) -> Self:
        """Report a cluster none of whose workers has what a step asks for."""
        need = describe_need(cpus, resources)
        listed = " ".join(f"{name}={amount:g}" for name, amount in resources.items())
        extra = f' --resources "{listed}"' if listed else ""
        return cls(
            f"No worker that step '{step}' can run on was there within {seconds:g} s.",
            (("step", step), ("needs", need), ("workers", f"{workers}, none with that")),
            f"start one: `dask worker SCHEDULER --nthreads {cpus}{extra}`.",
        )

    @classmethod
    def for_unreachable(cls, scheduler: str, reason: str) -> Self:
        """Report a scheduler that cannot be connected to."""
        return cls(
            f"The Dask scheduler at {scheduler} cannot be reached.",
            (("scheduler", scheduler), ("reason", reason)),
            "check the address, or leave --scheduler away to run on this machine.",
        )

    @classmethod
    def for_plain_tcp(cls, scheduler: str) -> Self:
        """Report a scheduler on another machine without TLS: whoever reaches its port can run code."""
        return cls(
            f"The scheduler {scheduler} is on the network without TLS, so anyone there could run code.",
            (("scheduler", scheduler),),
            "use a tls:// address, or set FLOWKIT_ALLOW_PLAIN_TCP=1 where the network itself is trusted.",
        )

    @classmethod
    def for_no_certificates(cls, scheduler: str, reason: str) -> Self:
        """Report an encrypted scheduler without certificates to speak to it."""
        return cls(
            f"There are no certificates for the Dask scheduler at {scheduler}.",
            (("scheduler", scheduler), ("reason", reason)),
            "name them by DASK_DISTRIBUTED__COMM__TLS__CA_FILE, …__TLS__CLIENT__CERT and …__TLS__CLIENT__KEY.",
        )

    @classmethod
    def for_lost_scheduler(cls, scheduler: str, reason: str) -> Self:
        """Report a scheduler that went away during a run."""
        return cls(
            f"The connection to the Dask scheduler at {scheduler} is lost.",
            (("scheduler", scheduler), ("reason", reason)),
            "run again: what was finished is reused.",
        )

    @classmethod
    def for_failed_start(cls, reason: str) -> Self:
        """Report a process for steps, or the local cluster, that cannot be started."""
        return cls(
            "Workers cannot be started on this machine.",
            (("reason", reason),),
            "free memory and processes, or run with --inline.",
        )

    @classmethod
    def for_failed_task(cls, worker: str, reason: str) -> Self:
        """Report a packet that a worker could not take."""
        return cls(
            f"Worker {worker} could not work on a packet.",
            (("worker", worker), ("reason", reason)),
            "look at that worker's own log.",
        )


class CapacityError(UsageError):
    """A step that asks for more than this machine gives to its steps."""

    @classmethod
    def for_step(
        cls, step: str, cpus: int, resources: Mapping[str, float], slots: int, there: Mapping[str, float]
    ) -> Self:
        """Report what it asks for and what there is."""
        if cpus > slots:
            remedy = f"run with --workers {cpus} or more, or lower cpus= of '{step}'."
        else:
            listed = ", ".join(f"{name} = {amount:g}" for name, amount in {**there, **resources}.items())
            remedy = f"say in [tool.flowkit] what this machine has: resources = {{{listed}}}."
        return cls(
            f"Step '{step}' asks for more than there is on this machine.",
            (("step", step), ("needs", describe_need(cpus, resources)), ("there is", describe_need(slots, there))),
            remedy,
        )


def describe_need(cpus: int, resources: Mapping[str, float]) -> str:
    """Return processors and resources in words, such as `2 cpus, 1 gpu`."""
    parts = [f"{cpus} cpu{'' if cpus == 1 else 's'}", *(f"{amount:g} {name}" for name, amount in resources.items())]
    return ", ".join(parts)


def signal_name(number: int) -> str:
    """Return the name of a signal, such as `SIGSEGV`."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _when(started: bool) -> str:
    return "" if started else " before the step began, while its module was imported"
