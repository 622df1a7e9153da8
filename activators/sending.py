"""Bring every record of one activation to an outcome: in batches, or in the vendor's jobs where there are very many."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from activators.answers import Answers
from activators.breaker import Breaker
from activators.connectors import Destination, Jobs
from activators.errors import ActivationError, PlanError, RefusedAlike, RefusedThroughout
from activators.journal import CREATED, History, Journal, RecordChanges, Result, Status, read_batch
from activators.limits import Usage
from activators.plan import ActivationPlan, read_changes
from activators.stopping import Stop
from activators.values import same_value

# The code of a record that a person edited after the plan's landing, seen when it was read back or verified.
EDITED = "EDITED_SINCE_PLAN"
# The code of a record that no answer confirmed, and that holds the planned values.
READ_BACK = "READ_BACK"
# Records of a resumed plan that are looked up in one go.
_ASKED_AT_ONCE = 5_000


@dataclass(slots=True)
class Applied:
    """What became of one activation's records."""

    name: str
    confirmed: int = 0
    rejected: int = 0
    unknown: int = 0
    calls: int = 0
    values: int = 0
    # Records that had to be created first.
    created: int = 0
    examples: dict[str, str] = field(default_factory=dict)

    @property
    def settled(self) -> int:
        """Records accounted for so far."""
        return self.confirmed + self.rejected + self.unknown

    @property
    def counts(self) -> dict[Status, int]:
        """Records by what became of them."""
        return {"confirmed": self.confirmed, "rejected": self.rejected, "unknown": self.unknown}

    def count(self, record: RecordChanges, result: Result) -> None:
        """Add one record's result."""
        match result.status:
            case "confirmed":
                self.confirmed += 1
                self.values += len(record.changes)
                self.created += result.code == CREATED
            case "rejected":
                self.rejected += 1
            case "unknown":
                self.unknown += 1
        if result.status != "confirmed" or result.code == CREATED:
            self.examples.setdefault(
                f"{result.code or result.status}",
                f"{result.record_id}: {result.message or 'no answer'}",
            )


Progress = Callable[[Applied, int, Usage | None], None]
"""Called with what became of an activation's records so far, how many it has, and the account's calls of the day."""


@dataclass(slots=True)
class Sender:
    """Sends one activation's changes through a destination, and journals each step before it is taken."""

    activation: ActivationPlan
    destination: Destination
    journal: Journal
    history: History | None
    # What an earlier attempt was told; None where there was none.
    answers: Answers | None
    progress: Progress
    stop: Stop
    verify: bool = False
    keep_going: bool = False
    applied: Applied = field(init=False)
    _breaker: Breaker = field(default_factory=Breaker, init=False)
    # What jobs of an earlier attempt turn out to have done.
    _reclaimed: dict[str, Status] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self.applied = Applied(self.activation.name)

    async def send_all(self, file: Path) -> Applied:
        """Send every change of a plan's file that the journal does not account for.

        Raises whatever ends the run, after the batches on their way have been answered.
        """
        caller, jobs = self.destination.caller, self.destination.jobs
        before = caller.calls
        self._report()
        try:
            if jobs is not None:
                await self._reclaim(jobs)
            records = self._unanswered(read_changes(file))
            if jobs is not None and self.activation.records_changed > jobs.above:
                await self._send_jobs(jobs, records)
            else:
                await self._send_batches(records)
        finally:
            self.applied.calls = caller.calls - before
        return self.applied

    async def _send_batches(self, records: Iterable[RecordChanges]) -> None:
        room = asyncio.Semaphore(self.destination.in_flight)
        tasks: set[asyncio.Task[None]] = set()
        failure: BaseException | None = None
        first = True
        for batch in _batched(records, self.destination.records_per_call):
            await room.acquire()
            failure = next((task.exception() for task in tasks if task.done() and task.exception()), failure)
            if failure:
                break
            tasks = {task for task in tasks if not task.done()}
            try:
                self._refuse_to_go_on()
            except ActivationError as error:
                # Raised below, once the batches on their way are answered.
                failure = error
                break
            task = asyncio.create_task(self._settle(batch))
            task.add_done_callback(lambda _: room.release())
            tasks.add(task)
            if first:
                # A model or an account that is wrong everywhere is found out with one batch.
                await asyncio.wait({task})
                first = False
        answers = await asyncio.gather(*tasks, return_exceptions=True)
        failure = failure or next((item for item in answers if isinstance(item, BaseException)), None)
        if failure:
            raise failure

    async def _send_jobs(self, jobs: Jobs, records: Iterator[RecordChanges]) -> None:
        """Send a first batch, for the same reason as above, then one job after the other.

        What no job can say goes by batches.
        """
        await self._send_batches(islice(records, self.destination.records_per_call))
        others: list[RecordChanges] = []

        def fitting() -> Iterator[RecordChanges]:
            for record in records:
                if jobs.takes(record):
                    yield record
                else:
                    others.append(record)

        for part in jobs.cut(fitting()):
            self._refuse_to_go_on()
            await self._settle(part, jobs)
            # The next job's records are read when this one's are let go of.
            del part
            await self._send_batches(others)
            others.clear()
        await self._send_batches(others)

    async def _settle(self, records: Sequence[RecordChanges], jobs: Jobs | None = None, *, again: bool = False) -> None:
        """Bring records to an outcome: read back what was left open, then send what is not there yet."""
        opened = [record for record in records if again or self.verify or self._was_intended(record)]
        settled = await self._read_back(opened)
        await self._close_settled([record for record in opened if record.record_id in settled], settled, again=again)
        to_send = [record for record in records if record.record_id not in settled]
        if not to_send:
            return
        batch = self._intend(to_send)
        await self.journal.on_disk()
        if jobs is None or len(to_send) <= self.destination.records_per_call:
            results = await self._update(batch, to_send)
            await self._close(batch, to_send, await self._clear_up(to_send, results))
            return
        job_id = await jobs.open(self.activation.object)
        self.journal.job(batch, job_id)
        await self.journal.on_disk()
        await jobs.upload(job_id, to_send)
        results = await self.stop.unless_asked(jobs.finish(job_id, to_send))
        await self._close(batch, to_send, results, final=again)
        left_open = {result.record_id for result in results if result.status == "unknown"}
        if left_open and not again:
            await self._settle_rest([record for record in to_send if record.record_id in left_open], jobs)

    async def _update(self, batch: int, records: Sequence[RecordChanges]) -> list[Result]:
        """Send one batch. One that is wrong throughout ends the run, unless it is to keep going: then each goes alone.

        What the run's end leaves without an outcome is read back, and sent, by the same command.
        """
        try:
            return await self.destination.update(self.activation.object, records)
        except RefusedThroughout as refused:
            if not self.keep_going:
                told = {result.record_id for result in refused.results}
                alone = sum(result.status == "rejected" for result in refused.results)
                await self._close(batch, [record for record in records if record.record_id in told], refused.results)
                raise RefusedAlike(
                    f"{self.activation.name}: a batch of {len(records)} records was refused, and {alone} from all "
                    f"over it, too ({refused}); correct the model or the property and plan again, or go on with "
                    "`backhaul apply --keep-going`"
                ) from None
            results = {result.record_id: result for result in refused.results}
            for record in records:
                if record.record_id not in results:
                    (results[record.record_id],) = await self.destination.update(self.activation.object, [record])
            return list(results.values())

    async def _close_settled(
        self, records: Sequence[RecordChanges], settled: Mapping[str, Result], *, again: bool
    ) -> None:
        """Account for records of which the CRM itself tells; what somebody else did as planned is no write of ours."""
        theirs = [
            record
            for record in records
            if settled[record.record_id].status == "confirmed" and not again and not self._was_intended(record)
        ]
        for record in theirs:
            self._count(record, settled[record.record_id])
        ours = [record for record in records if record not in theirs]
        if ours:
            await self._close(self._intend(ours), ours, [settled[record.record_id] for record in ours])

    async def _settle_rest(self, records: Sequence[RecordChanges], jobs: Jobs) -> None:
        """What a job has left open is read back, and sent again once."""
        if len(records) > jobs.above:
            await self._settle(records, jobs, again=True)
        else:
            for batch in _batched(records, self.destination.records_per_call):
                await self._settle(batch, again=True)

    async def _reclaim(self, jobs: Jobs) -> None:
        """Ask what became of the jobs that an earlier attempt did not see the end of."""
        open_jobs = self.history.jobs if self.history else {}
        for batch, job in open_jobs.items():
            if job.activation != self.activation.name:
                continue
            records = read_batch(self.journal.path, batch)
            results = await self.stop.unless_asked(jobs.finish(job.job_id, records))
            await self._close(batch, records, results, final=False)
            self._reclaimed |= {item.record_id: item.status for item in results if item.status != "unknown"}

    async def _clear_up(self, records: Sequence[RecordChanges], results: Sequence[Result]) -> list[Result]:
        """Ask the CRM itself about records that its answer left out: written, not written, or gone."""
        left_out = {result.record_id for result in results if result.status == "unknown"}
        found = await self._read_back([record for record in records if record.record_id in left_out])
        return [found.get(result.record_id, result) for result in results]

    async def _read_back(self, records: Sequence[RecordChanges]) -> dict[str, Result]:
        """What became of records, where the CRM can tell: they hold the new values, or a person's."""
        settled: dict[str, Result] = {}
        for batch in _batched(records, self.destination.records_per_call):
            properties = sorted({change.property for record in batch for change in record.changes})
            ids = [record.record_id for record in batch]
            found = await self.destination.read(self.activation.object, ids, properties)
            for record in batch:
                stored = found.get(record.record_id)
                if stored is None:
                    continue  # gone: sending it again gets the vendor's own words for that
                now = [(item, stored.values.get(item.property)) for item in record.changes]
                there = [same_value(item.family, value, item.after) for item, value in now]
                before = [same_value(item.family, value, item.before) for item, value in now]
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
        """What is still to be sent; what an earlier attempt settled is counted with what was said of it then."""
        if self.answers is None:
            yield from records
            return
        for some in _batched(records, _ASKED_AT_ONCE):
            known = self.answers.of(self.activation.name, [record.record_id for record in some])
            for record in some:
                if record.record_id in self._reclaimed:
                    continue  # counted when its job was asked for
                if record.record_id in known:
                    self._count(record, known[record.record_id])
                else:
                    yield record

    def _was_intended(self, record: RecordChanges) -> bool:
        return self.history is not None and (self.activation.name, record.record_id) in self.history.left_open

    def _refuse_to_go_on(self) -> None:
        """Raise what ends a run between two batches: a signal, the day's share, records refused alike."""
        self.stop.raise_if_asked()
        self.destination.caller.refuse_overspending()
        if not self.keep_going:
            self._breaker.raise_if_tripped(self.activation.name)

    def _intend(self, records: Sequence[RecordChanges]) -> int:
        return self.journal.intent(self.activation.name, self.activation.destination, self.activation.object, records)

    async def _close(
        self, batch: int, records: Sequence[RecordChanges], results: Sequence[Result], *, final: bool = True
    ) -> None:
        """Journal what became of a batch, on disk, and count it.

        Unless it is final, what is unknown will be tried again.
        """
        by_id = {result.record_id: result for result in results}
        if len(results) != len(records) or by_id.keys() != {record.record_id for record in records}:
            raise PlanError(
                f"{self.activation.name}: {len(results)} results for a batch of {len(records)} records; "
                "the destination's module must account for each"
            )
        self.journal.outcome(batch, results)
        await self.journal.on_disk()
        for record in records:
            result = by_id[record.record_id]
            if final or result.status != "unknown":
                self._count(record, result)
        self._report()

    def _count(self, record: RecordChanges, result: Result) -> None:
        self.applied.count(record, result)
        # Ours, and no refusal of the vendor's.
        if result.code != EDITED:
            self._breaker.add(result)

    def _report(self) -> None:
        self.progress(self.applied, self.activation.records_changed, self.destination.caller.usage)


def _batched(records: Iterable[RecordChanges], size: int) -> Iterator[list[RecordChanges]]:
    iterator = iter(records)
    while batch := list(islice(iterator, size)):
        yield batch
