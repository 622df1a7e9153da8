"""Occurrences of events as records of a custom object: upserted by external id, so that a repeat changes nothing."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
import orjson

from activators.activation import Activation, Family, Property
from activators.connectors import Lacking, Probe
from activators.journal import RecordChanges, Result, Stored
from activators.limits import Usage
from activators.salesforce import fields
from activators.salesforce.session import Session, expect, first_error
from activators.transport import Caller, Refusal, isolate, time_before, understanding

RECORDS_PER_CALL = 200
IN_FLIGHT = 1
_HOLDS: dict[Family, frozenset[str]] = {
    "string": frozenset({"string", "textarea", "picklist", "reference", "email", "url", "phone"}),
    "number": frozenset({"double", "int", "long", "currency", "percent"}),
    "boolean": frozenset({"boolean"}),
    "date": frozenset({"date"}),
    "datetime": frozenset({"datetime"}),
}


@dataclass(frozen=True, slots=True)
class SalesforceEvents:
    """The part of an org that takes occurrences, as records with their own id in the field `external_id`."""

    session: Session
    external_id: str
    jobs: None = None

    @property
    def caller(self) -> Caller:
        """What sends, and counts the calls."""
        return self.session.caller

    @property
    def records_per_call(self) -> int:
        """Occurrences in one collection; Salesforce refuses more."""
        return RECORDS_PER_CALL

    @property
    def in_flight(self) -> int:
        """Collections on their way at once: two would wait for each other's parents."""
        return IN_FLIGHT

    async def update(self, object_type: str, records: Sequence[RecordChanges]) -> list[Result]:
        """Send up to 200 occurrences. Every one gets exactly one result."""

        async def attempt(some: Sequence[RecordChanges]) -> list[Result] | Refusal:
            return await self._upsert(object_type, some)

        return await isolate(attempt, records)

    async def _upsert(self, object_type: str, records: Sequence[RecordChanges]) -> list[Result] | Refusal:
        response = await self.session.send(
            "PATCH",
            f"/composite/sobjects/{object_type}/{self.external_id}",
            headers={"Content-Type": "application/json"},
            content=orjson.dumps(
                {"allOrNone": False, "records": [self._record(object_type, record) for record in records]}
            ),
        )
        if response.status_code == httpx.codes.BAD_REQUEST:
            return Refusal(*first_error(response))
        rows = expect(response, httpx.codes.OK)
        with understanding(response, "Salesforce"):
            written_at = time_before(response)
            # In the order of the request; a row that failed does not name its record.
            results = [
                Result(record.record_id, "confirmed", written_at)
                if row["success"]
                else Result(
                    record.record_id, "rejected", None, row["errors"][0]["statusCode"], row["errors"][0]["message"]
                )
                for record, row in zip(records, rows, strict=False)
            ]
        return results + [
            Result(record.record_id, "unknown", None, None, "Salesforce's answer is shorter than the request")
            for record in records[len(rows) :]
        ]

    def _record(self, object_type: str, record: RecordChanges) -> dict[str, Any]:
        (change,) = record.changes
        planned = orjson.loads(change.after or "{}")
        return {"attributes": {"type": object_type}, **planned["properties"], self.external_id: record.record_id}

    async def read(self, object_type: str, record_ids: Sequence[str], properties: Sequence[str]) -> dict[str, Stored]:  # noqa: ARG002  the shape of a destination
        """Know nothing of any occurrence: to send one again is harmless, and cheaper than to look for it."""
        return {}

    async def lacking(self, activation: Activation) -> Lacking:
        """Compare the declared fields with the custom object's."""
        response = await self.session.send("GET", f"/sobjects/{activation.object}/describe")
        where = f"{activation.path}: exposure {activation.name}: "
        if response.status_code == httpx.codes.NOT_FOUND:
            mistake = (
                f"{where}Salesforce has no object {activation.object}, or hides it from the integration user; make it "
                "in Setup, Object Manager, let the user create and edit its records, then run `backhaul provision`"
            )
            return Lacking((), 0, (mistake,))
        body = expect(response, httpx.codes.OK)
        with understanding(response, "Salesforce"):
            found = {item["name"].lower(): item for item in body["fields"]}
        mistakes = [
            f"{where}column {item.column}: is a {item.type.family}, but Salesforce has field {item.name} as "
            f"{found[item.name.lower()]['type']}; map another field or cast the column"
            for item in activation.properties
            if item.name.lower() in found and found[item.name.lower()]["type"] not in _HOLDS[item.type.family]
        ]
        key = found.get(self.external_id.lower())
        if key is not None and not key.get("externalId"):
            mistakes.append(f"{where}field {self.external_id} is no external id; tick External ID and Unique in Setup")
        missing = tuple(item.name for item in activation.properties if item.name.lower() not in found)
        return Lacking(missing, len(activation.properties) - len(missing), tuple(mistakes))

    async def define(self, activation: Activation) -> None:
        """Create the fields that the object lacks."""
        found = await fields.definitions(self.session, activation.object)
        await fields.create(
            self.session, activation, [item for item in activation.properties if item.name.lower() not in found]
        )

    def resume(self, landed_at: dt.datetime | None, told: Collection[str]) -> None:
        """Nobody is created for an event."""

    async def definitions(self, object_type: str) -> dict[str, str]:
        """The type of every field that the integration user can see, by lower-case name."""
        return await fields.definitions(self.session, object_type)

    async def create(self, activation: Activation, missing: Sequence[Property]) -> None:
        """Create the missing fields."""
        await fields.create(self.session, activation, missing)

    async def probe(self, activation: Activation) -> list[Probe]:
        """Ask whether the integration user may change the object and each of the fields. Writes nothing."""
        return await fields.probe(self.session, activation)

    async def quota(self) -> Usage | None:
        """Asked of the org and not of its events."""
        return None
