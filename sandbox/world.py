"""The seeded world: accounts, people, surveys, their usage, and what the CRMs say about them."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import overload
from zoneinfo import ZoneInfo

import numpy as np

from sandbox.crm import (
    Edit,
    HubSpotSeeds,
    SalesforceSeeds,
    drift,
    plant_hubspot,
    plant_salesforce,
    plant_salespeople,
)
from sandbox.people import HISTORY_DAYS, Account, People, Visitor, make_accounts, make_people
from sandbox.records import SeedRecord
from sandbox.usage import Day, Habits, live_day

# Days are kept up to this size together; the oldest-used are made again when they are asked for.
KEPT_MINUTES = 3_000_000


@dataclass(slots=True)
class World:
    """Everything that is so, whoever asks.

    People and CRM records are laid out around `origin`, the day that the world was made for; usage
    goes on from there for as many days as anybody asks.
    """

    seed: int
    origin: date
    zone: ZoneInfo
    accounts: tuple[Account, ...]
    visitors: People
    habits: Habits
    hubspot_owners: tuple[SeedRecord, ...]
    hubspot: HubSpotSeeds
    salesforce: SalesforceSeeds
    _kept: OrderedDict[date, Day] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def first_day(self) -> date:
        """The first day of which usage is known."""
        return self.origin - timedelta(days=HISTORY_DAYS)

    def days(self, as_of: date) -> Days:
        """Give every day of usage before `as_of`, oldest first, late sessions included."""
        return Days(self, range((as_of - self.first_day).days))

    def day(self, day: date) -> Day:
        """Give one day of usage; may be called from several threads."""
        with self._lock:
            if day in self._kept:
                self._kept.move_to_end(day)
                return self._kept[day]
        made = live_day(self.seed, self.habits, self.origin, day, self.zone)
        with self._lock:
            self._kept[day] = made
            spare = sum(len(kept.minute) for kept in self._kept.values()) - KEPT_MINUTES
            while spare > 0 and len(self._kept) > 1:
                spare -= len(self._kept.popitem(last=False)[1].minute)
        return made

    def is_known(self, visitor: Visitor, as_of: date) -> bool:
        """Tell whether Pendo lists the visitor on the morning of `as_of`."""
        return visitor.joined is None or visitor.joined < as_of

    def drift(self, day: date) -> tuple[Edit, ...]:
        """Give what salespeople change in the CRMs on a day; never a usage property."""
        return drift(self.seed, day, self.hubspot, self.salesforce)


@dataclass(frozen=True, slots=True)
class Days(Sequence[Day]):
    """Days of usage, each made when it is looked at; `numbers` count from the world's first day."""

    world: World
    numbers: range

    @property
    def dates(self) -> list[date]:
        """The days' dates, without making the days."""
        return [self.world.first_day + timedelta(days=number) for number in self.numbers]

    def __len__(self) -> int:
        return len(self.numbers)

    @overload
    def __getitem__(self, index: int) -> Day: ...
    @overload
    def __getitem__(self, index: slice) -> Days: ...
    def __getitem__(self, index: int | slice) -> Day | Days:
        if isinstance(index, slice):
            return Days(self.world, self.numbers[index])
        return self.world.day(self.world.first_day + timedelta(days=self.numbers[index]))


def build_world(  # noqa: PLR0913
    seed: int,
    visitors: int,
    as_of: date,
    time_zone: str = "America/New_York",
    *,
    accounts: int | None = None,
    origin: date | None = None,
    person_accounts: bool = False,
    product_leads: int = 0,
) -> World:
    """Make the world of a seed, laid out for the morning of `as_of`.

    `origin` says for which day people and CRM records are laid out (`as_of` unless given): a world
    that has gone on for a day is the world built with that origin and the next `as_of`.
    """
    origin = origin or as_of
    zone = ZoneInfo(time_zone)
    rng = np.random.default_rng([seed, 0])
    companies = make_accounts(rng, accounts or max(1, round(visitors / 25)))
    people, habits = make_people(rng, companies, visitors, origin, zone)
    owners, users = plant_salespeople(origin)
    return World(
        seed=seed,
        origin=origin,
        zone=zone,
        accounts=companies,
        visitors=people,
        habits=habits,
        hubspot_owners=owners,
        hubspot=plant_hubspot(seed, origin, companies, people, owners),
        salesforce=plant_salesforce(
            seed, origin, companies, people, users, person_accounts=person_accounts, product_leads=product_leads
        ),
    )
