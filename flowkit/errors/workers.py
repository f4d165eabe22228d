"""Errors of workers: code or an environment that is not the run's, stores they cannot see, room that they have not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Self

from flowkit.errors.step import StepError
from flowkit.errors.store import StoreError
from flowkit.errors.usage import UsageError


def _show_difference(name: str, here: str | None, there: str | None) -> str:
    if name.startswith("variable:"):
        # Values of variables are nobody's business; what is compared are their digests.
        words = ["not set" if value in (None, "absent") else "set" for value in (here, there)]
        return "another value" if words[0] == words[1] else f"{words[0]} for this run, {words[1]} there"
    return f"{here or 'absent'} for this run, {there or 'absent'} there"


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
    def for_plain_worker(cls, worker: str) -> Self:
        """Report a worker that is reached over the network without TLS: whoever reaches its port can run code."""
        return cls(
            f"The Dask worker {worker} is on the network without TLS, so anyone there could run code.",
            (("worker", worker),),
            "start it with '--host 127.0.0.1' on the scheduler's machine or with TLS, or set FLOWKIT_ALLOW_PLAIN_TCP=1 "
            "where the network itself is trusted.",
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
            "see to what the reason names, such as memory, processes, open files, TMPDIR or this Python, or run with "
            "--inline; what has finished is reused.",
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
