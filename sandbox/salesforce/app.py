"""Salesforce's addresses."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from . import about, batches, bulk, composite, login, reading, records, tooling
from .call import Call, Endpoint, Server
from .errors import Refused, not_found, refused
from .org import INTEGRATION_ID
from .session import SessionMiddleware, Sessions, json_response, refusal_response
from .store import SalesforceStore

_DATA = "/services/data/{version}"
_SOBJECT = f"{_DATA}/sobjects/{{object}}"
_BATCH = f"{_DATA}/composite/sobjects"
_JOBS = f"{_DATA}/jobs"
_TOOLING = f"{_DATA}/tooling"

# One entry an address, so that a wrong method is told which ones are right.
_ADDRESSES: tuple[tuple[str, Mapping[str, Endpoint]], ...] = (
    ("/services/oauth2/token", {"POST": login.token}),
    ("/services/oauth2/userinfo", {"GET": login.identity}),
    ("/id/{org}/{user}", {"GET": login.identity}),
    ("/services/data", {"GET": login.versions}),
    (_DATA, {"GET": about.resources}),
    (f"{_DATA}/limits", {"GET": about.limits}),
    (f"{_DATA}/limits/recordCount", {"GET": about.record_count}),
    (f"{_DATA}/query", {"GET": reading.query}),
    (f"{_DATA}/queryAll", {"GET": reading.query}),
    (f"{_DATA}/query/{{locator}}", {"GET": reading.query_more}),
    (f"{_DATA}/queryAll/{{locator}}", {"GET": reading.query_more}),
    (f"{_DATA}/sobjects", {"GET": about.global_describe}),
    (_SOBJECT, {"GET": about.outline, "POST": records.make}),
    (f"{_SOBJECT}/describe", {"GET": about.describe_object}),
    (f"{_SOBJECT}/updated", {"GET": records.updated}),
    (f"{_SOBJECT}/deleted", {"GET": records.deleted}),
    (f"{_SOBJECT}/Id", {"POST": records.make}),
    (f"{_SOBJECT}/{{id}}", {"GET": records.read, "PATCH": records.change, "DELETE": records.remove}),
    (f"{_SOBJECT}/{{field}}/{{value:path}}", {"GET": records.read_by_external_id, "PATCH": records.upsert}),
    (f"{_DATA}/composite", {"POST": composite.composite}),
    (f"{_DATA}/composite/batch", {"POST": composite.batch}),
    (_BATCH, {"POST": batches.create_many, "PATCH": batches.update_many, "DELETE": batches.delete_many}),
    (f"{_BATCH}/{{object}}", {"GET": batches.retrieve_many, "POST": batches.retrieve_many}),
    (f"{_BATCH}/{{object}}/{{field}}", {"PATCH": batches.upsert_many}),
    (f"{_JOBS}/ingest", {"GET": bulk.list_ingest, "POST": bulk.make_ingest}),
    (f"{_JOBS}/ingest/{{job}}", {"GET": bulk.read_ingest, "PATCH": bulk.change_ingest, "DELETE": bulk.remove_ingest}),
    (f"{_JOBS}/ingest/{{job}}/batches", {"PUT": bulk.upload}),
    (f"{_JOBS}/ingest/{{job}}/{{kind}}", {"GET": bulk.results}),
    (f"{_JOBS}/query", {"GET": bulk.list_query, "POST": bulk.make_query}),
    (f"{_JOBS}/query/{{job}}", {"GET": bulk.read_query, "PATCH": bulk.change_query, "DELETE": bulk.remove_query}),
    (f"{_JOBS}/query/{{job}}/results", {"GET": bulk.query_results}),
    (f"{_JOBS}/query/{{job}}/resultPages", {"GET": bulk.result_pages}),
    (f"{_TOOLING}/query", {"GET": reading.tooling_query}),
    (f"{_TOOLING}/sobjects/CustomField", {"POST": tooling.define}),
    (f"{_TOOLING}/sobjects/CustomField/{{id}}", {"GET": tooling.read_definition, "DELETE": tooling.undefine}),
)


def salesforce_app(  # noqa: PLR0913
    store: SalesforceStore,
    client_id: str,
    client_secret: str,
    base_url: str,
    *,
    certificate: str | None = None,
    refresh_token: str | None = None,
) -> Starlette:
    """Make the server of an org whose My Domain is `base_url`.

    `certificate` is the PEM of the public key that JWT assertions are checked with; `refresh_token` is one that the API
    user was given when they approved the application.
    """
    sessions = Sessions(store)
    if refresh_token is not None:
        sessions.allow_refresh(refresh_token, INTEGRATION_ID)
    server = Server(store, sessions, client_id, client_secret, base_url.rstrip("/"), certificate)
    return Starlette(
        routes=[
            Route(address, _serve(server, endpoints), methods=list(endpoints)) for address, endpoints in _ADDRESSES
        ],
        middleware=[Middleware(SessionMiddleware, sessions=sessions)],
        exception_handlers={Refused: _answer_refusal, HTTPException: _answer_http_error},
    )


def _serve(server: Server, endpoints: Mapping[str, Endpoint]) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        server.store.jobs.settle()
        method = "GET" if request.method == "HEAD" else request.method
        return await endpoints[method](Call(server, request))

    return endpoint


async def _answer_refusal(_request: Request, error: Exception) -> Response:
    return refusal_response(error) if isinstance(error, Refused) else json_response([], 500)


async def _answer_http_error(request: Request, error: Exception) -> Response:
    if isinstance(error, HTTPException) and error.status_code == 405:  # noqa: PLR2004
        allowed = (error.headers or {}).get("Allow", "")
        message = f"HTTP Method '{request.method}' not allowed. Allowed are {allowed}"
        return refusal_response(refused("METHOD_NOT_ALLOWED", message, status=405))
    return refusal_response(not_found())
