"""What every metric must be, worked out in SQL from who was active in which minute.

Nothing here is shared with the Pendo server's counting or with the product's models. Minutes come as
they were lived; only what had reached Pendo by the morning in question counts.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from sandbox.product import FEATURES, PAGES, TRACK_TYPES
from sandbox.usage import CSAT, NPS, Answer, Day, browse
from sandbox.world import World

WINDOWS = (30, 90, 180)
SURVEY_DAYS = 180
PROMOTER, DETRACTOR = 9, 6
MINUTES_AT_ONCE = 1_000_000
HEALTH_DAYS = 30
# What an account's health is made of, as the seed decides: the weight, and the value that is worth 100 points.
HEALTH = {"frequency": (40, 50), "breadth": (30, 80), "depth": (20, 10), "sentiment": (10, 50)}

Fields = dict[str, object]
# What was used, by window, kind of thing and id: minutes and events.
Used = Mapping[int, Mapping[str, Mapping[str, tuple[int, int]]]]
# Minutes and events.
Spent = tuple[int, int]
# The id of everything that can be used, by the name of the minutes' column that says so.
THINGS: Mapping[str, Sequence[str]] = {
    "page": [page.id for page in PAGES],
    "feature": [feature.id for feature in FEATURES],
    "track": [track.id for track in TRACK_TYPES],
}

# A row of Pendo's is a visitor in an account, app, server, address and browser, and its minutes are
# distinct ones: what is summed over rows may count a clock minute twice.
ROW = "ago, visitor, account, app, server, ip, agent"
TABLES = """
create table usage (ago integer, visitor integer, account integer, minutes integer, events integer);
create table visits (visitor integer, account integer, first bigint, last bigint);
create table things (kind varchar, thing integer, ago integer, visitor integer, account integer,
                     minutes integer, events integer);
"""
ADD_USAGE = f"""
insert into usage
select ago, visitor, account, count(distinct minute), sum(events) from lived group by {ROW}
"""  # noqa: S608 - made of constants
ADD_VISITS = "insert into visits select visitor, account, min(moment), max(moment) from lived group by visitor, account"
ADD_THINGS = """
insert into things
select '{kind}', {kind}, ago, visitor, account, count(distinct minute), sum({kind}_events) from lived
where {kind}_events > 0 group by {row}, {kind}, {value}
"""
WINDOWED = """
select {owner}, length,
    count(distinct ago) filter (ago <= length),
    coalesce(sum(minutes) filter (ago <= length), 0),
    coalesce(sum(minutes) filter (ago > length), 0),
    coalesce(sum(events) filter (ago <= length), 0),
    count(distinct visitor) filter (ago <= length)
from usage, (select unnest(?) as length)
where ago <= 2 * length and {owner} >= 0 group by {owner}, length
"""
USED = """
select {owner}, length, kind, thing, sum(minutes), sum(events)
from things, (select unnest(?) as length)
where ago <= length and {owner} >= 0 group by {owner}, length, kind, thing order by all
"""
SEEN = "select {owner}, min(first), max(last) from visits where {owner} >= 0 group by {owner}"


def metrics(world: World, as_of: date) -> dict[str, object]:
    """Give every metric that a push may send, for visitors and accounts known on a morning.

    Windows are the whole local days before `as_of`. Sessions that Pendo does not show yet do not
    count, nor do anonymous visitors and those who opted out. Numbers are not rounded.
    """
    people = world.visitors
    counted = people.known(as_of) & ~people.anonymous & ~people.excluded
    with duckdb.connect() as database:
        database.execute(TABLES)
        _tell(database, world, as_of, counted)
        visitors, accounts = (_Usage(database, owner) for owner in ("visitor", "account"))

    answers = _answers(world, as_of, counted)
    latest = {(answer.visitor, answer.survey): answer.rating for answer in answers}
    comments = {a.visitor: a.comment for a in answers if a.survey == NPS and a.comment is not None}
    of_account: dict[int, list[Answer]] = defaultdict(list)
    for answer in answers:
        if _in_window(answer, world, as_of):
            of_account[answer.account].append(answer)
    members = Counter(people.main[counted].tolist()) + Counter(people.other[counted].tolist())
    numbers = np.flatnonzero(counted)
    return {
        "as_of": as_of.isoformat(),
        "time_zone": str(world.zone),
        "visitors": {
            visitor: {
                **visitors.of(n),
                "latest_nps_rating": int(latest[n, NPS]) if (n, NPS) in latest else None,
                "latest_nps_comment": comments.get(n),
                "latest_poll_response": latest.get((n, CSAT)),
            }
            for n, visitor in zip(numbers.tolist(), people.ids(numbers), strict=True)
        },
        "accounts": {
            account.id: _account(accounts, n, members[n], _survey_scores(of_account[n]))
            for n, account in enumerate(world.accounts)
        },
    }


def used_daily(world: World, as_of: date, days: Iterable[date]) -> dict[tuple[str, str | None, str, str, date], Spent]:
    """Give what was used on some days: minutes and events by visitor, account, kind, thing and day.

    Those who count, and what Pendo shows of it on the morning of `as_of`.
    """
    people = world.visitors
    counted = people.known(as_of) & ~people.anonymous & ~people.excluded
    ids = dict(zip(range(len(counted)), people.ids(np.arange(len(counted))), strict=True))
    found: dict[tuple[str, str | None, str, str, date], Spent] = {}
    with duckdb.connect() as database:
        database.execute(TABLES)
        for day in days:
            database.register("lived", _lived(world, world.day(day), as_of, counted, used=True))
            for kind, value in (("page", "parameter"), ("feature", "feature"), ("track", "detail")):
                database.execute(ADD_THINGS.format(kind=kind, value=value, row=ROW))
            database.unregister("lived")
        rows = database.execute(
            "select visitor, account, kind, thing, ago, sum(minutes), sum(events) from things group by all"
        ).fetchall()
    for visitor, account, kind, thing, ago, minutes, events in rows:
        where = world.accounts[account].id if account >= 0 else None
        found[ids[visitor], where, kind, THINGS[kind][thing], as_of - timedelta(days=ago)] = int(minutes), int(events)
    return found


def _tell(database: duckdb.DuckDBPyConnection, world: World, as_of: date, counted: NDArray[np.bool_]) -> None:
    """Add up all that happened, some days at a time."""
    came = np.flatnonzero(counted & (world.visitors.last >= 0))
    earlier = pa.table(
        {
            "visitor": came,
            "account": world.visitors.main[came],
            "first": world.visitors.first[came],
            "last": world.visitors.last[came],
        }
    )
    database.register("earlier", earlier)
    database.execute("insert into visits select visitor, account, first, last from earlier")
    every = world.days(as_of)
    recent = max(len(every) - max(WINDOWS), 0)
    for days, used in ((every[:recent], False), (every[recent:], True)):
        for lived in _batches(_lived(world, day, as_of, counted, used=used) for day in days):
            database.register("lived", lived)
            database.execute(ADD_USAGE)
            database.execute(ADD_VISITS)
            if used:
                for kind, value in (("page", "parameter"), ("feature", "feature"), ("track", "detail")):
                    database.execute(ADD_THINGS.format(kind=kind, value=value, row=ROW))
            database.unregister("lived")


def _lived(world: World, day: Day, as_of: date, counted: NDArray[np.bool_], *, used: bool) -> pa.Table:
    """Give a day's active minutes, and what was used in them if that is wanted, of those who count."""
    ago = (as_of - day.date).days
    kept = (counted[day.visitor] & (day.lag < ago))[day.session]
    session, minute = day.session[kept], day.minute[kept]
    columns = {name: getattr(day, name)[session] for name in ("visitor", "account", "app", "server", "ip", "agent")}
    columns |= {"ago": np.full(len(session), ago), "minute": minute, "events": day.events[kept]}
    columns |= {"moment": day.start + minute * 60_000 + day.offset[session]}
    if used:
        spent = browse(world.seed, day)
        columns |= {field.name: getattr(spent, field.name)[kept] for field in fields(spent)}
    return pa.table(columns)


def _batches(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    waiting: list[pa.Table] = []
    for table in tables:
        waiting.append(table)
        if sum(len(one) for one in waiting) >= MINUTES_AT_ONCE:
            yield pa.concat_tables(waiting)
            waiting = []
    if waiting:
        yield pa.concat_tables(waiting)


class _Usage:
    """The usage of all visitors, or of all accounts, read from the database at once."""

    def __init__(self, database: duckdb.DuckDBPyConnection, owner: str) -> None:
        def rows(query: str, *values: object) -> list[tuple[int, ...]]:
            return database.execute(query.format(owner=owner), values).fetchall()

        self._seen = {n: (first, last) for n, first, last in rows(SEEN)}
        self._windows = {(n, length): tuple(sums) for n, length, *sums in rows(WINDOWED, list(WINDOWS))}
        used: dict[tuple[int, int], dict[str, dict[str, tuple[int, int]]]] = defaultdict(dict)
        for n, length, kind, thing, minutes, events in rows(USED, list(WINDOWS)):
            name = str(kind)
            used[n, length].setdefault(name, {})[THINGS[name][thing]] = (minutes, events)
        self._used = dict(used)

    def of(self, number: int) -> Fields:
        """Give what there is to say of one of them."""
        first, last = self._seen.get(number, (None, None))
        windows = {str(length): self.window(number, length) for length in WINDOWS}
        return {"first_visit": first, "last_visit": last, "windows": windows}

    def people(self, number: int) -> Mapping[str, int]:
        """Count who was active, by the window's length."""
        return {str(length): self._windows.get((number, length), (0,))[-1] for length in WINDOWS}

    def window(self, number: int, length: int) -> Fields:
        """Sum usage over a window, and compare its minutes with the window before it."""
        days, minutes, previous, events, _ = self._windows.get((number, length), (0, 0, 0, 0, 0))
        used = self._used.get((number, length), {})
        pages, features, tracks = (used.get(kind, {}) for kind in THINGS)
        return {
            "active_days": days,
            "share_of_days_active": days / length,
            "minutes": minutes,
            "previous_minutes": previous,
            "trending_percent": 100 * (minutes - previous) / previous if previous else None,
            "trending_reason": None if previous else "new" if minutes else "none",
            "events": events,
            "events_per_active_day": events / days if days else None,
            "pages_viewed": len(pages),
            "features_used": len(features),
            "pages": {one: {"minutes": sums[0], "events": sums[1]} for one, sums in pages.items()},
            "features": {one: {"minutes": sums[0], "events": sums[1]} for one, sums in features.items()},
            "track_events": {one: sums[1] for one, sums in tracks.items()},
        }


def _account(usage: _Usage, number: int, visitors: int, survey: Fields) -> Fields:
    active = usage.people(number)
    health = _health(usage.window(number, HEALTH_DAYS), active[str(HEALTH_DAYS)], visitors, survey["nps_score"])
    return {**usage.of(number), "active_visitors": active, "visitors": visitors, **survey, "health": health}


def _health(window: Fields, active: int, visitors: int, nps: object) -> Fields:
    """Give each component's points, and their mean by weight.

    Unlike the other numbers, these are rounded: points to hundredths, their mean to tenths, halves away from zero. The
    NPS is taken as people read it, rounded to tenths.
    """
    days, features = (Decimal(str(window[name])) for name in ("active_days", "features_used"))
    measured = {
        "frequency": 100 * days / HEALTH_DAYS,
        "breadth": Decimal(100 * active) / visitors if visitors else None,
        "depth": features,
        "sentiment": None if nps is None else _rounded(Decimal(str(nps)), "0.1"),
    }
    points = {
        name: None if value is None else _rounded(100 * max(Decimal(0), min(value, Decimal(full))) / full, "0.01")
        for (name, value), (_, full) in zip(measured.items(), HEALTH.values(), strict=True)
    }
    weighted = [(HEALTH[name][0], value) for name, value in points.items() if value is not None]
    weights = sum(weight for weight, _ in weighted)
    score = _rounded(sum((weight * value for weight, value in weighted), Decimal(0)) / weights, "0.1")
    return {"score": float(score), **{name: None if value is None else float(value) for name, value in points.items()}}


def _rounded(value: Decimal, unit: str) -> Decimal:
    return value.quantize(Decimal(unit), ROUND_HALF_UP)


def _answers(world: World, as_of: date, counted: NDArray[np.bool_]) -> list[Answer]:
    """Give the answers that reached Pendo, oldest first."""
    found = [
        answer
        for day in world.days(as_of)
        for answer in day.answers
        if counted[answer.visitor] and day.date + timedelta(days=answer.lag) < as_of
    ]
    return sorted(found, key=lambda answer: answer.time)


def _in_window(answer: Answer, world: World, as_of: date) -> bool:
    given_on = datetime.fromtimestamp(answer.time / 1000, world.zone).date()
    return 1 <= (as_of - given_on).days <= SURVEY_DAYS


def _survey_scores(answers: Iterable[Answer]) -> Fields:
    """Score an account's answers, oldest first: of each visitor the latest one counts, if it is a number."""
    latest: dict[tuple[int, int], Answer] = {}
    for answer in answers:
        latest[answer.survey, answer.visitor] = answer
    ratings = [int(a.rating) for (survey, _), a in latest.items() if survey == NPS]
    scores = [a.rating for (survey, _), a in latest.items() if survey == CSAT]
    numbers = [int(score) for score in scores if score.isdigit()]
    promoters = sum(rating >= PROMOTER for rating in ratings)
    detractors = sum(rating <= DETRACTOR for rating in ratings)
    return {
        "nps_score": 100 * (promoters - detractors) / len(ratings) if ratings else None,
        "nps_responses": len(ratings),
        "poll_average": sum(numbers) / len(numbers) if numbers else None,
        "poll_responses": len(numbers),
        "poll_rejects": len(scores) - len(numbers),
    }
