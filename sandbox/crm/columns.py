"""What all planted records share: random columns, dates, and ids."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from sandbox.clock import START
from sandbox.usage import Ints

BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
CHECKSUM = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
OLDEST_DAYS = 900
CHUNK = 8192  # records made at once
NOBODY = -1
SLIPS = 50  # of so many names one was never asked for, and one typed in a hurry


@dataclass(frozen=True, slots=True)
class Past:
    """When records were made and last touched, in epoch seconds, up to an hour before the world begins."""

    created: Ints
    updated: Ints

    @classmethod
    def draw(cls, rng: np.random.Generator, origin: date, count: int) -> Past:
        """Draw a past for so many records."""
        ages = rng.uniform(1, OLDEST_DAYS, count) * 86_400
        end = end_of_past(origin)
        return cls(end - ages.astype(np.int64), end - (ages * rng.random(count)).astype(np.int64))


def end_of_past(origin: date) -> int:
    """Give the last second, in epoch seconds, at which a planted record may have been touched."""
    return int((datetime.combine(origin, START) - timedelta(hours=1)).timestamp())


def moment(seconds: int) -> datetime:
    """Read epoch seconds."""
    return datetime.fromtimestamp(seconds, UTC)


def day_of(seconds: int) -> str:
    """Write the UTC date of epoch seconds."""
    return moment(seconds).date().isoformat()


def rows_of(*columns: NDArray[np.generic]) -> Iterator[tuple[int, ...]]:
    """Walk through columns of one length, a tuple of plain numbers at a time."""
    for start in range(0, len(columns[0]), CHUNK):
        yield from zip(*(column[start : start + CHUNK].tolist() for column in columns), strict=True)


def pick(options: Sequence[str | None], code: int) -> str | None:
    """Give the option that a drawn number stands for: beyond the last one, none."""
    return options[code] if code < len(options) else None


def typed(name: str | None, slip: int) -> str | None:
    """Write a name as somebody typed it, by a number below SLIPS."""
    if name is None or slip == 0:
        return None
    return name[1] + name[0] + name[2:] if slip == 1 and len(name) > 1 else name


def phone(number: int) -> str:
    """Write a number up to a million as a telephone number of the range set aside for fiction."""
    return f"+1 555 01{number // 10_000:02d} {number % 10_000:04d}"


def domestic_phone(number: int) -> str:
    """Write the same number as it is dialled in its own country."""
    return f"(555) 01{number // 10_000:02d}-{number % 10_000:04d}"


def salesforce_id(prefix: str, number: int) -> str:
    """Write a Salesforce id: prefix, instance, number, and the three-letter case checksum."""
    high, low = divmod(number, 62**4)
    first, fifth = divmod(high, 62)
    third, last = divmod(low, 62**2)
    start, middle, end = f"{prefix}5g", f"000{_PAIRS[first]}", f"{BASE62[fifth]}{_PAIRS[third]}{_PAIRS[last]}"
    return f"{start}{middle}{end}{_case(start)}{_case(middle)}{_letter(end)}"


def _letter(part: str) -> str:
    """Give the letter that says which of five characters are capitals."""
    return CHECKSUM[sum(1 << k for k, letter in enumerate(part) if "A" <= letter <= "Z")]


_PAIRS = tuple(high + low for high in BASE62 for low in BASE62)
_case = lru_cache(_letter)
