"""How many calls an account takes: in a burst, which a window keeps, and in a day, of which others need some too."""

from __future__ import annotations

import hashlib
import math
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

from pyrate_limiter import AbstractBucket, InMemoryBucket, Limiter, Rate, SQLiteBucket

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
    longer than the vendor's by what the slowest of the last calls took, and no call comes too early.
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
            self.file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._bucket = SQLiteBucket.init_from_file(self._rates(), db_path=str(self.file), use_file_lock=True)
        self._limiter = Limiter(self._bucket, buffer_ms=10)

    async def wait(self) -> None:
        """Wait until a call may leave."""
        await self._limiter.try_acquire_async()

    def answered(self, seconds: float) -> None:
        """Note how long a call took, from its leave to go to its answer."""
        self._took_ms.append(min(math.ceil(seconds * 1_000), _MOST_SLACK_MS))
        self._bucket.rates = self._rates()

    def close(self) -> None:
        """Let go of the file, and of the thread that forgets old calls."""
        self._limiter.close()

    def _rates(self) -> list[Rate]:
        return [Rate(self.calls, int(self.seconds * 1_000) + max(self._took_ms))]


def window_file(folder: Path, vendor: str, *identity: str) -> Path:
    """Name the file of one account's window. What identifies the account may be a secret, so a digest stands for it."""
    digest = hashlib.blake2b("\n".join(identity).encode(), digest_size=8).hexdigest()
    return folder / f"{vendor}-{digest}.sqlite"
