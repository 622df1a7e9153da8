"""The sandbox's own API, and what it lays around each vendor: a request log and faults."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sandbox import truth
from sandbox.clock import Clock
from sandbox.hubspot.errors import HubSpotError
from sandbox.records import CrmStore
from sandbox.world import World

VENDORS = ("hubspot", "salesforce", "pendo")


class BadRequestError(ValueError):
    """A control request that makes no sense; the message says why."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One request to a vendor and how it was answered; status None: the connection was dropped.

    `n` counts from 1 since the start. `fault` tells whether the answer was a planted one.
    """

    n: int
    vendor: str
    method: str
    path: str
    query: str
    status: int | None
    time: str
    fault: bool


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong with the next requests that fit.

    `path` is a regular expression found in the path. The first `skip` fitting requests go through,
    the next `times` meet the fault: a wait of `delay` seconds, then the answer given here, or no
    answer at all with `drop`; with neither, the real answer. With `after` the vendor does the work
    first and its own answer is lost.
    """

    vendor: str
    method: str | None = None
    path: str = ""
    status: int | None = None
    headers: Mapping[str, str] | None = None
    body: object = None
    drop: bool = False
    after: bool = False
    delay: float = 0.0
    times: int = 1
    skip: int = 0

    def __post_init__(self) -> None:
        numbers = (self.status or 0, self.times, self.skip, self.delay)
        if not all(isinstance(number, int | float) for number in numbers):
            raise TypeError("status, times, skip and delay are numbers")
        if self.status is None and not self.drop and not self.delay:
            raise TypeError("it would change nothing: give a status, drop or delay")

    def fits(self, vendor: str, method: str, path: str) -> bool:
        """Tell whether a request is one that this fault is for."""
        return self.vendor == vendor and self.method in (None, method) and re.search(self.path, path) is not None

    @property
    def content(self) -> bytes:
        """The planted body: text as it is, anything else as JSON."""
        if self.body is None:
            return b""
        return self.body.encode() if isinstance(self.body, str) else orjson.dumps(self.body)


class Traffic:
    """Every request that vendors have seen, and the faults that wait for the next ones."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.seen: list[Seen] = []
        self.faults: list[Fault] = []
        self._count = 0

    def meet(self, vendor: str, method: str, path: str) -> Fault | None:
        """Take the fault that a request runs into, if any."""
        for at, fault in enumerate(self.faults):
            if not fault.fits(vendor, method, path):
                continue
            if fault.skip:
                self.faults[at] = replace(fault, skip=fault.skip - 1)
                continue
            if fault.times > 1:
                self.faults[at] = replace(fault, times=fault.times - 1)
            else:
                del self.faults[at]
            return fault
        return None

    def note(self, vendor: str, scope: Scope, status: int | None, *, fault: bool) -> None:
        """Log a request."""
        self._count += 1
        self.seen.append(
            Seen(
                n=self._count,
                vendor=vendor,
                method=scope["method"],
                path=scope["path"],
                query=scope["query_string"].decode("latin-1"),
                status=status,
                time=self.clock.now().isoformat(timespec="milliseconds"),
                fault=fault,
            )
        )


class WatchedVendor:
    """A vendor's app behind the request log and the faults."""

    def __init__(self, app: ASGIApp, vendor: str, traffic: Traffic, hang_up: Callable[[Scope], None]) -> None:
        self._app = app
        self._vendor = vendor
        self._traffic = traffic
        self._hang_up = hang_up

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        fault = self._traffic.meet(self._vendor, scope["method"], scope["path"])
        status: int | None = None

        async def passed_on(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                names = {name.lower() for name, _ in message["headers"]}
                if b"date" not in names:  # a path that the vendor's app does not know
                    message["headers"] = [*message["headers"], self._date()]
            await send(message)

        if fault is None:
            await self._app(scope, receive, passed_on)
        else:
            await self._fail(fault, scope, receive, passed_on)
        self._traffic.note(self._vendor, scope, status, fault=fault is not None)

    async def _fail(self, fault: Fault, scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.sleep(fault.delay)
        if not fault.drop and fault.status is None:
            await self._app(scope, receive, send)
            return
        if fault.after:
            await self._app(scope, receive, _lost)
        if fault.drop:
            self._hang_up(scope)
            while (await receive())["type"] != "http.disconnect":
                pass
            return
        headers = {"content-length": str(len(fault.content))}
        if not isinstance(fault.body, str | None):
            headers["content-type"] = "application/json"
        headers |= {name.lower(): value for name, value in (fault.headers or {}).items()}
        raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": fault.status, "headers": raw})
        await send({"type": "http.response.body", "body": fault.content})

    def _date(self) -> tuple[bytes, bytes]:
        return b"date", self._traffic.clock.http_date().encode()


async def _lost(_message: Message) -> None:
    """Send an answer nowhere."""


def control_app(world: World, clock: Clock, stores: Mapping[str, CrmStore], traffic: Traffic) -> Starlette:
    """Serve what a test or a demo asks of the sandbox itself."""
    control = _Control(world, clock, stores, traffic)

    def route(path: str, handler: Callable[[Request], Awaitable[object]], method: str) -> Route:
        async def endpoint(request: Request) -> Response:
            try:
                status, body = 200, await handler(request)
            except (ValueError, HubSpotError) as error:  # the request's fault, or a CRM's refusal
                status, body = 400, {"error": str(error)}
            except KeyError as error:
                status, body = 404, {"error": str(error.args[0])}
            return Response(orjson.dumps(body), status, media_type="application/json")

        return Route(path, endpoint, methods=[method])

    return Starlette(
        routes=[
            route("/requests", control.requests, "GET"),
            route("/requests", control.forget_requests, "DELETE"),
            route("/faults", control.faults, "GET"),
            route("/faults", control.plant_fault, "POST"),
            route("/faults", control.forget_faults, "DELETE"),
            route("/clock", control.time, "GET"),
            route("/advance", control.advance, "POST"),
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

    def __init__(self, world: World, clock: Clock, stores: Mapping[str, CrmStore], traffic: Traffic) -> None:
        self._world = world
        self._clock = clock
        self._stores = stores
        self._traffic = traffic
        self._metrics: tuple[date, object] | None = None

    async def requests(self, request: Request) -> object:
        """List requests, of one `vendor`, and `since` a number (exclusive) or a time."""
        vendor, since = request.query_params.get("vendor"), request.query_params.get("since")
        if vendor is not None and vendor not in VENDORS:
            raise KeyError(f"no vendor {vendor!r}")
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

    async def faults(self, _request: Request) -> object:
        """List the faults that still wait."""
        return self._traffic.faults

    async def plant_fault(self, request: Request) -> object:
        """Add a fault."""
        body: dict[str, Any] = dict(await _json(request))
        try:
            fault = Fault(**body)
            re.compile(fault.path)
        except (TypeError, re.error) as error:
            raise BadRequestError(f"not a fault: {error}") from error
        if fault.vendor not in VENDORS:
            raise KeyError(f"no vendor {fault.vendor!r}")
        self._traffic.faults.append(fault)
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
