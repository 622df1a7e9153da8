"""The records of one object type, their definitions and their indexes."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, cast

from sandbox.hubspot.definitions import Group, ObjectType, Property
from sandbox.hubspot.errors import invalid, not_found
from sandbox.hubspot.history import History
from sandbox.hubspot.links import Kind
from sandbox.hubspot.values import Normalised, whole
from sandbox.packing import pack, unpack

UNFOLDED = 10_000  # records of a type that are kept ready, because they were written last
MOST_SHAPES = 1_000  # of writes, by the properties that they name, whose answers are remembered
Values = dict[str, str]
UniqueKey = tuple[str, str]


class Record:
    """One record at one time; times are epoch milliseconds.

    Its values never change: a write makes another record. One that nobody has written for a while is
    folded: it keeps its values as bytes, and every look at them makes a copy.
    """

    __slots__ = ("_values", "archived", "created", "number", "updated")

    def __init__(self, number: int, values: Values, created: int, updated: int, archived: int | None = None) -> None:
        self.number = number
        self.created = created
        self.updated = updated
        self.archived = archived
        self._values: Values | bytes = values

    @property
    def values(self) -> Values:
        """The properties that were ever set; for reading only."""
        kept = self._values
        return cast("Values", unpack(kept)) if isinstance(kept, bytes) else kept

    def fold(self) -> bytes:
        """Keep the values as bytes from now on, and give them so."""
        if not isinstance(self._values, bytes):
            self._values = pack(self._values)
        return self._values

    def binned(self, at: int) -> Record:
        """Give the record as it lies in the recycle bin since a moment."""
        record = Record(self.number, {}, self.created, self.updated, at)
        record._values = self._values
        return record


@dataclass(frozen=True, slots=True)
class Rule:
    """A property that an admin wants filled: on create, or in every write once `condition` has `value`."""

    name: str
    condition: str | None = None
    value: str = ""


class Write(NamedTuple):
    """A checked write: ready to be stored. `number` is set for a new record too, `links` only for one.

    A tuple, because a batch makes a hundred of them.
    """

    number: int
    changes: Values
    warnings: tuple[Normalised, ...] = ()
    is_new: bool = False
    links: Sequence[tuple[Table, int, Sequence[Kind]]] = ()


class SearchIndex:
    """Records as search sees them: as they were `lag` milliseconds ago.

    Kept in the order of modification, oldest first, because a write takes a record out and puts
    it back at the end.
    """

    def __init__(self, lag: int) -> None:
        self._lag = lag
        self._waiting: deque[tuple[int, int, Record | None]] = deque()
        self._records: dict[int, Record] = {}
        self.generation = 0
        self.last_search: tuple[bytes, tuple[int, ...]] = (b"", ())

    def fill(self, records: Iterable[Record]) -> None:
        """Index what is there from the start, with no lag."""
        self._records = {record.number: record for record in sorted(records, key=lambda record: record.updated)}

    def put(self, number: int, record: Record | None, now: int) -> None:
        """Let a change be seen when the lag has passed; None takes the record out."""
        self._waiting.append((now + self._lag, number, record))
        self.at(now)

    def at(self, now: int) -> dict[int, Record]:
        """Give what search sees now."""
        while self._waiting and self._waiting[0][0] <= now:
            _, number, record = self._waiting.popleft()
            self._records.pop(number, None)
            if record is not None:
                self._records[number] = record
            self.generation += 1
        return self._records


@dataclass(slots=True)
class Table:
    """All records of one type, with their definitions and indexes.

    `live` and `bin` are sorted record numbers; `merged` leads from an old number to the
    survivor's; `taken` says which record has a unique value; `fresh` are the records that were
    written last; `filled` are the properties that HubSpot fills in and shows after every write;
    `about` is what the account says of its own type.
    """

    kind: ObjectType
    properties: dict[str, Property]
    groups: dict[str, Group]
    index: SearchIndex
    records: dict[int, Record] = field(default_factory=dict)
    fresh: deque[Record] = field(default_factory=deque)
    live: list[int] = field(default_factory=list)
    bin: list[int] = field(default_factory=list)
    merged: dict[int, int] = field(default_factory=dict)
    taken: dict[UniqueKey, int] = field(default_factory=dict)
    history: dict[int, History] = field(default_factory=dict)
    unique: frozenset[str] = frozenset()
    last_number: int = 0
    about: dict[str, object] = field(default_factory=dict)
    rules: list[Rule] = field(default_factory=list)
    filled: frozenset[str] = field(init=False)
    _after: dict[tuple[str, ...], list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        read_only = (p.name for p in self.kind.properties if p.read_only)
        self.filled = frozenset((*self.kind.on_create, *read_only, *(self.kind.pipeline or ())))

    def names_after(self, changes: tuple[str, ...]) -> list[str]:
        """List in order the properties that a write of these may show."""
        names = self._after.get(changes)
        if names is None:
            names = self._after[changes] = sorted({*changes, *self.filled})
            if len(self._after) > MOST_SHAPES:
                self._after.clear()
        return names

    def keep(self, record: Record, now: int) -> None:
        """Put a record in place of the one with its number."""
        self.records[record.number] = record
        self.index.put(record.number, record, now)
        self.freshen(record)

    def freshen(self, record: Record) -> None:
        """Keep a record ready, and fold the one that was written longest ago if there are too many."""
        self.fresh.append(record)
        if len(self.fresh) > UNFOLDED:
            oldest = self.fresh.popleft()
            if self.records.get(oldest.number) is oldest:
                oldest.fold()

    def next_number(self) -> int:
        """Give out a record number; numbers rise and are never given twice."""
        self.last_number += 1
        return self.last_number

    def defined(self, name: str) -> Property | None:
        """Find a property that is not archived."""
        found = self.properties.get(name)
        return None if found is None or found.archived else found

    def find(self, record_id: str, id_property: str | None = None) -> Record | None:
        """Find a live record by id, or by a property whose values are unique.

        Does not follow merges.
        """
        if id_property is None or id_property == "hs_object_id":
            number = whole(record_id)
        else:
            if id_property not in self.unique or id_property == "hs_additional_emails":
                raise invalid(
                    f"Unable to perform update/upsert by non-unique {self.kind.type_id} property {id_property}"
                )
            number = self.taken.get((id_property, folded(record_id)))
        record = None if number is None else self.records.get(number)
        return None if record is None or record.archived is not None else record

    def find_archived(self, record_id: str) -> Record | None:
        """Find a record in the recycle bin by id."""
        number = whole(record_id)
        record = None if number is None else self.records.get(number)
        return None if record is None or record.archived is None else record

    def survivor(self, record_id: str) -> str:
        """Give the id that a merged record's id stands for now, or the id itself."""
        number = whole(record_id)
        return record_id if number is None else str(self.merged.get(number, record_id))

    def name_unique(self) -> None:
        """Note again which properties must be unique, after definitions changed."""
        names = {p.name for p in self.properties.values() if p.unique and not p.archived}
        if self.kind.has_email:
            names |= {"email", "hs_additional_emails"}
        self.unique = frozenset(names)

    def unique_keys(self, values: Mapping[str, str]) -> Iterator[UniqueKey]:
        """List what nobody else may have; additional addresses count as emails."""
        for name in self.unique:
            value = values.get(name)
            if not value:
                continue
            if name == "hs_additional_emails":
                yield from (("email", folded(part)) for part in value.split(";") if part.strip())
            else:
                yield name, folded(value)


def live_record(table: Table, record_id: str, id_property: str | None = None) -> Record:
    """Find a live record for a call about one record, following merges, or answer 404."""
    record = table.find(table.survivor(record_id) if id_property is None else record_id, id_property)
    if record is None:
        raise not_found()
    return record


def folded(value: str) -> str:
    """Give the form in which unique values are compared."""
    return value.strip().lower()
