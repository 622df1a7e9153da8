"""What the tests of HubSpot's sandbox share: records to plant, and an account without limits."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import httpx

from sandbox.hubspot import HubSpotStore, Limits
from sandbox.records import SeedRecord, Value

Account = Callable[..., tuple[httpx.Client, HubSpotStore]]
TOKEN = "pat-na1-sandbox"
BORN = datetime(2026, 1, 5, 9, tzinfo=UTC)
NO_LIMITS = Limits(burst=10_000, daily=1_000_000, search=10_000, associations=10_000)


def contact(number: int, email: str | None = None, *, archived: bool = False, **properties: str) -> SeedRecord:
    known = {"email": email, "firstname": f"First{number}", **properties}
    return SeedRecord("contacts", str(number), known, BORN, BORN + timedelta(minutes=number), archived)


def company(number: int, **properties: str) -> SeedRecord:
    return SeedRecord("companies", str(number), {"name": f"Company {number}", **properties}, BORN, BORN)


def owner(number: int, *, archived: bool = False) -> SeedRecord:
    properties: dict[str, Value] = {
        "email": f"rep{number}@seller.example",
        "firstName": "Rep",
        "lastName": str(number),
        "userId": 7,
    }
    return SeedRecord("owners", str(number), properties, BORN, BORN, archived)


OWNERS = (owner(71), owner(72), owner(73, archived=True))
