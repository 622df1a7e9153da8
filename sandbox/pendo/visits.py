"""First and last visits, kept up day by day."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date

import numpy as np

from sandbox.pendo.days import Source, UsageRows, lag_shown
from sandbox.product import APPS
from sandbox.usage import MAX_LAG, Day, Ints
from sandbox.world import World

NEVER_SEEN = np.iinfo(np.int64).max
THREADS = 2
DAYS_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Span:
    """First and last activity in ms, by number; `last` is -1 where there is none."""

    first: Ints
    last: Ints

    @classmethod
    def empty(cls, size: int) -> Span:
        """Nobody was seen yet."""
        return cls(np.full(size, NEVER_SEEN), np.full(size, -1))

    def copy(self) -> Span:
        """Copy both columns."""
        return Span(self.first.copy(), self.last.copy())

    def widen(self, places: Ints, first: Ints, last: Ints) -> None:
        """Take in more activity."""
        np.minimum.at(self.first, places, first)
        np.maximum.at(self.last, places, last)


@dataclass(frozen=True, slots=True)
class Visits:
    """Activity by visitor, by visitor and app (a row of `len(APPS)` each), and by account."""

    visitor: Span
    app: Span
    account: Span

    def copy(self) -> Visits:
        """Copy all columns."""
        return Visits(self.visitor.copy(), self.app.copy(), self.account.copy())


@dataclass(frozen=True, slots=True)
class _Sessions:
    """A day's sessions as far as visits need them."""

    lag: Ints
    visitor: Ints
    app: Ints
    account: Ints
    first: Ints
    last: Ints


class VisitLog:
    """Visits as of any morning; days that no late session can change any more are added up once."""

    def __init__(self, world: World, usage: UsageRows) -> None:
        self._world = world
        self._usage = usage
        self._lock = threading.Lock()
        self._final: Visits | None = None
        self._final_days = 0
        self._latest: tuple[date, Visits] | None = None

    def forget(self) -> None:
        """Begin anew: who counts has changed."""
        with self._lock:
            self._final, self._final_days, self._latest = None, 0, None

    def at(self, as_of: date, progress: Callable[[int, int], None] | None = None) -> Visits:
        """Give visits as Pendo knows them on the morning of `as_of`; `progress` is told days done and days in all."""
        with self._lock:
            if self._latest is None or self._latest[0] != as_of:
                self._latest = (as_of, self._added_up(as_of, progress))
            return self._latest[1]

    def _added_up(self, as_of: date, progress: Callable[[int, int], None] | None) -> Visits:
        dates = self._world.days(as_of).dates
        final = max(len(dates) - MAX_LAG, 0)
        if self._final is None or final < self._final_days:
            self._final, self._final_days = self._before(), 0
        todo = dates[self._final_days :]
        now: Visits | None = None
        with ThreadPoolExecutor(THREADS) as threads:
            for start in range(0, len(todo), DAYS_AT_ONCE):
                some = todo[start : start + DAYS_AT_ONCE]
                for at, sessions in enumerate(threads.map(lambda day: self._sessions(day, as_of), some), start):
                    lag = lag_shown(as_of, todo[at])
                    if lag < MAX_LAG and now is None:
                        now = self._final.copy()
                    self._add(now or self._final, sessions, lag)
                    if now is None:
                        self._final_days += 1
                    if progress is not None:
                        progress(at + 1, len(todo))
        return now or self._final.copy()

    def _before(self) -> Visits:
        """Begin with the visits before the history."""
        people = self._world.visitors
        sizes = (len(people), len(APPS) * len(people), len(self._world.accounts) + 1)
        empty = Visits(*map(Span.empty, sizes))
        came = np.flatnonzero(people.last >= 0)
        first, last = people.first[came], people.last[came]
        empty.visitor.widen(came, first, last)
        empty.app.widen(len(APPS) * came, first, last)
        empty.account.widen(self._homes(came, people.main[came]), first, last)
        return empty

    def _homes(self, visitors: Ints, accounts: Ints) -> Ints:
        """Nobody without an account, and nobody who opted out, makes an account active."""
        nowhere = len(self._world.accounts)
        return np.where((accounts < 0) | self._world.visitors.excluded[visitors], nowhere, accounts)

    def _sessions(self, date_: date, as_of: date) -> _Sessions:
        day = self._world.day(date_)
        # The day is at hand: what most will ask for next is counted now.
        self._usage.rows(Source.EVENTS, date_, lag_shown(as_of, date_))
        self._usage.answers(date_)
        first, last = session_times(day)
        return _Sessions(day.lag, day.visitor, day.app, day.account, first, last)

    def _add(self, visits: Visits, sessions: _Sessions, lag: int) -> None:
        shown = sessions.lag <= lag
        who, first, last = sessions.visitor[shown], sessions.first[shown], sessions.last[shown]
        visits.visitor.widen(who, first, last)
        visits.app.widen(len(APPS) * who + sessions.app[shown], first, last)
        visits.account.widen(self._homes(who, sessions.account[shown]), first, last)


def session_times(day: Day) -> tuple[Ints, Ints]:
    """Give the first and last ms of each session of a day."""
    base = day.start + day.offset
    ends = np.flatnonzero(np.diff(day.session, append=len(day.visitor)))
    begins = np.append(0, ends[:-1] + 1) if len(ends) else ends
    return base + day.minute[begins] * 60_000, base + day.minute[ends] * 60_000


def as_fields(span: Span, number: int) -> Mapping[str, int]:
    """Write a first and last visit as metadata does; nothing where there was none."""
    last = int(span.last[number])
    return {} if last < 0 else {"firstvisit": int(span.first[number]), "lastvisit": last}
