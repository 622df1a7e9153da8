"""One request to a vendor as a fault finds it: what was asked, what the vendor would answer, and the connection."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from starlette.types import ASGIApp, Message, Receive, Scope, Send

Headers = tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer; names of headers are in lower case."""

    status: int
    headers: Headers = ()
    body: bytes = b""

    def with_body(self, body: bytes, status: int | None = None) -> Answer:
        """Give the same answer with another body, and perhaps another status."""
        kept = tuple(one for one in self.headers if one[0] != b"content-length")
        length = (b"content-length", str(len(body)).encode())
        return Answer(status or self.status, (*kept, length), body)


def answer(status: int, body: bytes, headers: Mapping[str, str]) -> Answer:
    """Make an answer; its length is added."""
    raw = tuple((name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items())
    return Answer(status, raw).with_body(body)


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request, the app that would answer it, and the ways in which that can go wrong.

    `random` is the fault's own, so that the same seed and fault choose the same rows. `end_sessions`
    ends every login that the vendor has handed out.
    """

    app: ASGIApp
    scope: Scope
    receive: Receive
    send: Send
    hang_up: Callable[[Scope, bool], None]
    end_sessions: Callable[[], None]
    random: random.Random = field(default_factory=random.Random)

    @property
    def method(self) -> str:
        """The request's method."""
        return str(self.scope["method"])

    @property
    def path(self) -> str:
        """The request's path, without its query."""
        return str(self.scope["path"])

    async def body(self) -> bytes:
        """Read the request's body; afterwards `work` must be given one."""
        parts: list[bytes] = []
        while True:
            message = await self.receive()
            parts.append(message.get("body", b""))
            if not message.get("more_body", False):
                return b"".join(parts)

    async def pass_on(self, *, without: bytes = b"") -> None:
        """Let the vendor answer, perhaps to a request that lacks a header."""
        headers = [one for one in self.scope["headers"] if one[0] != without]
        await self.app({**self.scope, "headers": headers}, self.receive, self.send)

    async def work(self, *, body: bytes | None = None, query: bytes | None = None) -> Answer:
        """Let the vendor do its work, on another body or query if one is given, and keep its answer."""
        status, headers, parts = 200, list[tuple[bytes, bytes]](), list[bytes]()
        scope = self.scope if query is None else {**self.scope, "query_string": query}
        given = [] if body is None else [body]

        async def receive() -> Message:
            if given:
                return {"type": "http.request", "body": given.pop(), "more_body": False}
            return await self.receive()

        async def keep(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers.extend((name.lower(), value) for name, value in message["headers"])
            else:
                parts.append(message.get("body", b""))

        await self.app(scope, receive, keep)
        return Answer(status, tuple(headers), b"".join(parts))

    async def say(self, said: Answer) -> None:
        """Answer the client."""
        await self.begin(said)
        await self.send({"type": "http.response.body", "body": said.body})

    async def begin(self, said: Answer) -> None:
        """Send the status and the headers."""
        await self.send({"type": "http.response.start", "status": said.status, "headers": list(said.headers)})

    async def say_part(self, part: bytes) -> None:
        """Send a part of a body that goes on."""
        await self.send({"type": "http.response.body", "body": part, "more_body": True})

    async def end(self) -> None:
        """End a body that went on."""
        await self.send({"type": "http.response.body", "body": b""})

    async def cut(self, *, after_sending: bool = False) -> None:
        """End the connection: at once, or after what was sent has left."""
        self.hang_up(self.scope, after_sending)
        while (await self.receive())["type"] != "http.disconnect":
            pass

    async def pause(self, seconds: float) -> None:
        """Wait."""
        if seconds:
            await asyncio.sleep(seconds)

    async def linger(self, seconds: float) -> bool:
        """Wait once the vendor has done its work; tells whether the client is still there."""
        try:
            async with asyncio.timeout(seconds):
                while (await self.receive())["type"] != "http.disconnect":
                    pass
        except TimeoutError:
            return True
        return False
