"""One process that serves the vendors and the control API on loopback, each on a port."""

from __future__ import annotations

import asyncio
import gc
import os
import secrets
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import orjson
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from sandbox.clock import Clock
from sandbox.control import VENDORS, Traffic, WatchedVendor, control_app
from sandbox.hubspot import HubSpotStore, hubspot_app
from sandbox.pendo import pendo_app
from sandbox.records import CrmStore
from sandbox.salesforce import SalesforceStore, salesforce_app
from sandbox.world import build_world

HOST = "127.0.0.1"
SERVICES = (*VENDORS, "control")


class SandboxError(Exception):
    """The sandbox cannot start; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A running sandbox: where it answers, and the settings that reach it."""

    urls: Mapping[str, str]
    settings: Mapping[str, str]


def serve(  # noqa: PLR0913
    *,
    seed: int,
    visitors: int,
    as_of: date,
    port: int,
    env_file: Path | None,
    accounts: int | None = None,
) -> None:
    """Run until SIGINT or SIGTERM; once ready, print the URLs as one line of JSON.

    HubSpot takes `port`, Salesforce, Pendo and the control API the next three; 0 takes any free
    ones. `env_file` gets the settings, secrets among them, readable by its owner alone.
    """
    if env_file is not None and not env_file.parent.is_dir():
        raise SandboxError(f"no folder {env_file.parent} for the settings: make it, or name another")

    def ready(sandbox: Sandbox) -> None:
        if env_file is not None:
            _write_settings(env_file, sandbox.settings)
        sys.stdout.write(orjson.dumps(sandbox.urls).decode() + "\n")
        sys.stdout.flush()

    # uvicorn handles the signals, then raises them again for whoever was there before it.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    server = _server(seed, visitors, as_of, port, accounts, ready)
    # The world stays for as long as the process does: the collector need not walk it again and again.
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    try:
        server.run_here()
    finally:
        gc.unfreeze()


@contextmanager
def serving(*, seed: int, visitors: int, as_of: date, port: int = 0, accounts: int | None = None) -> Iterator[Sandbox]:
    """Run a sandbox in a thread for as long as the block lasts."""
    started = threading.Event()
    found: list[Sandbox] = []

    def ready(sandbox: Sandbox) -> None:
        found.append(sandbox)
        started.set()

    server = _server(seed, visitors, as_of, port, accounts, ready)
    thread = threading.Thread(target=server.run_here, daemon=True)
    thread.start()
    try:
        while not started.wait(0.1):
            if not thread.is_alive():
                raise SandboxError("the sandbox stopped before it was ready")
        yield found[0]
    finally:
        server.should_exit = True
        thread.join()


class _Server(uvicorn.Server):
    """A uvicorn server on sockets that are bound already, which tells when it is ready."""

    def __init__(self, config: uvicorn.Config, sockets: list[socket.socket], ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._sockets = sockets
        self._ready = ready

    def run_here(self) -> None:
        """Serve until told to stop."""
        try:
            self.run(self._sockets)
        finally:
            for bound in self._sockets:
                bound.close()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start listening, then tell."""
        await super().startup(sockets)
        self._ready()


class _Connections:
    """Open connections by the client's address, so that a fault can cut one."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, int], H11Protocol] = {}
        opened = self._open

        class Protocol(H11Protocol):
            def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
                super().connection_made(transport)
                if self.client is not None:
                    opened[self.client] = self

            def connection_lost(self, exc: Exception | None) -> None:
                if self.client is not None:
                    opened.pop(self.client, None)
                super().connection_lost(exc)

        self.protocol = Protocol

    def hang_up(self, scope: Scope) -> None:
        """Cut the connection that a request came by."""
        self._open[tuple(scope["client"])].transport.abort()


def _server(  # noqa: PLR0913, PLR0917
    seed: int,
    visitors: int,
    as_of: date,
    port: int,
    accounts: int | None,
    ready: Callable[[Sandbox], None],
) -> _Server:
    sockets = _bind(port)
    ports = {name: int(bound.getsockname()[1]) for name, bound in zip(SERVICES, sockets, strict=True)}
    urls = {name: f"http://{HOST}:{number}" for name, number in ports.items()}
    hubspot_token, client_id, client_secret, pendo_key = (secrets.token_hex(16) for _ in range(4))

    world = build_world(seed, visitors, as_of, accounts=accounts)
    clock = Clock(as_of)
    hubspot = HubSpotStore(world.hubspot, clock, owners=world.hubspot_owners)
    salesforce = SalesforceStore(world.salesforce, clock)
    traffic, connections = Traffic(clock), _Connections()
    vendors: dict[str, ASGIApp] = {
        "hubspot": hubspot_app(hubspot, hubspot_token),
        "salesforce": salesforce_app(salesforce, client_id, client_secret, urls["salesforce"]),
        "pendo": pendo_app(world, clock, pendo_key),
    }
    apps: dict[int, ASGIApp] = {
        ports[name]: WatchedVendor(app, name, traffic, connections.hang_up) for name, app in vendors.items()
    }
    stores: dict[str, CrmStore] = {"hubspot": hubspot, "salesforce": salesforce}
    apps[ports["control"]] = control_app(world, clock, stores, traffic)

    async def by_port(scope: Scope, receive: Receive, send: Send) -> None:
        await apps[scope["server"][1]](scope, receive, send)

    config = uvicorn.Config(
        by_port,
        http=connections.protocol,
        ws="none",
        lifespan="off",
        log_level="warning",
        access_log=False,
        date_header=False,
        server_header=False,
        timeout_graceful_shutdown=1,
    )
    settings = {
        "HUBSPOT_BASE_URL": urls["hubspot"],
        "HUBSPOT_ACCESS_TOKEN": hubspot_token,
        "SALESFORCE_BASE_URL": urls["salesforce"],
        "SALESFORCE_CLIENT_ID": client_id,
        "SALESFORCE_CLIENT_SECRET": client_secret,
        "PENDO_BASE_URL": urls["pendo"],
        "PENDO_INTEGRATION_KEY": pendo_key,
    }
    return _Server(config, sockets, lambda: ready(Sandbox(urls, settings)))


def _bind(port: int) -> list[socket.socket]:
    """Bind a socket for each service, or none at all."""
    sockets: list[socket.socket] = []
    for offset in range(len(SERVICES)):
        bound = socket.socket()
        sockets.append(bound)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # asyncio does this only on sockets of its own making; without it every answer waits 40 ms for an ACK.
        bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            bound.bind((HOST, port + offset if port else 0))
        except (OSError, OverflowError) as error:
            for made in sockets:
                made.close()
            raise SandboxError(f"port {port + offset} cannot be used ({error}): choose another --port, or 0") from error
    return sockets


def _write_settings(path: Path, settings: Mapping[str, str]) -> None:
    """Replace the file in one step; nobody but its owner ever reads it."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.writelines(f"{name}={value}\n" for name, value in settings.items())
    fresh.replace(path)
