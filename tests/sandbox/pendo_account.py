"""What the tests of Pendo's sandbox share: a subscription over real HTTP, without the other vendors."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Any

import httpx
import uvicorn

from sandbox.clock import Clock
from sandbox.pendo import PendoStore, pendo_app
from sandbox.world import World, build_world

AS_OF = date(2026, 11, 21)
KEY = "0123.us"
ALL_APPS = {"appId": 'expandAppIds("*")'}


def days(count: int, **source: object) -> dict[str, object]:
    return {**source, "timeSeries": {"period": "dayRange", "first": "now()", "count": count}}


@dataclass(frozen=True, slots=True)
class Subscription:
    """A running subscription, its clock and a client with its key."""

    store: PendoStore
    clock: Clock
    http: httpx.Client

    def post(self, *pipeline: object) -> httpx.Response:
        """Ask for an aggregation."""
        body = {"response": {"mimeType": "application/json"}, "request": {"pipeline": list(pipeline)}}
        return self.http.post("/api/v1/aggregation", json=body)

    def rows(self, source: object, *steps: object) -> list[dict[str, Any]]:
        """Give an aggregation's rows."""
        answer = self.post({"source": source}, *steps)
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["results"]
        return found


@cache
def world_of(seed: int, visitors: int, time_zone: str) -> World:
    """Make a world once for all tests of a process; whoever is opted out must come back in."""
    return build_world(seed, visitors, AS_OF, time_zone, accounts=6)


@contextmanager
def subscribed(
    *, seed: int = 5, visitors: int = 60, time_zone: str = "America/New_York", **settings: Any
) -> Iterator[Subscription]:
    clock = Clock(AS_OF)
    store = PendoStore(world_of(seed, visitors, time_zone), clock, **settings)
    config = uvicorn.Config(pendo_app(store, KEY), lifespan="off", log_level="warning", date_header=False)
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with httpx.Client(base_url=url, headers={"x-pendo-integration-key": KEY}, timeout=30) as http:
            yield Subscription(store, clock, http)
        server.should_exit = True
        thread.join()
