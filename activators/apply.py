"""Send a sealed plan, journal every write, account for every record. The warehouse is not opened."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from activators.destinations import RECORDS_PER_CALL, Destination
from activators.errors import PlanError
from activators.journal import History, Journal, RecordChanges, Result, Status
from activators.plan import ActivationPlan, Plan, latest_plan, read_changes
from activators.values import same_value

# Batches on their way at once: enough to keep the limiter busy while a vendor takes a second to answer.
IN_FLIGHT = 8
# The code of a record that a person edited while a crashed run was waiting to be resumed.
EDITED = "EDITED_SINCE_PLAN"
# The code of a record that no answer confirmed, and that holds the planned values.
READ_BACK = "READ_BACK"

Progress = Callable[[str, int, int], None]
"""Called with an activation's name, the records accounted for so far, and all of its records."""


@dataclass(slots=True)
class Applied:
    """What became of one activation's records."""

    name: str
    confirmed: int = 0
    rejected: int = 0
    unknown: int = 0
    calls: int = 0
    values: int = 0
    examples: dict[str, str] = field(default_factory=dict)

    def count(self, record: RecordChanges, result: Result) -> None:
        """Add one record's result."""
        match result.status:
            case "confirmed":
                self.confirmed += 1
                self.values += len(record.changes)
            case "rejected":
                self.rejected += 1
            case "unknown":
                self.unknown += 1
        if result.status != "confirmed":
            self.examples.setdefault(
                f"{result.code or result.status}",
                f"{result.record_id}: {result.message or 'no answer'}",
            )


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


async def apply_plan(  # noqa: PLR0913  what to send, where, and what is known of it
    plan: Plan,
    destinations: Mapping[str, Destination],
    journal: Journal,
    history: History | None,
    progress: Progress,
    *,
    verify: bool = False,
) -> Run:
    """Send every change that the journal does not already account for.

    With `verify`, each record is read right before it is written, and one that a person has edited since the plan's
    landing is rejected: one more call a batch.

    Raises the first VendorError or PlanError after the batches on their way have been answered; the same command
    then continues where this run stopped.
    """
    done: list[Applied] = []
    for activation in plan.activations:
        if activation.changes:
            destination = destinations[activation.destination]
            sender = _Sender(activation, destination, journal, history, progress, verify)
            done.append(await sender.send_all(plan.folder / activation.file))
        else:
            done.append(Applied(activation.name))
    status = "complete" if not any(item.rejected or item.unknown for item in done) else "partial"
    journal.end(dt.datetime.now(dt.UTC), status)
    return Run(journal.run_id, plan.plan_id, tuple(done))


@dataclass(slots=True)
class _Sender:
    activation: ActivationPlan
    destination: Destination
    journal: Journal
    history: History | None
    progress: Progress
    verify: bool
    applied: Applied = field(init=False)

    def __post_init__(self) -> None:
        self.applied = Applied(self.activation.name)

    async def send_all(self, file: Path) -> Applied:
        calls_before = self.destination.caller.calls
        self._report()
        room = asyncio.Semaphore(IN_FLIGHT)
        tasks: set[asyncio.Task[None]] = set()
        failure: BaseException | None = None
        for batch in _batched(self._unanswered(read_changes(file)), RECORDS_PER_CALL[self.activation.destination]):
            await room.acquire()
            failure = next((task.exception() for task in tasks if task.done() and task.exception()), None)
            if failure:
                break
            tasks = {task for task in tasks if not task.done()}
            task = asyncio.create_task(self._settle(batch))
            task.add_done_callback(lambda _: room.release())
            tasks.add(task)
        answers = await asyncio.gather(*tasks, return_exceptions=True)
        failure = failure or next((item for item in answers if isinstance(item, BaseException)), None)
        self.applied.calls = self.destination.caller.calls - calls_before
        if failure:
            raise failure
        return self.applied

    async def _settle(self, records: Sequence[RecordChanges]) -> None:
        """Bring one batch to an outcome: read back what a crash left open, then send what is not there yet."""
        to_send = records
        opened = [record for record in records if self.verify or self._was_intended(record)]
        if opened:
            settled = await self._read_back(opened)
            if settled:
                self._record(
                    [record for record in opened if record.record_id in settled],
                    list(settled.values()),
                )
            to_send = [record for record in records if record.record_id not in settled]
        if to_send:
            batch = self._intend(to_send)
            results = await self.destination.update(self.activation.object, to_send)
            self._close(batch, to_send, await self._clear_up(to_send, results))

    async def _clear_up(self, records: Sequence[RecordChanges], results: Sequence[Result]) -> list[Result]:
        """Ask the CRM itself about records that its answer left out: written, not written, or gone."""
        left_out = {result.record_id for result in results if result.status == "unknown"}
        if not left_out:
            return list(results)
        found = await self._read_back([record for record in records if record.record_id in left_out])
        return [found.get(result.record_id, result) for result in results]

    async def _read_back(self, records: Sequence[RecordChanges]) -> dict[str, Result]:
        """What became of records, where the CRM can tell: they hold the new values, or a person's."""
        properties = sorted({change.property for record in records for change in record.changes})
        found = await self.destination.read(
            self.activation.object, [record.record_id for record in records], properties
        )
        settled: dict[str, Result] = {}
        for record in records:
            stored = found.get(record.record_id)
            if stored is None:
                continue  # gone: sending it again gets the vendor's own words for that
            there, before = (
                [same_value(item.family, stored.values.get(item.property), value) for item, value in pairs]
                for pairs in (
                    [(item, item.after) for item in record.changes],
                    [(item, item.before) for item in record.changes],
                )
            )
            if all(there):
                settled[record.record_id] = Result(record.record_id, "confirmed", stored.updated_at, READ_BACK)
            elif not all(new or old for new, old in zip(there, before, strict=True)):
                settled[record.record_id] = Result(
                    record.record_id,
                    "rejected",
                    None,
                    EDITED,
                    "edited in the CRM after the plan was made",
                )
        return settled

    def _unanswered(self, records: Iterable[RecordChanges]) -> Iterator[RecordChanges]:
        answered: Mapping[tuple[str, str], Status] = self.history.answered if self.history else {}
        for record in records:
            status = answered.get((self.activation.name, record.record_id))
            if status in {"confirmed", "rejected"}:
                self.applied.count(record, Result(record.record_id, status, message="in an earlier attempt"))
            else:
                yield record

    def _was_intended(self, record: RecordChanges) -> bool:
        return self.history is not None and (self.activation.name, record.record_id) in self.history.intended

    def _intend(self, records: Sequence[RecordChanges]) -> int:
        return self.journal.intent(self.activation.name, self.activation.destination, self.activation.object, records)

    def _record(self, records: Sequence[RecordChanges], results: Sequence[Result]) -> None:
        self._close(self._intend(records), records, results)

    def _close(self, batch: int, records: Sequence[RecordChanges], results: Sequence[Result]) -> None:
        by_id = {result.record_id: result for result in results}
        if len(results) != len(records) or by_id.keys() != {record.record_id for record in records}:
            raise PlanError(
                f"{self.activation.name}: {len(results)} results for a batch of {len(records)} records; "
                "the destination's module must account for each"
            )
        self.journal.outcome(batch, results)
        for record in records:
            self.applied.count(record, by_id[record.record_id])
        self._report()

    def _report(self) -> None:
        counted = self.applied.confirmed + self.applied.rejected + self.applied.unknown
        self.progress(self.activation.name, counted, self.activation.records_changed)


def _batched(records: Iterable[RecordChanges], size: int) -> Iterator[list[RecordChanges]]:
    iterator = iter(records)
    while batch := list(islice(iterator, size)):
        yield batch
