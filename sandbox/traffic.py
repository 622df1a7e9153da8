"""What the sandbox lays around each vendor: a log of its requests, and the faults that they run into."""

from __future__ import annotations

import random
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sandbox.clock import Clock
from sandbox.exchange import Exchange
from sandbox.faults import Fault

# The newest requests that are kept; older ones are only counted.
KEPT = 100_000


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


class Waiting:
    """A fault that waits, how many fitting requests it still spares, and how many it is still for."""

    def __init__(self, fault: Fault, seed: int) -> None:
        self.fault = fault
        self.skip = fault.skip
        self.times = fault.times
        self.random = random.Random(f"{seed} {fault.model_dump_json()}")  # noqa: S311 - the same in every run

    def strikes(self) -> bool:
        """Tell whether the next fitting request meets the fault."""
        if self.skip:
            self.skip -= 1
            return False
        if self.fault.rate < 1 and self.random.random() >= self.fault.rate:
            return False
        if self.times is not None:
            self.times -= 1
        return True

    def shown(self) -> dict[str, object]:
        """Give the fault with what is left of it."""
        return {**self.fault.model_dump(exclude_defaults=True), "skip": self.skip, "times": self.times}


class Traffic:
    """The newest requests that vendors have seen, and the faults that wait for the next ones.

    `counts` are all requests since the start, by vendor.
    """

    def __init__(self, clock: Clock, seed: int = 0, kept: int = KEPT) -> None:
        self.clock = clock
        self.seen: deque[Seen] = deque(maxlen=kept)
        self.counts: Counter[str] = Counter()
        self.faults: list[Waiting] = []
        self._seed = seed
        self._count = 0

    def plant(self, fault: Fault) -> None:
        """Let a fault wait."""
        self.faults.append(Waiting(fault, self._seed))

    def meet(self, vendor: str, method: str, path: str) -> Waiting | None:
        """Take the fault that a request runs into, if any: the first planted one that fits and strikes."""
        for waiting in self.faults:
            if waiting.fault.fits(vendor, method, path) and waiting.strikes():
                if waiting.times == 0:
                    self.faults.remove(waiting)
                return waiting
        return None

    def note(self, vendor: str, scope: Scope, status: int | None, *, fault: bool) -> None:
        """Log a request."""
        self._count += 1
        self.counts[vendor] += 1
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
    """A vendor's app behind the request log and the faults; `hang_up` and `end_sessions` are for these."""

    def __init__(
        self,
        app: ASGIApp,
        vendor: str,
        traffic: Traffic,
        hang_up: Callable[[Scope, bool], None],
        end_sessions: Callable[[], None] = lambda: None,
    ) -> None:
        self._app = app
        self._vendor = vendor
        self._traffic = traffic
        self._hang_up = hang_up
        self._end_sessions = end_sessions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        waiting = self._traffic.meet(self._vendor, scope["method"], scope["path"])
        status: int | None = None

        async def passed_on(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                names = {name.lower() for name, _ in message["headers"]}
                if b"date" not in names:  # a path that the vendor's app does not know
                    message["headers"] = [*message["headers"], self._date()]
            await send(message)

        if waiting is None:
            await self._app(scope, receive, passed_on)
        else:
            exchange = Exchange(self._app, scope, receive, passed_on, self._hang_up, self._end_sessions, waiting.random)
            await exchange.pause(waiting.fault.delay)
            await waiting.fault.befall(exchange)
        self._traffic.note(self._vendor, scope, status, fault=waiting is not None)

    def _date(self) -> tuple[bytes, bytes]:
        return b"date", self._traffic.clock.http_date().encode()
