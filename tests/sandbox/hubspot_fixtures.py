"""A HubSpot account behind a real server, as fixtures; the tests name this module as a plug-in."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Sequence
from datetime import date

import httpx
import pytest
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from sandbox.clock import Clock
from sandbox.hubspot import HubSpotStore, Limits, hubspot_app
from sandbox.records import SeedRecord
from tests.sandbox.hubspot_account import NO_LIMITS, OWNERS, TOKEN, Account


class Switch:
    """An app that passes every request to the app of the test that is running."""

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[Switch, httpx.Client]]:
    """Serve one app after another to a client that speaks JSON and has the right token."""
    switch = Switch()
    listener = socket.create_server(("127.0.0.1", 0))
    # asyncio sets this itself only on sockets that it made; without it each answer waits 40 ms.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    config = uvicorn.Config(switch, lifespan="off", log_level="warning", date_header=False, access_log=False)
    running = uvicorn.Server(config)
    thread = threading.Thread(target=running.run, args=([listener],))
    thread.start()
    headers = {"authorization": f"Bearer {TOKEN}", "accept": "application/json"}
    with httpx.Client(base_url=f"http://127.0.0.1:{listener.getsockname()[1]}", headers=headers, timeout=20) as client:
        yield switch, client
    running.should_exit = True
    thread.join()


@pytest.fixture
def clock() -> Clock:
    return Clock(date(2026, 11, 20))


@pytest.fixture
def account(server: tuple[Switch, httpx.Client], clock: Clock) -> Account:
    """Open an account with some records."""
    switch, client = server

    def opened(
        *records: SeedRecord,
        scopes: Sequence[str] | None = None,
        limits: Limits = NO_LIMITS,
        index_lag: float = 0,
        partial_updates: bool = False,
        data_privacy: bool = False,
    ) -> tuple[httpx.Client, HubSpotStore]:
        store = HubSpotStore(
            records,
            clock,
            owners=OWNERS,
            index_lag=index_lag,
            limits=limits,
            partial_updates=partial_updates,
            data_privacy=data_privacy,
        )
        switch.app = hubspot_app(store, TOKEN, scopes=scopes)
        return client, store

    return opened
