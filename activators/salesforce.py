"""Salesforce: custom fields, collection updates and reads. The only module that speaks Salesforce's write API."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import httpx
import orjson

from activators.declarations import Activation, ColumnType, Family, Property
from activators.errors import QuotaExhausted, Unauthorized, VendorError
from activators.journal import Change, RecordChanges, Result, Stored
from activators.transport import Again, Caller, halve, limiter, retry_after, time_before, understanding

VERSION = "v66.0"
# Salesforce has no burst limit; this keeps us a polite guest beside the org's other integrations.
CALLS, SECONDS = 20, 1.0
# The permission set through which the fields that we create become visible to the integration user.
PERMISSION_SET = "Backhaul"
_TEXT_LENGTH = 255
_DIGITS = 18
# A parent account may be locked by another writer for up to 10 seconds; the row alone is tried again.
_LOCK_WAITS = (1.0, 3.0, 9.0)

HOLDS: Mapping[Family, frozenset[str]] = {
    "string": frozenset(
        {
            "string",
            "textarea",
            "picklist",
            "multipicklist",
            "phone",
            "email",
            "url",
            "combobox",
            "reference",
        }
    ),
    "number": frozenset({"double", "int", "long", "currency", "percent"}),
    "boolean": frozenset({"boolean"}),
    "date": frozenset({"date"}),
    "datetime": frozenset({"datetime"}),
}


def judge(response: httpx.Response) -> None:
    """Stop on refused credentials and spent quotas, repeat what may be repeated, let the rest through.

    A 401 passes: the session may only have expired, and a new one is asked for first.
    """
    status = response.status_code
    if status == httpx.codes.FORBIDDEN:
        code, message = _first(response)
        if code != "REQUEST_LIMIT_EXCEEDED":
            raise Unauthorized(
                f"Salesforce refuses the call (403 {code}): {message}; check the integration user's permissions"
            )
        if "Concurrent" in message:
            raise Again(message)
        raise QuotaExhausted(
            "Salesforce: the org's daily calls are spent; they come back over 24 hours, then run the same command again"
        )
    if status in {httpx.codes.TOO_MANY_REQUESTS, 420}:
        raise Again("too many requests", retry_after(response))
    if status >= httpx.codes.INTERNAL_SERVER_ERROR:
        raise Again(f"HTTP {status}")


@dataclass(slots=True)
class Salesforce:
    """A Salesforce org, through a client-credentials app and its integration user."""

    caller: Caller
    client_id: str
    client_secret: str = field(repr=False)
    user_id: str = ""
    logging_in: asyncio.Lock = field(default_factory=asyncio.Lock, init=False, repr=False)

    @classmethod
    def connect(cls, http: httpx.AsyncClient, client_id: str, client_secret: str) -> Salesforce:
        """Use an app on a client whose base URL is the org's My Domain. Sends nothing yet."""
        # Without this header, assignment rules run on every write and change owners.
        http.headers["Sforce-Auto-Assign"] = "FALSE"
        return cls(Caller(http, limiter(CALLS, SECONDS), judge, "Salesforce"), client_id, client_secret)

    async def update(self, object_type: str, records: Sequence[RecordChanges]) -> list[Result]:
        """Write up to 200 records. Every record gets exactly one result; locked rows are tried again alone."""
        results = await self._update(object_type, records)
        for wait in _LOCK_WAITS:
            locked = {result.record_id for result in results if result.code == "UNABLE_TO_LOCK_ROW"}
            if not locked:
                break
            await asyncio.sleep(wait)
            again = await self._update(object_type, [item for item in records if item.record_id in locked])
            fresh = {result.record_id: result for result in again}
            results = [fresh.get(result.record_id, result) for result in results]
        return results

    async def _update(self, object_type: str, records: Sequence[RecordChanges]) -> list[Result]:
        response = await self._send(
            "PATCH",
            "/composite/sobjects",
            headers={"Content-Type": "application/json"},
            content=orjson.dumps(
                {
                    "allOrNone": False,
                    "records": [
                        {
                            "attributes": {"type": object_type},
                            "id": record.record_id,
                            **{change.property: _wire(change) for change in record.changes},
                        }
                        for record in records
                    ],
                }
            ),
        )
        if response.status_code == httpx.codes.BAD_REQUEST:
            # One value that cannot be read refuses the whole call, without naming its row.
            return await halve(lambda half: self._update(object_type, half), records, *_first(response))
        rows = _expect(response, httpx.codes.OK)
        with understanding(response, "Salesforce"):
            written_at = time_before(response)
            # The answer is in the order of the request; a row that failed does not name its record.
            results = [
                Result(record.record_id, "confirmed", written_at)
                if row["success"]
                else Result(
                    record.record_id,
                    "rejected",
                    None,
                    row["errors"][0]["statusCode"],
                    row["errors"][0]["message"],
                )
                for record, row in zip(records, rows, strict=False)
            ]
        return results + [
            Result(record.record_id, "unknown", None, None, "Salesforce's answer is shorter than the request")
            for record in records[len(rows) :]
        ]

    async def read(self, object_type: str, record_ids: Sequence[str], properties: Sequence[str]) -> dict[str, Stored]:
        """Read the named fields of up to 200 records, by id; a record that is gone is not in the answer."""
        response = await self._send(
            "POST",
            f"/composite/sobjects/{object_type}",
            json={"ids": list(record_ids), "fields": ["Id", "SystemModstamp", *properties]},
        )
        rows = _expect(response, httpx.codes.OK)
        with understanding(response, "Salesforce"):
            return {
                row["Id"]: Stored(
                    # Names come back as Salesforce spells them, whatever was asked for.
                    {name: _text(_spelled(row, name)) for name in properties},
                    dt.datetime.fromisoformat(row["SystemModstamp"]),
                )
                for row in rows
                if row is not None
            }

    async def definitions(self, object_type: str) -> dict[str, str]:
        """The type of every field that the integration user can see, by lower-case name."""
        response = await self._send("GET", f"/sobjects/{object_type}/describe")
        body = _expect(response, httpx.codes.OK)
        with understanding(response, "Salesforce"):
            return {item["name"].lower(): item["type"] for item in body["fields"]}

    async def create(self, activation: Activation, missing: Sequence[Property]) -> None:
        """Create the missing custom fields and let the integration user read and edit them."""
        permission_set = await self._permission_set()
        for item in missing:
            full_name = f"{activation.object}.{item.name}"
            response = await self._send(
                "POST",
                "/tooling/sobjects/CustomField",
                json={"FullName": full_name, "Metadata": _metadata(item)},
            )
            # A field that exists already is only hidden from us: the grant below is what it lacks.
            if response.status_code != httpx.codes.CREATED and _first(response)[0] != "DUPLICATE_DEVELOPER_NAME":
                _expect(response, httpx.codes.CREATED)
            grant = await self._send(
                "POST",
                "/sobjects/FieldPermissions",
                json={
                    "ParentId": permission_set,
                    "SobjectType": activation.object,
                    "Field": full_name,
                    "PermissionsRead": True,
                    "PermissionsEdit": True,
                },
            )
            if grant.status_code != httpx.codes.CREATED and _first(grant)[0] != "DUPLICATE_VALUE":
                _expect(grant, httpx.codes.CREATED)

    async def _permission_set(self) -> str:
        """The id of our permission set, made and assigned to the integration user unless it is."""
        found = await self._query(
            f"SELECT Id FROM PermissionSet WHERE Name = {_quoted(PERMISSION_SET)}"  # noqa: S608  quoted
        )
        permission_set = (
            found[0]["Id"]
            if found
            else await self._insert("PermissionSet", {"Name": PERMISSION_SET, "Label": PERMISSION_SET})
        )
        where = f"PermissionSetId = {_quoted(permission_set)} AND AssigneeId = {_quoted(self.user_id)}"
        assigned = await self._query(f"SELECT Id FROM PermissionSetAssignment WHERE {where}")  # noqa: S608  quoted
        if not assigned:
            await self._insert(
                "PermissionSetAssignment",
                {"PermissionSetId": permission_set, "AssigneeId": self.user_id},
            )
        return str(permission_set)

    async def _query(self, soql: str) -> list[dict[str, Any]]:
        response = await self._send("GET", "/query", params={"q": soql})
        body = _expect(response, httpx.codes.OK)
        with understanding(response, "Salesforce"):
            return list(body["records"])

    async def _insert(self, object_type: str, values: Mapping[str, object]) -> str:
        response = await self._send("POST", f"/sobjects/{object_type}", json=dict(values))
        body = _expect(response, httpx.codes.CREATED)
        with understanding(response, "Salesforce"):
            return str(body["id"])

    async def _send(self, method: str, path: str, **request: Any) -> httpx.Response:  # noqa: ANN401  as Caller.send
        async with self.logging_in:
            if not self.user_id:
                await self._log_in()
        path = f"/services/data/{VERSION}{path}"
        response = await self.caller.send(method, path, **request)
        if response.status_code == httpx.codes.UNAUTHORIZED:
            # Sessions end after a while, and no answer says when.
            await self._log_in()
            response = await self.caller.send(method, path, **request)
            if response.status_code == httpx.codes.UNAUTHORIZED:
                raise Unauthorized("Salesforce refuses a session that it has just given; check the app's run-as user")
        return response

    async def _log_in(self) -> None:
        response = await self.caller.send(
            "POST",
            "/services/oauth2/token",
            metered=False,
            data={
                "grant_type": "client_credentials",
                "client_id": self.client_id,
                "client_secret": self.client_secret,
            },
        )
        with understanding(response, "Salesforce"):
            session = response.json()
            if response.status_code != httpx.codes.OK:
                raise Unauthorized(
                    f"Salesforce refuses the app ({session['error_description']}); "
                    "check SALESFORCE_CLIENT_ID and SALESFORCE_CLIENT_SECRET"
                )
            self.caller.http.headers["Authorization"] = f"Bearer {session['access_token']}"
            self.user_id = session["id"].rpartition("/")[2]


def _quoted(word: str) -> str:
    """A SOQL literal of a word. SOQL binds no parameters, so nothing that would need escaping is let through."""
    if not word.isalnum() or not word.isascii():
        raise VendorError(f"Salesforce gives {word!r} where an id belongs; check SALESFORCE_BASE_URL")
    return f"'{word}'"


def _wire(change: Change) -> str | bool | orjson.Fragment | None:
    """A planned text as the JSON value that the field's type takes; null clears."""
    if change.after is None:
        return None
    if change.family == "number":
        # The planned digits themselves: a float would keep sixteen of them.
        return orjson.Fragment(f"{Decimal(change.after):f}")
    if change.family == "boolean":
        return change.after == "true"
    return change.after


def _spelled(row: Mapping[str, object], name: str) -> object:
    return next((value for key, value in row.items() if key.lower() == name.lower()), None)


def _text(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return str(value).lower() if isinstance(value, bool) else str(value)


def _metadata(item: Property) -> dict[str, Any]:
    return {"label": item.label, "description": item.description, **_field_type(item.type)}


def _field_type(column: ColumnType) -> dict[str, Any]:
    match column.family:
        case "number":
            return {
                "type": "Number",
                "precision": min(_DIGITS, max(column.precision, 1)),
                "scale": column.scale,
            }
        case "boolean":
            return {"type": "Checkbox", "defaultValue": "false"}
        case "date":
            return {"type": "Date"}
        case "datetime":
            return {"type": "DateTime"}
        case "string":
            return {"type": "Text", "length": _TEXT_LENGTH}


def _expect(response: httpx.Response, status: int) -> Any:  # noqa: ANN401  an object or an array, by the call
    if response.status_code != status:
        code, message = _first(response)
        raise VendorError(
            f"Salesforce answers {response.status_code} {code} to {response.request.method} "
            f"{response.request.url.path}: {message}"
        )
    with understanding(response, "Salesforce"):
        return response.json()


def _first(response: httpx.Response) -> tuple[str, str]:
    """The first error's code and message: an array on most calls, an object on a few, HTML from gateways."""
    try:
        body = response.json()
    except ValueError:
        body = None
    error = body[0] if isinstance(body, list) and body else body
    if not isinstance(error, dict):
        return str(response.status_code), response.reason_phrase
    return str(error.get("errorCode", response.status_code)), str(error.get("message", response.reason_phrase))
