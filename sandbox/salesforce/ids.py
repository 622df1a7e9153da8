"""Salesforce ids: 3 characters of object prefix, 12 of number, 3 of checksum."""

from __future__ import annotations

import re
import string

_CHECKSUM = string.ascii_uppercase + "012345"
_DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase
_SHAPE = re.compile(r"[0-9A-Za-z]{15}(?:[A-Z0-5]{3})?")


def full_id(text: str) -> str | None:
    """Give the 18-character form of a 15- or 18-character id; None if it is not an id."""
    if not _SHAPE.fullmatch(text):
        return None
    full = text[:15] + checksum(text[:15])
    return full if text in (full, full[:15]) else None


def checksum(short: str) -> str:
    """Say which of the 15 characters are capitals, five to a letter."""
    return "".join(
        _CHECKSUM[sum(char.isupper() << bit for bit, char in enumerate(short[at : at + 5]))] for at in (0, 5, 10)
    )


def make_id(prefix: str, number: int) -> str:
    """Make the id of the nth record that the org itself creates."""
    digits = ""
    while number:
        number, digit = divmod(number, 62)
        digits = _DIGITS[digit] + digits
    short = prefix + "Sb" + digits.rjust(10, "0")
    return short + checksum(short)
