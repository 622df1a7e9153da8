"""One way to call a vendor: wait for the limiter, send, retry what the vendor says may be retried."""

from __future__ import annotations

import datetime as dt
import email.utils
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import stamina

from activators.errors import QuotaExhausted, RefusedThroughout, Unreachable, VendorError
from activators.journal import RecordChanges, Result
from activators.limits import Usage, Window

# A vendor's own wait, in seconds, may be far longer than any backoff of ours; past this the run stops instead.
LONGEST_WAIT = 60.0
_ATTEMPTS = 6
# Records of a refused batch that are sent alone before it is halved.
_PROBES = 5
# What may be gone a moment later. A request that cannot even be written never is.
_PASSING = (
    httpx.TimeoutException,
    httpx.NetworkError,
    httpx.RemoteProtocolError,
    httpx.ProxyError,
    httpx.DecodingError,
)


@dataclass(frozen=True, slots=True)
class Again(Exception):
    """The vendor asks to repeat the call. `after` is its wait in seconds, None for our own backoff."""

    reason: str
    after: float | None = None


Judge = Callable[[httpx.Response], None]
"""Returns for an answer that the caller can read; raises `Again`, or a VendorError to stop."""
Meter = Callable[[httpx.Response], Usage | None]
"""Reads off an answer's headers how much of the day's calls is used; None where the vendor does not say."""


@dataclass(slots=True)
class Caller:
    """Sends requests of one vendor account and counts them.

    `day_share` is the share of the account's daily calls, whoever made them, past which no new batch is begun.
    """

    http: httpx.AsyncClient
    limit: Window
    judge: Judge
    meter: Meter
    where: str
    day_share: float = 1.0
    calls: int = field(default=0, init=False)
    usage: Usage | None = field(default=None, init=False)

    def refuse_overspending(self) -> None:
        """Raise QuotaExhausted once our share of the day's calls is used; the vendor's last answer says how many."""
        usage = self.usage
        if usage is not None and usage.used >= self.day_share * usage.daily:
            raise QuotaExhausted(
                f"{self.where}: {usage.used:,} of the day's {usage.daily:,} calls are used, and we leave the rest when "
                f"{self.day_share:.0%} are; run the same command again tomorrow, or raise BACKHAUL_DAY_SHARE"
            )

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
                    async with self.limit.turn():
                        self.calls += metered
                        response = await self.http.request(method, path, **request)
                    self.usage = self.meter(response) or self.usage
                    self.judge(response)
        except Again as again:
            raise Unreachable(f"{self.where}: {again.reason}; tried {_ATTEMPTS} times, try later") from None
        except _PASSING as error:
            raise Unreachable(
                f"{self.where}: {self.http.base_url} does not answer ({str(error) or type(error).__name__}); "
                "check the base URL and the network"
            ) from None
        except (httpx.TransportError, httpx.InvalidURL) as error:
            # The text of such an error quotes the headers, and with them the token.
            raise VendorError(
                f"{self.where}: {self.http.base_url} cannot be asked ({type(error).__name__}); check the base URL"
            ) from None
        return response


@dataclass(frozen=True, slots=True)
class Refusal:
    """A vendor's refusal of a whole batch for something in it, in its own words."""

    code: str
    message: str
    # The properties that it names.
    to_blame: tuple[str, ...] = ()
    # Of those, the ones of which the vendor takes no value at all, each with the code and words of that.
    closed: Mapping[str, tuple[str, str]] = field(default_factory=dict)


Attempt = Callable[[Sequence[RecordChanges]], Awaitable[list[Result] | Refusal]]
"""Sends records in one call: a result for each, or the refusal of all."""


async def isolate(attempt: Attempt, records: Sequence[RecordChanges], refused: Refusal | None = None) -> list[Result]:
    """Send a batch, and where it is refused as a whole, find the records that are to blame: those are rejected.

    A batch that has been `refused` already is not sent whole again. A record with a property of which nothing is taken
    is rejected without a call of its own, and the records without any property that the refusal names go together.
    Before the others are halved, a few of them are sent alone, until one is taken. Raises RefusedThroughout, with the
    results that there are, when none is: then the rest is likely as bad, and would cost two calls a record.
    """
    answer = refused or await attempt(records)
    if not isinstance(answer, Refusal):
        return answer
    shut = [result for record in records if (result := _shut_out(record, answer)) is not None]
    if shut:
        named = {result.record_id for result in shut}
        rest = [record for record in records if record.record_id not in named]
        return [*shut, *(await _isolate_beside(shut, attempt, rest) if rest else ())]
    sound = [record for record in records if not any(change.property in answer.to_blame for change in record.changes)]
    if 0 < len(sound) < len(records):
        named = {record.record_id for record in sound}
        told = await isolate(attempt, sound)
        suspects = [record for record in records if record.record_id not in named]
        return [*told, *await _isolate_beside(told, attempt, suspects, answer)]
    if len(records) <= _PROBES:
        return await halve(attempt, records, answer)
    results: list[Result] = []
    for record in (records[at * (len(records) - 1) // (_PROBES - 1)] for at in range(_PROBES)):
        results += await halve(attempt, [record])
        if results[-1].status != "rejected":
            break
    else:
        if len({result.code for result in results}) == 1:
            raise RefusedThroughout(answer.code, answer.message, tuple(results))
    probed = {result.record_id for result in results}
    rest = [record for record in records if record.record_id not in probed]
    return [*results, *await halve(attempt, rest)]


async def _isolate_beside(
    results: Sequence[Result], attempt: Attempt, records: Sequence[RecordChanges], refused: Refusal | None = None
) -> list[Result]:
    """Do the same with a part of a batch. Should that end the run, the results of the other part are told, too."""
    try:
        return await isolate(attempt, records, refused)
    except RefusedThroughout as error:
        raise RefusedThroughout(error.code, error.message, (*results, *error.results)) from None


def _shut_out(record: RecordChanges, refusal: Refusal) -> Result | None:
    """The rejection of a record that has a property of which the vendor takes no value."""
    names = tuple(change.property for change in record.changes if change.property in refusal.closed)
    return Result(record.record_id, "rejected", None, *refusal.closed[names[0]], names) if names else None


async def halve(attempt: Attempt, records: Sequence[RecordChanges], answer: Refusal | None = None) -> list[Result]:
    """Send a batch in two halves where it is refused, and so on until the bad records are alone."""
    found = answer or await attempt(records)
    if not isinstance(found, Refusal):
        return found
    if len(records) == 1:
        return [Result(records[0].record_id, "rejected", None, found.code, found.message, found.to_blame)]
    middle = len(records) // 2
    return [*await halve(attempt, records[:middle]), *await halve(attempt, records[middle:])]


@contextmanager
def understanding(response: httpx.Response, where: str) -> Iterator[None]:
    """Read an answer inside: one that is not of the documented shape raises VendorError, in a sentence."""
    try:
        yield
    except (LookupError, TypeError, ValueError, AttributeError):
        raise VendorError(
            f"{where} answers {response.status_code} to {response.request.method} {response.request.url.path} "
            "with something else than its API gives; check the base URL"
        ) from None


def retry_after(response: httpx.Response) -> float | None:
    """The seconds that the vendor asks to wait, None when it names none, or a date."""
    text = response.headers.get("Retry-After", "")
    return float(text) if text.isdecimal() else None


def time_before(response: httpx.Response) -> dt.datetime:
    """A moment, by the vendor's clock and to the second, that is surely not after what the call did."""
    answered = email.utils.parsedate_to_datetime(response.headers["Date"]).astimezone(dt.UTC)
    return (answered - response.elapsed).replace(microsecond=0)


def _wait(error: Exception) -> bool | float:
    if isinstance(error, Again):
        if error.after is None:
            return True
        return error.after if error.after <= LONGEST_WAIT else False
    return isinstance(error, _PASSING)
