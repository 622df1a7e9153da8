"""Pendo's routes: answers are made in threads and sent in pieces, so that long ones hold up nobody else."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterator
from itertools import islice

import orjson
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from sandbox.pendo.catalogue import PATHS
from sandbox.pendo.expressions import MalformedPipelineError, Row
from sandbox.pendo.metadata import MetadataError
from sandbox.pendo.store import REGIONS, Aggregation, PendoStore, TimedOutError
from sandbox.product import APPS

Handler = Callable[[PendoStore, Request, bytes], object]
KEY_HEADER = "x-pendo-integration-key"
JSON = "application/json"
ROWS_A_PIECE = 5_000
BAD_REQUEST, FORBIDDEN, TIMED_OUT = 400, 403, 408


def pendo_app(store: PendoStore, key: str) -> Starlette:
    """Serve the subscription to whoever has the integration key."""

    def route(path: str, handler: Handler, method: str = "GET") -> Route:
        async def endpoint(request: Request) -> Response:
            response = await run_in_threadpool(_answered, store, key, handler, request, await request.body())
            response.headers["Date"] = store.clock.http_date()
            return response

        return Route(f"/api/v1{path}", endpoint, methods=[method])

    kind, one = "/metadata/{kind}/{group}/value", "/{id}/{field}"
    return Starlette(
        routes=[
            route("/aggregation", _aggregation, "POST"),
            route("/token/verify", lambda *_: {"valid": True}),
            *(route(f"/{path}", _list(path)) for path in PATHS),
            route("/metadata/schema/{kind}", _schema),
            route("/metadata/schema/{kind}/{group}", _add_fields, "POST"),
            route("/metadata/schema/{kind}/{group}/{field}", _remove_field, "DELETE"),
            route(kind, _write, "POST"),
            route(kind + one, _value),
            route(kind + one, _put, "PUT"),
            route("/visitor/{id}", lambda store, request, _: store.one("visitor", request.path_params["id"])),
            route("/account/{id}", lambda store, request, _: store.one("account", request.path_params["id"])),
        ]
    )


def _answered(store: PendoStore, key: str, handler: Handler, request: Request, body: bytes) -> Response:
    if refused := _refusal(store, key, request):
        return _error(FORBIDDEN, refused)
    try:
        return _response(handler(store, request, body))
    except orjson.JSONDecodeError as error:
        return _error(BAD_REQUEST, f"request is not JSON: {error}")
    except MalformedPipelineError as error:
        return _error(BAD_REQUEST, str(error))
    except MetadataError as error:
        return _error(error.status, str(error))
    except TimedOutError as error:
        return _error(TIMED_OUT, str(error))


def _refusal(store: PendoStore, key: str, request: Request) -> str | None:
    """Say why a request is not for this subscription; any host is good but another region's."""
    given = request.headers.get(KEY_HEADER, "")
    host = request.url.hostname
    if not hmac.compare_digest(given.encode(), key.encode()) or host in set(REGIONS.values()) - {REGIONS[store.region]}:
        return "Forbidden"
    reads = request.method == "GET" or request.url.path == "/api/v1/aggregation"
    return None if reads or store.write_access else "this integration key has no write access"


def _error(status: int, message: str) -> Response:
    return Response(orjson.dumps({"message": message}), status, media_type=JSON)


def _response(found: object) -> Response:
    if not isinstance(found, Aggregation):
        return Response(orjson.dumps(found), media_type=JSON)
    pieces = _pieces(found)
    first = next(pieces)
    second = next(pieces, None)
    if second is None:
        return Response(first, media_type=JSON)

    def rest() -> Iterator[bytes]:
        yield first
        yield second
        yield from pieces

    return StreamingResponse(rest(), media_type=JSON)


def _pieces(found: Aggregation) -> Iterator[bytes]:
    """Write an answer in pieces of some thousand rows, the last one with its end."""
    start = b"" if found.start is None else b'"startTime":%d,' % found.start
    before = b"{" + start + b'"results":['
    rows: Iterator[Row] = iter(found.rows)
    while len(some := list(islice(rows, ROWS_A_PIECE))) == ROWS_A_PIECE:
        yield before + orjson.dumps(some)[1:-1]
        before = b","
    yield (before if some else before.removesuffix(b",")) + orjson.dumps(some)[1:-1] + b"]}"


def _aggregation(store: PendoStore, _request: Request, body: bytes) -> object:
    return store.aggregate(orjson.loads(body))


def _list(path: str) -> Handler:
    def listed(store: PendoStore, request: Request, _body: bytes) -> object:
        query = request.query_params
        apps: list[int] = list(range(len(APPS))) if query.get("expand") == "*" else [0]
        if "appId" in query:
            apps = [app for app, app_id in enumerate(APPS) if str(app_id) in query["appId"].split(",")]
        found = store.tagged_by_path(path, apps)
        if "id" not in query:
            return found
        wanted = query["id"].split(",")
        return [one for one in store.tagged_by_path(path, range(len(APPS))) if one["id"] in wanted]

    return listed


def _schema(store: PendoStore, request: Request, _body: bytes) -> object:
    return store.metadata.schema(request.path_params["kind"])


def _add_fields(store: PendoStore, request: Request, body: bytes) -> object:
    at = request.path_params
    return store.metadata.add_fields(at["kind"], at["group"], orjson.loads(body))


def _remove_field(store: PendoStore, request: Request, _body: bytes) -> object:
    at = request.path_params
    store.metadata.remove_field(at["kind"], at["group"], at["field"])
    return {}


def _write(store: PendoStore, request: Request, body: bytes) -> object:
    if request.query_params.get("create", "false") != "false":
        raise MetadataError(BAD_REQUEST, "the sandbox makes no visitors and no accounts: leave create out")
    at = request.path_params
    return store.write(at["kind"], at["group"], orjson.loads(body))


def _value(store: PendoStore, request: Request, _body: bytes) -> object:
    at = request.path_params
    return store.value(at["kind"], at["group"], at["id"], at["field"])


def _put(store: PendoStore, request: Request, body: bytes) -> object:
    at = request.path_params
    store.put(at["kind"], at["group"], at["id"], at["field"], orjson.loads(body))
    return {}
