"""The sandbox's own API: its request log, faults, time, stored records, truth, and what people do in the CRMs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import date, datetime

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox import truth
from sandbox.actions import act, list_actions
from sandbox.clock import Clock
from sandbox.faults import VENDORS, list_kinds, read_fault
from sandbox.hubspot.errors import HubSpotError
from sandbox.records import CrmStore
from sandbox.salesforce.errors import Refused
from sandbox.traffic import Traffic
from sandbox.world import World


class BadRequestError(ValueError):
    """A control request that makes no sense; the message says why."""


def control_app(
    world: World, clock: Clock, stores: Mapping[str, CrmStore], offices: Mapping[str, object], traffic: Traffic
) -> Starlette:
    """Serve what a test or a demo asks of the sandbox itself; `offices` are what the actions of a vendor work on."""
    control = _Control(world, clock, stores, offices, traffic)

    def route(path: str, handler: Callable[[Request], Awaitable[object]], method: str) -> Route:
        async def endpoint(request: Request) -> Response:
            try:
                status, body = 200, await handler(request)
            except (ValueError, HubSpotError, Refused) as error:  # the request's fault, or a CRM's refusal
                status, body = 400, {"error": str(error)}
            except KeyError as error:
                status, body = 404, {"error": str(error.args[0])}
            return Response(orjson.dumps(body), status, media_type="application/json")

        return Route(path, endpoint, methods=[method])

    return Starlette(
        routes=[
            route("/requests", control.requests, "GET"),
            route("/requests", control.forget_requests, "DELETE"),
            route("/requests/count", control.count, "GET"),
            route("/faults", control.faults, "GET"),
            route("/faults/kinds", control.kinds, "GET"),
            route("/faults", control.plant_fault, "POST"),
            route("/faults", control.forget_faults, "DELETE"),
            route("/clock", control.time, "GET"),
            route("/advance", control.advance, "POST"),
            route("/do", control.actions, "GET"),
            route("/do/{vendor}/{action}", control.act, "POST"),
            route("/edit", control.edit, "POST"),
            route("/merge", control.merge, "POST"),
            route("/delete", control.delete, "POST"),
            route("/records/{vendor}/{object}", control.records, "GET"),
            route("/truth/metrics", control.metrics, "GET"),
            route("/truth/matches", control.matches, "GET"),
        ]
    )


class _Control:
    """The control API's calls; each gives the body of a 200."""

    def __init__(
        self,
        world: World,
        clock: Clock,
        stores: Mapping[str, CrmStore],
        offices: Mapping[str, object],
        traffic: Traffic,
    ) -> None:
        self._world = world
        self._clock = clock
        self._stores = stores
        self._offices = offices
        self._traffic = traffic
        self._metrics: tuple[date, object] | None = None

    async def requests(self, request: Request) -> object:
        """List the kept requests, of one `vendor`, and `since` a number (exclusive) or a time."""
        vendor, since = _vendor(request), request.query_params.get("since")
        seen = [one for one in self._traffic.seen if vendor in (None, one.vendor)]
        if since is None:
            return seen
        if since.isdigit():
            return [one for one in seen if one.n > int(since)]
        try:
            moment = datetime.fromisoformat(since.replace(" ", "+"))
        except ValueError as error:
            raise BadRequestError(f"since is a number or an ISO time, got {since!r}") from error
        if moment.tzinfo is None:
            raise BadRequestError("since needs a time zone, as in 2026-11-21T09:00:00Z")
        return [one for one in seen if datetime.fromisoformat(one.time) >= moment]

    async def forget_requests(self, _request: Request) -> object:
        """Empty the log; numbers go on."""
        self._traffic.seen.clear()
        return {}

    async def count(self, request: Request) -> object:
        """Count the requests since the start, of one `vendor`, those that are not kept any more too."""
        vendor, counts = _vendor(request), self._traffic.counts
        return {"requests": counts.total() if vendor is None else counts[vendor]}

    async def faults(self, _request: Request) -> object:
        """List the faults that still wait, and how often."""
        return [waiting.shown() for waiting in self._traffic.faults]

    async def kinds(self, _request: Request) -> object:
        """List the kinds of faults."""
        return list_kinds()

    async def plant_fault(self, request: Request) -> object:
        """Add a fault."""
        body = await _json(request)
        vendor = body.get("vendor")
        if isinstance(vendor, str) and vendor not in VENDORS:
            raise KeyError(f"no vendor {vendor!r}")
        try:
            self._traffic.plant(read_fault(body))
        except ValueError as error:
            raise BadRequestError(f"not a fault: {error}") from error
        return {"waiting": len(self._traffic.faults)}

    async def forget_faults(self, _request: Request) -> object:
        """Let everything go right again."""
        self._traffic.faults.clear()
        return {}

    async def time(self, _request: Request) -> object:
        """Tell the sandbox's time."""
        return {"now": self._clock.now().isoformat(), "as_of": self._clock.as_of.isoformat()}

    async def advance(self, request: Request) -> object:
        """Let days pass; on each, salespeople change a few CRM records."""
        days = (await _json(request)).get("days", 1)
        if not isinstance(days, int) or isinstance(days, bool) or days < 0:
            raise BadRequestError(f"days is a number of days, got {days!r}")
        edits = 0
        for _ in range(days):
            self._clock.advance(1)
            for edit in self._world.drift(self._clock.as_of):
                try:
                    self._stores[edit.vendor].edit(edit.object, edit.id, edit.properties)
                except KeyError:  # merged or deleted in the meantime
                    continue
                edits += 1
        return {"as_of": self._clock.as_of.isoformat(), "edits": edits}

    async def actions(self, _request: Request) -> object:
        """List what people and administrators can do."""
        return list_actions()

    async def act(self, request: Request) -> object:
        """Do something as a person or an administrator would."""
        vendor, name = request.path_params["vendor"], request.path_params["action"]
        arguments = await _json(request) if await request.body() else {}
        return await act(self._offices, vendor, name, arguments)

    async def edit(self, request: Request) -> object:
        """Change a CRM record as a person would."""
        store, body = await self._addressed(request)
        properties = body.get("properties")
        if not isinstance(properties, dict):
            raise BadRequestError("properties is an object")
        store.edit(_text(body, "object"), _text(body, "id"), properties)
        return {}

    async def merge(self, request: Request) -> object:
        """Merge two CRM records."""
        store, body = await self._addressed(request)
        kept = store.merge(_text(body, "object"), _text(body, "primary_id"), _text(body, "secondary_id"))
        return {"id": kept}

    async def delete(self, request: Request) -> object:
        """Move a CRM record to the recycle bin."""
        store, body = await self._addressed(request)
        store.delete(_text(body, "object"), _text(body, "id"))
        return {}

    async def records(self, request: Request) -> object:
        """List a CRM's stored records of one kind."""
        store = self._store(request.path_params["vendor"])
        return store.records(request.path_params["object"])

    async def metrics(self, _request: Request) -> object:
        """Tell what every metric must be now."""
        as_of = self._clock.as_of
        if self._metrics is None or self._metrics[0] != as_of:
            self._metrics = (as_of, truth.metrics(self._world, as_of))
        return self._metrics[1]

    async def matches(self, _request: Request) -> object:
        """Tell who must match whom now."""
        return truth.matches(self._world, self._clock.as_of, self._stores)

    async def _addressed(self, request: Request) -> tuple[CrmStore, dict[str, object]]:
        body = await _json(request)
        return self._store(_text(body, "vendor")), body

    def _store(self, vendor: str) -> CrmStore:
        if vendor not in self._stores:
            raise KeyError(f"no CRM {vendor!r}: there are {', '.join(self._stores)}")
        return self._stores[vendor]


def _vendor(request: Request) -> str | None:
    """Read the vendor that a listing is of; raises KeyError for an unknown one."""
    vendor = request.query_params.get("vendor")
    if vendor is not None and vendor not in VENDORS:
        raise KeyError(f"no vendor {vendor!r}")
    return vendor


async def _json(request: Request) -> dict[str, object]:
    try:
        body = orjson.loads(await request.body())
    except orjson.JSONDecodeError as error:
        raise BadRequestError(f"the body is not JSON: {error}") from error
    if not isinstance(body, dict):
        raise BadRequestError("the body is a JSON object")
    return body


def _text(body: Mapping[str, object], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str):
        raise BadRequestError(f"{name} is a string, got {value!r}")
    return value
