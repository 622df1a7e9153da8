"""Pendo: metadata fields, bulk writes of values, reads by aggregation. The only module that speaks its write API.

Values are written to visitors and accounts that are there, in the metadata group `custom`: Pendo makes no visitor or
account for an id that it does not know unless a call asks for it, and no call of ours does.
"""

from __future__ import annotations

import datetime as dt
import email.utils
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
import orjson

from activators.activation import Activation, Family, Property
from activators.connectors import Connector, Probe
from activators.errors import Unauthorized, VendorError
from activators.journal import Change, RecordChanges, Result, Stored
from activators.limits import Usage, Window
from activators.transport import Again, Caller, Refusal, halve, isolate, retry_after, understanding
from activators.values import same_value

# Pendo names no limit. Others count on a hundred calls a second; a night of ours needs a few hundred in all.
CALLS, SECONDS = 10, 1.0
# Pendo names no limit here either, and gives a call up after five minutes.
RECORDS_PER_CALL = 500
IN_FLIGHT = 2
GROUP = "custom"

# Which field types take values of a column family; there is none for a day. The plan models hold the same table.
HOLDS: Mapping[Family, frozenset[str]] = {
    "string": frozenset({"string"}),
    "number": frozenset({"number"}),
    "boolean": frozenset({"boolean"}),
    "datetime": frozenset({"time"}),
}
_TYPES: Mapping[str, str] = {family: kind for family, kinds in HOLDS.items() for kind in kinds}

# Our own words, as Pendo gives a refusal no code.
NOT_FOUND = "NOT_FOUND"
REFUSED = "REFUSED"
UNKNOWN_FIELD = "UNKNOWN_FIELD"
WRONG_TYPE = "WRONG_TYPE"
BAD_REQUEST = "BAD_REQUEST"
TOO_LARGE = "TOO_LARGE"
_TEXTS_SHOWN = 3


def judge(response: httpx.Response) -> None:
    """Stop on a refused key, repeat what may be repeated, let the rest through."""
    status = response.status_code
    # Seen by others in place of a 429.
    is_throttled = status == httpx.codes.FORBIDDEN and "rateLimitExceeded" in response.text
    if status == httpx.codes.TOO_MANY_REQUESTS or is_throttled:
        raise Again("too many requests", retry_after(response))
    if status == httpx.codes.UNAUTHORIZED:
        raise Unauthorized("Pendo refuses the key (401); check PENDO_INTEGRATION_KEY")
    if status == httpx.codes.FORBIDDEN:
        raise Unauthorized("Pendo refuses the key (403); check PENDO_INTEGRATION_KEY, and that it has write access")
    if status >= httpx.codes.INTERNAL_SERVER_ERROR:
        raise Again(f"HTTP {status}", retry_after(response))


@dataclass(frozen=True, slots=True)
class Pendo:
    """A Pendo subscription, through one integration key with write access."""

    caller: Caller
    jobs: None = None

    @classmethod
    def connect(cls, http: httpx.AsyncClient, key: str, limit: Window | None = None, day_share: float = 1.0) -> Pendo:
        """Use a key on a client whose base URL is the subscription's region. Sends nothing yet."""
        http.headers["x-pendo-integration-key"] = key
        return cls(Caller(http, limit or Window(CALLS, SECONDS), judge, lambda _: None, "Pendo", day_share))

    @property
    def records_per_call(self) -> int:
        """Visitors or accounts in one call."""
        return RECORDS_PER_CALL

    @property
    def in_flight(self) -> int:
        """Calls on their way at once."""
        return IN_FLIGHT

    async def update(self, object_type: str, records: Sequence[RecordChanges]) -> list[Result]:
        """Write values of visitors or accounts. Every record gets exactly one result, whatever Pendo answers.

        Pendo counts what it wrote and does not name it. Where its counts leave a doubt, it is asked what it holds.
        Raises RefusedThroughout for a batch that is wrong wherever one looks.
        """

        async def attempt(some: Sequence[RecordChanges]) -> list[Result] | Refusal:
            return await self._write(object_type, some)

        answer = await attempt(records)
        if not isinstance(answer, Refusal):
            return answer
        if answer.code != BAD_REQUEST:
            return await halve(attempt, records, answer)
        # A field that the schema lacks refuses the whole: the records with such a field are known without a call each.
        found = await self.definitions(object_type)
        unfit = [result for item in records if (result := _unfit(object_type, item, found)) is not None]
        if not unfit:
            return await isolate(attempt, records, answer)
        named = {result.record_id for result in unfit}
        rest = [item for item in records if item.record_id not in named]
        return [*unfit, *(await isolate(attempt, rest) if rest else ())]

    async def _write(self, object_type: str, records: Sequence[RecordChanges]) -> list[Result] | Refusal:
        response = await self.caller.send(
            "POST",
            f"/api/v1/metadata/{object_type}/{GROUP}/value",
            json=[
                {
                    f"{object_type}Id": record.record_id,
                    "values": {change.property: _sent(change) for change in record.changes},
                }
                for record in records
            ],
        )
        status, message = response.status_code, _message(response)
        if status == httpx.codes.REQUEST_TIMEOUT and len(records) == 1:
            # It may have been written all the same.
            return [Result(records[0].record_id, "unknown", None, None, message)]
        if status == httpx.codes.BAD_REQUEST:
            # One bad value sinks the call, and Pendo does not say whose.
            return Refusal(BAD_REQUEST, message)
        if status in {httpx.codes.REQUEST_TIMEOUT, httpx.codes.REQUEST_ENTITY_TOO_LARGE}:
            return Refusal(TOO_LARGE, message)
        body = _expect(response)
        with understanding(response, "Pendo"):
            missing = set(body.get("missing") or ())
            errors = [str(error) for error in body.get("errors") or ()]
            gone = [_not_found(object_type, item) for item in records if item.record_id in missing]
            rest = [item for item in records if item.record_id not in missing]
            all_written = not errors and int(body["updated"]) == len(rest)
            at = _moment_after(response)
        if all_written:
            return [*gone, *(Result(item.record_id, "confirmed", at) for item in rest)]
        return [*gone, *await self._look(object_type, rest, errors)]

    async def _look(self, object_type: str, records: Sequence[RecordChanges], errors: Sequence[str]) -> list[Result]:
        """Tell of records that Pendo's counts leave in doubt what they hold, and what Pendo said of those left."""
        properties = sorted({change.property for record in records for change in record.changes})
        found = await self.read(object_type, [record.record_id for record in records], properties)
        results: list[Result] = []
        unwritten: list[RecordChanges] = []
        for record in records:
            stored = found.get(record.record_id)
            if stored is None:
                results.append(_not_found(object_type, record))
            elif all(same_value(one.family, stored.values[one.property], one.after) for one in record.changes):
                results.append(Result(record.record_id, "confirmed", stored.updated_at))
            else:
                unwritten.append(record)
        # As many errors as records that are not written: each error is of one of these, whoever it names.
        theirs = "; ".join(errors[:_TEXTS_SHOWN]) if len(errors) == len(unwritten) else None
        for record in unwritten:
            text = _said_of(record.record_id, errors) or theirs
            results.append(
                Result(record.record_id, "rejected", None, REFUSED, text)
                if text is not None
                else Result(record.record_id, "unknown", None, None, "Pendo's counts do not account for this record")
            )
        return results

    async def read(self, object_type: str, record_ids: Sequence[str], properties: Sequence[str]) -> dict[str, Stored]:
        """Read the named fields of visitors or accounts; one that is gone is not in the answer.

        Pendo does not tell when a field was last written, so that the moment of the reading stands for it.
        """
        if not record_ids:
            return {}
        key = f"{object_type}Id"
        # Of visitors the excluded ones, too.
        source = {f"{object_type}s": {"blacklist": "ignore"} if object_type == "visitor" else None}
        response = await self.caller.send(
            "POST",
            "/api/v1/aggregation",
            json={
                "response": {"mimeType": "application/json"},
                "request": {
                    "pipeline": [
                        {"source": source},
                        {"filter": " || ".join(f"{key} == {orjson.dumps(item).decode()}" for item in record_ids)},
                        {"select": {key: key, **{name: f"metadata.{GROUP}.{name}" for name in properties}}},
                    ]
                },
            },
        )
        too_large = {httpx.codes.BAD_REQUEST, httpx.codes.REQUEST_TIMEOUT, httpx.codes.REQUEST_ENTITY_TOO_LARGE}
        if response.status_code in too_large and len(record_ids) > 1:
            # How long a filter may be is not documented.
            middle = len(record_ids) // 2
            first = await self.read(object_type, record_ids[:middle], properties)
            return first | await self.read(object_type, record_ids[middle:], properties)
        body = _expect(response)
        with understanding(response, "Pendo"):
            at = _moment_after(response)
            return {
                str(row[key]): Stored({name: _text(row.get(name)) for name in properties}, at)
                for row in body["results"]
            }

    async def definitions(self, object_type: str) -> dict[str, str]:
        """The type of every field in the group that we write, by lower-case name."""
        response = await self.caller.send("GET", f"/api/v1/metadata/schema/{object_type}")
        body = _expect(response)
        with understanding(response, "Pendo"):
            fields = body.get(GROUP) or {}
            return {
                str(name).lower(): str(field["Type"]) for name, field in fields.items() if not field.get("isDeleted")
            }

    async def create(self, activation: Activation, missing: Sequence[Property]) -> None:
        """Create the missing fields."""
        path = f"/api/v1/metadata/schema/{activation.object}/{GROUP}"
        fields = [{"name": item.name, "displayname": item.label, "type": _TYPES[item.type.family]} for item in missing]
        response = await self.caller.send("POST", path, json=fields)
        found = await self.definitions(activation.object)
        # A create whose answer was lost is repeated and may be refused; what counts is what is there.
        lacking = [item.name for item in missing if item.name.lower() not in found]
        if lacking:
            raise VendorError(
                f"Pendo does not create field {', '.join(lacking)} of {activation.object} "
                f"({response.status_code}): {_message(response)}"
            )

    async def probe(self, activation: Activation) -> list[Probe]:
        """Ask whether the key may read the object's fields, and which it lacks. Writes nothing.

        Whether it may write is only known once it does; the first batch of `apply` goes alone for that.
        """
        found = await self.definitions(activation.object)
        lacking = [item.name for item in activation.properties if item.name.lower() not in found]
        return [
            Probe(f"read fields of {activation.object}", f"allowed, {len(found)} in {GROUP}"),
            *(Probe(f"field {name} of {activation.object}", "missing", "run `backhaul provision`") for name in lacking),
        ]

    async def quota(self) -> Usage | None:
        """Check the key; Pendo does not count calls."""
        _expect(await self.caller.send("GET", "/api/v1/token/verify"))
        return None


CONNECTOR = Connector(
    name="pendo",
    title="Pendo",
    address="PENDO_BASE_URL",
    secrets=("PENDO_INTEGRATION_KEY",),
    account=("PENDO_BASE_URL", "PENDO_INTEGRATION_KEY"),
    calls=CALLS,
    seconds=SECONDS,
    records_per_call=RECORDS_PER_CALL,
    holds=HOLDS,
    # Pendo takes capitals, too, but nobody says whether it tells two spellings apart.
    legal_name=re.compile(r"[a-z_][a-z0-9_]{0,99}"),
    name_rule="a Pendo field is lower-case letters, digits and _, and does not start with a digit",
    connect=lambda http, settings, limit, day_share: Pendo.connect(
        http, settings["PENDO_INTEGRATION_KEY"], limit, day_share
    ),
)


def _sent(change: Change) -> object:
    """A value as JSON: a moment in milliseconds, as Pendo gives its own. What is no value of its family stays a text.

    Null clears.
    """
    text = change.after
    if not text:
        return None
    try:
        match change.family:
            case "number":
                number = float(text)
                return int(text) if re.fullmatch(r"-?\d+", text) else int(number) if number.is_integer() else number
            case "boolean":
                return {"true": True, "false": False}[text.lower()]
            case "datetime":
                return int(text) if re.fullmatch(r"-?\d+", text) else _milliseconds(text)
            case _:
                return text
    except (KeyError, ValueError, OverflowError):
        return text


def _milliseconds(text: str) -> int:
    moment = dt.datetime.fromisoformat(text)
    moment = moment.replace(tzinfo=dt.UTC) if moment.tzinfo is None else moment
    return (moment - dt.datetime.fromtimestamp(0, dt.UTC)) // dt.timedelta(milliseconds=1)


def _text(value: object) -> str | None:
    """A value as the text that is compared and journaled."""
    return value if value is None or isinstance(value, str) else orjson.dumps(value).decode()


def _unfit(object_type: str, record: RecordChanges, found: Mapping[str, str]) -> Result | None:
    """A refusal of our own for a record with a field that Pendo has not, or has of another type."""
    for change in record.changes:
        kind = found.get(change.property.lower())
        if kind is None:
            message = f"Pendo has no field {change.property} of {object_type} in {GROUP}"
            return Result(record.record_id, "rejected", None, UNKNOWN_FIELD, message, (change.property,))
        if kind != _TYPES.get(change.family):
            message = f"field {change.property} of {object_type} is a {kind}, and the value a {change.family}"
            return Result(record.record_id, "rejected", None, WRONG_TYPE, message, (change.property,))
    return None


def _not_found(object_type: str, record: RecordChanges) -> Result:
    return Result(record.record_id, "rejected", None, NOT_FOUND, f"Pendo has no {object_type} with this id")


def _said_of(record_id: str, errors: Sequence[str]) -> str | None:
    """The error whose free text names an id, and not just as a part of another; of several the one that begins so."""
    whole = re.compile(rf"(?<![\w.@+-]){re.escape(record_id)}(?![\w@+-]|\.\w)")
    found = [(match.start(), error) for error in errors if (match := whole.search(error))]
    return min(found)[1] if found else None


def _moment_after(response: httpx.Response) -> dt.datetime:
    """A moment, by Pendo's clock, that is surely not before what the call did: a `Date` header tells whole seconds.

    A landing that began later has what the call wrote; `stg_pendo__visitor_metadata` says when a landing began.
    """
    answered = email.utils.parsedate_to_datetime(response.headers["Date"]).astimezone(dt.UTC)
    return answered + dt.timedelta(seconds=1)


def _expect(response: httpx.Response) -> dict[str, Any]:
    if response.status_code != httpx.codes.OK:
        raise VendorError(
            f"Pendo answers {response.status_code} to {response.request.method} {response.request.url.path}: "
            f"{_message(response)}"
        )
    with understanding(response, "Pendo"):
        return dict(response.json())


def _message(response: httpx.Response) -> str:
    """What Pendo says of a refusal, in one line; gateways answer in HTML, or cut off."""
    try:
        said = response.json()["message"]
    except (LookupError, TypeError, ValueError):
        said = response.reason_phrase
    return " ".join(str(said).split())
