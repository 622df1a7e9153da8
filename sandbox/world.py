"""The seeded world: accounts, people, surveys, their usage, and what the CRMs say about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from sandbox.crm import Edit, drift, plant_hubspot, plant_salesforce, plant_salespeople
from sandbox.people import HISTORY_DAYS, Account, Visitor, make_accounts, make_people
from sandbox.records import SeedRecord
from sandbox.usage import Day, Habits, live_day


@dataclass(frozen=True, slots=True)
class Poll:
    """One question of a guide; `kind` is Pendo's poll type."""

    id: str
    kind: str
    question: str


@dataclass(frozen=True, slots=True)
class Guide:
    """A survey: a Pendo guide that belongs to one app and asks one or two polls."""

    id: str
    name: str
    app: int
    polls: tuple[Poll, ...]


# In the order of usage.NPS, NPS_OLD, CSAT.
GUIDES = (
    Guide(
        "guide-nps-2026",
        "NPS 2026",
        0,
        (
            Poll("poll-nps-rating", "NPSRating", "How likely are you to recommend us?"),
            Poll("poll-nps-comment", "NPSReason", "What is the main reason for your score?"),
        ),
    ),
    Guide(
        "guide-nps-2024",
        "NPS 2024 (closed)",
        0,
        (
            Poll("poll-nps-2024-rating", "NPSRating", "Would you recommend us?"),
            Poll("poll-nps-2024-comment", "NPSReason", "Why?"),
        ),
    ),
    Guide(
        "guide-csat-2026",
        "CSAT 2026",
        1,
        (Poll("poll-csat", "NumberScale", "How satisfied are you with the reports, from 1 to 5?"),),
    ),
)
APPS = (-323232, 5_629_499_534_213_120)
SERVERS = ("app.product.example", "eu.app.product.example", "reports.product.example")
AGENTS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/142.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Safari/605.1",
    "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/142.0 Edg/142.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 19_1 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148",
    "Mozilla/5.0 (Linux; Android 16) AppleWebKit/537.36 Chrome/142.0 Mobile Safari/537.36",
)


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
    visitors: tuple[Visitor, ...]
    habits: Habits
    hubspot_owners: tuple[SeedRecord, ...]
    hubspot: tuple[SeedRecord, ...]
    salesforce: tuple[SeedRecord, ...]
    _days: list[Day] = field(default_factory=list)

    @property
    def first_day(self) -> date:
        """The first day of which usage is known."""
        return self.origin - timedelta(days=HISTORY_DAYS)

    def days(self, as_of: date) -> Sequence[Day]:
        """Give every day of usage before `as_of`, oldest first, late sessions included."""
        wanted = max((as_of - self.first_day).days, 0)
        while len(self._days) < wanted:
            day = self.first_day + timedelta(days=len(self._days))
            self._days.append(live_day(self.seed, self.habits, self.origin, day, self.zone))
        return self._days[:wanted]

    def is_known(self, visitor: Visitor, as_of: date) -> bool:
        """Tell whether Pendo lists the visitor on the morning of `as_of`."""
        return visitor.joined is None or visitor.joined < as_of

    def drift(self, day: date) -> tuple[Edit, ...]:
        """Give what salespeople change in the CRMs on a day; never a usage property."""
        return drift(self.seed, day, self.hubspot, self.salesforce)


def build_world(  # noqa: PLR0913
    seed: int,
    visitors: int,
    as_of: date,
    time_zone: str = "America/New_York",
    *,
    accounts: int | None = None,
    origin: date | None = None,
) -> World:
    """Make the world of a seed, with usage up to the day before `as_of`.

    `origin` says for which day people and CRM records are laid out (`as_of` unless given): a world
    that has gone on for a day is the world built with that origin and the next `as_of`.
    """
    origin = origin or as_of
    zone = ZoneInfo(time_zone)
    rng = np.random.default_rng([seed, 0])
    companies = make_accounts(rng, accounts or max(1, round(visitors / 25)))
    people, habits = make_people(rng, companies, visitors, origin, zone)
    owners, users = plant_salespeople(origin)
    world = World(
        seed=seed,
        origin=origin,
        zone=zone,
        accounts=companies,
        visitors=people,
        habits=habits,
        hubspot_owners=owners,
        hubspot=plant_hubspot(seed, origin, companies, people, owners),
        salesforce=(*users, *plant_salesforce(seed, origin, companies, people, users)),
    )
    world.days(as_of)
    return world
