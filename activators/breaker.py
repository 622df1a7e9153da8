"""Stopping a run whose records are refused one after the other: nobody wants fifty thousand of the same answer."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field

from activators.errors import RefusedAlike
from activators.journal import Result

# The last records that are looked at, and how many of them may be refused alike: the larger of a number and a share.
LAST = 1_000
AT_MOST, AT_MOST_SHARE = 20, 0.2


@dataclass(slots=True)
class Breaker:
    """Counts what the vendor says of the last records."""

    _codes: deque[str] = field(default_factory=deque, init=False)
    _refused: Counter[str] = field(default_factory=Counter, init=False)
    _example: dict[str, str] = field(default_factory=dict, init=False)

    def add(self, result: Result) -> None:
        """Count one record's result."""
        code = result.code or "no code" if result.status == "rejected" else ""
        if len(self._codes) == LAST:
            self._refused[self._codes.popleft()] -= 1
        self._codes.append(code)
        if code:
            self._refused[code] += 1
            self._example.setdefault(code, result.message or "no message")

    def raise_if_tripped(self, name: str) -> None:
        """Raise RefusedAlike when too many of the last records were refused with one code."""
        code, refused = max(self._refused.items(), key=lambda item: item[1], default=("", 0))
        if refused > max(AT_MOST, AT_MOST_SHARE * len(self._codes)):
            raise RefusedAlike(
                f"{name}: {refused} of the last {len(self._codes)} records were refused alike "
                f"({code}: {self._example[code]}); correct the model or the property and plan again, or go on with "
                "`backhaul apply --keep-going`"
            )
