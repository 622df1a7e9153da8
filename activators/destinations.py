"""The destinations that an activation may name, and how to reach them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path

import httpx

from activators import hubspot, pendo, salesforce
from activators.activation import Kind
from activators.connectors import Connector, Destination, EventDestination
from activators.errors import DeclarationError, Unauthorized
from activators.limits import Window, window_file

# A package of its own can bring a destination, too: as an entry point of this group that names its Connector.
ENTRY_POINTS = "backhaul.destinations"


@cache
def connectors() -> Mapping[str, Connector]:
    """Every destination by its name: ours, then those that installed packages bring.

    Raises DeclarationError when a package's entry point does not lead to a Connector.
    """
    known = {item.name: item for item in (hubspot.CONNECTOR, salesforce.CONNECTOR, pendo.CONNECTOR)}
    for entry in entry_points(group=ENTRY_POINTS):
        try:
            found = entry.load()
        except (ImportError, AttributeError) as error:
            raise DeclarationError(f"destination {entry.name}: {entry.value}: {error}; mend its package") from None
        if not isinstance(found, Connector):
            raise DeclarationError(f"destination {entry.name}: {entry.value} is no Connector; mend its package")
        known[found.name] = found
    return known


def write_calls(destination: str, records: int, kind: Kind = "properties") -> int:
    """How many calls so many changed records cost, where nothing goes wrong; an estimate where they go by jobs."""
    return connectors()[destination].write_calls(records, kind)


def for_events(name: str, destination: Destination, external_id: str | None) -> EventDestination:
    """The part of an account that takes events. Raises DeclarationError where it has none."""
    events = connectors()[name].events
    if events is None:
        raise DeclarationError(f"destination {name} takes no events; declare kind: properties")
    return events.open(destination, external_id)


class Credentials(dict[str, str]):
    """Settings that reach the CRMs, by the names that their connectors declare. Secrets are not in the repr."""

    def __repr__(self) -> str:
        return f"Credentials({', '.join(self)})"


@dataclass(frozen=True, slots=True)
class Restraint:
    """How much of an account we take: the folder of its windows, shared with other processes, and our share of a day.

    Without a folder a window is this process's own.
    """

    folder: Path | None = None
    day_share: float = 1.0

    def window(self, vendor: str, calls: int, seconds: float, *identity: str) -> Window:
        """The window of one account, which has to be closed."""
        return Window(calls, seconds, window_file(self.folder, vendor, *identity) if self.folder else None)


_UNSHARED = Restraint()


@asynccontextmanager
async def connect(
    names: Sequence[str], credentials: Mapping[str, str], restraint: Restraint = _UNSHARED
) -> AsyncIterator[dict[str, Destination]]:
    """Make a client for each named destination. Raises Unauthorized when its settings are missing; sends nothing."""
    async with AsyncExitStack() as stack:
        destinations: dict[str, Destination] = {}
        for name in names:
            connector = connectors()[name]
            lacking = missing_settings(connector, credentials)
            if lacking:
                raise Unauthorized(f"{' and '.join(lacking)} not set; put it in the environment or in .env")
            http = await stack.enter_async_context(_client(credentials[connector.address]))
            account = (credentials[setting] for setting in connector.account)
            limit = restraint.window(name, connector.calls, connector.seconds, *account)
            stack.callback(limit.close)
            destinations[name] = connector.connect(http, credentials, limit, restraint.day_share)
        yield destinations


def missing_settings(connector: Connector, credentials: Mapping[str, str]) -> list[str]:
    """The names of the settings that a destination needs and that have no value."""
    return [name for name in connector.settings if not credentials.get(name)]


def _client(base_url: str) -> httpx.AsyncClient:
    # A batch may take the vendor a while; a connection that is not made in 10 s will not be made.
    return httpx.AsyncClient(base_url=base_url, timeout=httpx.Timeout(120.0, connect=10.0))
