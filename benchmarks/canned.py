"""A vendor that costs nothing: a process that answers every call with bytes made beforehand."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection

HOST = "127.0.0.1"
# The vendor's answer, from method and path, query included, and the body of the call; the parts are sent as they come.
Replies = Callable[[str, str, bytes], Iterator[bytes]]


@contextmanager
def canned_vendor(make: Callable[[], Replies]) -> Iterator[str]:
    """Serve what `make` prepares, from another process on loopback; gives the base URL."""
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    server = context.Process(target=_serve, args=(make, theirs), daemon=True)
    server.start()
    try:
        yield f"http://{HOST}:{ours.recv()}"
    finally:
        server.terminate()
        server.join()


def _serve(make: Callable[[], Replies], ready: Connection) -> None:
    replies = make()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await _head(reader):
            method, path, _ = head.split(b" ", 2)
            length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
            body = await reader.readexactly(int(length[1])) if length else b""
            parts = list(replies(method.decode(), path.decode(), body))
            size = sum(map(len, parts))
            writer.write(
                b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
                b"date: Fri, 20 Mar 2026 09:00:00 GMT\r\ncontent-length: %d\r\n\r\n" % size
            )
            for part in parts:
                writer.write(part)
                await writer.drain()
        writer.close()

    async def serve() -> None:
        server = await asyncio.start_server(answer, HOST, 0)
        ready.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(serve())


async def _head(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:  # the client has gone
        return b""
