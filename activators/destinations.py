"""What every destination can do, and how to reach the ones that an activation may name."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol

import httpx

from activators import hubspot, salesforce
from activators.declarations import Activation, Family, Property
from activators.errors import Unauthorized
from activators.journal import RecordChanges, Result, Stored
from activators.transport import Caller

# Records in one call of the batch endpoint; the vendors refuse more.
RECORDS_PER_CALL: Mapping[str, int] = {"hubspot": 100, "salesforce": 200}
# Which of the destination's field types hold the values of a column family.
HOLDS: Mapping[str, Mapping[Family, frozenset[str]]] = {
    "hubspot": hubspot.HOLDS,
    "salesforce": salesforce.HOLDS,
}


class Destination(Protocol):
    """A CRM account that takes property writes in batches."""

    @property
    def caller(self) -> Caller:
        """What sends, and counts the calls."""

    async def update(self, object_type: str, records: Sequence[RecordChanges]) -> list[Result]:
        """Write one batch. Exactly one result for each record, in any order."""

    async def read(self, object_type: str, record_ids: Sequence[str], properties: Sequence[str]) -> dict[str, Stored]:
        """Read one batch of records, by id; a record that is gone is not in the answer."""

    async def definitions(self, object_type: str) -> dict[str, str]:
        """The type of each property that we may see, by lower-case name."""

    async def create(self, activation: Activation, missing: Sequence[Property]) -> None:
        """Create the missing properties, and what holds them together."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """How to reach the CRMs. Secrets are not in the repr."""

    hubspot_base_url: str
    hubspot_access_token: str = field(repr=False)
    salesforce_base_url: str
    salesforce_client_id: str = field(repr=False)
    salesforce_client_secret: str = field(repr=False)


@asynccontextmanager
async def connect(names: Sequence[str], credentials: Credentials) -> AsyncIterator[dict[str, Destination]]:
    """Make a client for each named destination. Raises Unauthorized when its settings are missing; sends nothing."""
    async with AsyncExitStack() as stack:
        destinations: dict[str, Destination] = {}
        for name in names:
            if name == "hubspot":
                _require(
                    HUBSPOT_BASE_URL=credentials.hubspot_base_url,
                    HUBSPOT_ACCESS_TOKEN=credentials.hubspot_access_token,
                )
                http = await stack.enter_async_context(_client(credentials.hubspot_base_url))
                destinations[name] = hubspot.HubSpot.connect(http, credentials.hubspot_access_token)
            else:
                _require(
                    SALESFORCE_BASE_URL=credentials.salesforce_base_url,
                    SALESFORCE_CLIENT_ID=credentials.salesforce_client_id,
                    SALESFORCE_CLIENT_SECRET=credentials.salesforce_client_secret,
                )
                http = await stack.enter_async_context(_client(credentials.salesforce_base_url))
                destinations[name] = salesforce.Salesforce.connect(
                    http, credentials.salesforce_client_id, credentials.salesforce_client_secret
                )
        yield destinations


def _client(base_url: str) -> httpx.AsyncClient:
    # A batch may take the vendor a while; a connection that is not made in 10 s will not be made.
    return httpx.AsyncClient(base_url=base_url, timeout=httpx.Timeout(120.0, connect=10.0))


def _require(**settings: str) -> None:
    missing = [name for name, value in settings.items() if not value]
    if missing:
        raise Unauthorized(f"{' and '.join(missing)} not set; put it in the environment or in .env")
