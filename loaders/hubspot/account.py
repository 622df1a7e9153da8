"""HubSpot's API as a load uses it: pages, searches and batches, within the account's rate limits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from itertools import islice
from typing import Any, TypeVar

import orjson
from dlt.sources.helpers.requests import Response
from pyrate_limiter import Duration, Limiter, Rate

from loaders.calls import Answer, Vendor, following, header, retry_after, vendor_body
from loaders.values import Forbidden, LoadError, LoadSettings

VERSION = "2026-09"
MODIFIED = {"contacts": "lastmodifieddate"}
MODIFIED_ELSEWHERE = "hs_lastmodifieddate"

LIST_PAGE = 100
SEARCH_PAGE = 200
READ_BATCH = 100
# Longer lists of property names do not fit a URL (about 16,000 characters); they go in a body.
URL_NAMES_LENGTH = 12_000
SEARCH_BODY_LENGTH = 3_000
LAST_ID = 2**53

CALLS_PER_TEN_SECONDS = 190
ASSOCIATION_CALLS_PER_TEN_SECONDS = 150
SEARCHES_PER_SECOND = 5

LOCKED = 423
MOVING = 477
TOO_MANY = 429
LOCK_SECONDS = 2.0
SERVER_ERROR = 500

Record = dict[str, Any]
Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Limiters:
    """What holds an account's calls back; every load of the process shares them."""

    calls: Limiter | None
    associations: Limiter | None
    searches: Limiter | None


@dataclass(frozen=True, slots=True)
class Account:
    """A HubSpot account's API, within its rate limits."""

    vendor: Vendor
    limiters: Limiters

    def get(self, family: str, path: str, **params: object) -> Answer:
        """Read one page below an API family, such as `crm/objects`."""
        return self.vendor.get(f"/{family}/{VERSION}{path}", self.limiters.calls, **params)

    def post(self, family: str, path: str, body: object) -> Answer:
        """Read what a body asks for below an API family."""
        limiter = self.limiters.calls
        if family == "crm/associations":
            # These count among all calls, too.
            if limiter:
                limiter.try_acquire(self.vendor.name)
            limiter = self.limiters.associations
        return self.vendor.post(f"/{family}/{VERSION}{path}", body, limiter)

    def pages(self, family: str, path: str, place: str | None = None, **params: object) -> Iterator[Answer]:
        """Read a list page by page, from its beginning or from a place on."""
        first = request = self.vendor.prepared("GET", f"/{family}/{VERSION}{path}", params=params)
        if place is not None:
            request = following(first, "after", place)
        while True:
            answer = self.vendor.send(request, self.limiters.calls)
            yield answer
            # `paging.next.link` may still point to an older API version; only `after` is followed.
            after = next_page(answer.body)
            if after is None:
                return
            request = following(first, "after", after)

    def listed(
        self, object_type: str, names: Sequence[str], *, archived: bool, place: str | None = None
    ) -> Iterator[Answer]:
        """List every live or every archived record, from the first or from a place on."""
        query: dict[str, Any] = {"limit": LIST_PAGE, "archived": str(archived).lower()}
        joined = ",".join(names)
        if len(joined) <= URL_NAMES_LENGTH:
            # The names are letters, digits and underscores, which need no quoting, and the commas neither.
            yield from self.pages("crm/objects", f"/{object_type}?properties={joined}", place, **query)
            return
        for page in self.pages("crm/objects", f"/{object_type}", place, **query):
            yield self._filled(object_type, names, page, archived=archived)

    def changed(self, object_type: str, names: Sequence[str], start: datetime, after_id: int = 0) -> Iterator[Answer]:
        """Search the live records modified since `start`, in the order of their ids, from behind one on."""
        modified = MODIFIED.get(object_type, MODIFIED_ELSEWHERE)
        recent = {"propertyName": modified, "operator": "GTE", "value": str(millis(start))}
        yield from self.found(object_type, names, [recent], after_id)

    def found(
        self, object_type: str, names: Sequence[str], filters: Sequence[Mapping[str, str]], after_id: int = 0
    ) -> Iterator[Answer]:
        """Search live records, in the order of their ids.

        Each page is a query of its own that begins after the last record id: paging by offset
        skips records that change meanwhile, and ends at 10,000 rows.
        """
        last_id, after = str(after_id), None
        while True:
            beyond = {"propertyName": "hs_object_id", "operator": "GT", "value": last_id}
            body = {
                "filterGroups": [{"filters": [*filters, beyond]}],
                "sorts": [{"propertyName": "hs_object_id", "direction": "ASCENDING"}],
                "properties": list(names),
                "limit": SEARCH_PAGE,
            } | ({"after": after} if after else {})
            answer = self._search(object_type, names, body)
            yield answer
            after = next_page(answer.body)
            if after is None:
                return
            if results := answer.rows():
                # A page may be empty and not the last: records archived a moment ago still count.
                last_id, after = results[-1]["id"], None

    def count(self, object_type: str, first: int = 0, last: int = LAST_ID) -> int:
        """Count the live records whose ids lie between two, both included."""
        filters = [{"propertyName": "hs_object_id", "operator": "BETWEEN", "value": f"{first}", "highValue": f"{last}"}]
        body = {"filterGroups": [{"filters": filters}], "properties": ["hs_object_id"], "limit": 1}
        return int(self._search(object_type, (), body).value("total"))

    def read(self, object_type: str, names: Sequence[str], ids: Iterable[int]) -> Iterator[Answer]:
        """Read live records by id; those that are not there are left out."""
        for some in batches(ids, READ_BATCH):
            inputs = [{"id": str(one)} for one in some]
            yield self.post("crm/objects", f"/{object_type}/batch/read", {"properties": [*names], "inputs": inputs})

    def _search(self, object_type: str, names: Sequence[str], body: Mapping[str, object]) -> Answer:
        path = f"/crm/objects/{VERSION}/{object_type}/search"
        if len(orjson.dumps(body)) <= SEARCH_BODY_LENGTH:
            return self.vendor.post(path, body, self.limiters.searches)
        answer = self.vendor.post(path, {**body, "properties": []}, self.limiters.searches)
        return self._filled(object_type, names, answer, archived=False)

    def _filled(self, object_type: str, names: Sequence[str], page: Answer, *, archived: bool) -> Answer:
        """Give a page's records the properties that could not be asked for with it."""
        path = f"/{object_type}/batch/read?archived={str(archived).lower()}"
        filled: list[Record] = []
        for some in batches(page.rows(), READ_BATCH):
            inputs = [{"id": record["id"]} for record in some]
            filled += self.post("crm/objects", path, {"properties": list(names), "inputs": inputs}).rows()
        # A batch comes in no order, and paging goes by the last id.
        filled.sort(key=lambda record: int(record["id"]))
        return replace(page, body=page.body | {"results": filled})


def batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Cut a stream into lists of at most `size`."""
    stream = iter(items)
    while some := list(islice(stream, size)):
        yield some


def millis(moment: datetime) -> int:
    """Give a moment as HubSpot's filters want it: in milliseconds since 1970."""
    return int(moment.timestamp() * 1000)


def next_page(body: Mapping[str, Any]) -> str | None:
    """Find where the next page begins; None after the last."""
    after = ((body.get("paging") or {}).get("next") or {}).get("after")
    return None if after is None else str(after)


def account_of(settings: LoadSettings) -> Account:
    """Reach the account that the settings name."""
    token = settings.hubspot_access_token
    window = settings.hubspot_window
    authorise = header("Authorization", f"Bearer {token}")
    vendor = Vendor("HubSpot", settings.hubspot_base_url, authorise, judge, (token,), window)
    if settings.unpaced:
        return Account(vendor, Limiters(None, None, None))
    # A window that is shared counts every call, and searches, too, which HubSpot counts apart.
    return Account(vendor, replace(_limiters(token), calls=None) if window else _limiters(token))


@cache
def _limiters(_token: str) -> Limiters:
    calls = Rate(CALLS_PER_TEN_SECONDS, 10 * Duration.SECOND)
    associations = Rate(ASSOCIATION_CALLS_PER_TEN_SECONDS, 10 * Duration.SECOND)
    return Limiters(Limiter(calls), Limiter(associations), Limiter(Rate(SEARCHES_PER_SECOND, Duration.SECOND)))


def judge(response: Response) -> float | bool:
    """Say whether HubSpot's error may pass, and after how many seconds."""
    status = response.status_code
    body = vendor_body(response)
    body = body if isinstance(body, dict) else {}
    if status == 401:  # noqa: PLR2004
        raise LoadError("HubSpot refused the access token (401): check HUBSPOT_ACCESS_TOKEN")
    if status == 403:  # noqa: PLR2004
        raise Forbidden(_refused(response, body))
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
