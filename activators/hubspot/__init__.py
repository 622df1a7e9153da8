"""HubSpot: properties, batch updates and reads, and custom events. The only package that speaks HubSpot's write API."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
import orjson

from activators.activation import Activation, Family, Property
from activators.connectors import Connector, Events, Probe
from activators.errors import VendorError
from activators.hubspot import events
from activators.hubspot.answers import BURST_SECONDS, DATED, body_of, code_of, expect, judge, message_of, meter
from activators.journal import RecordChanges, Result, Stored
from activators.limits import Usage, Window
from activators.transport import Caller, Refusal, isolate, understanding

# Paths carry a dated version; each is supported for 18 months.
VERSION = DATED
# A private app's burst limit of a Professional or Enterprise account: 190 calls in any 10 seconds.
CALLS, SECONDS = 190, BURST_SECONDS
RECORDS_PER_CALL = 100
# Batches on their way at once: enough to use the limit up while HubSpot takes a second to answer.
IN_FLIGHT = 20
_DEFINITIONS_PER_CALL = 100
# What HubSpot says of a property, whatever the value.
_TAKES_NOTHING = frozenset({"PROPERTY_DOESNT_EXIST", "READ_ONLY_VALUE"})

_TYPES: Mapping[Family, tuple[str, str]] = {
    "string": ("string", "text"),
    "number": ("number", "number"),
    "boolean": ("bool", "booleancheckbox"),
    "date": ("date", "date"),
    "datetime": ("datetime", "date"),
}
# Which property types take values of a column family. The plan models hold the same table for landed metadata.
HOLDS: Mapping[Family, frozenset[str]] = {
    "string": frozenset({"string", "enumeration", "phone_number"}),
    "number": frozenset({"number"}),
    "boolean": frozenset({"bool"}),
    "date": frozenset({"date"}),
    "datetime": frozenset({"datetime"}),
}


@dataclass(frozen=True, slots=True)
class HubSpot:
    """A HubSpot account, through one service key or private app token."""

    caller: Caller
    # HubSpot's imports are jobs, but they overwrite by their own rules; batches are what accounts for each record.
    jobs: None = None

    @classmethod
    def connect(
        cls, http: httpx.AsyncClient, token: str, limit: Window | None = None, day_share: float = 1.0
    ) -> HubSpot:
        """Use a token on a client whose base URL is the account's API. Sends nothing yet."""
        http.headers["Authorization"] = f"Bearer {token}"
        return cls(Caller(http, limit or Window(CALLS, SECONDS), judge, meter, "HubSpot", day_share))

    @property
    def records_per_call(self) -> int:
        """Records in one batch; HubSpot refuses more."""
        return RECORDS_PER_CALL

    @property
    def in_flight(self) -> int:
        """Batches on their way at once."""
        return IN_FLIGHT

    async def update(self, object_type: str, records: Sequence[RecordChanges]) -> list[Result]:
        """Write up to 100 records. Every record gets exactly one result, whatever HubSpot answers.

        Raises RefusedThroughout for a batch that is wrong wherever one looks.
        """

        async def attempt(some: Sequence[RecordChanges]) -> list[Result] | Refusal:
            return await self._update(object_type, some)

        return await isolate(attempt, records)

    async def _update(self, object_type: str, records: Sequence[RecordChanges]) -> list[Result] | Refusal:
        response = await self.caller.send(
            "POST",
            f"/crm/objects/{VERSION}/{object_type}/batch/update",
            headers={"Content-Type": "application/json"},
            content=orjson.dumps(
                {
                    "inputs": [
                        {
                            "id": record.record_id,
                            # A trace id lets HubSpot name the row that failed.
                            "objectWriteTraceId": record.record_id,
                            "properties": {change.property: change.after or "" for change in record.changes},
                        }
                        for record in records
                    ]
                }
            ),
        )
        if response.status_code == httpx.codes.BAD_REQUEST:
            # HubSpot refuses the whole call for one bad value, and does not say whose it is.
            body = body_of(response)
            errors = body.get("errors") or ()
            closed = {
                name: (error["code"], str(error.get("message")))
                for error in errors
                if error.get("code") in _TAKES_NOTHING
                for name in _to_blame(error)
            }
            return Refusal(code_of(body, response), message_of(body, response), _to_blame(*errors), closed)
        body = expect(response, httpx.codes.OK, httpx.codes.MULTI_STATUS)
        with understanding(response, "HubSpot"):
            return _account_for(records, body)

    async def read(self, object_type: str, record_ids: Sequence[str], properties: Sequence[str]) -> dict[str, Stored]:
        """Read the named properties of up to 100 records, by id; a record that is gone is not in the answer."""
        response = await self.caller.send(
            "POST",
            f"/crm/objects/{VERSION}/{object_type}/batch/read",
            json={"properties": list(properties), "inputs": [{"id": item} for item in record_ids]},
        )
        body = expect(response, httpx.codes.OK, httpx.codes.MULTI_STATUS)
        with understanding(response, "HubSpot"):
            return {
                str(item["id"]): Stored(item["properties"], dt.datetime.fromisoformat(item["updatedAt"]))
                for item in body["results"]
            }

    async def definitions(self, object_type: str) -> dict[str, str]:
        """The type of every property that the object has, by lower-case name."""
        response = await self.caller.send("GET", f"/crm/properties/{VERSION}/{object_type}")
        body = expect(response, httpx.codes.OK)
        with understanding(response, "HubSpot"):
            return {item["name"]: item["type"] for item in body["results"]}

    async def create(self, activation: Activation, missing: Sequence[Property]) -> None:
        """Create the activation's property group, unless it exists, and the missing properties in it."""
        await self._create_group(activation)
        for start in range(0, len(missing), _DEFINITIONS_PER_CALL):
            response = await self.caller.send(
                "POST",
                f"/crm/properties/{VERSION}/{activation.object}/batch/create",
                json={
                    "inputs": [
                        _definition(item, activation.group) for item in missing[start : start + _DEFINITIONS_PER_CALL]
                    ]
                },
            )
            body = expect(response, httpx.codes.CREATED, httpx.codes.MULTI_STATUS)
            # A create whose answer was lost is repeated, and finds its own work.
            refused = [error for error in body.get("errors") or [] if "already exist" not in error.get("message", "")]
            if refused:
                name = ", ".join(refused[0].get("context", {}).get("name", ["?"]))
                raise VendorError(
                    f"HubSpot does not create property {name} of {activation.object}: {refused[0].get('message')}"
                )

    async def probe(self, activation: Activation) -> list[Probe]:
        """Ask whether the token may read the object's records and definitions, and what it lacks. Writes nothing.

        Whether it may write is only known once it does; the first batch of `apply` goes alone for that.
        """
        found = await self.definitions(activation.object)
        lacking = [item.name for item in activation.properties if item.name.lower() not in found]
        mend = "run `backhaul provision`"
        response = await self.caller.send(
            "GET", f"/crm/objects/{VERSION}/{activation.object}", params={"limit": "1", "archived": "false"}
        )
        expect(response, httpx.codes.OK)
        return [
            Probe(f"read definitions of {activation.object}", f"allowed, {len(found)} properties"),
            Probe(f"read {activation.object}", "allowed"),
            *(Probe(f"property {name} of {activation.object}", "missing", mend) for name in lacking),
        ]

    async def quota(self) -> Usage | None:
        """The account's calls of the day by private apps; HubSpot does not count a service key's."""
        response = await self.caller.send("GET", f"/account-info/{VERSION}/api-usage/daily/private-apps")
        body = expect(response, httpx.codes.OK)
        with understanding(response, "HubSpot"):
            daily = next(iter(body["results"]), None)
            return Usage(int(daily["currentUsage"]), int(daily["usageLimit"])) if daily else None

    async def _create_group(self, activation: Activation) -> None:
        path = f"/crm/properties/{VERSION}/{activation.object}/groups"
        response = await self.caller.send("GET", path)
        body = expect(response, httpx.codes.OK)
        with understanding(response, "HubSpot"):
            existing = {group["name"] for group in body["results"]}
        if activation.group not in existing:
            label = activation.group.replace("_", " ").capitalize()
            response = await self.caller.send("POST", path, json={"name": activation.group, "label": label})
            # 409: a create whose answer was lost has been repeated.
            expect(response, httpx.codes.CREATED, httpx.codes.CONFLICT)


CONNECTOR = Connector(
    name="hubspot",
    title="HubSpot",
    address="HUBSPOT_BASE_URL",
    secrets=("HUBSPOT_ACCESS_TOKEN",),
    account=("HUBSPOT_BASE_URL", "HUBSPOT_ACCESS_TOKEN"),
    calls=CALLS,
    seconds=SECONDS,
    records_per_call=RECORDS_PER_CALL,
    holds=HOLDS,
    legal_name=re.compile(r"(?!hs_)[a-z][a-z0-9_]{0,99}"),
    name_rule="a HubSpot name is lower-case letters, digits and _, starts with a letter and not with hs_",
    connect=lambda http, settings, limit, day_share: HubSpot.connect(
        http, settings["HUBSPOT_ACCESS_TOKEN"], limit, day_share
    ),
    events=Events(
        records_per_call=events.RECORDS_PER_CALL,
        legal_name=re.compile(r"(?!hs_)[a-z][a-z0-9_]{0,49}"),
        name_rule="a name of a HubSpot event is up to 50 lower-case letters, digits and _, and starts with a letter",
        properties=events.PROPERTIES,
        has_external_id=False,
        creates=True,
        # The definitions: an account has no more of them than fit one page.
        first_calls=1,
        open=lambda account, _: events.HubSpotEvents(account.caller),
    ),
)


def _definition(item: Property, group: str) -> dict[str, Any]:
    kind, field = _TYPES[item.type.family]
    definition: dict[str, Any] = {
        "name": item.name,
        "label": item.label,
        "description": item.description,
        "groupName": group,
        "type": kind,
        "fieldType": field,
    }
    if kind == "bool":
        definition["options"] = [
            {"label": label, "value": value, "displayOrder": order, "hidden": False}
            for order, (label, value) in enumerate((("Yes", "true"), ("No", "false")))
        ]
    return definition


def _account_for(records: Sequence[RecordChanges], body: Mapping[str, Any]) -> list[Result]:
    """One result for each record sent: from `results`, from `errors`, or unknown when HubSpot names it in neither."""
    answered: dict[str, Result] = {}
    for error in body.get("errors", []):
        context = error.get("context", {})
        for record_id in (*context.get("objectWriteTraceId", []), *context.get("ids", [])):
            answered[record_id] = Result(
                record_id, "rejected", None, error.get("category"), error.get("message"), _to_blame(error)
            )
    for item in body.get("results", []):
        # Results come in any order. `updatedAt` is the write's own time, which the next landing compares with.
        answered[str(item["id"])] = Result(str(item["id"]), "confirmed", dt.datetime.fromisoformat(item["updatedAt"]))
    return [
        answered.get(record.record_id)
        or Result(record.record_id, "unknown", None, None, "HubSpot's answer does not name this record")
        for record in records
    ]


def _to_blame(*errors: Mapping[str, Any]) -> tuple[str, ...]:
    """The properties that errors name."""
    named = (name for error in errors for name in error.get("context", {}).get("propertyName", ()))
    return tuple(dict.fromkeys(named))
