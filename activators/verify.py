"""Ask the CRMs, before a plan is sealed, whether what it would replace is still what was landed. Writes to none."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from activators.connectors import Destination
from activators.journal import Change, RecordChanges, Stored
from activators.plan import ActivationPlan, Plan, Verdict, read_changes
from activators.values import same_value


async def reread(plan: Plan, destinations: Mapping[str, Destination]) -> dict[str, list[Verdict]]:
    """By activation: what the CRMs say otherwise than the plan about the values that it would send.

    Takes one call a batch. Raises whatever the reading raises.
    """
    return {
        item.name: await _Reading(item, destinations[item.destination]).verdicts(plan)
        for item in plan.activations
        # An event replaces nothing.
        if item.changes and item.kind == "properties"
    }


def verdict(record_id: str, change: Change, stored: Stored | None) -> Verdict | None:
    """What a planned value has become since the landing; None when it is still to be sent."""
    if stored is None:
        return Verdict(record_id, change.property, "invalid", "record_gone", change.before)
    now = stored.values.get(change.property)
    if same_value(change.family, now, change.before):
        return None
    if same_value(change.family, now, change.after):
        return Verdict(record_id, change.property, None, None, now)
    return Verdict(record_id, change.property, "hold", "edited_since_landing", now)


@dataclass(frozen=True, slots=True)
class _Reading:
    """Reads the records of one activation, as many batches at once as its destination takes."""

    activation: ActivationPlan
    destination: Destination

    async def verdicts(self, plan: Plan) -> list[Verdict]:
        """Compare every value that the plan would send."""
        batches = self._batches(plan)
        found: list[Verdict] = []
        while several := list(islice(batches, self.destination.in_flight)):
            for answer in await asyncio.gather(*map(self._compare, several)):
                found += answer
        return found

    def _batches(self, plan: Plan) -> Iterator[list[RecordChanges]]:
        records = read_changes(plan.folder / self.activation.file)
        while batch := list(islice(records, self.destination.records_per_call)):
            yield batch

    async def _compare(self, records: Sequence[RecordChanges]) -> list[Verdict]:
        properties = sorted({change.property for record in records for change in record.changes})
        ids = [record.record_id for record in records]
        stored = await self.destination.read(self.activation.object, ids, properties)
        compared = (
            verdict(record.record_id, change, stored.get(record.record_id))
            for record in records
            for change in record.changes
        )
        return [item for item in compared if item is not None]
