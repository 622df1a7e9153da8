"""What a destination is: what its module declares of it, and what an account of it can do.

A destination is one module with one `Connector`; `activators.destinations` lists them, and docs/destinations.md shows
a whole one.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import httpx

from activators.activation import Activation, Family, Kind, Property
from activators.journal import RecordChanges, Result, Stored
from activators.limits import Usage, Window
from activators.transport import Caller


class Jobs(Protocol):
    """How a CRM account takes very many records: a job is made, given its rows, and asked what became of them."""

    @property
    def above(self) -> int:
        """How many records go by batches; more go by jobs."""

    def takes(self, record: RecordChanges) -> bool:
        """Whether a job can say what changes of this record."""

    def cut(self, records: Iterable[RecordChanges]) -> Iterator[list[RecordChanges]]:
        """Cut records into what one job takes."""

    async def open(self, object_type: str) -> str:
        """Make a job that waits for its rows; gives its id."""

    async def upload(self, job_id: str, records: Sequence[RecordChanges]) -> None:
        """Give a job its rows and let it begin."""

    async def finish(self, job_id: str, records: Sequence[RecordChanges]) -> list[Result]:
        """Wait for a job's end. Exactly one result for each record, in any order; one that never began is aborted."""


@dataclass(frozen=True, slots=True)
class Probe:
    """One thing that was asked of an account before anything is sent: what was found, and the mend if that is wrong."""

    what: str
    found: str
    mend: str | None = None


class Destination(Protocol):
    """A CRM account that takes property writes in batches, and perhaps in jobs."""

    @property
    def caller(self) -> Caller:
        """What sends, and counts the calls."""

    @property
    def jobs(self) -> Jobs | None:
        """How very many records are written, where the account knows jobs."""

    @property
    def records_per_call(self) -> int:
        """Records in one batch."""

    @property
    def in_flight(self) -> int:
        """Batches on their way at once."""

    async def update(self, object_type: str, records: Sequence[RecordChanges]) -> list[Result]:
        """Write one batch. Exactly one result for each record, in any order.

        May raise RefusedThroughout, with the results that it has.
        """

    async def read(self, object_type: str, record_ids: Sequence[str], properties: Sequence[str]) -> dict[str, Stored]:
        """Read one batch of records, by id; a record that is gone is not in the answer."""

    async def definitions(self, object_type: str) -> dict[str, str]:
        """The type of each property that we may see, by lower-case name."""

    async def create(self, activation: Activation, missing: Sequence[Property]) -> None:
        """Create the missing properties, and what holds them together."""

    async def probe(self, activation: Activation) -> list[Probe]:
        """Ask whether what the activation needs is allowed. Writes nothing.

        Raises a VendorError where that cannot even be asked.
        """

    async def quota(self) -> Usage | None:
        """The account's calls of the day; None where the vendor does not count them."""


@dataclass(frozen=True, slots=True)
class Lacking:
    """What a destination lacks of an activation's events, by name, and how much of it is there.

    A mistake is a line: what is there already, and cannot hold what would be sent.
    """

    names: tuple[str, ...]
    existing: int
    mistakes: tuple[str, ...] = ()


class EventDestination(Destination, Protocol):
    """A CRM account that takes occurrences of events. A repeated one is harmless, so none is ever read back."""

    async def lacking(self, activation: Activation) -> Lacking:
        """Compare what the activation's events need with what is there. Writes nothing."""

    async def define(self, activation: Activation) -> None:
        """Create what the activation's events lack."""

    def resume(self, landed_at: dt.datetime | None, told: Collection[str]) -> None:
        """Learn of an attempt that ended early: when its plan's landing was, and what it said of records it created.

        A record that is newer than the landing, and of which nothing was said, is that attempt's.
        """


@dataclass(frozen=True, slots=True)
class Events:
    """What a destination's module declares of events."""

    records_per_call: int
    # What an event and its properties may be called, and why another name is refused.
    legal_name: re.Pattern[str]
    name_rule: str
    # How many properties one event may carry.
    properties: int
    # Whether an occurrence is a record, with a property for its own id.
    has_external_id: bool
    # Whether a record can be created, by email, for an occurrence that has none.
    creates: bool
    # How many calls are made before the first occurrence is sent.
    first_calls: int
    # Makes the part of an account that takes events, of the account and the property with an occurrence's id.
    open: Callable[[Any, str | None], EventDestination]


@dataclass(frozen=True, slots=True)
class Connector:
    """What a destination's module declares of it."""

    # As declarations spell it, and as people do.
    name: str
    title: str
    # The setting with the base URL, then those with the credentials. None may be empty.
    address: str
    secrets: tuple[str, ...]
    # The settings that tell one account's window of calls from another's.
    account: tuple[str, ...]
    # So many calls in so many seconds.
    calls: int
    seconds: float
    records_per_call: int
    # Which of the destination's field types hold the values of a column family.
    holds: Mapping[Family, frozenset[str]]
    # What a property may be called, and why another name is refused.
    legal_name: re.Pattern[str]
    name_rule: str
    # Makes an account of a client whose base URL is set, the settings, a window of calls, and our share of a day.
    # Sends nothing yet.
    connect: Callable[[httpx.AsyncClient, Mapping[str, str], Window, float], Destination]
    # By object: the field with the parent that a write of such a record locks. Rows of one parent are sent together.
    lock_fields: Mapping[str, str] = field(default_factory=dict)
    # How many calls so many changed records cost, where they do not all go by batches.
    costs: Callable[[int], int] | None = None
    # None where the destination takes no events.
    events: Events | None = None

    @property
    def settings(self) -> tuple[str, ...]:
        """The names of every setting that reaches an account."""
        return (self.address, *self.secrets)

    def write_calls(self, records: int, kind: Kind = "properties") -> int:
        """How many calls so many changed records cost, where nothing goes wrong; an estimate where they go by jobs."""
        if kind == "events" and self.events is not None:
            return math.ceil(records / self.events.records_per_call) + (self.events.first_calls if records else 0)
        return math.ceil(records / self.records_per_call) if self.costs is None else self.costs(records)
