"""TLS for clients that speak nothing else: a port that decrypts, in front of one that serves plain HTTP."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import trustme

HOST = "127.0.0.1"
AUTHORITY = "sandbox-authority.pem"
_CHUNK = 65_536  # bytes


@dataclass(frozen=True, slots=True)
class Front:
    """Where the front answers, and the certificate that its clients must trust."""

    url: str
    authority: Path


@contextmanager
def tls_front(plain_port: int, folder: Path, port: int = 0) -> Iterator[Front]:
    """Serve TLS on a port of its own, in front of one, for as long as the block lasts; 0 takes any free port."""
    with socket.create_server((HOST, port)) as bound:
        # asyncio does this only on sockets of its own making; without it every answer waits 40 ms for an ACK.
        bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with tls_fronts({bound: plain_port}, folder / AUTHORITY):
            yield Front(f"https://{HOST}:{bound.getsockname()[1]}", folder / AUTHORITY)


@contextmanager
def tls_fronts(doors: Mapping[socket.socket, int], authority_file: Path) -> Iterator[None]:
    """Serve TLS on bound sockets, each in front of a plain port, in a thread, for as long as the block lasts.

    The certificate is made anew, for 127.0.0.1 and localhost; its authority is written to a file.
    """
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(HOST, "localhost").configure_cert(context)
    authority.cert_pem.write_to_path(str(authority_file))

    connected: set[asyncio.StreamWriter] = set()

    async def serve(plain_port: int, client: asyncio.StreamReader, answer: asyncio.StreamWriter) -> None:
        try:
            plain, forward = await asyncio.open_connection(HOST, plain_port)
        except ConnectionError:  # what is behind does not serve yet, or no longer
            answer.transport.abort()
            return
        connected.update((answer, forward))
        await asyncio.gather(_pump(client, forward), _pump(plain, answer))
        connected.difference_update((answer, forward))

    loop = asyncio.new_event_loop()
    servers = [
        loop.run_until_complete(asyncio.start_server(partial(serve, plain_port), sock=bound, ssl=context))
        for bound, plain_port in doors.items()
    ]
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield
    finally:
        asyncio.run_coroutine_threadsafe(_stop(servers, connected), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass bytes on until one side ends."""
    with suppress(ConnectionError, ssl.SSLError):
        while data := await reader.read(_CHUNK):
            writer.write(data)
            await writer.drain()
    writer.close()


async def _stop(servers: Iterable[asyncio.Server], connected: Iterable[asyncio.StreamWriter]) -> None:
    """Close the ports and cut what is still open."""
    for server in servers:
        server.close()
    for writer in connected:
        writer.transport.abort()
    await asyncio.gather(*(task for task in asyncio.all_tasks() if task is not asyncio.current_task()))
