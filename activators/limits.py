"""How many calls an account takes: in a burst, which a window keeps, and in a day, of which others need some too."""

from __future__ import annotations

import asyncio
import hashlib
import sqlite3
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

# A call without an answer has arrived this many seconds after it left, as far as the window goes.
_ARRIVES_WITHIN = 1.0
# What two processes' clocks, and the vendor's, may be apart, in seconds.
_MARGIN = 0.01


@dataclass(frozen=True, slots=True)
class Usage:
    """An account's calls of the day, ours and everybody else's, as the vendor counts them."""

    used: int
    daily: int

    @property
    def left(self) -> int:
        """Calls that the vendor still takes today."""
        return max(0, self.daily - self.used)


@dataclass(slots=True)
class Window:
    """A rolling window of one account's calls; with a file, every process that names it shares the window.

    The vendor counts a call when it arrives, which is somewhere between its leaving and its answer. So a call leaves
    the window so many seconds after its answer: none comes too early, nor waits longer than its forerunner took.
    """

    calls: int
    seconds: float
    file: Path | None = None
    _store: sqlite3.Connection = field(init=False, repr=False)
    # Of this process's calls the first to ask is the first to leave.
    _first: asyncio.Lock = field(default_factory=asyncio.Lock, init=False, repr=False)
    _one: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.file is not None:
            self.file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Every statement is a transaction of its own, but for those that `_try` holds together.
        self._store = sqlite3.connect(
            self.file or ":memory:", timeout=30, isolation_level=None, check_same_thread=False
        )
        # What a machine that goes down forgets of its last seconds is of no use once it is back.
        self._store.execute("pragma synchronous = off")
        self._store.execute(
            "create table if not exists calls (id integer primary key autoincrement, arrived_at real not null)"
        )

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait until a call may leave; it has been answered when the block ends."""
        async with self._first:
            while isinstance(call := self._try(), float):  # noqa: ASYNC110  the time to wait for is known
                await asyncio.sleep(call)
        try:
            yield
        finally:
            self._answered(call)

    @contextmanager
    def turn_in_thread(self) -> Iterator[None]:
        """Do the same for a caller that has no event loop."""
        while isinstance(call := self._try(), float):
            time.sleep(call)
        try:
            yield
        finally:
            self._answered(call)

    def close(self) -> None:
        """Let go of the file."""
        self._store.close()

    def _try(self) -> int | float:
        """Note a call that leaves now, and give its number; or the seconds after which to try again."""
        # This clock is the same for all processes of a machine, and never set back while the machine is up.
        now = time.monotonic()
        with self._one:
            self._store.execute("begin immediate")
            try:
                # Calls of the future are of an earlier start of the machine.
                self._store.execute(
                    "delete from calls where arrived_at <= ? or arrived_at > ?",
                    [now - self.seconds - _MARGIN, now + _ARRIVES_WITHIN],
                )
                row = self._store.execute(
                    "select arrived_at from calls order by arrived_at desc limit 1 offset ?", [self.calls - 1]
                ).fetchone()
                if row is not None:
                    return float(max(row[0] + self.seconds + _MARGIN - now, 0.001))
                added = self._store.execute("insert into calls (arrived_at) values (?)", [now + _ARRIVES_WITHIN])
                return int(added.lastrowid or 0)
            finally:
                self._store.execute("commit")

    def _answered(self, call: int) -> None:
        with self._one:
            self._store.execute(
                "update calls set arrived_at = min(arrived_at, ?) where id = ?", [time.monotonic(), call]
            )


def window_file(folder: Path, vendor: str, *identity: str) -> Path:
    """Name the file of one account's window. What identifies the account may be a secret, so a digest stands for it."""
    digest = hashlib.blake2b("\n".join(identity).encode(), digest_size=8).hexdigest()
    return folder / f"{vendor}-{digest}.sqlite"
