"""What goes on between the companies and the seller: deals, tasks, tickets and subscriptions.

Both CRMs tell of the same kinds of things, each in its own words.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from itertools import starmap
from typing import NamedTuple

import numpy as np

from sandbox.crm.columns import NOBODY, Past, end_of_past, rows_of
from sandbox.crm.companies import Company
from sandbox.crm.contacts import Contacts
from sandbox.usage import Ints

OPEN, WON, LOST = range(3)
OUTCOMES = (0.45, 0.35, 0.2)  # shares of OPEN, WON, LOST
MOST_DEALS = 3
SOON_DAYS = 120  # an open deal closes within
TASK_SHARE, TICKET_SHARE = 0.03, 0.02
SUBSCRIBED_SHARE = 0.6
OPTED_OUT, NOT_TO_CALL = 0.02, 0.02


class Deal(NamedTuple):
    """A deal: places of company and contact (NOBODY for none), its outcome, and moments in epoch seconds.

    `step` says how far an open one is, from 0 to 4.
    """

    created: int
    updated: int
    company: int
    contact: int
    outcome: int
    step: int
    amount: int
    closes: int
    owner: int


class Chore(NamedTuple):
    """A task or a ticket: the place of its contact, a number below 1,000 to choose words by, when it is due."""

    created: int
    updated: int
    contact: int
    choice: int
    due: int
    owner: int


class Subscription(NamedTuple):
    """What a company pays for: its place, the seats, when it renews."""

    created: int
    updated: int
    company: int
    seats: int
    renews: int


def plant_deals(
    rng: np.random.Generator, origin: date, companies: tuple[Company, ...], contacts: Contacts, owners: int
) -> Iterator[Deal]:
    """Give live companies up to three deals each; those that are over closed when they were last touched."""
    live = np.array([place for place, company in enumerate(companies) if not company.archived])
    company = np.repeat(live, rng.integers(0, MOST_DEALS + 1, len(live)))
    count = len(company)
    past = Past.draw(rng, origin, count)
    outcome = rng.choice(len(OUTCOMES), count, p=OUTCOMES).astype(np.int8)
    soon = end_of_past(origin) + rng.integers(1, SOON_DAYS, count) * 86_400
    columns = (
        past.created,
        past.updated,
        company,
        _somebody(rng, np.array([one.account for one in companies])[company], contacts),
        outcome,
        rng.integers(0, 5, count),
        rng.integers(1, 400, count) * 250,
        np.where(outcome == OPEN, soon, past.updated),
        rng.integers(0, owners, count),
    )
    return starmap(Deal, rows_of(*columns))


def plant_chores(
    rng: np.random.Generator, origin: date, contacts: Contacts, share: float, owners: int
) -> Iterator[Chore]:
    """Give some live contacts a task or ticket each."""
    live = np.flatnonzero(~contacts.archived)
    count = max(1, round(share * len(live)))
    past = Past.draw(rng, origin, count)
    columns = (
        past.created,
        past.updated,
        np.sort(rng.choice(live, count, replace=False)),
        rng.integers(0, 1_000, count),
        past.created + rng.integers(1, 60, count) * 86_400,
        rng.integers(0, owners, count),
    )
    return starmap(Chore, rows_of(*columns))


def plant_subscriptions(
    rng: np.random.Generator, origin: date, companies: tuple[Company, ...]
) -> Iterator[Subscription]:
    """Let some live companies that are accounts pay for something."""
    paying = np.array([place for place, one in enumerate(companies) if one.account >= 0 and not one.archived], int)
    company = paying[rng.random(len(paying)) < SUBSCRIBED_SHARE]
    count = len(company)
    past = Past.draw(rng, origin, count)
    renews = end_of_past(origin) + rng.integers(1, 366, count) * 86_400
    columns = (past.created, past.updated, company, rng.integers(1, 200, count), renews)
    return starmap(Subscription, rows_of(*columns))


def _somebody(rng: np.random.Generator, account: Ints, contacts: Contacts) -> Ints:
    """Choose a live contact of each account, or NOBODY where there is none."""
    live = np.flatnonzero(~contacts.archived & (contacts.account >= 0))
    by_account = live[np.argsort(contacts.account[live], kind="stable")]
    sorted_accounts = contacts.account[by_account]
    first = np.searchsorted(sorted_accounts, account, "left")
    size = np.searchsorted(sorted_accounts, account, "right") - first
    place = first + (rng.random(len(account)) * size).astype(np.int64)
    found = (size > 0) & (account >= 0)
    chosen: Ints = np.where(found, np.append(by_account, NOBODY)[np.where(found, place, -1)], NOBODY)
    return chosen
