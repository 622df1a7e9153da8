"""Send a sealed plan, journal every write, account for every record. The warehouse is not opened."""

from __future__ import annotations

import datetime as dt
import gc
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from activators.answers import read_answers
from activators.connectors import Destination
from activators.destinations import for_events
from activators.errors import PlanError
from activators.journal import CREATED, History, Journal, journal_sizes, read_lines
from activators.plan import Plan, latest_plan
from activators.sending import Applied, Progress, Sender
from activators.stopping import stopping_on_signals


@dataclass(frozen=True, slots=True)
class Run:
    """One run of `apply`."""

    run_id: str
    plan_id: str
    activations: tuple[Applied, ...]

    @property
    def complete(self) -> bool:
        """Whether the CRMs confirmed every record."""
        return not any(item.rejected or item.unknown for item in self.activations)


def refuse_stale(plan: Plan, history: History | None, target: Path) -> None:
    """Raise PlanError when the plan was applied already, a newer one exists, or its models were built again since."""
    if history is not None and history.ended:
        raise PlanError(
            f"plan {plan.plan_id} was applied already, by run {history.run_id}; run `backhaul plan` for what is left"
        )
    newest = latest_plan(plan.folder.parent).name
    if newest != plan.plan_id:
        raise PlanError(f"plan {plan.plan_id} is not the newest; apply {newest}, or run `backhaul plan`")
    for item in plan.activations:
        file = target / item.sync_file
        if file.exists() and file.stat().st_mtime > plan.created_at.timestamp():
            raise PlanError(f"plan {plan.plan_id} is older than {file.stem}, built since; run `backhaul plan`")


def refuse_overtaken(plan: Plan, journal: Path) -> None:
    """Raise PlanError when another run has written for the plan's activations what the plan does not know of.

    It was under way while the plan was made, or began after it. Only an apply that holds the lock can be sure.
    """
    names = {item.name for item in plan.activations if item.changes}
    for run_id, size in sorted(journal_sizes(journal).items()):
        if plan.journals.get(run_id) == size:
            continue
        run = next(read_lines(journal / f"{run_id}.jsonl"), None)
        if run is not None and run["plan_id"] != plan.plan_id and names & set(run["activations"]):
            raise PlanError(
                f"plan {plan.plan_id} does not know all that run {run_id} wrote; "
                "run `backhaul load ledger` and `dbt build`, then plan again"
            )


async def apply_plan(  # noqa: PLR0913  what to send, where, and what is known of it
    plan: Plan,
    destinations: Mapping[str, Destination],
    journal: Journal,
    history: History | None,
    progress: Progress,
    *,
    verify: bool = False,
    keep_going: bool = False,
) -> Run:
    """Send every change that the journal does not already account for.

    With `verify`, each record is read right before it is written, and one that a person has edited since the plan's
    landing is rejected: one more call a batch. With `keep_going`, records may be refused alike without end.

    Raises the first VendorError or PlanError, or Stopped for SIGINT and SIGTERM, after the batches on their way have
    been answered; the same command then continues where this run stopped.
    """
    done: list[Applied] = []
    earlier = read_answers(journal.path) if history else nullcontext()
    with stopping_on_signals() as stop, _what_is_there_stays(), earlier as answers:
        for activation in plan.activations:
            if activation.changes:
                destination = destinations[activation.destination]
                if activation.kind == "events":
                    destination = taking = for_events(activation.destination, destination, activation.external_id)
                    if answers is not None:
                        taking.resume(plan.landings.get(activation.destination), answers.messages(CREATED))
                sender = Sender(activation, destination, journal, history, answers, progress, stop, verify, keep_going)
                done.append(await sender.send_all(plan.folder / activation.file))
            else:
                done.append(Applied(activation.name))
    status = "complete" if not any(item.rejected or item.unknown for item in done) else "partial"
    journal.end(dt.datetime.now(dt.UTC), status, {item.name: item.counts for item in done})
    return Run(journal.run_id, plan.plan_id, tuple(done))


@contextmanager
def _what_is_there_stays() -> Iterator[None]:
    """Keep the collector to what is made from here on: a walk through all modules holds up the answers on their way.

    The window of calls is as long as the slowest answer, so that costs more than its own tenth of a second.
    """
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
