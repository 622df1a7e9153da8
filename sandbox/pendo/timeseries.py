"""The `timeSeries` of a source: which whole days or hours of the subscription are asked for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from sandbox.pendo.expressions import MalformedPipelineError
from sandbox.usage import midnight

HOUR_MS = 3_600_000
CALENDAR = re.compile(r"date\(\s*(\d{4})\s*,\s*(\d{1,2})\s*,\s*(\d{1,2})\s*\)")


@dataclass(frozen=True, slots=True)
class Periods:
    """Whole days or hours: the ms at which the first and the last of them begin, and the days they lie in."""

    hourly: bool
    first: int
    last: int
    days: tuple[date, ...]


def read_periods(series: object, zone: ZoneInfo, now: datetime) -> Periods:
    """Read a timeSeries; days and hours are counted from local midnight."""
    if not isinstance(series, Mapping):
        raise MalformedPipelineError("this source needs a timeSeries")
    period = series.get("period")
    if period not in ("dayRange", "hourRange"):
        raise MalformedPipelineError(f"the sandbox has dayRange and hourRange, not {period!r}")
    hourly = period == "hourRange"
    count, end = series.get("count"), series.get("last")
    if (count is None) == (end is None):
        raise MalformedPipelineError("a timeSeries has either count or last")
    begin = _moment(series.get("first"), zone, now)
    begin = _hour(begin, zone) if hourly else _day(begin, zone).toordinal()
    step = HOUR_MS if hourly else 1
    if count is None:
        until = _moment(end, zone, now)
        last = _hour(until, zone) if hourly else _day(until, zone).toordinal()
        if last < begin:
            raise MalformedPipelineError("last is before first")
    elif not isinstance(count, int) or isinstance(count, bool) or count == 0:
        raise MalformedPipelineError(f"count is a number of periods, got {count!r}")
    else:
        # A negative count ends just before the period that contains `first`.
        begin = min(begin, begin + count * step)
        last = begin + (abs(count) - 1) * step
    try:
        if hourly:
            days = range(_day(begin, zone).toordinal(), _day(last, zone).toordinal() + 1)
            return Periods(hourly, begin, last, tuple(map(date.fromordinal, days)))
        dates = tuple(map(date.fromordinal, range(begin, last + 1)))
        return Periods(hourly, midnight(dates[0], zone), midnight(dates[-1], zone), dates)
    except (ValueError, OverflowError, OSError) as error:
        raise MalformedPipelineError(f"a timeSeries beyond the calendar: {error}") from error


def _moment(value: object, zone: ZoneInfo, now: datetime) -> int:
    """Read ms, `now()` or `date(y,m,d)` (midnight in the subscription's time zone)."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    text = str(value).strip()
    if text == "now()":
        return int(now.timestamp() * 1000)
    if text.isdigit():
        return int(text)
    if called := CALENDAR.fullmatch(text):
        try:
            return midnight(date(*map(int, called.groups())), zone)
        except ValueError as error:
            raise MalformedPipelineError(f"{text}: {error}") from error
    raise MalformedPipelineError(f"a moment is ms, now() or date(y,m,d), got {value!r}")


def _day(ms: int, zone: ZoneInfo) -> date:
    """Name the local day of a moment."""
    try:
        return datetime.fromtimestamp(ms / 1000, zone).date()
    except (ValueError, OverflowError, OSError) as error:
        raise MalformedPipelineError(f"{ms} is no moment: {error}") from error


def _hour(ms: int, zone: ZoneInfo) -> int:
    """Give the ms at which a moment's hour begins: hours are whole ones since local midnight."""
    start = midnight(_day(ms, zone), zone)
    return start + (ms - start) // HOUR_MS * HOUR_MS
