"""The nightly run: load, dbt build, plan and apply under one lock, with a logbook of what came of every step.

What stops a sync leaves the CRMs as the last whole batch left them, and the next one goes on from there: an apply that
was interrupted is finished before anything is loaded.
"""

from __future__ import annotations

import signal
import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import shorten
from types import FrameType
from typing import Any, NoReturn

from filelock import FileLock, Timeout

from activators.activation import Activation
from activators.apply import Run
from activators.errors import ActivationError, PlanError, RefusedAlike, Stopped
from activators.plan import Plan
from activators.stopping import interrupting_again, no_longer_ignore
from backhaul import report, steps
from backhaul.logbook import Logbook, Outcome, Step, SyncHeld, SyncSummary, end_the_dead, read_sync, read_syncs
from backhaul.progress import Watch
from backhaul.settings import Settings
from backhaul.transform import Transform, TransformError, against
from loaders import LoadError, Wanted, refuse_unset
from loaders import load as load_all

# The rules were tested when they were written; a night tests the data.
EVERYTHING = ("--exclude-resource-type", "unit_test")
# What tells of runs, and of what was sent.
AUDIT = ("--select", "path:models/audit", "--exclude-resource-type", "unit_test")
_NAMED = 5


def run_sync(  # noqa: PLR0913  what to do, where, and who watches
    settings: Settings,
    root: Path,
    watch: Watch,
    *,
    select: Collection[str] = (),
    keep_going: bool = False,
    confirm: Callable[[Plan], bool] = lambda _: True,
) -> SyncSummary:
    """Load, build, plan and apply, and say what came of it. A step that fails ends the sync, and is in its summary.

    With `keep_going`, activations whose models a failed build left sound are planned and applied, and records may be
    refused alike without end. `confirm` is asked before a plan is sent.

    Raises SyncHeld while another sync is running, and Stopped when a signal ended this one.
    """
    with alone(settings):
        logbook = Logbook.begin(settings.syncs)
        with _stopping() as asked:
            sync = _Sync(settings, Transform(settings, root), watch, logbook, asked)
            try:
                sync.run(select, confirm, keep_going=keep_going)
            except BaseException as error:
                number = error.signal if isinstance(error, Stopped) else asked.signal
                if number:
                    logbook.end("stopped", f"{sync.at}: {signal.Signals(number).name}")
                    raise Stopped(number) from error
                logbook.end("failed", f"{sync.at}: {_said(error)}")
                if not isinstance(error, ActivationError | LoadError | OSError):
                    raise
            else:
                logbook.end(*sync.outcome())
            sync.land()
        summary = read_sync(logbook.path)
    if summary is None:
        raise PlanError(f"{logbook.path}: is gone; leave the state folder alone while a sync runs")
    return summary


@dataclass(slots=True)
class _Asked:
    """The signal that asks the sync to end; none is 0."""

    signal: int = 0

    def raise_if_asked(self, error: BaseException | None = None) -> None:
        if self.signal:
            raise Stopped(self.signal) from error


@dataclass(slots=True)
class _Sync:
    """One sync on its way."""

    settings: Settings
    transform: Transform
    watch: Watch
    logbook: Logbook
    asked: _Asked
    at: str = "start"
    _steps: list[Step] = field(default_factory=list)

    def run(self, select: Collection[str], confirm: Callable[[Plan], bool], *, keep_going: bool) -> None:
        """Take every step, until one fails."""
        with self.step("parse") as step:
            self.transform.parse()
            declared: Sequence[Activation] = steps.activations(self.settings, select)
            vendors = steps.vendors(self.settings)
            # Before the first vendor is read for an hour, and not after.
            refuse_unset(vendors, self.settings.load_settings())
            step.figures = {"activations": len(declared)}
        resumed = self.resume(keep_going=keep_going)
        for vendor in vendors:
            self.load(vendor)
        declared = self.build(declared, keep_going=keep_going)
        sealed = self.plan(declared) if declared else None
        applied = self.apply(sealed, confirm, keep_going=keep_going) if sealed else None
        if resumed or applied:
            self.ledger()

    @contextmanager
    def step(self, name: str) -> Iterator[Step]:
        """Take one step: announced, timed, and in the logbook however it ends."""
        self.asked.raise_if_asked()
        self.at = name
        self.watch.began(len(self._steps) + 1, name)
        with self.logbook.step(name) as step:
            self._steps.append(step)
            try:
                yield step
                self.asked.raise_if_asked()
            except BaseException as error:
                # dbt and dlt wrap an interruption in errors of their own.
                stopped = bool(self.asked.signal) or isinstance(error, Stopped)
                step.status, step.message = ("stopped", "by a signal") if stopped else ("failed", _said(error))
                self.asked.raise_if_asked(error)
                raise
            finally:
                self.watch.close()

    def resume(self, *, keep_going: bool) -> Run | None:
        """Finish an apply that was interrupted, while its models are still those of its plan."""
        with self.step("resume") as step:
            try:
                sealed = steps.unfinished(self.settings)
            except PlanError as error:
                # Its unanswered records are unknown in the ledger, and the new plan looks at them.
                step.status, step.message = "skipped", f"an interrupted run is left as it is: {error}"
                return None
            if sealed is None:
                step.status, step.message = "skipped", "no run was interrupted"
                return None
            # A person confirmed its guards, if any were tripped, when the run began.
            try:
                return self._send(sealed, step, keep_going=keep_going)
            except RefusedAlike as error:
                # The models may have been mended since: what was refused is remembered, the rest is planned anew.
                step.status, step.message = "partial", str(error)
                return None

    def load(self, vendor: str) -> None:
        """Land one vendor. What a failure leaves behind is the last landing, which nothing is written from."""
        with self.step(f"load {vendor}") as step:
            landed = steps.load(self.settings, [vendor], self.watch.rows)
            step.figures = {"rows": sum(item.rows for item in landed)}
            self.watch.came(report.landings(landed))

    def build(self, declared: Sequence[Activation], *, keep_going: bool) -> Sequence[Activation]:
        """Build and test everything. Gives the activations that may be planned: all, or those that a failure spared."""
        with self.step("build") as step:
            before = steps.run_results(self.settings.target)
            try:
                self.transform.build(self.watch.nodes, *EVERYTHING)
            except TransformError as error:
                results = steps.run_results(self.settings.target)
                if _invocation(results) == _invocation(before):
                    raise  # nothing was built: the project cannot be compiled, or the warehouse is held
                step.figures = _counts(results)
                sound = steps.sound(self.settings, declared)
                failed = f"{_failures(results) or error}; {_consequence(declared, sound)}"
                if not keep_going:
                    raise TransformError(failed) from None
                step.status, step.message = "failed", failed
                self.watch.came(report.text(failed), matters=True)
                return sound
            step.figures = _counts(steps.run_results(self.settings.target))
            return declared

    def plan(self, declared: Sequence[Activation]) -> Plan:
        """Seal what differs."""
        with self.step("plan") as step:
            sealed = steps.plan(self.settings, declared)
            step.plan_id = sealed.plan_id
            counted = ("records", "changes", "held", "kept", "invalid", "calls")
            step.figures = {name: sum(getattr(item, name) for item in sealed.activations) for name in counted}
            self.watch.came(report.plan(sealed), matters=bool(sealed.warnings))
            return sealed

    def apply(self, sealed: Plan, confirm: Callable[[Plan], bool], *, keep_going: bool) -> Run | None:
        """Send a plan that no guard stops."""
        with self.step("apply") as step:
            step.plan_id = sealed.plan_id
            refuse_tripped(sealed)
            if not sealed.changes:
                # A run all the same: that nothing had to be sent is a success, and the ledger is to say so.
                done = self._send(sealed, step, keep_going=keep_going)
                step.message = "nothing to send"
                return done
            if not confirm(sealed):
                step.status, step.message = "skipped", "not confirmed"
                return None
            return self._send(sealed, step, keep_going=keep_going)

    def ledger(self) -> None:
        """Load what was written, so that runs, history and health are current in the morning."""
        self.load("ledger")
        # Another build would hide from the next plan what this night's build has left undone.
        if not any(step.status == "failed" for step in self._steps):
            with self.step("audit") as step:
                self.transform.build(self.watch.nodes, *AUDIT)
                step.figures = _counts(steps.run_results(self.settings.target))

    def outcome(self) -> tuple[Outcome, str | None]:
        """How a sync that took all its steps ended, and what kept it from more."""
        worst: tuple[Outcome, str | None] = ("complete", None)
        for step in self._steps:
            if step.status == "failed":
                return "failed", f"{step.name}: {step.message}"
            if step.status == "partial":
                worst = "partial", f"{step.name}: {step.message}"
        return worst

    def land(self) -> None:
        """Land the logbook itself. It stays on disk, so that what cannot be landed now is landed by the next load."""
        try:
            load_all(["ledger"], self.settings.load_settings(), Wanted(), lambda *_: None)
        except (LoadError, OSError) as error:
            said = f"the record of this sync is not in the warehouse yet: {_said(error)}"
            self.watch.came(report.text(said), matters=True)

    def _send(self, sealed: Plan, step: Step, *, keep_going: bool) -> Run:
        step.plan_id = sealed.plan_id
        with self.watch.sending(sealed.activations) as progress:
            done = steps.apply(self.settings, sealed, progress, keep_going=keep_going)
        counted = ("confirmed", "rejected", "unknown", "values", "calls")
        step.run_id = done.run_id
        step.figures = {name: sum(getattr(item, name) for item in done.activations) for name in counted}
        if not done.complete:
            step.status = "partial"
            step.message = f"{step.figures['rejected']:,} records rejected, {step.figures['unknown']:,} unknown"
        self.watch.came(report.run(done), matters=not done.complete)
        return done


def refuse_tripped(sealed: Plan) -> None:
    """Raise PlanError for a plan that trips a guard: only a person may send it."""
    if sealed.warnings:
        raise PlanError(
            f"{'; '.join(sealed.warnings)}: look at it by `backhaul show {sealed.plan_id}`, "
            f"and confirm it by `backhaul apply {sealed.plan_id} --confirm-guards`"
        )


@contextmanager
def alone(settings: Settings) -> Iterator[None]:
    """Hold the syncs' lock, which the system takes back from a process that dies. Raises SyncHeld at once."""
    settings.state.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = FileLock(settings.state / "sync.lock")
    try:
        held = lock.acquire(blocking=False)
    except Timeout:
        raise SyncHeld(_holder(settings.syncs)) from None
    with held:
        end_the_dead(settings.syncs)
        yield


def _holder(syncs: Path) -> str:
    running = next((item for item in read_syncs(syncs) if item.outcome is None), None)
    if running is None:
        return f"another sync holds {syncs.parent / 'sync.lock'}; nothing was done"
    at = f", now at step {running.steps[-1].name}" if running.steps else ""
    return (
        f"another sync has been running since {running.started_at:%Y-%m-%d %H:%M} UTC "
        f"(process {running.pid} on {running.host}{at}); nothing was done"
    )


@contextmanager
def _stopping() -> Iterator[_Asked]:
    """Let the first SIGINT or SIGTERM end the sync in good order; a second one ends the process there and then.

    `apply` has its own way, and gives these back. Only the main thread gets signals.
    """
    asked = _Asked()
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.getsignal(number) for number in numbers}

    def restore() -> None:
        for number in numbers:
            signal.signal(number, before[number])

    def ask(number: int, _frame: FrameType | None) -> NoReturn:
        restore()
        no_longer_ignore(numbers)
        asked.signal = number
        # What libraries know how to let through, and to clean up after.
        raise KeyboardInterrupt

    for number in numbers:
        signal.signal(number, ask)
    try:
        with interrupting_again():
            yield asked
    finally:
        restore()


def _said(error: BaseException) -> str:
    match error:
        case ActivationError() | LoadError():
            return str(error)
        case OSError():
            return report.unwritable(error)
        case _:
            return type(error).__name__


def _invocation(results: Mapping[str, Any]) -> str | None:
    found: str | None = results.get("metadata", {}).get("invocation_id")
    return found


def _counts(results: Mapping[str, Any]) -> dict[str, int]:
    """Count what dbt did: models and seeds built, tests passed, and nodes that failed or were left out for that."""
    statuses = Counter(result["status"] for result in results.get("results", []))
    return {
        "built": statuses["success"],
        "passed": statuses["pass"],
        "failed": statuses["error"] + statuses["fail"] + statuses["runtime error"],
        "skipped": statuses["skipped"],
    }


def _failures(results: Mapping[str, Any]) -> str:
    """Name the nodes that failed, in one line, with what dbt says of each."""
    failed = [
        f"{result['unique_id'].split('.')[2]} ({shorten(_against(result), 300)})"
        for result in results.get("results", [])
        if result["status"] in {"error", "fail", "runtime error"}
    ]
    named = ", ".join(failed[:_NAMED])
    return (
        f"{named} and {len(failed) - _NAMED} more failed"
        if len(failed) > _NAMED
        else f"{named} failed"
        if named
        else ""
    )


def _against(result: Mapping[str, Any]) -> str:
    return against(result["message"], result["failures"], result["relation_name"])


def _consequence(declared: Sequence[Activation], sound: Sequence[Activation]) -> str:
    stopped = ", ".join(item.name for item in declared if item not in sound)
    rest = ", ".join(item.name for item in sound)
    if not stopped:
        return "no activation reads it, and --keep-going plans them all the same"
    if not rest:
        return f"this stops {stopped}"
    return f"this stops {stopped}; --keep-going plans the others: {rest}"
