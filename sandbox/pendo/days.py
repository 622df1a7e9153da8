"""Pendo's usage rows by day: counted once from minutes, then kept in a file as columns of twelve bytes a row.

One unnamed temporary file is smaller than Arrow's (a row is twelve bytes, no names, no padding), is read back
at the speed of the page cache, and is gone with the process however that ends.
"""

from __future__ import annotations

import os
import tempfile
import threading
import weakref
from dataclasses import dataclass
from datetime import date
from enum import IntEnum

import numpy as np
import orjson
from numpy.typing import NDArray

from sandbox.product import PHONES
from sandbox.usage import MAX_LAG, Answer, Day, Ints, browse
from sandbox.world import World

HOUR_MINUTES = 60
# A row: whose, how (see _FLAGS), which hour of the day (0 in rows of a day), of which page, feature
# or track type, with which parameter (both one more than the index, 0 for none), and what was counted.
ROW = np.dtype(
    [
        ("visitor", "<u4"),
        ("flags", "u1"),
        ("hour", "u1"),
        ("object", "u1"),
        ("value", "u1"),
        ("events", "<u2"),
        ("minutes", "<u2"),
    ]
)
Rows = NDArray[np.void]
Small = NDArray[np.int8]
Counts = NDArray[np.int16] | Ints
# Bits of a sort key, the lowest first. Sorting by them brings a row's minutes together.
_EVENTS, _MINUTE, _VALUE, _OBJECT, _HOUR, _FLAGS = 8, 11, 3, 6, 5, 6
_BITS = (_EVENTS, _MINUTE, _VALUE, _OBJECT, _HOUR, _FLAGS)
_ROW_SHIFT = _EVENTS + _MINUTE
SHELF_BYTES = 6 << 30  # what does not fit any more is counted again whenever it is asked for


class Source(IntEnum):
    """The event sources that are counted from minutes."""

    EVENTS = 0
    PAGES = 1
    FEATURES = 2
    TRACKS = 3


@dataclass(frozen=True, slots=True)
class Actors:
    """Who made which row, as columns over rows."""

    visitor: Ints
    account: Ints  # -1 for none
    app: Ints
    server: Ints
    ip: Ints
    agent: Ints


def count(world: World, day: Day, source: Source, lag: int, *, hourly: bool) -> Rows:
    """Count distinct minutes and events of a day's visible sessions, by Pendo's row key."""
    events, thing, value = _counted(world, day, source)
    shown = (day.lag <= lag)[day.session] & (events > 0)
    session, minute = day.session[shown], day.minute[shown]
    key = ((day.visitor << _FLAGS) | _flags(world, day))[session]
    key = (key << _HOUR) | (minute // HOUR_MINUTES if hourly else 0)
    for column, width in ((thing, _OBJECT), (value, _VALUE)):
        key = (key << width) | (0 if column is None else column[shown].astype(np.int64) + 1)
    key = (((key << _MINUTE) | minute) << _EVENTS) | events[shown]
    key.sort()

    row = key >> _ROW_SHIFT
    starts = np.flatnonzero(np.diff(row, prepend=-1))
    rows = np.empty(len(starts), ROW)
    if len(starts):
        new_minute = np.diff(key >> _EVENTS, prepend=-1) != 0
        rows["events"] = np.add.reduceat(key & ((1 << _EVENTS) - 1), starts)
        rows["minutes"] = np.add.reduceat(new_minute.astype(np.int64), starts)
    rest = row[starts]
    for name, width in (("value", _VALUE), ("object", _OBJECT), ("hour", _HOUR), ("flags", _FLAGS)):
        rows[name] = rest & ((1 << width) - 1)
        rest >>= width
    rows["visitor"] = rest
    return rows


def _counted(world: World, day: Day, source: Source) -> tuple[Counts, Small | None, Small | None]:
    """Say what of a day's minutes a source counts: events, and on which thing with which value."""
    if source is Source.EVENTS:
        return day.events, None, None
    spent = browse(world.seed, day)
    match source:
        case Source.PAGES:
            return spent.page_events, spent.page, spent.parameter
        case Source.FEATURES:
            return spent.feature_events, spent.feature, None
        case _:
            return spent.track_events, spent.track, spent.detail


def _flags(world: World, day: Day) -> Ints:
    """Pack how a session was held: in which account, app, and from where, given who held it."""
    elsewhere = (day.account >= 0) & (day.account == world.habits.other[day.visitor])
    flags: Ints = (day.app << 1) | (day.server << 2) | ((day.ip & 1) << 4) | elsewhere
    flags |= (day.agent >= PHONES).astype(np.int64) << 5
    return flags


def actors(world: World, rows: Rows) -> Actors:
    """Unpack what `_flags` packed."""
    who, flags, habits = rows["visitor"].astype(np.int64), rows["flags"].astype(np.int64), world.habits
    return Actors(
        visitor=who,
        account=np.where(flags & 1, habits.other[who], habits.account[who]),
        app=(flags >> 1) & 1,
        server=(flags >> 2) & 3,
        ip=who * 2 + ((flags >> 4) & 1),
        agent=np.where(flags >> 5, habits.phone[who], habits.agent[who]),
    )


class Shelf:
    """Bytes by key in one unnamed file; safe to use from several threads."""

    def __init__(self) -> None:
        file = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the shelf
        weakref.finalize(self, file.close)
        self._file = file.fileno()
        self._places: dict[object, tuple[int, int]] = {}
        self._size = 0
        self._lock = threading.Lock()

    def put(self, key: object, content: bytes) -> None:
        """Keep something, if there is room."""
        with self._lock:
            if key in self._places or self._size + len(content) > SHELF_BYTES:
                return
            written = 0
            while written < len(content):
                written += os.pwrite(self._file, memoryview(content)[written:], self._size + written)
            self._places[key] = (self._size, len(content))
            self._size += len(content)

    def get(self, key: object) -> bytes | None:
        """Give what was kept."""
        place = self._places.get(key)
        return None if place is None else os.pread(self._file, place[1], place[0])


class UsageRows:
    """Every day's rows, counted when they are first asked for."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._shelf = Shelf()

    def rows(self, source: Source, day: date, lag: int, *, hourly: bool = False) -> Rows:
        """Give one day's rows of a source, sessions included that are at most `lag` days late."""
        key = (source, day, lag, hourly)
        kept = self._shelf.get(key)
        if kept is not None:
            return np.frombuffer(kept, ROW)
        rows = count(self._world, self._world.day(day), source, lag, hourly=hourly)
        self._shelf.put(key, rows.tobytes())
        return rows

    def answers(self, day: date) -> list[Answer]:
        """Give one day's answers to surveys."""
        kept = self._shelf.get(day)
        if kept is not None:
            return [Answer(**one) for one in orjson.loads(kept)]
        answers = list(self._world.day(day).answers)
        self._shelf.put(day, orjson.dumps(answers))
        return answers


def lag_shown(as_of: date, day: date) -> int:
    """Say how late a day's latest visible session may be, on the morning of `as_of`."""
    return min((as_of - day).days - 1, MAX_LAG)
