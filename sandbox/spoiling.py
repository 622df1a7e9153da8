"""Making some rows of a batch fail: rows are spoilt on their way in, and the vendor itself says what follows.

So HubSpot's own rules decide whether a batch is partly done (207) or refused. In Salesforce's answer
the spoilt rows get the code and the message that were asked for.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any
from urllib.parse import parse_qs, urlencode

import orjson

SPOILT = "spoilt_by_a_fault"
_HUBSPOT_BATCH = re.compile(r"/objects/.*/batch/(create|update|upsert|read)/?$")
_SALESFORCE_COLLECTION = re.compile(r"/composite/sobjects(/[^/]+/[^/]+)?/?$")
Body = dict[str, Any]


def is_batch(vendor: str, path: str) -> bool:
    """Tell whether a request carries rows that can fail one by one."""
    return (_HUBSPOT_BATCH if vendor == "hubspot" else _SALESFORCE_COLLECTION).search(path) is not None


def rows_of(body: bytes, name: str) -> tuple[Body, list[Body]]:
    """Parse a batch and its rows; none if it is not one."""
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}, []
    rows = parsed.get(name) if isinstance(parsed, dict) else None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        return {}, []
    return parsed, rows


def ids_of(query: bytes) -> list[str]:
    """Read the ids that a collection is to delete."""
    return ",".join(parse_qs(query.decode("latin-1")).get("ids", [])).split(",")


def spoil_inputs(path: str, body: Body, rows: list[Body], chosen: Collection[int]) -> tuple[bytes, Mapping[str, str]]:
    """Spoil inputs of a HubSpot batch; gives the ids that were put in for others, by these others' names.

    A record that exists already becomes one that is not there; a value of a new one, one that is refused.
    """
    by_id = path.rstrip("/").endswith(("update", "read"))
    stand_ins: dict[str, str] = {}
    for at in chosen:
        if by_id:
            stand_in = f"{10**13 + at}"  # an id that nobody has
            stand_ins[stand_in] = str(rows[at].get("id"))
            rows[at]["id"] = stand_in
        else:
            rows[at]["properties"] = {**rows[at].get("properties", {}), SPOILT: ""}
    return orjson.dumps(body), stand_ins


def restore_ids(body: bytes, stand_ins: Mapping[str, str]) -> bytes:
    """Let HubSpot's errors name the ids that were asked for."""
    parsed = orjson.loads(body)
    for error in parsed.get("errors", []):
        ids = error.get("context", {}).get("ids")
        if ids is not None:
            error["context"]["ids"] = [stand_ins.get(one, one) for one in ids]
    return orjson.dumps(parsed)


def spoil_records(body: Body, rows: list[Body], chosen: Collection[int]) -> bytes:
    """Give rows of a Salesforce collection a field that no object has."""
    for at in chosen:
        rows[at][f"{SPOILT}__c"] = True
    return orjson.dumps(body)


def spoil_ids(query: bytes, chosen: Collection[int]) -> bytes:
    """Put ids that nobody has in place of ones that a collection is to delete."""
    given = parse_qs(query.decode("latin-1"))
    ids = [one[:3] + "z" * 12 if at in chosen else one for at, one in enumerate(ids_of(query))]
    return urlencode({**given, "ids": ",".join(ids)}, doseq=True).encode()


def blame(body: bytes, ids: list[str], chosen: Collection[int], code: str, message: str) -> bytes:
    """Let the spoilt rows of Salesforce's answer say why they failed; `{id}` in the message is the row's."""
    results = orjson.loads(body)
    for at in chosen:
        error = {"statusCode": code, "message": message.replace("{id}", ids[at]), "fields": []}
        results[at] = {"success": False, "errors": [error]}
    return orjson.dumps(results)
