"""How many batches a second the sandbox answers, so that it never is what a benchmark measures."""

from __future__ import annotations

import gc
import socket
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import date
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection
from statistics import median
from urllib.parse import urlsplit

import orjson

from benchmarks.figures import Figure, seconds
from sandbox.hubspot.limits import Limits
from sandbox.server import Sandbox, serving

VISITORS = 5_000
BATCH = 100
PROPERTIES = ("jobtitle", "phone", "company", "city", "country")
CLIENTS = 4
REQUESTS = 1_600
ROUNDS = 3
CONTACTS = "/crm/objects/2026-03/contacts"
UNLIMITED = Limits(burst=10**9, daily=10**9, search=10**9, associations=10**9, associations_daily=10**9, events=10**9)
AT_LEAST = 400


def batch_requests_per_second() -> list[Figure]:
    """Read and update contacts, a hundred a request, from a client and a server of one process each."""
    with _sandbox() as sandbox:
        address, token = urlsplit(sandbox.urls["hubspot"]), sandbox.settings["HUBSPOT_ACCESS_TOKEN"]
        where = (str(address.hostname), int(address.port or 0))
        ids = _contact_ids(where, token)
        batches = [ids[at : at + BATCH] for at in range(0, len(ids) - BATCH + 1, BATCH)]
        rates = {
            kind: median(
                _rate(where, [_request(token, kind, batch, number) for batch in batches]) for number in range(ROUNDS)
            )
            for kind in ("read", "update")
        }
    detail = {
        "at_least": AT_LEAST,
        "records": BATCH,
        "properties": len(PROPERTIES),
        "clients": CLIENTS,
        **{f"{kind}s_per_second": rate for kind, rate in rates.items()},
    }
    return [Figure("sandbox.batch_requests_per_second", min(rates.values()), "requests/s", detail)]


@contextmanager
def _sandbox() -> Iterator[Sandbox]:
    """Serve a world in another process."""
    context = get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_serve, args=(there,))
    process.start()
    try:
        yield here.recv()
        here.send(None)
    finally:
        process.join(5)
        process.kill()


def _serve(caller: Connection) -> None:
    """Serve until the caller has enough."""
    with serving(seed=7, visitors=VISITORS, as_of=date(2026, 6, 1), hubspot_limits=UNLIMITED) as sandbox:
        # As the command does.
        gc.freeze()
        gc.set_threshold(50_000, 20, 50)
        caller.send(sandbox)
        caller.recv()
        # Else the interpreter finds at its end what is frozen, and DuckDB's binding tells of leaks.
        gc.unfreeze()


def _contact_ids(where: tuple[str, int], token: str) -> list[str]:
    """List the ids of all contacts."""
    ids: list[str] = []
    with socket.create_connection(where) as opened:
        after = "0"
        while after:
            path = f"{CONTACTS}?limit={BATCH}&properties=email&after={after}"
            page = orjson.loads(_exchange(opened, _http(token, "GET", path, b"")))
            ids += [record["id"] for record in page["results"]]
            after = page.get("paging", {}).get("next", {}).get("after", "")
    return ids


def _request(token: str, kind: str, ids: Sequence[str], number: int) -> bytes:
    """Write the request that reads a batch, or gives it other values."""
    if kind == "read":
        body: dict[str, object] = {"properties": PROPERTIES, "inputs": [{"id": one} for one in ids]}
    else:
        values = {name: f"{name} {number}" for name in PROPERTIES}
        body = {"inputs": [{"id": one, "properties": values} for one in ids]}
    return _http(token, "POST", f"{CONTACTS}/batch/{kind}", orjson.dumps(body))


def _http(token: str, method: str, path: str, body: bytes) -> bytes:
    lines = (
        f"{method} {path} HTTP/1.1",
        "Host: sandbox",
        f"Authorization: Bearer {token}",
        "Accept: application/json",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
    )
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def _rate(where: tuple[str, int], requests: Sequence[bytes]) -> float:
    """Send requests over and over on connections that stay open; every answer must be a 200."""
    shares = [[requests[n % len(requests)] for n in range(client, REQUESTS, CLIENTS)] for client in range(CLIENTS)]
    with ThreadPoolExecutor(CLIENTS) as clients:
        return REQUESTS / seconds(lambda: list(clients.map(partial(_send_all, where), shares)))


def _send_all(where: tuple[str, int], requests: Sequence[bytes]) -> None:
    with socket.create_connection(where) as opened:
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for request in requests:
            _exchange(opened, request)


def _exchange(opened: socket.socket, request: bytes) -> bytes:
    """Send a request and give the answer's body."""
    opened.sendall(request)
    head, body = b"", b""
    while b"\r\n\r\n" not in head:
        head += opened.recv(65_536)
    head, _, body = head.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(f"the sandbox answered {head[:40]!r} {body[:200]!r}")
    length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    parts, missing = [body], length - len(body)
    while missing > 0:
        parts.append(opened.recv(262_144))
        missing -= len(parts[-1])
    return b"".join(parts)
