"""Whatever happens to a vendor's records between loads, and to the loads: the next whole one lands them as they are.

A vendor takes part by an Account: what can happen there, and how its state and the landing are compared.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from multiprocessing import get_context
from pathlib import Path
from typing import Protocol

import duckdb
from hypothesis import strategies as st
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from loaders import LoadError, LoadSettings, Wanted, load

# What happens, and two numbers that choose to whom: an event may take them modulo what there is.
Step = tuple[str, int, int]
State = Mapping[str, object]
LOADS = ("load", "load that fails")
# A load takes most of a second, so that a story has only so many.
MOST_LOADS = 2
# Who calls with this header is a person or a test, not a load.
PERSON = {"x-person": "yes"}


class Hands:
    """A clock that moves only when it is told to, so that much happens in one moment."""

    def __init__(self) -> None:
        self.at = datetime(2026, 11, 20, 9, tzinfo=UTC)

    @property
    def as_of(self) -> date:
        """Name the day."""
        return self.at.date()

    def now(self) -> datetime:
        """Give the present moment."""
        return self.at

    def http_date(self) -> str:
        """Write it as a `Date` header does."""
        return self.at.strftime("%a, %d %b %Y %H:%M:%S GMT")


@dataclass(slots=True)
class Calls:
    """A vendor's app, and the calls of loads: some fail once, from one on all may, and things happen in between.

    No two calls in succession fail once, as a call that is tried again would fail for good.
    """

    app: ASGIApp
    count: int = 0
    failing: set[int] = field(default_factory=set)
    broken_from: int | None = None
    # What happens just before a call is answered.
    before: Callable[[str], object] = lambda _path: None
    struck: int = -1

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = self.app
        if (b"x-person", b"yes") not in scope["headers"]:
            self.count += 1
            self.before(scope["path"])
            if self._fails():
                answer = Response(status_code=503)
        await answer(scope, receive, send)

    def _fails(self) -> bool:
        if self.broken_from is not None:
            return self.count > self.broken_from
        once = any(number <= self.count for number in self.failing) and self.count > self.struck + 1
        if once:
            self.failing.discard(min(self.failing))
            self.struck = self.count
        return once

    def fail_once(self, after: int) -> None:
        """Let one call fail, so many from now."""
        self.failing.add(self.count + 1 + after)

    def fail_from(self, after: int) -> None:
        """Let every call fail once so many have gone well."""
        self.broken_from = self.count + after

    def mend(self) -> None:
        """Let every call go well."""
        self.broken_from = None
        self.failing.clear()


class Account(Protocol):
    """One vendor's account that a test may do anything to."""

    vendor: str
    EVENTS: tuple[str, ...]
    wanted: Wanted
    calls: Calls
    clock: Hands

    def happen(self, event: str, one: int, other: int) -> None:
        """Let an event happen, to the records that two numbers choose, if there are any."""

    def settle(self) -> None:
        """Let what lags behind catch up."""

    def truth(self) -> State:
        """Give what the vendor holds, by the names of the tables."""

    def landed(self, warehouse: duckdb.DuckDBPyConnection) -> State:
        """Give the same of the landing."""


def stories(events: Collection[str]) -> st.SearchStrategy[list[Step]]:
    """Make up what happens to an account and to its loads."""
    name = st.sampled_from((*events, *LOADS))
    number = st.integers(0, 999)
    return st.lists(st.tuples(name, number, number), min_size=25, max_size=50)


def land(account: Account, story: Sequence[Step], settings: LoadSettings) -> tuple[State, State]:
    """Live through a story that begins with a load, load once more, and give the truth and the landing."""
    once(account, settings)
    loads = 0
    for name, one, other in story:
        if name not in LOADS:
            account.happen(name, one, other)
        elif loads < MOST_LOADS:
            loads += 1
            fails = name == "load that fails"
            if fails:
                account.calls.fail_from(one % 30)
            try:
                once(account, settings)
            except LoadError:
                assert fails
            finally:
                if fails:
                    account.calls.mend()
    return landed(account, settings)


def once(account: Account, settings: LoadSettings) -> None:
    """Load an account."""
    load([account.vendor], settings, account.wanted, _quietly)


def landed(account: Account, settings: LoadSettings) -> tuple[State, State]:
    """Load an account that is left alone, and give the truth and the landing."""
    account.calls.mend()
    account.settle()
    once(account, settings)
    return compared(account, settings)


def compared(account: Account, settings: LoadSettings) -> tuple[State, State]:
    """Give the truth and the landing as they are."""
    with duckdb.connect(settings.warehouse) as warehouse:
        return account.truth(), account.landed(warehouse)


def load_and_kill(account: Account, settings: LoadSettings, *, at_call: int | None) -> None:
    """Begin a load in a process of its own, and kill it: at one of its calls, or when it has begun to write."""
    context = get_context("forkserver")
    context.set_forkserver_preload(["loaders.pipeline"])
    child = context.Process(target=load, args=([account.vendor], settings, account.wanted, _quietly))
    log = settings.warehouse.with_name(f"{settings.warehouse.name}.wal")
    before = account.calls.count

    def kill(_path: str) -> None:
        if account.calls.count == before + (at_call or 0):
            os.kill(child.pid or 0, signal.SIGKILL)

    account.calls.before = kill
    child.start()
    while at_call is None and child.is_alive():
        # The log is there while the schema is read, too, before any call.
        if account.calls.count > before and log.exists():
            os.kill(child.pid or 0, signal.SIGKILL)
            break
        time.sleep(0.001)
    child.join()
    account.calls.before = lambda _path: None
    assert child.exitcode == -signal.SIGKILL


def reached(folder: Path, **settings: str) -> LoadSettings:
    """Give the settings of a warehouse in a folder."""
    made = LoadSettings(folder / "warehouse.duckdb", folder / "pipelines", folder, unpaced=True)
    return replace(made, **settings)


def _quietly(_vendor: str, _table: str, _rows: int) -> None:
    pass
