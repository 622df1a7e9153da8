"""A request to the account and its answer, free of HTTP's machinery."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import orjson

from sandbox.hubspot.errors import bad_json, invalid
from sandbox.hubspot.store import HubSpotStore
from sandbox.hubspot.tables import Table
from sandbox.hubspot.values import instant, whole

LARGEST_PAGE = 100
LARGEST_PAGE_WITH_HISTORY = 50
# From this version on, dates are normalised with a warning instead of refused, and admins' rules enforced.
NORMALISING = "2026-09"


@dataclass(frozen=True, slots=True)
class Answer:
    """A status, a JSON body (None for no body) and headers beyond the usual."""

    status: int
    body: Mapping[str, object] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Call:
    """One request: `version` is v3, v4 or a date like 2026-09; `query` keeps repeated names."""

    store: HubSpotStore
    version: str
    path: str
    params: Mapping[str, str]
    query: Mapping[str, Sequence[str]]
    raw: bytes

    @property
    def table(self) -> Table:
        """The records of the type that the path names."""
        return self.store.table(self.params["type"])

    @property
    def normalises(self) -> bool:
        """Whether this version changes a non-canonical date and warns of it, and enforces an admin's rules."""
        return self.version[:1] == "2" and self.version >= NORMALISING

    @property
    def other(self) -> Table:
        """The records of the type that the path names as the one associated with."""
        return self.store.table(self.params["other"])

    def rows(self) -> list[object]:
        """Parse the body, which must be a JSON list."""
        body = self._parsed()
        if not isinstance(body, list):
            raise bad_json("Expected a list")
        return body

    def json(self) -> dict[str, object]:
        """Parse the body, which must be a JSON object."""
        body = self._parsed()
        if not isinstance(body, dict):
            raise bad_json("Expected an object")
        return body

    def _parsed(self) -> object:
        try:
            return orjson.loads(self.raw)
        except orjson.JSONDecodeError as error:
            raise bad_json(str(error)) from error

    def one(self, name: str) -> str | None:
        """Give a query parameter, the last one if it is repeated."""
        values = self.query.get(name)
        return values[-1] if values else None

    def listed(self, name: str) -> list[str]:
        """Give a query parameter's values, whether repeated or separated by commas."""
        return [part for value in self.query.get(name, ()) for part in value.split(",") if part]

    def flag(self, name: str) -> bool:
        """Say whether a query parameter is true."""
        return self.one(name) == "true"

    def limit(self, default: int, largest: int) -> int:
        """Read the page size."""
        text = self.one("limit") or str(default)
        limit = whole(text)
        if limit is None or not 1 <= limit <= largest:
            raise invalid(f"The limit must be between 1 and {largest}, was {text}")
        return limit


def names_to_show(table: Table, asked: Sequence[object]) -> list[str]:
    """Give the properties to show: those asked for that exist, or the type's defaults."""
    if not asked:
        return list(table.kind.defaults)
    found = {str(name) for name in asked if table.defined(str(name))}
    return sorted({*found, table.kind.created, "hs_object_id", table.kind.modified})


def batch_answer(
    call: Call, status: int, started: int, results: Sequence[object], errors: Sequence[Mapping[str, object]] = ()
) -> Answer:
    """Give a batch's envelope: `status`, or 207 with errors. `started` is in epoch milliseconds."""
    body: dict[str, object] = {
        "status": "COMPLETE",
        "results": results,
        "startedAt": instant(started),
        "completedAt": instant(call.store.now()),
    }
    if errors:
        body |= {"numErrors": len(errors), "errors": errors}
        status = 207
    return Answer(status, body)


def text_list(body: Mapping[str, object], name: str) -> list[object]:
    """Give a list from a body; none if it is absent."""
    value = body.get(name)
    return value if isinstance(value, list) else []
