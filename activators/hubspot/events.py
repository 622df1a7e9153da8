"""HubSpot's custom events: their definitions, and occurrences in batches of 500."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import httpx
import orjson

from activators.activation import Activation, EventType, Family, Property
from activators.connectors import Lacking, Probe
from activators.errors import VendorError
from activators.hubspot.answers import DATED, body_of, code_of, expect, message_of
from activators.journal import CREATED, RecordChanges, Result, Stored
from activators.limits import Usage
from activators.transport import Caller, Refusal, isolate, time_before, understanding

RECORDS_PER_CALL = 500
# Enough to use the limit up while HubSpot takes 0.3 s to answer. The window counts a call until its answer, so more of
# them, waiting for each other, would only make it slower.
IN_FLIGHT = 6
# Properties that one event may have.
PROPERTIES = 50
_DEFINITIONS = f"/events/{DATED}/event-definitions"
_PAGE = 500
_CONTACTS_PER_CALL = 100
_TYPES: Mapping[Family, str] = {
    "string": "string",
    "number": "number",
    "boolean": "enumeration",
    "date": "string",
    "datetime": "datetime",
}


@dataclass(frozen=True, slots=True)
class _Definition:
    """An event of the account: the name that HubSpot takes, which begins with the account's id; types by property."""

    full_name: str
    types: Mapping[str, str]


@dataclass(slots=True)
class HubSpotEvents:
    """The part of a HubSpot account that takes custom events.

    HubSpot keeps the first event of a type and uuid and forgets every other of that year, so what was not answered is
    sent again and never read back.
    """

    caller: Caller
    jobs: None = None
    # By the name that we declare.
    _known: dict[str, _Definition] = field(default_factory=dict, init=False)
    # By address of those who had no contact: the contact's id, or why HubSpot does not make one.
    _contacts: dict[str, str | Refusal] = field(default_factory=dict, init=False)
    # Addresses whose contact we created, and have not told of yet.
    _created: set[str] = field(default_factory=set, init=False)
    # Of an attempt that ended early: when its plan's landing was, and what it said of contacts.
    _landed_at: dt.datetime | None = field(default=None, init=False)
    _told: frozenset[str] = field(default=frozenset(), init=False)
    _asking: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)

    @property
    def records_per_call(self) -> int:
        """Occurrences in one batch; HubSpot refuses more."""
        return RECORDS_PER_CALL

    @property
    def in_flight(self) -> int:
        """Batches on their way at once."""
        return IN_FLIGHT

    async def update(self, object_type: str, records: Sequence[RecordChanges]) -> list[Result]:  # noqa: ARG002  the shape of a destination
        """Send up to 500 occurrences. HubSpot's 204 is for all of them; one that it refuses is found by halving.

        Raises VendorError, before anything is sent, for an event, or a property of one, that somebody has deleted since
        the plan's landing: of the second HubSpot would say nothing, and forget the value.
        """
        known = await self._defined()
        occurrences = {record.record_id: self._planned(record, known) for record in records}

        await self._make_contacts({email for record in records if (email := _stranger(record))})
        refused = [record for record in records if isinstance(self._contacts.get(_stranger(record)), Refusal)]

        async def attempt(some: Sequence[RecordChanges]) -> list[Result] | Refusal:
            return await self._send([self._occurrence(record, *occurrences[record.record_id]) for record in some])

        results = [self._without_contact(record) for record in refused]
        sendable = [record for record in records if record not in refused] if refused else records
        if sendable:
            results += await isolate(attempt, sendable)
        emails = {record.record_id: email for record in records if (email := _stranger(record))}
        return [self._telling_of_contact(result, emails) for result in results] if emails else results

    async def _make_contacts(self, emails: set[str]) -> None:
        """Find the contact of each address, or create it. One call at a time, so that none is made twice."""
        async with self._asking:
            new = sorted(emails - self._contacts.keys())
            for start in range(0, len(new), _CONTACTS_PER_CALL):
                await self._upsert(new[start : start + _CONTACTS_PER_CALL])

    async def _upsert(self, emails: Sequence[str]) -> None:
        response = await self.caller.send(
            "POST",
            f"/crm/objects/{DATED}/contacts/batch/upsert",
            json={"inputs": [{"id": one, "idProperty": "email", "properties": {"email": one}} for one in emails]},
        )
        if response.status_code in {httpx.codes.BAD_REQUEST, httpx.codes.CONFLICT}:
            if len(emails) == 1:
                body = body_of(response)
                self._contacts[emails[0]] = Refusal(code_of(body, response), message_of(body, response))
                return
            # One address that HubSpot does not take refuses the whole call.
            middle = len(emails) // 2
            await self._upsert(emails[:middle])
            await self._upsert(emails[middle:])
            return
        body = expect(response, httpx.codes.OK, httpx.codes.CREATED, httpx.codes.MULTI_STATUS)
        with understanding(response, "HubSpot"):
            # In any order.
            for item in body["results"]:
                email = str(item["properties"]["email"]).lower()
                self._contacts[email] = str(item["id"])
                if self._is_ours(item) and self._remark(email) not in self._told:
                    self._created.add(email)
        for email in emails:
            lost = Refusal("NO_CONTACT", "HubSpot's answer does not name the contact of this address")
            self._contacts.setdefault(email, lost)

    def resume(self, landed_at: dt.datetime | None, told: Collection[str]) -> None:
        """Tell of contacts that an attempt created which ended before it could; see the protocol."""
        self._landed_at, self._told = landed_at, frozenset(told)

    def _is_ours(self, contact: Mapping[str, Any]) -> bool:
        """Whether we created a contact: just now or, since it is newer than the landing, before the run ended early."""
        if contact.get("new") or self._landed_at is None:
            return bool(contact.get("new"))
        return dt.datetime.fromisoformat(contact["createdAt"]) >= self._landed_at

    def _remark(self, email: str) -> str:
        return f"contact {self._contacts[email]} was created for {email}"

    def _without_contact(self, record: RecordChanges) -> Result:
        refusal = self._contacts[_stranger(record)]
        why = refusal if isinstance(refusal, Refusal) else Refusal("NO_CONTACT", "no contact")
        return Result(record.record_id, "rejected", None, why.code, f"contact {_stranger(record)}: {why.message}")

    def _telling_of_contact(self, result: Result, emails: Mapping[str, str]) -> Result:
        """Say of the first occurrence of a contact that was created that it was."""
        email = emails.get(result.record_id, "")
        if email not in self._created:
            return result
        if result.status != "confirmed":
            # The next one that arrives is the first; should there be none, this says it.
            return replace(result, message=f"{result.message}; {self._remark(email)}")
        self._created.remove(email)
        return replace(result, code=CREATED, message=self._remark(email))

    def _planned(self, record: RecordChanges, known: Mapping[str, _Definition]) -> tuple[str, Mapping[str, Any]]:
        """HubSpot's name of what happened, and what the plan says of it."""
        (change,) = record.changes
        planned: Mapping[str, Any] = orjson.loads(change.after or "{}")
        mend = "gone since it was last loaded; run `backhaul provision`, load and plan again"
        definition = known.get(change.property)
        if definition is None:
            raise VendorError(f"HubSpot has no definition of event {change.property}: {mend}")
        lacking = sorted(planned["properties"].keys() - definition.types.keys())
        if lacking:
            raise VendorError(f"HubSpot's event {change.property} has no property {', '.join(lacking)}: {mend}")
        return definition.full_name, planned

    def _occurrence(self, record: RecordChanges, full_name: str, planned: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "eventName": full_name,
            "uuid": record.record_id,
            "occurredAt": planned["occurred_at"],
            "objectId": planned["record"] or self._contacts[_stranger(record)],
            "properties": planned["properties"],
        }

    async def _send(self, occurrences: Sequence[Mapping[str, Any]]) -> list[Result] | Refusal:
        response = await self.caller.send(
            "POST",
            f"/events/{DATED}/send/batch",
            headers={"Content-Type": "application/json"},
            content=orjson.dumps({"inputs": occurrences}),
        )
        if response.status_code == httpx.codes.BAD_REQUEST:
            body = body_of(response)
            return Refusal(code_of(body, response), message_of(body, response))
        if response.status_code != httpx.codes.NO_CONTENT:
            expect(response, httpx.codes.NO_CONTENT)
        with understanding(response, "HubSpot"):
            sent_at = time_before(response)
        return [Result(item["uuid"], "confirmed", sent_at) for item in occurrences]

    async def read(self, object_type: str, record_ids: Sequence[str], properties: Sequence[str]) -> dict[str, Stored]:  # noqa: ARG002  the shape of a destination
        """Know nothing of any occurrence: to send one again is harmless, and cheaper than to look for it."""
        return {}

    async def lacking(self, activation: Activation) -> Lacking:
        """Compare the declared events and their properties with HubSpot's definitions."""
        found = await self._definitions()
        names: list[str] = []
        mistakes: list[str] = []
        existing = 0
        for event in activation.events:
            there = found.get(event.name)
            if there is None:
                names.append(event.name)
                continue
            existing += 1
            for item in event.properties:
                if item.name not in there.types:
                    names.append(f"{event.name}.{item.name}")
                elif there.types[item.name] not in {_TYPES[item.type.family], "string"}:
                    mistakes.append(
                        f"{activation.path}: exposure {activation.name}: column {item.column}: is a "
                        f"{item.type.family}, but HubSpot's event {event.name} has property {item.name} as "
                        f"{there.types[item.name]}; map another property or cast the column"
                    )
        return Lacking(tuple(names), existing, tuple(mistakes))

    async def define(self, activation: Activation) -> None:
        """Create the events that HubSpot lacks, and the properties that an event lacks. Of contacts, all of them."""
        found = await self._definitions()
        for event in activation.events:
            there = found.get(event.name)
            if there is None:
                response = await self.caller.send("POST", _DEFINITIONS, json=_definition(event))
                if response.status_code == httpx.codes.CONFLICT:
                    await self._refuse_used_up(event)
                else:
                    expect(response, httpx.codes.CREATED)
                continue
            for item in event.properties:
                if item.name not in there.types:
                    path = f"{_DEFINITIONS}/{there.full_name}/property"
                    response = await self.caller.send("POST", path, json=_property(item))
                    # 409: a create whose answer was lost has been repeated.
                    if response.status_code != httpx.codes.CONFLICT:
                        expect(response, httpx.codes.CREATED)
        self._known.clear()

    async def _refuse_used_up(self, event: EventType) -> None:
        """A name that exists already is our own lost answer; one that does not was deleted, and never comes back."""
        if event.name not in await self._definitions():
            raise VendorError(
                f"HubSpot does not create event {event.name}: a deleted definition had the name; choose another"
            )

    async def definitions(self, object_type: str) -> dict[str, str]:  # noqa: ARG002  the shape of a destination
        """Every event's name, with the one that HubSpot takes for it."""
        return {name: item.full_name for name, item in (await self._definitions()).items()}

    async def create(self, activation: Activation, missing: Sequence[Property]) -> None:  # noqa: ARG002  the same
        """Create what the activation's events lack."""
        await self.define(activation)

    async def probe(self, activation: Activation) -> list[Probe]:
        """Ask whether the token may read event definitions, and which are missing.

        Whether it may send is only known once it does.
        """
        wanted = await self.lacking(activation)
        mend = "run `backhaul provision`"
        return [
            Probe("read event definitions", f"allowed, {wanted.existing} of {len(activation.events)} are there"),
            *(Probe(f"event {name}", "missing", mend) for name in wanted.names),
            *(Probe("event properties", *mistake.rsplit("; ", 1)) for mistake in wanted.mistakes),
        ]

    async def quota(self) -> Usage | None:
        """Asked of the account and not of its events."""
        return None

    async def _defined(self) -> Mapping[str, _Definition]:
        """The same, asked for once."""
        async with self._asking:
            if not self._known:
                self._known |= await self._definitions()
        return self._known

    async def _definitions(self) -> dict[str, _Definition]:
        """Every custom event of the account, by the name that it was given."""
        found: dict[str, _Definition] = {}
        params = {"limit": str(_PAGE), "includeProperties": "true"}
        while True:
            response = await self.caller.send("GET", _DEFINITIONS, params=params)
            body = expect(response, httpx.codes.OK)
            with understanding(response, "HubSpot"):
                for item in body["results"]:
                    full = str(item["fullyQualifiedName"])
                    # pe123_signed_in. HubSpot's own events have other names, and are none of ours.
                    found[full.partition("_")[2]] = _Definition(
                        full, {one["name"]: one["type"] for one in item["properties"]}
                    )
                after = (body.get("paging") or {}).get("next", {}).get("after")
            if not after:
                return found
            params["after"] = after


def _stranger(record: RecordChanges) -> str:
    """The address of somebody without a contact; empty where there is one, as nearly always."""
    (change,) = record.changes
    if change.after is None or change.after.startswith('{"record":"'):
        return ""
    return str(orjson.loads(change.after).get("email") or "").lower()


def _definition(event: EventType) -> dict[str, Any]:
    return {
        "name": event.name,
        "label": event.label,
        "description": event.description,
        "primaryObject": "CONTACT",
        "includeDefaultProperties": False,
        "propertyDefinitions": [_property(item) for item in event.properties],
    }


def _property(item: Property) -> dict[str, Any]:
    definition: dict[str, Any] = {
        "name": item.name,
        "label": item.label,
        "description": item.description,
        "type": _TYPES[item.type.family],
    }
    if item.type.family == "boolean":
        definition["options"] = [
            {"label": label, "value": value, "displayOrder": order}
            for order, (label, value) in enumerate((("Yes", "true"), ("No", "false")))
        ]
    return definition
