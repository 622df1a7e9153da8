"""TLS for clients that speak nothing else: a port that decrypts, in front of one that serves plain HTTP."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import trustme

HOST = "127.0.0.1"
_CHUNK = 65_536  # bytes


@dataclass(frozen=True, slots=True)
class Front:
    """Where the front answers, and the certificate that its clients must trust."""

    url: str
    authority: Path


@contextmanager
def tls_front(plain_port: int, folder: Path, port: int = 0) -> Iterator[Front]:
    """Serve TLS on loopback, in a thread, for as long as the block lasts; 0 takes any free port.

    The certificate is made anew, for 127.0.0.1 and localhost; its authority is written to `folder`.
    """
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(HOST, "localhost").configure_cert(context)
    file = folder / "sandbox-authority.pem"
    authority.cert_pem.write_to_path(str(file))

    connected: set[asyncio.StreamWriter] = set()

    async def serve(client: asyncio.StreamReader, answer: asyncio.StreamWriter) -> None:
        plain, forward = await asyncio.open_connection(HOST, plain_port)
        connected.update((answer, forward))
        await asyncio.gather(_pump(client, forward), _pump(plain, answer))
        connected.difference_update((answer, forward))

    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(asyncio.start_server(serve, HOST, port, ssl=context))
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield Front(f"https://{HOST}:{server.sockets[0].getsockname()[1]}", file)
    finally:
        asyncio.run_coroutine_threadsafe(_stop(server, connected), loop).result()
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


async def _stop(server: asyncio.Server, connected: Iterable[asyncio.StreamWriter]) -> None:
    """Close the port and cut what is still open."""
    server.close()
    for writer in connected:
        writer.transport.abort()
    await asyncio.gather(*(task for task in asyncio.all_tasks() if task is not asyncio.current_task()))
