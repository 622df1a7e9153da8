"""The sandbox's own time: every vendor's answers, timestamps and token ages use it."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock_time
from email.utils import format_datetime

START = clock_time(9, tzinfo=UTC)


class Clock:
    """Starts at 09:00 UTC of a chosen day, runs with real time, and skips days on demand."""

    def __init__(self, as_of: date) -> None:
        self._start = datetime.combine(as_of, START)
        self._started = time.monotonic()
        self._days = 0

    def now(self) -> datetime:
        """Give the sandbox's present moment, aware, in UTC."""
        elapsed = time.monotonic() - self._started
        return self._start + timedelta(days=self._days, seconds=elapsed)

    def advance(self, days: int) -> None:
        """Let whole days pass at once; time never goes back."""
        if days < 0:
            raise ValueError(f"days must not be negative, got {days}")
        self._days += days

    @property
    def as_of(self) -> date:
        """The day that the world has reached: the first one plus the days advanced."""
        return self._start.date() + timedelta(days=self._days)

    def http_date(self) -> str:
        """Write the present moment as a `Date` header does."""
        return format_datetime(self.now(), usegmt=True)
