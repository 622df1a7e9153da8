"""HubSpot: records, property definitions, groups, owners and API usage, as they are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from itertools import chain
from typing import Any

import dlt
import pyarrow as pa
from dlt.extract import DltResource
from dlt.sources.helpers.requests import Response
from pyrate_limiter import Duration, Limiter, Rate

from loaders.calls import Answer, Vendor, header, retry_after, vendor_body
from loaders.landing import BIGINT, BOOLEAN, TEXT, TIMESTAMP, Column, Mode, Reads, Row, json_text, resource, tables
from loaders.values import LoadError, LoadSettings, Wanted

VERSION = "2026-09"
OBJECTS = ("contacts", "companies")
MODIFIED = {"contacts": "lastmodifieddate"}
MODIFIED_ELSEWHERE = "hs_lastmodifieddate"
MERGED_IDS = "hs_merged_object_ids"

LIST_PAGE = 100
SEARCH_PAGE = 200
OWNERS_PAGE = 500
# Longer lists of property names do not fit a URL (about 16,000 characters); they go in a body.
URL_NAMES_LENGTH = 12_000
# The search index lags behind the records by "a few moments", without a promise.
INDEX_LAG = timedelta(minutes=5)

CALLS_PER_TEN_SECONDS = 190
SEARCHES_PER_SECOND = 5

LOCKED = 423
MOVING = 477
TOO_MANY = 429
LOCK_SECONDS = 2.0
SERVER_ERROR = 500

RECORD_COLUMNS = (
    Column("id", TEXT, nullable=False),
    Column("created_at", TIMESTAMP, "createdAt"),
    Column("updated_at", TIMESTAMP, "updatedAt"),
    Column("archived", BOOLEAN),
    Column("archived_at", TIMESTAMP, "archivedAt"),
)
PROPERTY_COLUMNS = (
    Column("object", TEXT, nullable=False),
    Column("name", TEXT, nullable=False),
    Column("label", TEXT),
    Column("description", TEXT),
    Column("group_name", TEXT, "groupName"),
    Column("type", TEXT),
    Column("field_type", TEXT, "fieldType"),
    Column("calculated", BOOLEAN),
    Column("has_unique_value", BOOLEAN, "hasUniqueValue"),
    Column("read_only_value", BOOLEAN, "readOnlyValue"),
    Column("archived", BOOLEAN),
    Column("options", TEXT),
)
GROUP_COLUMNS = (
    Column("object", TEXT, nullable=False),
    Column("name", TEXT, nullable=False),
    Column("label", TEXT),
)
OWNER_COLUMNS = (
    Column("id", TEXT, nullable=False),
    Column("email", TEXT),
    Column("first_name", TEXT, "firstName"),
    Column("last_name", TEXT, "lastName"),
    Column("user_id", TEXT, "userId"),
    Column("archived", BOOLEAN),
)
USAGE_COLUMNS = (
    Column("name", TEXT, nullable=False),
    Column("usage_limit", BIGINT, "usageLimit"),
    Column("current_usage", BIGINT, "currentUsage"),
    Column("collected_at", TIMESTAMP, "collectedAt"),
    Column("resets_at", TIMESTAMP, "resetsAt"),
)


@dataclass(frozen=True, slots=True)
class Account:
    """A HubSpot account's API, within its rate limits."""

    vendor: Vendor
    calls: Limiter
    searches: Limiter

    def get(self, family: str, path: str, **params: object) -> Answer:
        """Read one page below an API family, such as `crm/objects`."""
        return self.vendor.get(f"/{family}/{VERSION}{path}", self.calls, **params)

    def pages(self, family: str, path: str, **params: object) -> Iterator[Answer]:
        """Read a list page by page."""
        after: str | None = None
        while True:
            # `paging.next.link` may still point to an older API version; only `after` is followed.
            answer = self.get(family, path, **params, **({"after": after} if after else {}))
            yield answer
            after = _next(answer)
            if after is None:
                return

    def listed(self, object_type: str, names: Sequence[str], *, archived: bool) -> Iterator[Answer]:
        """List every live or every archived record."""
        query: dict[str, Any] = {"limit": LIST_PAGE, "archived": str(archived).lower()}
        joined = ",".join(names)
        if len(joined) <= URL_NAMES_LENGTH:
            yield from self.pages("crm/objects", f"/{object_type}", **query, properties=joined)
            return
        for page in self.pages("crm/objects", f"/{object_type}", **query):
            yield self._filled(object_type, names, query["archived"], page)

    def changed(self, object_type: str, names: Sequence[str], start: datetime) -> Iterator[Answer]:
        """Search the live records modified since `start`.

        Each page is a query of its own that begins after the last record id: paging by offset
        skips records that change meanwhile, and ends at 10,000 rows.
        """
        modified = MODIFIED.get(object_type, MODIFIED_ELSEWHERE)
        millis = str(int(start.timestamp() * 1000))
        last_id, after = "0", None
        while True:
            filters = [
                {"propertyName": modified, "operator": "GTE", "value": millis},
                {"propertyName": "hs_object_id", "operator": "GT", "value": last_id},
            ]
            answer = self.vendor.post(
                f"/crm/objects/{VERSION}/{object_type}/search",
                {
                    "filterGroups": [{"filters": filters}],
                    "sorts": [{"propertyName": "hs_object_id", "direction": "ASCENDING"}],
                    "properties": list(names),
                    "limit": SEARCH_PAGE,
                }
                | ({"after": after} if after else {}),
                self.searches,
            )
            yield answer
            after = _next(answer)
            if after is None:
                return
            if results := answer.rows():
                # A page may be empty and not the last: records archived a moment ago still count.
                last_id, after = results[-1]["id"], None

    def _filled(self, object_type: str, names: Sequence[str], archived: str, page: Answer) -> Answer:
        inputs = [{"id": record["id"]} for record in page.rows()]
        if not inputs:
            return page
        filled = self.vendor.post(
            f"/crm/objects/{VERSION}/{object_type}/batch/read?archived={archived}",
            {"properties": list(names), "inputs": inputs},
            self.calls,
        )
        return replace(page, body=page.body | {"results": filled.rows()})


@dlt.source(name="hubspot", max_table_nesting=0)
def hubspot(settings: LoadSettings, wanted: Wanted) -> Iterable[DltResource]:
    """Make the resources of a HubSpot load; reads the property definitions at once.

    The definitions decide which properties can be asked for, and whether one is new, which takes a
    full read.
    """
    account = _account(settings)
    reads = Reads(f"HubSpot {account.get('account-info', '/details').value('portalId')}")
    objects = tuple(dict.fromkeys([*OBJECTS, *wanted.hubspot, *wanted.hubspot_activated]))
    definitions = {name: account.get("crm/properties", f"/{name}") for name in objects}
    for name, answer in definitions.items():
        models, activations = (of.get(name, ()) for of in (wanted.hubspot, wanted.hubspot_activated))
        yield _records(account, name, dict.fromkeys([*models, *activations]), answer, reads)
    yield _properties(definitions, reads)
    yield _groups(account, objects, reads)
    yield _owners(account, reads)
    yield _api_usage(account, reads)
    yield reads.resource()


def judge(response: Response) -> float | bool:
    """Say whether HubSpot's error may pass, and after how many seconds."""
    status = response.status_code
    body = vendor_body(response)
    body = body if isinstance(body, dict) else {}
    if status == 401:  # noqa: PLR2004
        raise LoadError("HubSpot refused the access token (401): check HUBSPOT_ACCESS_TOKEN")
    if status == 403:  # noqa: PLR2004
        raise LoadError(_refused(response, body))
    if status == MOVING:
        raise LoadError("HubSpot is moving this account to another data centre (477): load again later")
    if status == LOCKED:
        return LOCK_SECONDS
    if status != TOO_MANY:
        return status >= SERVER_ERROR
    limit = f"{body.get('policyName', '')} {body.get('message', '')}".lower()
    if "daily" in limit:
        raise LoadError(
            "HubSpot's daily limit of API calls is used up: load again after midnight in the account's time zone"
        )
    return retry_after(response) or (10.0 if "ten_secondly" in limit else 1.0)


def _refused(response: Response, body: Mapping[str, Any]) -> str:
    errors = body.get("errors") or [{}]
    scopes = (errors[0].get("context") or {}).get("requiredGranularScopes") or []
    path = response.request.path_url.split("?")[0]
    mend = f"grant the scope {' or '.join(scopes)}" if scopes else "check its scopes"
    return f"HubSpot refused {path} to this access token (403): {mend}"


def _account(settings: LoadSettings) -> Account:
    token = settings.hubspot_access_token
    authorise = header("Authorization", f"Bearer {token}")
    return Account(Vendor("HubSpot", settings.hubspot_base_url, authorise, judge, (token,)), *_limiters(token))


@cache
def _limiters(_token: str) -> tuple[Limiter, Limiter]:
    """Make an account's limiters, for all calls and for searches; every load of the process shares them."""
    calls = Rate(CALLS_PER_TEN_SECONDS, 10 * Duration.SECOND)
    return Limiter(calls), Limiter(Rate(SEARCHES_PER_SECOND, Duration.SECOND))


def _records(
    account: Account, object_type: str, wanted: Iterable[str], definitions: Answer, reads: Reads
) -> DltResource:
    """Read what changed since the last load, or everything, and which records are gone."""
    defined = {one["name"] for one in definitions.rows()}
    kinds = {name: "defined" if name in defined else "missing" for name in wanted}
    names = [name for name in dict.fromkeys([*kinds, MERGED_IDS]) if name in defined]
    columns = [*RECORD_COLUMNS, *(Column(name, TEXT) for name in kinds)]
    start = reads.start(object_type, definitions.at, kinds)
    mode: Mode = "full" if start is None else "incremental"

    def rows(archived: Iterable[Answer]) -> Iterator[Row]:
        since = None if start is None else start - INDEX_LAG
        # Archived first and landed last: a record restored in between turns up alive.
        gone = {
            one["id"]: _row(one)
            for page in archived
            for one in page.rows()
            if since is None or datetime.fromisoformat(one.get("archivedAt") or one["updatedAt"]) >= since
        }
        live = (
            account.listed(object_type, names, archived=False)
            if since is None
            else account.changed(object_type, names, since)
        )
        for page in live:
            for one in page.rows():
                gone.pop(one["id"], None)
                yield _row(one)
                for merged in (one["properties"].get(MERGED_IDS) or "").split(";"):
                    if merged and merged != one["id"]:
                        gone.setdefault(merged, {"id": merged, "archived": True})
        yield from gone.values()

    def read() -> Iterator[pa.Table]:
        archived = account.listed(object_type, names, archived=True)
        first = next(archived)
        yield from tables(rows(chain([first], archived)), columns, mode)
        reads.finish(object_type, first.at, mode, kinds)

    return resource(object_type, columns, read, mode)


def _row(record: Mapping[str, Any]) -> Row:
    return {**record["properties"], **record}


def _properties(definitions: Mapping[str, Answer], reads: Reads) -> DltResource:
    rows = [
        one
        | {
            "object": name,
            "readOnlyValue": one.get("modificationMetadata", {}).get("readOnlyValue", False),
            "options": json_text([option["value"] for option in one.get("options") or []]),
        }
        for name, answer in definitions.items()
        for one in answer.rows()
    ]

    def read() -> Iterator[pa.Table]:
        yield from tables(rows, PROPERTY_COLUMNS)
        reads.finish("properties", min(answer.at for answer in definitions.values()), "full")

    return resource("properties", PROPERTY_COLUMNS, read)


def _groups(account: Account, objects: Iterable[str], reads: Reads) -> DltResource:
    def read() -> Iterator[pa.Table]:
        answers = {name: account.get("crm/properties", f"/{name}/groups") for name in objects}
        yield from tables(
            (one | {"object": name} for name, page in answers.items() for one in page.rows()),
            GROUP_COLUMNS,
        )
        reads.finish("property_groups", min(page.at for page in answers.values()), "full")

    return resource("property_groups", GROUP_COLUMNS, read)


def _owners(account: Account, reads: Reads) -> DltResource:
    def read() -> Iterator[pa.Table]:
        pages = [
            page
            for archived in ("false", "true")
            for page in account.pages("crm/owners", "", limit=OWNERS_PAGE, archived=archived)
        ]
        yield from tables((one for page in pages for one in page.rows()), OWNER_COLUMNS)
        reads.finish("owners", pages[0].at, "full")

    return resource("owners", OWNER_COLUMNS, read)


def _api_usage(account: Account, reads: Reads) -> DltResource:
    def read() -> Iterator[pa.Table]:
        answer = account.get("account-info", "/api-usage/daily/private-apps")
        yield from tables(answer.rows(), USAGE_COLUMNS)
        reads.finish("api_usage", answer.at, "full")

    return resource("api_usage", USAGE_COLUMNS, read)


def _next(answer: Answer) -> str | None:
    paging = answer.body.get("paging") or {}
    after = (paging.get("next") or {}).get("after")
    return None if after is None else str(after)
