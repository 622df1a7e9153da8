"""Salesforce's addresses: login, describe, query, records, collections, Tooling."""

from __future__ import annotations

import base64
import binascii
import re
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from functools import partial
from itertools import groupby
from urllib.parse import parse_qs

import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from .customfields import create_custom_field, delete_custom_field
from .describe import describe, describe_org, outline
from .errors import Problem, Refused, Unreadable, not_found, refused
from .ids import full_id, make_id
from .org import INTEGRATION_ID, ORG_ID, View
from .queries import Answer, leaf, run
from .schema import Entity, Field, Row
from .session import (
    NEWEST,
    OLDEST,
    SessionMiddleware,
    Sessions,
    json_response,
    refusal_response,
)
from .soql import parse
from .store import SalesforceStore, record
from .values import read_time, write_time
from .writes import Writer, create, delete, external_id, live_row, matches, update

MOST_ROWS = 200  # records of a collection
MOST_RETRIEVED = 2_000
SPRING_26 = 66  # its API version; three releases a year
MOST_RUNS = 10  # runs of one type in a collection
PAGE = 2_000
SMALLEST_PAGE = 200
LOCATOR_LIFE = timedelta(days=2)
_BATCH_SIZE = re.compile(r"batchSize\s*=\s*(\d+)", re.IGNORECASE)
_LIMITS = {
    "ConcurrentAsyncGetReportInstances": 200,
    "DailyAsyncApexExecutions": 250_000,
    "DailyBulkApiBatches": 15_000,
    "DailyBulkV2QueryFileStorageMB": 976_562,
    "DailyBulkV2QueryJobs": 10_000,
    "DataStorageMB": 10_240,
    "FileStorageMB": 10_240,
    "HourlyAsyncReportRuns": 1_200,
    "MassEmail": 5_000,
    "SingleEmail": 5_000,
}

Endpoint = Callable[[Request], Awaitable[Response]]
Result = dict[str, object]


@dataclass(frozen=True, slots=True)
class _Cursor:
    """The rest of a query's answer, kept for the pages to come."""

    answer: Answer
    page: int
    opened: datetime


def salesforce_app(store: SalesforceStore, client_id: str, client_secret: str, base_url: str) -> Starlette:
    """Make the server of an org whose My Domain is `base_url`."""
    api = _Api(store, client_id, client_secret, base_url.rstrip("/"))
    return Starlette(
        routes=api.routes(),
        middleware=[Middleware(SessionMiddleware, sessions=api.sessions)],
        exception_handlers={Refused: _answer_refusal, HTTPException: _answer_http_error},
    )


async def _answer_refusal(_request: Request, error: Exception) -> Response:
    return refusal_response(error) if isinstance(error, Refused) else json_response([], 500)


async def _answer_http_error(request: Request, error: Exception) -> Response:
    if isinstance(error, HTTPException) and error.status_code == 405:  # noqa: PLR2004
        allowed = (error.headers or {}).get("Allow", "")
        message = f"HTTP Method '{request.method}' not allowed. Allowed are {allowed}"
        return refusal_response(refused("METHOD_NOT_ALLOWED", message, status=405))
    return refusal_response(not_found())


class _Api:
    """The endpoints of one org."""

    def __init__(self, store: SalesforceStore, client_id: str, client_secret: str, base_url: str) -> None:
        self.store = store
        self.org = store.org
        self.sessions = Sessions(store)
        self._client = (client_id, client_secret)
        self._base_url = base_url
        self._cursors: dict[str, _Cursor] = {}

    def routes(self) -> list[Route]:
        data, tooling = "/services/data/{version}", "/services/data/{version}/tooling"
        sobject = f"{data}/sobjects/{{object}}"
        collections = f"{data}/composite/sobjects"
        listed: list[tuple[str, str, Endpoint]] = [
            ("POST", "/services/oauth2/token", self.token),
            ("GET", "/services/oauth2/userinfo", self.identity),
            ("GET", "/id/{org}/{user}", self.identity),
            ("GET", "/services/data", self.versions),
            ("GET", data, self.resources),
            ("GET", f"{data}/limits", self.limits),
            ("GET", f"{data}/limits/recordCount", self.record_count),
            ("GET", f"{data}/query", self.query),
            ("GET", f"{data}/queryAll", self.query),
            ("GET", f"{data}/query/{{locator}}", self.query_more),
            ("GET", f"{data}/queryAll/{{locator}}", self.query_more),
            ("GET", f"{data}/sobjects", self.global_describe),
            ("GET", sobject, self.outline),
            ("POST", sobject, self.create),
            ("GET", f"{sobject}/describe", self.describe),
            ("GET", f"{sobject}/updated", self.updated),
            ("GET", f"{sobject}/deleted", self.deleted),
            ("POST", f"{sobject}/Id", self.create),
            ("GET", f"{sobject}/{{id}}", self.read),
            ("PATCH", f"{sobject}/{{id}}", self.update),
            ("DELETE", f"{sobject}/{{id}}", self.delete),
            ("GET", f"{sobject}/{{field}}/{{value:path}}", self.read_by_external_id),
            ("PATCH", f"{sobject}/{{field}}/{{value:path}}", self.upsert),
            ("POST", collections, self.create_many),
            ("PATCH", collections, self.update_many),
            ("DELETE", collections, self.delete_many),
            ("GET", f"{collections}/{{object}}", self.retrieve_many),
            ("POST", f"{collections}/{{object}}", self.retrieve_many),
            ("PATCH", f"{collections}/{{object}}/{{field}}", self.upsert_many),
            ("GET", f"{tooling}/query", self.tooling_query),
            ("POST", f"{tooling}/sobjects/CustomField", self.create_custom_field),
            ("GET", f"{tooling}/sobjects/CustomField/{{id}}", self.read_custom_field),
            ("DELETE", f"{tooling}/sobjects/CustomField/{{id}}", self.delete_custom_field),
        ]
        # One route an address, so that a wrong method is told which ones are right.
        addresses: dict[str, dict[str, Endpoint]] = {}
        for method, address, endpoint in listed:
            addresses.setdefault(address, {})[method] = endpoint
        return [
            Route(address, _by_method(endpoints), methods=list(endpoints)) for address, endpoints in addresses.items()
        ]

    # login

    async def token(self, request: Request) -> Response:
        form = {key: values[0] for key, values in parse_qs((await request.body()).decode()).items()}
        client_id, client_secret = form.get("client_id", ""), form.get("client_secret", "")
        scheme, _, basic = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "basic":
            try:
                client_id, _, client_secret = base64.b64decode(basic).decode().partition(":")
            except (binascii.Error, UnicodeDecodeError):
                return _oauth_error("invalid_client", "invalid client credentials")
        grant = form.get("grant_type")
        if grant == "password":  # blocked by default in orgs made since 2023
            return _oauth_error("invalid_grant", "authentication failure")
        if grant != "client_credentials":
            return _oauth_error("unsupported_grant_type", "grant type not supported")
        if not secrets.compare_digest(client_id.encode(), self._client[0].encode()):
            return _oauth_error("invalid_client_id", "client identifier invalid")
        if not secrets.compare_digest(client_secret.encode(), self._client[1].encode()):
            return _oauth_error("invalid_client", "invalid client credentials")
        issued = int(self.org.clock.now().timestamp() * 1000)
        return json_response(
            {
                "access_token": self.sessions.open(INTEGRATION_ID),
                "signature": base64.b64encode(secrets.token_bytes(32)).decode(),
                "scope": "api",
                "instance_url": self._base_url,
                "id": f"{self._base_url}/id/{ORG_ID}/{INTEGRATION_ID}",
                "token_type": "Bearer",
                "issued_at": str(issued),
            }
        )

    async def identity(self, request: Request) -> Response:
        user_id = full_id(request.path_params.get("user", self._user(request)))
        user = self.org.find(user_id)
        if user is None or user_id != self._user(request):
            return json_response({"error": "invalid_id"}, 403)
        return json_response(
            {
                "id": f"{self._base_url}/id/{ORG_ID}/{user_id}",
                "asserted_user": True,
                "user_id": user_id,
                "organization_id": ORG_ID,
                "username": user.get("Username"),
                "display_name": user.get("Name"),
                "email": user.get("Email"),
                "email_verified": True,
                "first_name": user.get("FirstName"),
                "last_name": user.get("LastName"),
                "timezone": user.get("TimeZoneSidKey"),
                "user_type": "STANDARD",
                "active": user.get("IsActive"),
                "urls": {
                    "rest": f"{self._base_url}/services/data/v{{version}}/",
                    "sobjects": f"{self._base_url}/services/data/v{{version}}/sobjects/",
                    "query": f"{self._base_url}/services/data/v{{version}}/query/",
                },
            }
        )

    # the org

    async def versions(self, _request: Request) -> Response:
        seasons = ("Spring", "Summer", "Winter")  # a winter release counts as the next year's
        listed = []
        for version in range(OLDEST, NEWEST + 1):
            year = 26 + (version - SPRING_26) // 3 + (version % 3 == 2)  # noqa: PLR2004
            listed.append(
                {
                    "label": f"{seasons[version % 3]} '{year}",
                    "url": f"/services/data/v{version}.0",
                    "version": f"{version}.0",
                }
            )
        return json_response(listed)

    async def resources(self, request: Request) -> Response:
        prefix = _prefix(request)
        names = ("composite", "limits", "query", "queryAll", "sobjects", "tooling")
        return json_response({name: f"{prefix}/{name}" for name in names})

    async def limits(self, _request: Request) -> Response:
        quota = self.store.daily_requests
        daily = {"Max": quota, "Remaining": quota - self.sessions.used()}
        others = {name: {"Max": most, "Remaining": most} for name, most in _LIMITS.items()}
        return json_response(dict(sorted({"DailyApiRequests": daily, **others}.items())))

    async def record_count(self, request: Request) -> Response:
        view = self._view(request)
        names = request.query_params.get("sObjects")
        asked = [view.entity(name.strip()) for name in names.split(",")] if names else self.org.schema.entities()
        counts = [
            {"count": sum(1 for _ in view.rows(entity)), "name": entity.name}
            for entity in asked
            if entity is not None and not entity.tooling
        ]
        return json_response({"sObjects": [one for one in counts if one["count"]]})

    async def global_describe(self, request: Request) -> Response:
        return json_response(describe_org(self._view(request)))

    async def outline(self, request: Request) -> Response:
        view, entity = self._addressed(request)
        return json_response(outline(view, entity))

    async def describe(self, request: Request) -> Response:
        view, entity = self._addressed(request)
        changed = self.org.changed.replace(microsecond=0)
        since = _http_date(request.headers.get("if-modified-since"))
        headers = {"Last-Modified": format_datetime(changed, usegmt=True)}
        if since is not None and changed <= since:
            return Response(status_code=304, headers=headers)
        return json_response(describe(view, entity), headers=headers)

    # queries

    async def query(self, request: Request) -> Response:
        view = self._view(request, deleted=request.url.path.rstrip("/").endswith("queryAll"))
        answer = run(parse(_required(request, "q")), view)
        size = _BATCH_SIZE.search(request.headers.get("sforce-query-options", ""))
        page = min(max(int(size[1]), SMALLEST_PAGE), PAGE) if size else PAGE
        return self._page(request, _Cursor(answer, page, self.org.clock.now()), 0, None)

    async def query_more(self, request: Request) -> Response:
        locator, _, start = request.path_params["locator"].partition("-")
        cursor = self._cursors.get(locator)
        if (
            cursor is None
            or not start.isdigit()
            or int(start) >= cursor.answer.total
            or self.org.clock.now() - cursor.opened >= LOCATOR_LIFE
        ):
            raise refused("INVALID_QUERY_LOCATOR", "invalid query locator")
        return self._page(request, cursor, int(start), locator)

    def _page(self, request: Request, cursor: _Cursor, start: int, locator: str | None) -> Response:
        answer, end = cursor.answer, start + cursor.page
        body: Result = {"totalSize": answer.total, "done": end >= len(answer.rows)}
        if not body["done"]:
            if locator is None:
                locator = make_id("0r8", len(self._cursors) + 1)
                self._cursors[locator] = cursor
            resource = "queryAll" if "/queryAll" in request.url.path else "query"
            body["nextRecordsUrl"] = f"{_prefix(request)}/{resource}/{locator}-{end}"
        body["records"] = [answer.render(row) for row in answer.rows[start:end]]
        return json_response(body)

    # one record

    async def create(self, request: Request) -> Response:
        _, entity = self._addressed(request)
        record_id = create(self._writer(request), entity, await _object(request))
        return json_response({"id": record_id, "success": True, "errors": []}, 201)

    async def read(self, request: Request) -> Response:
        view, entity = self._addressed(request)
        return json_response(self._read(request, view, entity, request.path_params["id"]))

    async def update(self, request: Request) -> Response:
        _, entity = self._addressed(request)
        record_id, payload = request.path_params["id"], await _object(request)
        if any(name.lower() == "id" for name in payload):
            raise refused("INVALID_FIELD", "The Id field should not be specified in the sobject data.")
        row = live_row(self.org, entity, record_id)
        unmodified_since = _http_date(request.headers.get("if-unmodified-since"))
        modified = read_time(str(row.get("LastModifiedDate")))
        if unmodified_since and modified and modified > unmodified_since:
            return Response(status_code=412)
        update(self._writer(request), entity, record_id, payload)
        return Response(status_code=204)

    async def delete(self, request: Request) -> Response:
        _, entity = self._addressed(request)
        delete(self._writer(request), entity, request.path_params["id"])
        return Response(status_code=204)

    async def read_by_external_id(self, request: Request) -> Response:
        view, entity = self._addressed(request)
        found = self._matching(request, entity)
        if not found:
            raise not_found()
        if len(found) > 1:
            return _several(view, entity, found)
        return json_response(self._read(request, view, entity, found[0]))

    async def upsert(self, request: Request) -> Response:
        view, entity = self._addressed(request)
        field = external_id(self.org, self._user(request), entity, request.path_params["field"])
        payload = await _object(request)
        if any(name.lower() in ("id", field.name.lower()) for name in payload):
            raise refused(
                "INVALID_FIELD",
                f"The {field.name} field should not be specified in the sobject data.",
            )
        found = self._matching(request, entity)
        if len(found) > 1:
            return _several(view, entity, found)
        writer = self._writer(request)
        if found:
            update(writer, entity, found[0], payload)
            return json_response({"id": found[0], "success": True, "errors": [], "created": False})
        if field.type == "id" or request.query_params.get("updateOnly", "").lower() == "true":
            raise not_found()
        record_id = create(writer, entity, {**payload, field.name: request.path_params["value"]})
        return json_response({"id": record_id, "success": True, "errors": [], "created": True}, 201)

    def _matching(self, request: Request, entity: Entity) -> list[str]:
        field = external_id(self.org, self._user(request), entity, request.path_params["field"])
        value = request.path_params["value"]
        if field.type == "id":
            value = full_id(value) or value
        return matches(self.org, entity, field, [value])[value]

    def _read(self, request: Request, view: View, entity: Entity, record_id: str) -> Result:
        try:
            row = live_row(self.org, entity, record_id)
        except Refused as refusal:
            if refusal.status == 404:  # noqa: PLR2004 - a read does not tell deleted from unknown
                raise not_found() from None
            raise
        asked = request.query_params.get("fields")
        return (
            record(view, entity, row)
            if asked is None
            else _project(view, entity, [name.strip() for name in asked.split(",")])(row)
        )

    async def updated(self, request: Request) -> Response:
        view, entity = self._addressed(request)
        start, end = self._period(request, entity, days=30)
        ids = [row["Id"] for row in view.rows(entity) if start <= str(row.get("SystemModstamp", "")) < end]
        return json_response({"ids": ids, "latestDateCovered": end})

    async def deleted(self, request: Request) -> Response:
        _, entity = self._addressed(request)
        start, end = self._period(request, entity, days=15)
        gone = [
            {"deletedDate": row["SystemModstamp"], "id": row["Id"]}
            for row in self.org.rows(entity)
            if row.get("IsDeleted") and start <= str(row["SystemModstamp"]) < end
        ]
        earliest = write_time(self.org.clock.now() - timedelta(days=15))
        return json_response({"deletedRecords": gone, "earliestDateAvailable": earliest, "latestDateCovered": end})

    def _period(self, request: Request, entity: Entity, *, days: int) -> tuple[str, str]:
        """Read `start` and `end`, cut to the minute as the replication API does."""
        if entity.setup:
            raise refused("INVALID_TYPE_FOR_OPERATION", f"{entity.name} is not replicateable")
        moments = []
        for name in ("start", "end"):
            # A + that was not encoded arrives as a blank.
            moment = read_time(_required(request, name).replace(" ", "+"))
            if moment is None:
                raise refused("INVALID_REPLICATION_DATE", f"{name} is not a date with an offset")
            moments.append(moment.replace(second=0, microsecond=0))
        start, end = moments
        if start >= end:
            raise refused("INVALID_REPLICATION_DATE", "endDate must be at least one minute after startDate")
        if start < self.org.clock.now() - timedelta(days=days):
            raise refused("INVALID_REPLICATION_DATE", f"startDate cannot be more than {days} days ago")
        now = self.org.clock.now().replace(second=0, microsecond=0)
        return write_time(start), write_time(min(end, now))

    # collections

    async def create_many(self, request: Request) -> Response:
        body, rows = await self._rows(request)
        writer = self._writer(request)

        def write(row: Mapping[str, object]) -> Result:
            return {"id": create(writer, self._row_entity(request, row), row), **_SUCCESS}

        return self._answer_rows(body, [partial(write, row) for row in rows])

    async def update_many(self, request: Request) -> Response:
        body, rows = await self._rows(request)
        writer = self._writer(request)
        repeated = _repeated([_row_id(row) for row in rows])

        def write(row: Mapping[str, object]) -> Result:
            entity, asked = self._row_entity(request, row), _row_id(row)
            if asked is None:
                raise refused("MISSING_ARGUMENT", "Id not specified in an update call", ())
            if (full_id(asked) or asked) in repeated:
                raise refused("DUPLICATE_VALUE", f"Duplicate id specified: {asked}", ())
            found = live_row(self.org, entity, asked)
            fields = {name: value for name, value in row.items() if name.lower() != "id"}
            update(writer, entity, asked, fields)
            return {"id": found["Id"], **_SUCCESS}

        return self._answer_rows(body, [partial(write, row) for row in rows])

    async def upsert_many(self, request: Request) -> Response:
        body, rows = await self._rows(request)
        writer = self._writer(request)
        _, entity = self._addressed(request)
        field = external_id(self.org, self._user(request), entity, request.path_params["field"])
        keys = [_row_value(row, field.name) for row in rows]
        if field.type == "id":
            keys = [None if key is None else full_id(key) or key for key in keys]
        found = matches(self.org, entity, field, [key for key in keys if key is not None])
        repeated = _repeated([None if key is None else key.lower() for key in keys])

        def write(row: Mapping[str, object], key: str | None) -> Result:
            if self._row_entity(request, row) is not entity:
                raise refused("INVALID_TYPE", "All records must be of the type in the address", ())
            if key is not None and key.lower() in repeated:
                raise refused("DUPLICATE_VALUE", f"Duplicate external id specified: {key}", (field.name,))
            if key is None and field.type != "id":
                raise refused("MISSING_ARGUMENT", f"{field.name} not specified", (field.name,))
            ids = [] if key is None else found[key]
            if len(ids) > 1:
                raise refused(
                    "DUPLICATE_EXTERNAL_ID",
                    f"{field.name}: more than one record found for external id field: {ids}",
                    (field.name,),
                )
            fields = {name: value for name, value in row.items() if name.lower() != "id"}
            if ids:
                update(writer, entity, ids[0], fields)
                return {"id": ids[0], **_SUCCESS, "created": False}
            if key is not None and field.type == "id":
                raise refused("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", ())
            return {"id": create(writer, entity, fields), **_SUCCESS, "created": True}

        calls = [partial(write, row, key) for row, key in zip(rows, keys, strict=True)]
        return self._answer_rows(body, calls)

    async def delete_many(self, request: Request) -> Response:
        ids = [one.strip() for one in _required(request, "ids").split(",")]
        _check_size(ids)
        writer = self._writer(request)

        def write(asked: str) -> Result:
            entity = self.org.schema.entity_of(asked)
            if entity is None or full_id(asked) is None:
                raise refused("MALFORMED_ID", f"malformed id {asked}", ())
            found = live_row(self.org, entity, asked)
            delete(writer, entity, asked)
            return {"id": found["Id"], **_SUCCESS}

        all_or_none = request.query_params.get("allOrNone", "false").lower() == "true"
        return self._answer_rows({"allOrNone": all_or_none}, [partial(write, one) for one in ids])

    async def retrieve_many(self, request: Request) -> Response:
        view, entity = self._addressed(request)
        if request.method == "POST":
            body = await _object(request)
            ids, fields = body.get("ids"), body.get("fields")
            if not isinstance(ids, list) or not isinstance(fields, list):
                raise refused("JSON_PARSER_ERROR", "ids and fields must be lists")
        else:
            ids = _required(request, "ids").split(",")
            fields = _required(request, "fields").split(",")
        if len(ids) > MOST_RETRIEVED:
            raise refused("EXCEEDED_ID_LIMIT", f"cannot retrieve more than {MOST_RETRIEVED} records")
        render = _project(view, entity, [str(name) for name in fields])
        records: list[Result | None] = []
        for asked in ids:
            found = full_id(str(asked))
            if found is None or not found.startswith(entity.prefix):
                raise refused("MALFORMED_ID", f"malformed id {asked}")
            row = self.org.row(entity, found)
            records.append(None if row is None or row.get("IsDeleted") else render(row))
        return json_response(records)

    async def _rows(self, request: Request) -> tuple[Mapping[str, object], list[Row]]:
        """Read the body of a collection request."""
        body = await _object(request)
        rows = body.get("records")
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise refused("JSON_PARSER_ERROR", "records must be a list of objects")
        _check_size(rows)
        runs = sum(1 for _ in groupby(rows, key=_row_type))
        if runs > MOST_RUNS:
            raise refused(
                "LIMIT_EXCEEDED",
                f"Cannot have more than {MOST_RUNS} chunks in a single operation. Please rearrange "
                "the data to reduce chunking.",
            )
        return body, rows

    def _row_entity(self, request: Request, row: Mapping[str, object]) -> Entity:
        name = _row_type(row)
        entity = self._view(request).entity(name)
        if entity is None:
            raise refused("INVALID_TYPE", f"sObject type '{name}' is not supported.", ())
        return entity

    def _answer_rows(self, body: Mapping[str, object], writes: Sequence[Callable[[], Result]]) -> Response:
        """Write rows in order and answer for each; with allOrNone, all or none are kept."""
        results: list[Result] = []
        failed: list[int] = []
        self.org.begin()
        try:
            for write in writes:
                try:
                    results.append(write())
                except Unreadable:
                    raise
                except Refused as refusal:
                    failed.append(len(results))
                    results.append(_failure(refusal))
        except Unreadable:
            self.org.roll_back()
            raise
        if failed and body.get("allOrNone") is True:
            self.org.roll_back()
            rolled_back = _failure(
                refused(
                    "ALL_OR_NONE_OPERATION_ROLLED_BACK",
                    "Record rolled back because not all records were valid and the request was using AllOrNone header",
                    (),
                )
            )
            results = [result if at in failed else rolled_back for at, result in enumerate(results)]
        else:
            self.org.commit()
        return json_response(results)

    # tooling

    async def tooling_query(self, request: Request) -> Response:
        answer = run(parse(_required(request, "q")), self._view(request, tooling=True))
        records = [answer.render(row) for row in answer.rows]
        if len(records) > 1 and any("Metadata" in one or "FullName" in one for one in records):
            raise refused(
                "MALFORMED_QUERY",
                "When retrieving results with Metadata or FullName fields, the query "
                "qualifications must specify no more than one row for retrieval.",
            )
        return json_response(
            {
                "size": len(records),
                "totalSize": answer.total,
                "done": True,
                "queryLocator": None,
                "entityTypeName": answer.entity.name,
                "records": records,
            }
        )

    async def create_custom_field(self, request: Request) -> Response:
        made = create_custom_field(self.org, self._user(request), await _object(request))
        return json_response({"id": made, "success": True, "errors": [], "warnings": [], "infos": []}, 201)

    async def read_custom_field(self, request: Request) -> Response:
        view = self._view(request, tooling=True)
        custom = view.need_entity("CustomField")
        return json_response(self._read(request, view, custom, request.path_params["id"]))

    async def delete_custom_field(self, request: Request) -> Response:
        custom = self._view(request, tooling=True).need_entity("CustomField")
        row = live_row(self.org, custom, request.path_params["id"])
        delete_custom_field(self.org, custom, str(row["Id"]))
        return Response(status_code=204)

    # who asks for what

    def _user(self, request: Request) -> str:
        return str(request.state.user_id)

    def _view(self, request: Request, *, deleted: bool = False, tooling: bool = False) -> View:
        prefix = _prefix(request) + ("/tooling" if tooling else "")
        return View(self.org, self._user(request), prefix, deleted, tooling)

    def _addressed(self, request: Request) -> tuple[View, Entity]:
        view = self._view(request)
        return view, view.need_entity(request.path_params["object"])

    def _writer(self, request: Request) -> Writer:
        user_id = self._user(request)
        assign = request.headers.get("sforce-auto-assign", "TRUE").upper() != "FALSE"
        return Writer(self.org, user_id, user_id, assign)


_SUCCESS: Result = {"success": True, "errors": []}


def _by_method(endpoints: Mapping[str, Endpoint]) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        method = "GET" if request.method == "HEAD" else request.method
        return await endpoints[method](request)

    return endpoint


def _prefix(request: Request) -> str:
    return f"/services/data/{request.path_params['version']}"


def _oauth_error(error: str, description: str) -> Response:
    return json_response({"error": error, "error_description": description}, 400)


def _required(request: Request, name: str) -> str:
    value = request.query_params.get(name)
    if value is None:
        raise refused("MISSING_ARGUMENT", f"The required parameter '{name}' is missing")
    return value


def _http_date(text: str | None) -> datetime | None:
    try:
        return None if text is None else parsedate_to_datetime(text)
    except ValueError:
        return None


async def _object(request: Request) -> dict[str, object]:
    """Read a JSON object; raises Unreadable."""
    try:
        body = orjson.loads(await request.body())
    except orjson.JSONDecodeError as error:
        message = f"{error.msg} at [line:{error.lineno}, column:{error.colno}]"
        raise Unreadable([Problem("JSON_PARSER_ERROR", message)]) from error
    if not isinstance(body, dict):
        raise Unreadable([Problem("JSON_PARSER_ERROR", "The HTTP entity body must be an object")])
    return body


def _several(view: View, entity: Entity, ids: Sequence[str]) -> Response:
    return json_response([f"{view.prefix}/sobjects/{entity.name}/{one}" for one in ids], 300)


def _project(view: View, entity: Entity, names: Sequence[str]) -> Callable[[Row], Result]:
    """Make a reader of some fields of a record; raises Refused for one the user cannot see."""
    fields: list[Field] = []
    for name in names:
        field = view.field(entity, name)
        if field is None:
            raise refused("INVALID_FIELD", f"No such column '{name}' on sobject of type {entity.name}")
        fields.append(field)
    leaves = [(field.name, leaf(field)) for field in fields]

    def read(row: Row) -> Result:
        values = {name: get(row) for name, get in leaves}
        return {"attributes": view.attributes(entity, row), "Id": row["Id"], **values}

    return read


def _failure(refusal: Refused) -> Result:
    """Write a row's refusal; a record that is not there has another code in a collection."""
    problems = [
        Problem("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", ()) if one.code == "NOT_FOUND" else one
        for one in refusal.problems
    ]
    return {"success": False, "errors": [one.as_row_error() for one in problems]}


def _check_size(rows: Sequence[object]) -> None:
    if not rows:
        raise refused("REQUIRED_FIELD_MISSING", "At least 1 record is required")
    if len(rows) > MOST_ROWS:
        raise refused(
            "EXCEEDED_ID_LIMIT",
            f"record limit reached. cannot submit more than {MOST_ROWS} records into this call",
        )


def _row_type(row: Mapping[str, object]) -> str:
    attributes = row.get("attributes")
    return str(attributes.get("type", "")) if isinstance(attributes, dict) else ""


def _row_value(row: Mapping[str, object], name: str) -> str | None:
    value = next((value for key, value in row.items() if key.lower() == name.lower()), None)
    return None if value is None or value == "" else str(value)


def _row_id(row: Mapping[str, object]) -> str | None:
    return _row_value(row, "Id")


def _repeated(keys: Sequence[str | None]) -> frozenset[str]:
    seen: set[str] = set()
    twice: set[str] = set()
    for key in keys:
        if key is not None:
            full = full_id(key) or key
            (twice if full in seen else seen).add(full)
    return frozenset(twice)
