"""What HubSpot stores for a value that it is given, or why it refuses it.

Every stored value is a string; "" is a value that was cleared.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from functools import lru_cache

from sandbox.hubspot.definitions import Property
from sandbox.hubspot.errors import Failure
from sandbox.hubspot.objecttypes import LIFECYCLE_STAGES

LONGEST = 65_536
LARGEST_EXPONENT = 27
LONGEST_NUMBER = 18
DAY_MS = 86_400_000
EPOCH_DAY = date(1970, 1, 1).toordinal()
_EMAIL = re.compile(r"[^\s@;,]+@[^\s@;,]+\.[^\s@;,]+")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_PLAIN_NUMBER = re.compile(r"0|-?[1-9][0-9]{0,14}(\.[0-9]{0,10}[1-9])?")
_EPOCH = re.compile(r"-?\d{1,15}")


class InvalidValue(Exception):
    """A value that HubSpot refuses: its error code and sentence."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message

    def of(self, name: str) -> Failure:
        """Name the property that it was meant for."""
        return Failure(name, self.code, self.message)


@dataclass(frozen=True, slots=True)
class Normalised:
    """A value that was changed rather than refused, as 2026-09 and later warn of it."""

    name: str
    raw: str
    stored: str

    def shown(self) -> dict[str, object]:
        """Give the warning as a record's `warnings` does."""
        return {
            "category": "PROPERTY_VALUE_NORMALIZED",
            "message": f"The value '{self.raw}' of property '{self.name}' was normalized.",
            "context": {
                "propertyName": [self.name],
                "rawValue": [self.raw],
                "normalizedValue": [self.stored],
            },
        }


@lru_cache(maxsize=4096)
def instant(ms: int) -> str:
    """Write epoch milliseconds as HubSpot does: no fraction when it is zero."""
    minutes, milliseconds_on = divmod(ms, 60_000)
    days, minutes = divmod(minutes, 1440)
    seconds, fraction = divmod(milliseconds_on, 1000)
    text = f"{_day(days)}T{minutes // 60:02d}:{minutes % 60:02d}:{seconds:02d}"
    return f"{text}.{fraction:03d}Z" if fraction else f"{text}Z"


@lru_cache(maxsize=4096)
def _day(days: int) -> str:
    """Write the date so many days after 1970 began."""
    return date.fromordinal(EPOCH_DAY + days).isoformat()


def milliseconds(moment: datetime) -> int:
    """Give a moment as epoch milliseconds, rounded down."""
    return int(moment.timestamp() * 1000)


def whole(text: str) -> int | None:
    """Read a whole number as an id or a page size is written; None if it is none."""
    return int(text) if len(text) <= LONGEST_NUMBER and text.isascii() and text.isdigit() else None


@lru_cache(maxsize=4096)
def epoch(text: str) -> int | None:
    """Read a date or a moment, ISO 8601 or epoch milliseconds; None if it is neither.

    A moment must name its offset.
    """
    try:
        if _EPOCH.fullmatch(text):
            ms = int(text)
            instant(ms)  # refuses what no calendar reaches
            return ms
        if _DATE.fullmatch(text):
            return milliseconds(datetime.combine(date.fromisoformat(text), time.min, UTC))
        moment = datetime.fromisoformat(text)
    except (ValueError, OverflowError, OSError):
        return None
    return milliseconds(moment) if moment.tzinfo else None


def as_text(raw: object) -> str:
    """Write a JSON scalar as the string that HubSpot works on."""
    if isinstance(raw, str):
        return raw
    if isinstance(raw, bool):
        return "true" if raw else "false"
    if isinstance(raw, int | float):
        return str(raw)
    raise InvalidValue("INVALID_TYPE", f"Expected a string but got {type(raw).__name__}.")


def stored(
    definition: Property, raw: object, owner_ids: Collection[str], *, normalises: bool
) -> tuple[str, Normalised | None]:
    """Give the string that is stored for a value, and a warning if it had to be changed.

    `normalises` is 2026-09's behaviour: a date that is not at midnight is cut, not refused.
    Raises InvalidValue.
    """
    text = as_text(raw)
    if definition.read_only or definition.calculated:
        raise InvalidValue(
            "READ_ONLY_VALUE",
            f'"{definition.name}" is a read only property; its value cannot be set.',
        )
    if text == "":
        return "", None
    if definition.type == "date":
        return _date(definition.name, text, normalises=normalises)
    if definition.references == "OWNER":
        if text not in owner_ids:
            raise InvalidValue("INVALID_OWNER_ID", f"Owner {text} does not exist.")
        return text, None
    return _STORED[definition.type](definition, text), None


def is_email(text: str) -> bool:
    """Say whether a text is an email address."""
    return _EMAIL.fullmatch(text.strip().lower()) is not None


def is_backward(before: str, after: str) -> bool:
    """Say whether a lifecycle stage would move back, which the API ignores."""
    if before not in LIFECYCLE_STAGES or after not in LIFECYCLE_STAGES:
        return False
    return LIFECYCLE_STAGES.index(after) < LIFECYCLE_STAGES.index(before)


def furthest_stage(*stages: str) -> str:
    """Give the lifecycle stage that is furthest down the funnel."""
    known = [stage for stage in stages if stage in LIFECYCLE_STAGES]
    return max(known, key=LIFECYCLE_STAGES.index, default="")


def _number(_: Property, text: str) -> str:
    if _PLAIN_NUMBER.fullmatch(text):
        return text
    try:
        number = Decimal(text.strip())
    except InvalidOperation:
        number = Decimal("nan")
    if not number.is_finite() or abs(number.adjusted()) > LARGEST_EXPONENT:
        raise InvalidValue("INVALID_INTEGER", f"{text} was not a valid number.")
    # One spelling a number: 12.50 reads back as 12.5 and 1e3 as 1000.
    return format(number.normalize(), "f") if number else "0"


def _datetime(_: Property, text: str) -> str:
    ms = epoch(text)
    if ms is None:
        raise InvalidValue("INVALID_LONG", f"{text} was not a valid long.")
    return instant(ms)


def _date(name: str, text: str, *, normalises: bool) -> tuple[str, Normalised | None]:
    ms = epoch(text)
    if ms is None:
        raise InvalidValue("INVALID_DATE", f"{text} was not a valid date.")
    if ms % DAY_MS and not normalises:
        at = instant(ms)[11:-1]
        raise InvalidValue("INVALID_DATE", f"{text} is at {at} UTC, not midnight!")
    day = instant(ms)[:10]
    # Midnight in milliseconds is a documented way to write a date; other spellings are cut.
    canonical = text == day or (ms % DAY_MS == 0 and _EPOCH.fullmatch(text))
    return day, None if canonical or not normalises else Normalised(name, text, day)


def _flag(definition: Property, text: str) -> str:
    return _option(definition, text.lower())


def _choice(definition: Property, text: str) -> str:
    return (_several if definition.is_multiple else _option)(definition, text)


def _option(definition: Property, text: str) -> str:
    if text not in definition.allowed:
        options = ", ".join(option.value for option in definition.options)
        raise InvalidValue("INVALID_OPTION", f"{text} was not one of the allowed options: [{options}]")
    return text


def _several(definition: Property, text: str) -> str:
    """Check each option; a leading ';' stays, it asks to append."""
    head = ";" if text.startswith(";") else ""
    parts = [_option(definition, part) for part in text.split(";") if part]
    return head + ";".join(dict.fromkeys(parts))


def _string(definition: Property, text: str) -> str:
    if len(text) > LONGEST:
        raise InvalidValue("VALUE_TOO_LONG", f"Value is too long: {len(text)} characters, {LONGEST} allowed.")
    if definition.hubspot_defined and definition.name == "email":
        return _email(text)
    if definition.hubspot_defined and definition.name == "hs_additional_emails":
        return ";".join(_email(part) for part in text.split(";") if part)
    return text


def _email(text: str) -> str:
    address = text.strip().lower()
    if not is_email(address):
        raise InvalidValue("INVALID_EMAIL", f"Email address {text} is invalid")
    return address


_STORED: Mapping[str, Callable[[Property, str], str]] = {
    "bool": _flag,
    "datetime": _datetime,
    "enumeration": _choice,
    "number": _number,
    "string": _string,
}
