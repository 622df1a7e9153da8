"""Read JSON values as a field's type, and times as Salesforce writes them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from functools import partial

from .errors import Problem, Refused, Unreadable, refused
from .schema import NUMBERS, Field

_EMAIL = re.compile(
    r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
    r"(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)+"
)
_DATETIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-]\d\d:?\d\d)")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")


def write_time(moment: datetime) -> str:
    """Write a moment in UTC to the second, as Salesforce stores it."""
    in_utc = moment if moment.tzinfo is UTC else moment.astimezone(UTC)
    return in_utc.isoformat()[:19] + ".000+0000"


def read_time(text: str) -> datetime | None:
    """Read a moment with its offset; None if it is not one."""
    if not _DATETIME.fullmatch(text):
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def read_date(text: str) -> date | None:
    """Read a date; None if it is not one."""
    if not _DATE.fullmatch(text):
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def read_value(field: Field, value: object) -> object:
    """Turn a JSON value into what the org stores.

    Raises Unreadable for another JSON type, Refused for a value that the field cannot hold.
    """
    if field.type == "boolean":
        return _read_flag(field, value)
    if value is None:
        return None
    if field.type in NUMBERS:
        return _read_number(field, value)
    if not isinstance(value, str):
        raise _unreadable(field, value)
    text = value.strip()
    if not text:
        return None
    if field.type in ("date", "datetime"):
        return _read_moment(field, text)
    return _read_text(field, text)


Reader = Callable[[object], object]
_PLAIN_TEXTS = ("string", "textarea", "phone", "url")


def value_reader(field: Field) -> Reader:
    """Make what `read_value` is for one field, quick for the values that come most often."""
    if field.type in ("double", "currency", "percent"):
        limit = 10 ** (field.precision - field.scale)

        def read_number(value: object) -> object:
            return float(value) if type(value) is int and -limit < value < limit else read_value(field, value)

        return read_number
    if field.type in _PLAIN_TEXTS:
        surely_fits = field.length // 2  # however many of its characters count as two

        def read_text(value: object) -> object:
            if type(value) is str and len(value) <= surely_fits:
                return value.strip() or None
            return read_value(field, value)

        return read_text
    return partial(read_value, field)


def _read_moment(field: Field, text: str) -> str:
    day = read_date(text) if field.type == "date" else None
    moment = read_time(text) if field.type == "datetime" else None
    if moment is not None:
        return write_time(moment)
    if day is None:
        raise _unreadable(field, text)
    return day.isoformat()


def _read_flag(field: Field, value: object) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    raise _unreadable(field, value)


def _read_number(field: Field, value: object) -> int | float:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise _unreadable(field, value)
    if field.type == "int":
        if isinstance(value, float) or not re.fullmatch(r"[+-]?\d+", str(value).strip()):
            raise _unreadable(field, value)
        if abs(int(value)) >= 10 ** (field.digits or 10):
            raise _out_of_range(field, value)
        return int(value)
    try:
        number = Decimal(str(value).strip())
    except InvalidOperation:
        raise _unreadable(field, value) from None
    if not number.is_finite():
        raise _unreadable(field, value)
    if number.adjusted() >= field.precision:
        raise _out_of_range(field, value)  # also keeps the rounding below in bounds
    rounded = number.quantize(Decimal(1).scaleb(-field.scale), ROUND_HALF_UP)
    if abs(rounded) >= 10 ** (field.precision - field.scale):
        raise _out_of_range(field, value)
    return float(rounded) + 0.0  # plus zero, so that a rounded -0.4 is 0.0


def _out_of_range(field: Field, value: object) -> Refused:
    return refused(
        "NUMBER_OUTSIDE_VALID_RANGE",
        f"{field.label}: value outside of valid range on numeric field: {value}",
        (field.name,),
    )


def _read_text(field: Field, text: str) -> str:
    # Counted as the platform's own strings are: a character outside the basic plane is two.
    if field.length and len(text.encode("utf-16-le")) // 2 > field.length:
        raise refused(
            "STRING_TOO_LONG", f"{field.label}: data value too large: {text} (max length={field.length})", (field.name,)
        )
    if field.type == "email" and not _EMAIL.fullmatch(text):
        raise refused("INVALID_EMAIL_ADDRESS", f"{field.label}: invalid email address: {text}", (field.name,))
    if field.type == "picklist":
        return _read_choice(field, text)
    if field.type == "multipicklist":
        chosen = [_read_choice(field, one.strip()) for one in text.split(";") if one.strip()]
        order = {value: at for at, value in enumerate(field.values)}
        # Kept in the order of the definition, whatever order they came in.
        return ";".join(sorted(dict.fromkeys(chosen), key=lambda one: order.get(one, len(order))))
    return text


def _read_choice(field: Field, text: str) -> str:
    """Accept a choice; where the picklist is not restricted, an unknown one too."""
    if field.restricted and text not in field.values:
        raise refused(
            "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
            f"{field.label}: bad value for restricted picklist field: {text}",
            (field.name,),
        )
    return text


_JSON_NAMES: tuple[tuple[type, str], ...] = (
    (bool, "VALUE_BOOLEAN"),
    (int, "VALUE_NUMBER_INT"),
    (float, "VALUE_NUMBER_FLOAT"),
    (str, "VALUE_STRING"),
    (dict, "START_OBJECT"),
    (list, "START_ARRAY"),
)


def _unreadable(field: Field, value: object) -> Unreadable:
    token = next((name for kind, name in _JSON_NAMES if isinstance(value, kind)), "VALUE_NULL")
    shown = json.dumps(value, ensure_ascii=False).strip('"')
    return Unreadable(
        [
            Problem(
                "JSON_PARSER_ERROR",
                f"Cannot deserialize instance of {field.type} from {token} value {shown} "
                "or request may be missing a required field at [line:1, column:1]",
            )
        ]
    )
