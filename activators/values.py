"""When two texts of a CRM are the same value. The plan's own comparison is SQL; this one serves the read-back."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation


def same_value(family: str, left: str | None, right: str | None) -> bool:
    """Whether two texts are one value: 12 is 12.0, empty is None, a date is its midnight UTC in milliseconds."""
    return _value(family, left) == _value(family, right)


def _value(family: str, text: str | None) -> object:
    if not text:
        return None
    try:
        return _READ.get(family, str)(text)
    except (InvalidOperation, KeyError, ValueError, OverflowError):
        # Not a value of its family: it equals nothing but itself.
        return text


def _moment(text: str) -> dt.datetime:
    if text.lstrip("-").isdecimal():
        return dt.datetime.fromtimestamp(int(text) / 1000, dt.UTC)
    moment = dt.datetime.fromisoformat(text)
    return moment.replace(tzinfo=dt.UTC) if moment.tzinfo is None else moment.astimezone(dt.UTC)


def _number(text: str) -> Decimal:
    number = Decimal(text)
    if not number.is_finite():
        raise ValueError(text)
    return number


_READ: Mapping[str, Callable[[str], object]] = {
    "number": _number,
    "boolean": lambda text: {"true": True, "false": False}[text.lower()],
    "date": lambda text: _moment(text).date(),
    "datetime": _moment,
}
