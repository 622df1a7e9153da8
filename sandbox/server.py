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
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Required, TypedDict, Unpack, cast
from urllib.parse import urlsplit
from zoneinfo import available_timezones

import orjson
import uvicorn
from rich.console import Console
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from sandbox.clock import Clock
from sandbox.control import control_app
from sandbox.faults import VENDORS
from sandbox.hubspot import HubSpotStore, hubspot_app
from sandbox.hubspot.limits import Limits
from sandbox.hubspot.webhooks import Webhooks
from sandbox.pendo import PendoStore, pendo_app
from sandbox.records import CrmStore
from sandbox.salesforce import SalesforceStore, salesforce_app
from sandbox.salesforce.store import DAILY_REQUESTS
from sandbox.tls import AUTHORITY, tls_fronts
from sandbox.traffic import Traffic, WatchedVendor
from sandbox.world import build_world

HOST = "127.0.0.1"
SERVICES = (*VENDORS, "control")
INDEX_LAG = 1.5  # seconds
# As long as gateways do: a client that polls every few seconds must not find its connection closed.
KEEP_ALIVE = 75  # seconds


class SandboxError(Exception):
    """The sandbox cannot start; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A running sandbox: where it answers, and the settings that reach it."""

    urls: Mapping[str, str]
    settings: Mapping[str, str]
    client_secret: str
    """What HubSpot signs webhooks with."""
    authority: Path | None = None
    """The file of the authority that clients must trust; None without TLS."""

    @property
    def environment(self) -> dict[str, str]:
        """The settings, and what receivers of webhooks and clients over TLS need beside them."""
        trusted = {} if self.authority is None else {"SSL_CERT_FILE": str(self.authority)}
        return {**self.settings, "HUBSPOT_CLIENT_SECRET": self.client_secret, **trusted}


class Options(TypedDict, total=False):
    """What a sandbox may be asked to be.

    HubSpot takes `port`, Salesforce, Pendo and the control API the next three; 0 takes any free ones.
    `time_zone` is that of the Pendo subscription and of the HubSpot account, `index_lag` the seconds
    that HubSpot's search is behind. With `person_accounts` people without a company are Salesforce accounts, and
    `product_leads` of its leads are people who use the product.
    With `tls` the vendors answer over HTTPS alone. `webhooks` are events that HubSpot tells `webhook_target`
    of: `contact.creation`, `contact.propertyChange:email`.
    """

    seed: Required[int]
    visitors: Required[int]
    as_of: Required[date]
    port: int
    accounts: int | None
    origin: date | None
    time_zone: str
    index_lag: float
    hubspot_limits: Limits
    salesforce_daily_requests: int
    person_accounts: bool
    product_leads: int
    tls: bool
    webhook_target: str | None
    webhooks: Sequence[str]


def serve(env_file: Path | None, **options: Unpack[Options]) -> None:
    """Run until SIGINT or SIGTERM; once ready, print the URLs as one line of JSON.

    `env_file` gets the settings, secrets among them, readable by its owner alone.
    """
    if env_file is not None and not env_file.parent.is_dir():
        raise SandboxError(f"no folder {env_file.parent} for the settings: make it, or name another")

    def ready(sandbox: Sandbox) -> None:
        if env_file is not None:
            _write_settings(env_file, sandbox.environment)
        trusted = {} if sandbox.authority is None else {"authority": str(sandbox.authority)}
        sys.stdout.write(orjson.dumps({**sandbox.urls, **trusted}).decode() + "\n")
        sys.stdout.flush()

    # A large world is made of millions of small things, none of which is garbage.
    gc.set_threshold(50_000, 20, 50)
    with Console(stderr=True).status(f"Making a world of {options['visitors']:,} visitors"):
        server = _server(options, ready)
    # uvicorn handles the signals, then raises them again for whoever was there before it.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    # The world stays for as long as the process does: the collector need not walk it again and again.
    gc.freeze()
    try:
        server.run_here()
    finally:
        gc.unfreeze()


@contextmanager
def serving(**options: Unpack[Options]) -> Iterator[Sandbox]:
    """Run a sandbox in a thread for as long as the block lasts."""
    started = threading.Event()
    found: list[Sandbox] = []

    def ready(sandbox: Sandbox) -> None:
        found.append(sandbox)
        started.set()

    server = _server(options, ready)
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

    def __init__(
        self, config: uvicorn.Config, sockets: list[socket.socket], around: ExitStack, ready: Callable[[], None]
    ) -> None:
        super().__init__(config)
        self._sockets = sockets
        self._around = around
        self._ready = ready

    def run_here(self) -> None:
        """Serve until told to stop, then close what was opened around it."""
        with self._around:
            self.run(self._sockets)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start listening, then tell."""
        await super().startup(sockets)
        self._ready()


class _Connections:
    """Open connections by the client's address, so that a fault can cut one."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, int], asyncio.Transport] = {}
        opened = self._open

        class Protocol(HttpToolsProtocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                connection = cast("asyncio.Transport", transport)
                super().connection_made(connection)
                if self.client is not None:
                    opened[self.client] = connection

            def connection_lost(self, exc: Exception | None) -> None:
                if self.client is not None:
                    opened.pop(self.client, None)
                super().connection_lost(exc)

        self.protocol = Protocol

    def hang_up(self, scope: Scope, after_sending: bool) -> None:  # noqa: FBT001 - called by its place in an exchange
        """Cut the connection that a request came by, at once or after what was sent has left."""
        transport = self._open.get(tuple(scope["client"]))
        if transport is None:  # the client was first
            return
        if after_sending:
            transport.close()
        else:
            transport.abort()


def _server(options: Options, ready: Callable[[Sandbox], None]) -> _Server:
    with ExitStack() as opened:
        doors = _open_doors(options, opened)
        urls = {name: door.url for name, door in doors.items()}
        hubspot_token, client_id, client_secret, pendo_key = (secrets.token_hex(16) for _ in range(4))

        zone = options.get("time_zone", "America/New_York")
        if zone not in available_timezones():
            raise SandboxError(f"no time zone {zone}: name one such as Europe/Madrid")
        world = build_world(
            options["seed"],
            options["visitors"],
            options["as_of"],
            zone,
            accounts=options.get("accounts"),
            origin=options.get("origin"),
            person_accounts=options.get("person_accounts", False),
            product_leads=options.get("product_leads", 0),
        )
        clock = Clock(options["as_of"])
        hubspot = HubSpotStore(
            world.hubspot,
            clock,
            owners=world.hubspot_owners,
            index_lag=options.get("index_lag", INDEX_LAG),
            limits=options.get("hubspot_limits"),
            time_zone=zone,
        )
        _subscribe(hubspot.webhooks, options.get("webhook_target"), options.get("webhooks", ()))
        salesforce = SalesforceStore(
            world.salesforce,
            clock,
            daily_requests=options.get("salesforce_daily_requests", DAILY_REQUESTS),
            person_accounts=options.get("person_accounts", False),
        )
        pendo = PendoStore(world, clock)
        vendors: dict[str, ASGIApp] = {
            "hubspot": hubspot_app(hubspot, hubspot_token),
            "salesforce": salesforce_app(salesforce, client_id, client_secret, urls["salesforce"]),
            "pendo": pendo_app(pendo, pendo_key),
        }
        traffic, connections = Traffic(clock, options["seed"]), _Connections()
        endings = {"salesforce": salesforce.end_sessions}
        apps: dict[int, ASGIApp] = {
            doors[name].port: WatchedVendor(app, name, traffic, connections.hang_up, endings.get(name, _nothing))
            for name, app in vendors.items()
        }
        stores: dict[str, CrmStore] = {"hubspot": hubspot, "salesforce": salesforce}
        offices = {**stores, "pendo": pendo}
        apps[doors["control"].port] = control_app(world, clock, stores, offices, traffic)

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
            timeout_keep_alive=KEEP_ALIVE,
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
        sandbox = Sandbox(urls, settings, hubspot.webhooks.client_secret, doors["hubspot"].authority)
        return _Server(config, [door.socket for door in doors.values()], opened.pop_all(), lambda: ready(sandbox))


def _nothing() -> None:
    """End no sessions: there are none."""


@dataclass(frozen=True, slots=True)
class _Door:
    """Where a service is reached, and the socket that it serves plain HTTP on."""

    url: str
    socket: socket.socket
    authority: Path | None = None

    @property
    def port(self) -> int:
        """The port that it serves on."""
        return int(self.socket.getsockname()[1])


def _open_doors(options: Options, opened: ExitStack) -> dict[str, _Door]:
    """Bind a socket for each service; with TLS the vendors serve behind theirs, on ports of their own."""
    public = dict(zip(SERVICES, _bind(options.get("port", 0), len(SERVICES), opened), strict=True))
    names = {name: f"{HOST}:{bound.getsockname()[1]}" for name, bound in public.items()}
    plain = {name: _Door(f"http://{names[name]}", bound) for name, bound in public.items()}
    if not options.get("tls", False):
        return plain
    authority = Path(opened.enter_context(TemporaryDirectory(prefix="sandbox-"))) / AUTHORITY
    behind = dict(zip(VENDORS, _bind(0, len(VENDORS), opened), strict=True))
    opened.enter_context(tls_fronts({public[name]: behind[name].getsockname()[1] for name in VENDORS}, authority))
    return plain | {name: _Door(f"https://{names[name]}", bound, authority) for name, bound in behind.items()}


def _bind(port: int, count: int, opened: ExitStack) -> list[socket.socket]:
    """Bind sockets on a port and those after it, or on any free ones for 0."""
    sockets: list[socket.socket] = []
    for number in range(port, port + count):
        bound = opened.enter_context(socket.socket())
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # asyncio does this only on sockets of its own making; without it every answer waits 40 ms for an ACK.
        bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            bound.bind((HOST, number if port else 0))
        except (OSError, OverflowError) as error:
            raise SandboxError(f"port {number} cannot be used ({error}): choose another --port, or 0") from error
        sockets.append(bound)
    return sockets


def _subscribe(hooks: Webhooks, target: str | None, events: Sequence[str]) -> None:
    """Let HubSpot tell a server of events."""
    if target is None:
        if events:
            raise SandboxError("webhooks need a server that they go to: add --webhook-target")
        return
    parts = urlsplit(target)
    if parts.scheme not in {"http", "https"} or parts.hostname not in {HOST, "localhost"}:
        raise SandboxError(f"{target} is no server of this machine: name one such as http://127.0.0.1:9000/webhooks")
    hooks.send_to(target)
    for event in events:
        event_type, _, name = event.partition(":")
        try:
            hooks.subscribe(event_type, name=name or None)
        except ValueError as error:
            raise SandboxError(f"webhook {event}: {error}") from error


def _write_settings(path: Path, settings: Mapping[str, str]) -> None:
    """Replace the file in one step; nobody but its owner ever reads it."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.writelines(f"{name}={value}\n" for name, value in settings.items())
    fresh.replace(path)
