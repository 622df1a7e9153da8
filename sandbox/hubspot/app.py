"""The account over HTTP: paths, tokens, scopes, limits and the shape of every answer."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from email.utils import format_datetime
from uuid import uuid4

import orjson
from starlette.applications import Starlette
from starlette.convertors import Convertor, register_url_convertor
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from sandbox.hubspot import (
    account,
    associations,
    batches,
    events,
    hooks,
    objects,
    oldassociations,
    pipelines,
    properties,
    schemas,
    subscriptions,
)
from sandbox.hubspot.call import Answer, Call
from sandbox.hubspot.errors import HubSpotError
from sandbox.hubspot.limits import Family
from sandbox.hubspot.store import HubSpotStore

JSON = "application/json;charset=utf-8"
HTML = "text/html;charset=iso-8859-1"
LONGEST_TARGET = 16_000
NOT_FOUND_PAGE = (
    '<html>\n<head>\n<meta http-equiv="Content-Type" content="text/html;charset=utf-8"/>\n'
    "<title>Error 404 Not Found</title>\n</head>\n<body><h2>HTTP ERROR 404</h2>\n"
    "<p>Resource not found</p>\n</body>\n</html>\n"
)
TOO_LONG_PAGE = "<html>\n<head><title>414 URI Too Long</title></head>\n</html>\n"
# What v3 and v4 call /crm/v3/objects/… the dated versions call /crm/objects/2026-09/….
_LEGACY = re.compile(r"/crm/(v[34])/(objects|properties|owners|pipelines|associations)(?=/|$)")
_SCHEMAS = re.compile(r"/crm/(v3)/schemas(?=/|$)")
# Other names that HubSpot has had for the paths of custom events.
_EVENTS = re.compile(r"/events/custom/([^/]+)/send(?=/|$)")
_OCCURRENCES = re.compile(r"/events/(v3)/events(?=/|$)")

Endpoint = Callable[[Call], Answer]


class _Version(Convertor[str]):
    """A version in a path: v3, v4 or a March or September of this century."""

    regex = r"v[34]|20\d\d-(?:03|09)"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


class _Linking(_Version):
    """A version that has the fourth interface to associations."""

    regex = r"v4|20\d\d-(?:03|09)"


class _Old(_Version):
    """Version 3 of the communication preferences and of the associations, which are other interfaces."""

    regex = "v3"


register_url_convertor("hubspot_version", _Version())
register_url_convertor("hubspot_linking", _Linking())
register_url_convertor("hubspot_old", _Old())

READ, WRITE = "crm.objects.{type}.read", "crm.objects.{type}.write"
READ_CUSTOM, WRITE_CUSTOM = "crm.schemas.custom.read", "crm.schemas.custom.write"
READ_SCHEMA, WRITE_SCHEMA = "crm.schemas.{type}.read", "crm.schemas.{type}.write"
DEFINE_EVENTS, SEND_EVENTS = "behavioral_events.event_definitions.read_write", "analytics.behavioral_events.send"
READ_EVENTS = "business-intelligence"
READ_CONSENT, WRITE_CONSENT = "communication_preferences.read", "communication_preferences.read_write"
READ_CONSENTS, WRITE_CONSENTS = (f"communication_preferences.statuses.batch.{verb}" for verb in ("read", "write"))
OWNERS, ACCOUNT = "crm.objects.owners.read", "oauth"
V = "{version:hubspot_version}"
LINKING = "{version:hubspot_linking}"
OBJECTS, PROPERTIES = f"/crm/objects/{V}/{{type}}", f"/crm/properties/{V}/{{type}}"
LINKS, PIPELINES = f"/crm/objects/{LINKING}/{{type}}/{{id}}/associations", f"/crm/pipelines/{V}/{{type}}"
OLD_ASSOCIATIONS = "/crm/associations/{version:hubspot_old}/{type}/{other}"
ASSOCIATIONS, SCHEMAS = f"/crm/associations/{LINKING}/{{type}}/{{other}}", f"/crm-object-schemas/{V}/schemas"

EVENTS, PREFERENCES = f"/events/{V}/event-definitions", f"/communication-preferences/{V}"
STATUSES, OLD_PREFERENCES = (
    f"/communication-preferences/{path}" for path in (f"{LINKING}/statuses", "{version:hubspot_old}")
)

# Method, path, endpoint, scope; the first path that fits is taken.
ENDPOINTS: tuple[tuple[str, str, Endpoint, str], ...] = (
    ("POST", f"{OBJECTS}/search", objects.search_records, READ),
    ("POST", f"{OBJECTS}/merge", objects.merge_records, WRITE),
    ("POST", f"{OBJECTS}/gdpr-delete", objects.purge_record, WRITE),
    ("POST", f"{OBJECTS}/batch/read", batches.batch_read, READ),
    ("POST", f"{OBJECTS}/batch/create", batches.batch_create, WRITE),
    ("POST", f"{OBJECTS}/batch/update", batches.batch_update, WRITE),
    ("POST", f"{OBJECTS}/batch/upsert", batches.batch_upsert, WRITE),
    ("POST", f"{OBJECTS}/batch/archive", batches.batch_archive, WRITE),
    ("GET", OBJECTS, objects.list_records, READ),
    ("POST", OBJECTS, objects.create_record, WRITE),
    ("GET", f"{OBJECTS}/{{id}}", objects.read_record, READ),
    ("PATCH", f"{OBJECTS}/{{id}}", objects.update_record, WRITE),
    ("DELETE", f"{OBJECTS}/{{id}}", objects.archive_record, WRITE),
    ("GET", f"{PROPERTIES}/groups", properties.list_groups, READ_SCHEMA),
    ("POST", f"{PROPERTIES}/groups", properties.create_group, WRITE_SCHEMA),
    ("GET", f"{PROPERTIES}/groups/{{name}}", properties.read_group, READ_SCHEMA),
    ("PATCH", f"{PROPERTIES}/groups/{{name}}", properties.update_group, WRITE_SCHEMA),
    ("DELETE", f"{PROPERTIES}/groups/{{name}}", properties.archive_group, WRITE_SCHEMA),
    ("POST", f"{PROPERTIES}/batch/create", properties.batch_create_properties, WRITE_SCHEMA),
    ("POST", f"{PROPERTIES}/batch/read", properties.batch_read_properties, READ_SCHEMA),
    ("POST", f"{PROPERTIES}/batch/archive", properties.batch_archive_properties, WRITE_SCHEMA),
    ("GET", PROPERTIES, properties.list_properties, READ_SCHEMA),
    ("POST", PROPERTIES, properties.create_property, WRITE_SCHEMA),
    ("GET", f"{PROPERTIES}/{{name}}", properties.read_property, READ_SCHEMA),
    ("PATCH", f"{PROPERTIES}/{{name}}", properties.update_property, WRITE_SCHEMA),
    ("DELETE", f"{PROPERTIES}/{{name}}", properties.archive_property, WRITE_SCHEMA),
    ("GET", f"{SCHEMAS}", schemas.list_schemas, READ_CUSTOM),
    ("POST", f"{SCHEMAS}", schemas.create_schema, WRITE_CUSTOM),
    ("GET", f"{SCHEMAS}/{{type}}", schemas.read_schema, READ_SCHEMA),
    ("PATCH", f"{SCHEMAS}/{{type}}", schemas.update_schema, WRITE_SCHEMA),
    ("DELETE", f"{SCHEMAS}/{{type}}", schemas.archive_schema, WRITE_SCHEMA),
    ("POST", f"{SCHEMAS}/{{type}}/associations", schemas.create_association, WRITE_SCHEMA),
    ("POST", f"{ASSOCIATIONS}/batch/read", associations.batch_read, READ),
    ("POST", f"{ASSOCIATIONS}/batch/create", associations.batch_create, WRITE),
    ("POST", f"{ASSOCIATIONS}/batch/associate/default", associations.batch_create_default, WRITE),
    ("POST", f"{ASSOCIATIONS}/batch/archive", associations.batch_archive, WRITE),
    ("POST", f"{ASSOCIATIONS}/batch/labels/archive", associations.batch_archive_labels, WRITE),
    ("POST", f"{OLD_ASSOCIATIONS}/batch/read", oldassociations.batch_read, READ),
    ("POST", f"{OLD_ASSOCIATIONS}/batch/create", oldassociations.batch_create, WRITE),
    ("POST", f"{OLD_ASSOCIATIONS}/batch/archive", oldassociations.batch_archive, WRITE),
    ("GET", f"{OLD_ASSOCIATIONS}/types", oldassociations.list_types, READ_SCHEMA),
    ("GET", f"{ASSOCIATIONS}/labels", associations.list_labels, READ_SCHEMA),
    ("POST", f"{ASSOCIATIONS}/labels", associations.create_label, WRITE_SCHEMA),
    ("PUT", f"{ASSOCIATIONS}/labels", associations.update_label, WRITE_SCHEMA),
    ("DELETE", f"{ASSOCIATIONS}/labels/{{label}}", associations.archive_label, WRITE_SCHEMA),
    ("PUT", f"{LINKS}/default/{{other}}/{{to}}", associations.put_default_association, WRITE),
    ("GET", f"{LINKS}/{{other}}", associations.list_associations, READ),
    ("PUT", f"{LINKS}/{{other}}/{{to}}", associations.put_association, WRITE),
    ("DELETE", f"{LINKS}/{{other}}/{{to}}", associations.archive_association, WRITE),
    ("GET", PIPELINES, pipelines.list_pipelines, READ_SCHEMA),
    ("POST", PIPELINES, pipelines.create_pipeline, WRITE_SCHEMA),
    ("GET", f"{PIPELINES}/{{pipeline}}", pipelines.read_pipeline, READ_SCHEMA),
    ("PUT", f"{PIPELINES}/{{pipeline}}", pipelines.replace_pipeline, WRITE_SCHEMA),
    ("PATCH", f"{PIPELINES}/{{pipeline}}", pipelines.update_pipeline, WRITE_SCHEMA),
    ("DELETE", f"{PIPELINES}/{{pipeline}}", pipelines.archive_pipeline, WRITE_SCHEMA),
    ("GET", f"{PIPELINES}/{{pipeline}}/stages", pipelines.list_stages, READ_SCHEMA),
    ("POST", f"{PIPELINES}/{{pipeline}}/stages", pipelines.create_stage, WRITE_SCHEMA),
    ("GET", f"{PIPELINES}/{{pipeline}}/stages/{{stage}}", pipelines.read_stage, READ_SCHEMA),
    ("PUT", f"{PIPELINES}/{{pipeline}}/stages/{{stage}}", pipelines.replace_stage, WRITE_SCHEMA),
    ("PATCH", f"{PIPELINES}/{{pipeline}}/stages/{{stage}}", pipelines.update_stage, WRITE_SCHEMA),
    ("DELETE", f"{PIPELINES}/{{pipeline}}/stages/{{stage}}", pipelines.archive_stage, WRITE_SCHEMA),
    ("GET", f"/crm/owners/{V}", account.list_owners, OWNERS),
    ("GET", f"/crm/owners/{V}/{{id}}", account.read_owner, OWNERS),
    ("GET", EVENTS, events.list_definitions, DEFINE_EVENTS),
    ("POST", EVENTS, events.create_definition, DEFINE_EVENTS),
    ("GET", f"{EVENTS}/{{name}}", events.read_definition, DEFINE_EVENTS),
    ("PATCH", f"{EVENTS}/{{name}}", events.update_definition, DEFINE_EVENTS),
    ("DELETE", f"{EVENTS}/{{name}}", events.archive_definition, DEFINE_EVENTS),
    ("POST", f"{EVENTS}/{{name}}/property", events.create_property, DEFINE_EVENTS),
    ("PATCH", f"{EVENTS}/{{name}}/property/{{property}}", events.update_property, DEFINE_EVENTS),
    ("DELETE", f"{EVENTS}/{{name}}/property/{{property}}", events.archive_property, DEFINE_EVENTS),
    ("POST", f"/events/{V}/send", events.send, SEND_EVENTS),
    ("POST", f"/events/{V}/send/batch", events.send_batch, SEND_EVENTS),
    ("GET", f"/events/event-occurrences/{V}", events.list_occurrences, READ_EVENTS),
    ("GET", f"/events/event-occurrences/{V}/event-types", events.list_event_types, READ_EVENTS),
    ("GET", f"{PREFERENCES}/definitions", subscriptions.list_definitions, READ_CONSENT),
    ("POST", f"{STATUSES}/batch/read", subscriptions.batch_read, READ_CONSENTS),
    ("POST", f"{STATUSES}/batch/write", subscriptions.batch_write, WRITE_CONSENTS),
    ("POST", f"{STATUSES}/batch/unsubscribe-all", subscriptions.batch_unsubscribe_all, WRITE_CONSENTS),
    ("POST", f"{STATUSES}/batch/unsubscribe-all/read", subscriptions.batch_read_unsubscribed_all, READ_CONSENTS),
    ("GET", f"{STATUSES}/{{email}}", subscriptions.read_statuses, READ_CONSENT),
    ("POST", f"{STATUSES}/{{email}}", subscriptions.write_status, WRITE_CONSENT),
    ("GET", f"{STATUSES}/{{email}}/unsubscribe-all", subscriptions.read_unsubscribed_all, READ_CONSENT),
    ("POST", f"{STATUSES}/{{email}}/unsubscribe-all", subscriptions.unsubscribe_all, WRITE_CONSENT),
    ("GET", f"{OLD_PREFERENCES}/status/email/{{email}}", subscriptions.old_statuses, READ_CONSENT),
    ("POST", f"{OLD_PREFERENCES}/subscribe", subscriptions.old_subscribe, WRITE_CONSENT),
    ("POST", f"{OLD_PREFERENCES}/unsubscribe", subscriptions.old_unsubscribe, WRITE_CONSENT),
    *(
        (method, f"/{base}/{V}/{{app}}{path}", run, ACCOUNT)
        for base in ("webhooks", "app-webhooks")
        for method, path, run in (
            ("GET", "/settings", hooks.read_settings),
            ("PUT", "/settings", hooks.write_settings),
            ("DELETE", "/settings", hooks.clear_settings),
            ("POST", "/subscriptions/batch/update", hooks.batch_update_subscriptions),
            ("GET", "/subscriptions", hooks.list_subscriptions),
            ("POST", "/subscriptions", hooks.create_subscription),
            ("GET", "/subscriptions/{id}", hooks.read_subscription),
            ("PATCH", "/subscriptions/{id}", hooks.update_subscription),
            ("DELETE", "/subscriptions/{id}", hooks.archive_subscription),
        )
    ),
    ("GET", f"/account-info/{V}/details", account.details, ACCOUNT),
    ("GET", f"/account-info/{V}/api-usage/daily/private-apps", account.daily_usage, ACCOUNT),
)


class _DatedPaths:
    """Middleware that turns v3's and v4's paths into the dated ones' form."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            path = _LEGACY.sub(r"/crm/\2/\1", scope["path"].rstrip("/"), count=1)
            path = _SCHEMAS.sub(r"/crm-object-schemas/\1/schemas", path)
            path = _OCCURRENCES.sub(r"/events/event-occurrences/\1", _EVENTS.sub(r"/events/\1/send", path))
            scope = {**scope, "path": path}
        await self._app(scope, receive, send)


def hubspot_app(store: HubSpotStore, token: str, *, scopes: Collection[str] | None = None) -> Starlette:
    """Serve one account to one app that has `token`.

    `scopes` are the scopes granted to the app; None grants all of them.
    """

    async def no_such_path(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 404
        return _sent(store, request, Answer(status), {})

    routes = [
        Route(path, _endpoint(store, token, scopes, run, scope), methods=[method])
        for method, path, run, scope in ENDPOINTS
    ]
    return Starlette(
        routes=routes,
        middleware=[Middleware(_DatedPaths)],
        exception_handlers={HTTPException: no_such_path},
    )


def _endpoint(
    store: HubSpotStore,
    token: str,
    scopes: Collection[str] | None,
    run: Endpoint,
    scope: str,
) -> Callable[[Request], object]:
    family: Family = "call"
    if run is objects.search_records:
        family = "search"
    elif run in {events.send, events.send_batch}:
        family = "event"
    elif run.__module__ in {associations.__name__, oldassociations.__name__}:
        family = "association"

    async def endpoint(request: Request) -> Response:
        raw = await request.body()
        limits: dict[str, str] = {}
        try:
            _authenticate(request, token)
            try:
                store.limiter.admit(family)
            finally:
                limits = store.limiter.headers(family)
            if len(request.url.path) + len(request.url.query) > LONGEST_TARGET:
                return _sent(store, request, Answer(414), limits)
            call = Call(
                store=store,
                version=request.path_params["version"],
                path=request.scope["raw_path"].decode(),
                params=request.path_params,
                query={key: request.query_params.getlist(key) for key in request.query_params},
                raw=raw,
            )
            _authorise(call, scope, scopes)
            if scope == WRITE:
                store.refuse_locked(call.table)
            answer = run(call)
        except HubSpotError as error:
            correlation_id = str(uuid4())
            body = {**error.body(), "correlationId": correlation_id}
            answer = Answer(error.status, body, {"X-HubSpot-Correlation-Id": correlation_id})
        return _sent(store, request, answer, limits)

    return endpoint


def _authenticate(request: Request, token: str) -> None:
    if request.headers.get("authorization") != f"Bearer {token}":
        raise HubSpotError(
            401,
            "Authentication credentials not found. This API supports OAuth 2.0 authentication and "
            "you can find more details at https://developers.hubspot.com/docs/methods/auth/"
            "oauth-overview",
            "INVALID_AUTHENTICATION",
        )


def _authorise(call: Call, scope: str, granted: Collection[str] | None) -> None:
    if granted is None:
        return
    needed = scope
    if "{type}" in scope:
        kind = call.table.kind
        needed = scope.format(type="custom" if kind.is_custom else kind.name)
    if needed not in granted:
        raise HubSpotError(
            403,
            "This app hasn't been granted all required scopes to make this call. Read more about "
            "required scopes here: https://developers.hubspot.com/scopes.",
            "MISSING_SCOPES",
            errors=[
                {
                    "message": "One or more of the following scopes are required.",
                    "context": {"requiredGranularScopes": [needed]},
                }
            ],
            links={"scopes": "https://developers.hubspot.com/scopes"},
        )


def _sent(store: HubSpotStore, request: Request, answer: Answer, limits: dict[str, str]) -> Response:
    """Put an answer on the wire: HTML where HubSpot's gateway speaks, JSON elsewhere."""
    headers = {
        "Date": format_datetime(store.clock.now(), usegmt=True),
        "X-HubSpot-Correlation-Id": str(uuid4()),
        **limits,
        **answer.headers,
    }
    status = answer.status
    wants_json = "json" in request.headers.get("accept", "")
    if status == 414 and answer.body is None:  # noqa: PLR2004 - URI Too Long
        return Response(TOO_LONG_PAGE, status, headers, HTML)
    # A record or path that is not there is a page, unless the client asks for JSON.
    if status == 404 and not wants_json and _is_bare(answer):  # noqa: PLR2004 - Not Found
        return Response(NOT_FOUND_PAGE, status, headers, HTML)
    if answer.body is None and status == 404:  # noqa: PLR2004 - Not Found
        answer = Answer(status, {"status": "error", "message": "resource not found"})
    if answer.body is None:
        return Response(None, status, headers)
    return Response(orjson.dumps(answer.body), status, headers, JSON)


def _is_bare(answer: Answer) -> bool:
    return answer.body is None or answer.body.get("message") == "resource not found"
