"""How many calls an account may make: in ten seconds, a day, and in search."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Literal, Protocol
from zoneinfo import ZoneInfo

from sandbox.hubspot.errors import HubSpotError

INTERVAL_SECONDS = 10
# What a call counts as. Searches and sent events have their own seconds; associations count as calls too.
Family = Literal["call", "search", "association", "event"]


class Now(Protocol):
    """Whatever tells the time."""

    def now(self) -> datetime:
        """Give the present moment, aware."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Calls per rolling ten seconds and per day, of all and of associations; searches and events per second.

    The defaults are an Enterprise account's.
    """

    burst: int = 190
    daily: int = 1_000_000
    search: int = 5
    associations: int = 150
    associations_daily: int = 500_000
    events: int = 1250


class _Window:
    """Counts calls in the last `seconds`; refused calls do not count."""

    def __init__(self, limit: int, seconds: float) -> None:
        self.limit = limit
        self._seconds = seconds
        self._calls: deque[float] = deque()

    def remaining(self, now: float) -> int:
        calls = self._calls
        while calls and calls[0] <= now - self._seconds:
            calls.popleft()
        return self.limit - len(calls)

    def add(self, now: float) -> None:
        self._calls.append(now)


class Limiter:
    """Admits or refuses the calls of one account, and says how many are left."""

    def __init__(self, clock: Now, limits: Limits, time_zone: str) -> None:
        self.limits = limits
        self._clock = clock
        self._zone = ZoneInfo(time_zone)
        self._burst = _Window(limits.burst, INTERVAL_SECONDS)
        self._own: dict[Family, _Window] = {
            "search": _Window(limits.search, 1),
            "event": _Window(limits.events, 1),
            "association": _Window(limits.associations, INTERVAL_SECONDS),
        }
        self._day = self._local().date()
        self._used_today = 0
        self._associations_today = 0

    def admit(self, family: Family = "call") -> None:
        """Count one call, or raise the 429 that HubSpot would answer.

        Every call counts for the day; a search and an event do not in the ten seconds.
        """
        now = self._clock.now().timestamp()
        linking = family == "association"
        if self.used_today() >= self.limits.daily or (
            linking and self._associations_today >= self.limits.associations_daily
        ):
            raise _refused("daily", policyName="DAILY", errorType="RATE_LIMIT")
        own = self._own.get(family)
        windows = [own] if own is not None and not linking else [one for one in (self._burst, own) if one is not None]
        if any(window.remaining(now) <= 0 for window in windows):
            if family in {"search", "event"}:
                raise HubSpotError(429, "You have reached your secondly limit.", "RATE_LIMITS")
            raise _refused(
                "ten_secondly_rolling",
                policyName="TEN_SECONDLY_ROLLING",
                errorType="RATE_LIMIT",
                groupName="publicapi:private_app-api-calls-ten-secondly",
            )
        for window in windows:
            window.add(now)
        self._used_today += 1
        self._associations_today += linking

    def used_today(self) -> int:
        """Count the calls since midnight in the account's time zone."""
        today = self._local().date()
        if today != self._day:
            self._day, self._used_today, self._associations_today = today, 0, 0
        return self._used_today

    def resets_at(self) -> datetime:
        """Give the next midnight in the account's time zone."""
        tomorrow = self._local().date() + timedelta(days=1)
        return datetime.combine(tomorrow, time.min, self._zone)

    def headers(self, family: Family = "call") -> dict[str, str]:
        """Give the headers that tell a client its limits; a search and an event have only the daily two."""
        daily = {
            "X-HubSpot-RateLimit-Daily": str(self.limits.daily),
            "X-HubSpot-RateLimit-Daily-Remaining": str(self.limits.daily - self.used_today()),
        }
        if family in {"search", "event"}:
            return daily
        burst = self._own.get(family, self._burst)
        remaining = burst.remaining(self._clock.now().timestamp())
        secondly = burst.limit // INTERVAL_SECONDS
        return {
            **daily,
            "X-HubSpot-RateLimit-Interval-Milliseconds": str(INTERVAL_SECONDS * 1000),
            "X-HubSpot-RateLimit-Max": str(burst.limit),
            "X-HubSpot-RateLimit-Remaining": str(remaining),
            "X-HubSpot-RateLimit-Secondly": str(secondly),
            "X-HubSpot-RateLimit-Secondly-Remaining": str(min(remaining, max(secondly - 1, 0))),
        }

    def _local(self) -> datetime:
        return self._clock.now().astimezone(self._zone)


def _refused(limit: str, **rest: str) -> HubSpotError:
    return HubSpotError(429, f"You have reached your {limit} limit.", **rest)
