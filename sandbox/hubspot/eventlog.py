"""Custom events: their definitions, and what happened to whom."""

from __future__ import annotations

from bisect import insort
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from sandbox.hubspot.definitions import Property

YEAR_MS = 365 * 86_400_000


@dataclass(frozen=True, slots=True)
class EventType:
    """One kind of event. `matching` is an event's property and the record's property that it equals."""

    number: int
    name: str
    full_name: str
    label: str
    description: str
    primary_object: str
    properties: Mapping[str, Property]
    created_at: str
    updated_at: str
    matching: tuple[str, str] | None = None


class Occurrence(NamedTuple):
    """One event: when, its number, its type's full name, the record it belongs to, and its values.

    The time, in epoch milliseconds, and the number come first, to sort by.
    """

    at: int
    number: int
    event_type: str
    object_type: str
    record: int | None
    properties: Mapping[str, str]


@dataclass(slots=True)
class EventLog:
    """All event types and occurrences of one account. A new occurrence is seen after `lag` ms."""

    lag: int
    types: dict[str, EventType] = field(default_factory=dict)
    used_names: set[str] = field(default_factory=set)
    count: int = 0
    _by_type: dict[str, list[Occurrence]] = field(default_factory=dict)
    _by_record: dict[tuple[str, int], list[Occurrence]] = field(default_factory=dict)
    _uuids: dict[str, dict[str, int]] = field(default_factory=dict)
    _waiting: deque[tuple[int, Occurrence]] = field(default_factory=deque)

    def is_new(self, event_type: str, uuid: str, at: int) -> bool:
        """Note an id; False if an event of this type had it within a year."""
        known = self._uuids.setdefault(event_type, {})
        before = known.get(uuid)
        if before is not None and abs(at - before) < YEAR_MS:
            return False
        known[uuid] = at
        return True

    def add(
        self, event_type: EventType, record: int | None, at: int, properties: Mapping[str, str], *, now: int
    ) -> None:
        """Keep an occurrence; `record` is None for one that belongs to nobody."""
        self.count += 1
        occurrence = Occurrence(at, self.count, event_type.full_name, event_type.primary_object, record, properties)
        self._waiting.append((now + self.lag, occurrence))

    def find(self, now: int, event_types: Iterable[str], record: tuple[str, Iterable[int]] | None) -> list[Occurrence]:
        """List what can be seen, oldest first: a record's by all its numbers, or everything of some types."""
        while self._waiting and self._waiting[0][0] <= now:
            _, seen = self._waiting.popleft()
            insort(self._by_type.setdefault(seen.event_type, []), seen, key=_time)
            if seen.record is not None:
                insort(self._by_record.setdefault((seen.object_type, seen.record), []), seen, key=_time)
        wanted = list(event_types)
        if record is None:
            return sorted((one for name in wanted for one in self._by_type.get(name, ())), key=_time)
        name, numbers = record
        rows = (one for number in numbers for one in self._by_record.get((name, number), ()))
        return sorted((one for one in rows if not wanted or one.event_type in wanted), key=_time)


def _time(occurrence: Occurrence) -> tuple[int, int]:
    return occurrence.at, occurrence.number
