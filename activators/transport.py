"""One way to call a vendor: wait for the limiter, send, retry what the vendor says may be retried."""

from __future__ import annotations

import datetime as dt
import email.utils
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
import stamina
from pyrate_limiter import Duration, Limiter, Rate

from activators.errors import Unreachable
from activators.journal import RecordChanges, Result

# A vendor's own wait, in seconds, may be far longer than any backoff of ours; past this the run stops instead.
LONGEST_WAIT = 60.0
_ATTEMPTS = 6


@dataclass(frozen=True, slots=True)
class Again(Exception):
    """The vendor asks to repeat the call. `after` is its wait in seconds, None for our own backoff."""

    reason: str
    after: float | None = None


Judge = Callable[[httpx.Response], None]
"""Returns for an answer that the caller can read; raises `Again`, or a VendorError to stop."""


def limiter(calls: int, seconds: float) -> Limiter:
    """Make a rolling-window limiter; the window is 2 % longer than the vendor's, for clocks and queues."""
    return Limiter(Rate(calls, int(seconds * 1.02 * Duration.SECOND)))


@dataclass(slots=True)
class Caller:
    """Sends requests of one vendor account and counts them."""

    http: httpx.AsyncClient
    limit: Limiter
    judge: Judge
    where: str
    calls: int = field(default=0, init=False)

    async def send(self, method: str, path: str, *, metered: bool = True, **request: Any) -> httpx.Response:  # noqa: ANN401  httpx has no public type for its keywords
        """Send until the vendor gives an answer that `judge` lets through.

        A call that the vendor does not count against the account's quota is not `metered`. Raises Unreachable when
        every attempt failed, and whatever `judge` raises.
        """
        try:
            async for attempt in stamina.retry_context(
                on=_wait, attempts=_ATTEMPTS, timeout=None, wait_initial=0.5, wait_max=10.0
            ):
                with attempt:
                    await self.limit.try_acquire_async(self.where)
                    self.calls += metered
                    response = await self.http.request(method, path, **request)
                    self.judge(response)
        except Again as again:
            raise Unreachable(f"{self.where}: {again.reason}; tried {_ATTEMPTS} times, try later") from None
        except httpx.TransportError as error:
            raise Unreachable(
                f"{self.where}: {self.http.base_url} does not answer ({_plain(error)}); "
                "check the base URL and the network"
            ) from None
        return response


async def halve(
    send: Callable[[Sequence[RecordChanges]], Awaitable[list[Result]]],
    records: Sequence[RecordChanges],
    code: str,
    message: str,
) -> list[Result]:
    """Send a refused batch again in two halves, and so on until the bad rows are alone: those are rejected."""
    if len(records) == 1:
        return [Result(records[0].record_id, "rejected", None, code, message)]
    middle = len(records) // 2
    return [*await send(records[:middle]), *await send(records[middle:])]


def vendor_time(response: httpx.Response) -> dt.datetime:
    """The vendor's clock when it answered, to the second: its `Date` header, in UTC."""
    return email.utils.parsedate_to_datetime(response.headers["Date"]).astimezone(dt.UTC)


def _wait(error: Exception) -> bool | float:
    if isinstance(error, Again):
        if error.after is None:
            return True
        return error.after if error.after <= LONGEST_WAIT else False
    return isinstance(error, httpx.TransportError)


def _plain(error: httpx.TransportError) -> str:
    return str(error) or type(error).__name__
