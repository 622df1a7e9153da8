"""How many calls an account takes: in a burst, which a window keeps, and in a day, of which others need some too."""

from __future__ import annotations

import hashlib
import math
import sqlite3
import time
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pyrate_limiter import AbstractBucket, InMemoryBucket, Limiter, Rate, SQLiteBucket

from activators.errors import PlanError

# How much longer our window is than the vendor's, in milliseconds: at first, and at most.
_FIRST_SLACK_MS, _MOST_SLACK_MS = 150, 1_000


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

    The vendor counts a call when it arrives, which is somewhere between its leaving and its answer. So the window is
    longer than the vendor's by what the slowest of the last calls took, up to a second, and no call comes too early.

    Raises PlanError, before a call leaves, when the file cannot be kept.
    """

    calls: int
    seconds: float
    file: Path | None = None
    _limiter: Limiter = field(init=False, repr=False)
    _bucket: AbstractBucket = field(init=False, repr=False)
    _took_ms: deque[int] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._took_ms = deque([_FIRST_SLACK_MS], self.calls)
        if self.file is None:
            self._bucket = InMemoryBucket(self._rates())
        else:
            with self._keeping():
                self.file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                self._bucket = self._shared(self.file)
        self._limiter = Limiter(self._bucket, buffer_ms=10)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait until a call may leave; it has been answered when the block ends."""
        with self._keeping():
            await self._limiter.try_acquire_async()
        with self._timed():
            yield

    @contextmanager
    def turn_in_thread(self) -> Iterator[None]:
        """Do the same for a caller that has no event loop."""
        with self._keeping():
            self._limiter.try_acquire()
        with self._timed():
            yield

    def close(self) -> None:
        """Let go of the file, and of the thread that forgets old calls."""
        self._limiter.close()

    def _shared(self, file: Path) -> SQLiteBucket:
        """Open the file. A damaged one is made anew: all that it holds is the calls of the last seconds."""
        try:
            return SQLiteBucket.init_from_file(self._rates(), db_path=str(file), use_file_lock=True)
        except sqlite3.OperationalError:
            raise  # the disk is full, say, or the folder is not ours: the file itself may be sound
        except sqlite3.DatabaseError:
            for part in ("", "-wal", "-shm"):
                file.with_name(file.name + part).unlink(missing_ok=True)
            return SQLiteBucket.init_from_file(self._rates(), db_path=str(file), use_file_lock=True)

    @contextmanager
    def _keeping(self) -> Iterator[None]:
        """Say in a line that the file cannot be read or written."""
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise PlanError(
                f"{self.file}: the last calls cannot be noted there ({error}); make room, or remove the file, "
                "then run the same command again"
            ) from None

    @contextmanager
    def _timed(self) -> Iterator[None]:
        """Note, in memory, how long a call takes, from its leave to go to its answer."""
        began = time.monotonic()
        try:
            yield
        finally:
            self._took_ms.append(min(math.ceil((time.monotonic() - began) * 1_000), _MOST_SLACK_MS))
            self._bucket.rates = self._rates()

    def _rates(self) -> list[Rate]:
        return [Rate(self.calls, int(self.seconds * 1_000) + max(self._took_ms))]


def window_file(folder: Path, vendor: str, *identity: str) -> Path:
    """Name the file of one account's window. What identifies the account may be a secret, so a digest stands for it."""
    digest = hashlib.blake2b("\n".join(identity).encode(), digest_size=8).hexdigest()
    return folder / f"{vendor}-{digest}.sqlite"
