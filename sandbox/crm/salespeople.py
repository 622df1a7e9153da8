"""Who owns records in the CRMs, and what they change in a day's work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Protocol

import numpy as np

from sandbox.clock import START
from sandbox.crm.columns import phone, salesforce_id
from sandbox.names import FAMILY, GIVEN, TITLES
from sandbox.records import SeedRecord, Value
from sandbox.usage import Ints

SALESPEOPLE = 8
DRIFT_A_DAY = 3


@dataclass(frozen=True, slots=True)
class Edit:
    """A change that somebody makes in a CRM's own pages."""

    vendor: str
    object: str
    id: str
    properties: Mapping[str, Value]


class Book(Protocol):
    """The contacts of a CRM that salespeople work on."""

    def live_contacts(self) -> Ints:
        """Give the places of the contacts that are not in the recycle bin."""

    def contact_id(self, place: int) -> str:
        """Give the id of the contact at a place."""


def plant_salespeople(
    origin: date,
) -> tuple[tuple[SeedRecord, ...], tuple[SeedRecord, ...]]:
    """Make the salespeople, as HubSpot owners and as Salesforce users; the last one has left."""
    born = datetime.combine(origin, START) - timedelta(days=1200)
    owners, users = [], []
    for n in range(SALESPEOPLE):
        given, family = GIVEN[n * 5][1].title(), FAMILY[n * 7][1].title()
        email = f"{given}.{family}@seller.example".lower()
        gone = n == SALESPEOPLE - 1
        owners.append(
            SeedRecord(
                object="owners",
                id=str(71_000_001 + n * 37),
                properties={
                    "email": email,
                    "firstName": given,
                    "lastName": family,
                    "userId": 5_400_001 + n,
                },
                created_at=born,
                updated_at=born,
                archived=gone,
            )
        )
        users.append(
            SeedRecord(
                object="User",
                id=salesforce_id("005", 10 + n),
                properties={
                    "Username": email,
                    "Email": email,
                    "FirstName": given,
                    "LastName": family,
                    "Alias": f"{given[0]}{family[:6]}".lower(),
                    "IsActive": not gone,
                },
                created_at=born,
                updated_at=born,
            )
        )
    return tuple(owners), tuple(users)


def drift(seed: int, day: date, hubspot: Book, salesforce: Book) -> tuple[Edit, ...]:
    """Choose a few contacts whose title or phone a salesperson changes on a day."""
    rng = np.random.default_rng([seed, 3, day.toordinal()])
    edits: list[Edit] = []
    for vendor, kind, book, title_name, phone_name in (
        ("hubspot", "contacts", hubspot, "jobtitle", "phone"),
        ("salesforce", "Contact", salesforce, "Title", "Phone"),
    ):
        live = book.live_contacts()
        for k in rng.choice(len(live), min(DRIFT_A_DAY, len(live)), replace=False):
            title, number = TITLES[int(rng.integers(0, len(TITLES)))], phone(int(rng.integers(0, 1_000_000)))
            change: Mapping[str, Value] = {title_name: title} if rng.integers(0, 2) else {phone_name: number}
            edits.append(Edit(vendor, kind, book.contact_id(int(live[k])), change))
    return tuple(edits)
