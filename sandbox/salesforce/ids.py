"""Salesforce ids: 3 characters of object prefix, 12 of number, 3 of checksum."""

from __future__ import annotations

import re
import string
from functools import lru_cache

_CHECKSUM = string.ascii_uppercase + "012345"
_DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase
# What five characters give, written as which of them are capitals: 1 for a capital, 0 for another.
_LETTERS = {f"{bits:05b}"[::-1]: letter for bits, letter in enumerate(_CHECKSUM)}
_CAPITALS = str.maketrans({char: "1" if char in string.ascii_uppercase else "0" for char in _DIGITS})
_SHAPE = re.compile(r"[0-9A-Za-z]{15}(?:[A-Z0-5]{3})?")


@lru_cache(maxsize=65_536)  # one request asks for the same id several times
def full_id(text: str) -> str | None:
    """Give the 18-character form of a 15- or 18-character id; None if it is not an id."""
    if not _SHAPE.fullmatch(text):
        return None
    full = text[:15] + checksum(text[:15])
    return full if text in (full, full[:15]) else None


def checksum(short: str) -> str:
    """Say which of the 15 characters are capitals, five to a letter."""
    bits = short.translate(_CAPITALS)
    return _LETTERS[bits[:5]] + _LETTERS[bits[5:10]] + _LETTERS[bits[10:15]]


def make_id(prefix: str, number: int) -> str:
    """Make the id of the nth record that the org itself creates."""
    digits = ""
    while number:
        number, digit = divmod(number, 62)
        digits = _DIGITS[digit] + digits
    short = prefix + "Sb" + digits.rjust(10, "0")
    return short + checksum(short)
