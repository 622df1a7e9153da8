"""Find which records a landing lacks, or has too many, by counting: an even count costs one call."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from loaders.calls import Answer
from loaders.hubspot.account import LAST_ID, SEARCH_PAGE, Account
from loaders.hubspot.landed import NONE, Ids, joined

# A record costs up to log2(records / 200) searches, of which five are allowed a second; listing
# costs a call for a hundred records, nineteen a second. Beyond one in so many, listing is faster.
LISTING_IS_FASTER = 5_000


def differing(account: Account, object_type: str, expected: Ids, listed: Callable[[], Iterable[Answer]]) -> Ids:
    """Give the ids that are among the expected or in HubSpot, but not both; `expected` rises.

    `listed` lists the live records.

    HubSpot's counts and searches lag behind a little: whoever gets an id must ask for the record.
    Ranges in which as many records vanished as came unseen are not found: the full read finds them.
    """
    total = account.count(object_type)
    if total == len(expected):
        return NONE
    if abs(total - len(expected)) * LISTING_IS_FASTER > len(expected):
        return np.setxor1d(expected, joined([_numbers(page.rows()) for page in listed()]), assume_unique=True)
    return _within(account, object_type, expected, total, 1, LAST_ID)


def _within(  # noqa: PLR0913, PLR0917
    account: Account, object_type: str, expected: Ids, total: int, first: int, last: int
) -> Ids:
    """Halve a range of ids until the halves that differ are small enough to be read."""
    if total == len(expected):
        return NONE
    if max(total, len(expected)) <= SEARCH_PAGE or len(expected) <= 1:
        until = {"propertyName": "hs_object_id", "operator": "LTE", "value": str(last)}
        pages = account.found(object_type, ("hs_object_id",), [until], first - 1)
        return np.setxor1d(expected, joined([_numbers(page.rows()) for page in pages]), assume_unique=True)
    half = len(expected) // 2
    middle = int(expected[half])
    lower = account.count(object_type, first, middle - 1)
    return joined(
        [
            _within(account, object_type, expected[:half], lower, first, middle - 1),
            _within(account, object_type, expected[half:], total - lower, middle, last),
        ]
    )


def _numbers(rows: list[dict[str, object]]) -> Ids:
    return np.array([int(str(row["id"])) for row in rows], np.int64)
