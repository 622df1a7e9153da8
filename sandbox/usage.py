"""Minute by minute, what everybody did: the ground truth that Pendo aggregates.

A day depends on the seed, the people and the date alone, so that days made one by one are the days
that would have been made at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from sandbox.product import APPS, FEATURES, PAGES, TRACK_TYPES

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

WEEK = (1.0, 1.05, 1.05, 1.0, 0.85, 0.22, 0.18)  # Monday first
LATE_AFTER = 22 * 60  # Pendo shows an hour's events four to six hours later: next morning's read
MAX_LAG = 3
# Shares of people, sessions or minutes.
SECOND_SESSION, THIRD_SESSION = 0.35, 0.12
ELSEWHERE = 0.35  # sessions in the second account, of those who have one
LATE = 0.04
BUSY = 0.7  # minutes of a session with an event
OTHER_SERVER, OTHER_IP, OTHER_BROWSER = 0.3, 0.2, 0.15
NO_NUMBER = 0.06  # satisfaction answers that are no number
NPS, NPS_OLD, CSAT = range(3)
SURVEY_RATES = (0.008, 0.01, 0.008)  # answers per active visitor-day
WAVED_AWAY = 0.01  # surveys closed unanswered, per session
SEEN_BEFORE_MS = 800  # how long before the answer a survey showed up
# Shares of minutes, and of a minute's events.
STAYS = 0.6  # on the page of the minute before
UNTAGGED = 0.08  # pages that nobody tagged
LOADS, CLICKS = 0.25, 0.7
TRACKED = 0.05

ODD_ANSWERS = ("n/a", "four", "5 stars")
COMMENTS = (
    None,
    None,
    "Saves us a day every week.",
    "Exports are slow.",
    "とても使いやすいです",
    "Отличный сервис, но мало отчётов",
    "Love it 😍",
    'It "just works", mostly; see ticket #12',
)


@dataclass(frozen=True, slots=True)
class Habits:
    """What each person tends to do; arrays indexed by person."""

    rate: Floats  # chance of a working day with activity, at the origin
    growth: Floats  # change of that chance, as an exponent per 180 days
    hour: Floats  # usual time of day
    depth: Floats  # mean minutes of a session
    second_app: Floats  # share of sessions in the second app
    mood: Floats  # mean NPS rating
    joined: Ints  # ordinal of the first day with activity
    left: Ints  # ordinal of the first day after the last one
    account: Ints  # index of the main account, -1 for none
    other: Ints  # index of a second account, -1 for none
    agent: Ints  # index of the usual browser
    phone: Ints  # index of the other one


@dataclass(frozen=True, slots=True)
class Answer:
    """One visitor's answer to one survey, as it was given; `lag` as in `Day`."""

    visitor: int
    account: int
    survey: int
    rating: str
    comment: str | None
    time: int
    agent: int
    ip: int
    lag: int


@dataclass(frozen=True, slots=True)
class Day:
    """One local day: sessions as columns, then the active minutes of those sessions as columns.

    `start` is local midnight in ms; a day with a clock change has 1,380 or 1,500 minutes. `lag` is
    how many days later than the next morning Pendo shows a session. A minute's events happened
    `offset` ms into it.
    """

    date: date
    start: int
    visitor: Ints
    account: Ints
    app: Ints
    server: Ints
    ip: Ints
    agent: Ints
    lag: Ints
    offset: Ints
    session: Ints
    minute: Ints
    events: Ints
    answers: tuple[Answer, ...]


@dataclass(frozen=True, slots=True)
class Browsing:
    """What a day's active minutes were spent on; columns as long as those of the day's minutes.

    `page`, `feature` and `track` index product.PAGES, FEATURES and TRACK_TYPES, -1 for none; `parameter`
    and `detail` index the page's parameters and the track type's values, -1 for none. Page loads and
    feature clicks are part of the minute's events, track events come on top of them.
    """

    page: NDArray[np.int8]
    parameter: NDArray[np.int8]
    page_events: NDArray[np.int16]
    feature: NDArray[np.int8]
    feature_events: NDArray[np.int16]
    track: NDArray[np.int8]
    detail: NDArray[np.int8]
    track_events: NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class Sighting:
    """A survey that showed up to a visitor at `time` ms, and whether they answered; `lag` as in `Day`."""

    visitor: int
    account: int
    survey: int
    time: int
    agent: int
    ip: int
    lag: int
    answered: bool


def midnight(day: date, zone: ZoneInfo) -> int:
    """Give the ms at which a local day begins."""
    return int(datetime(day.year, day.month, day.day, tzinfo=zone).timestamp() * 1000)


def live_day(seed: int, habits: Habits, origin: date, day: date, zone: ZoneInfo) -> Day:
    """Make one day of everybody's activity and answers."""
    rng = np.random.default_rng([seed, day.toordinal()])
    start = midnight(day, zone)
    minutes_in_day = (midnight(day + timedelta(days=1), zone) - start) // 60_000

    today = day.toordinal()
    drift = np.exp(habits.growth * ((today - origin.toordinal()) / 180))
    chance = np.minimum(habits.rate * drift * WEEK[day.weekday()], 0.95)
    joins = habits.joined == today
    present = (habits.joined <= today) & (today < habits.left)
    active = np.flatnonzero((present & (rng.random(len(chance)) < chance)) | joins)

    count = 1 + (rng.random(len(active)) < SECOND_SESSION)
    count += rng.random(len(active)) < THIRD_SESSION
    who = np.repeat(active, count)
    n = len(who)
    begin = np.rint(rng.normal(habits.hour[who] * 60, 150)).astype(np.int64)
    begin = np.clip(begin, 0, minutes_in_day - 1)
    span = 1 + rng.exponential(habits.depth[who]).astype(np.int64)
    span = np.minimum(np.minimum(span, 180), minutes_in_day - begin)
    elsewhere = (habits.other[who] >= 0) & (rng.random(n) < ELSEWHERE)
    app = (rng.random(n) < habits.second_app[who]).astype(np.int64)
    late = np.where(rng.random(n) < LATE, rng.integers(1, MAX_LAG + 1, n), 0)
    late = np.maximum(late, begin + span > LATE_AFTER)
    # Everybody is known to Pendo from the morning after the first day.
    late[joins[who]] = 0

    total = int(span.sum())
    session = np.repeat(np.arange(n), span)
    first = np.cumsum(span) - span
    minute = begin[session] + np.arange(total) - first[session]
    kept = rng.random(total) < BUSY
    kept[first] = True
    sessions = {
        "account": np.where(elsewhere, habits.other[who], habits.account[who]),
        "server": np.where(app == 1, 2, rng.random(n) < OTHER_SERVER).astype(np.int64),
        "ip": who * 2 + (rng.random(n) < OTHER_IP),
        "agent": np.where(rng.random(n) < OTHER_BROWSER, habits.phone[who], habits.agent[who]),
        "offset": rng.integers(0, 60_000, n),
    }
    events = 1 + rng.poisson(1.3, int(kept.sum()))
    closed = origin - timedelta(days=220)  # the older survey, long before the newer is looked at
    opening = np.cumsum(count) - count  # each active person's first session
    return Day(
        date=day,
        start=start,
        visitor=who,
        app=app,
        lag=late,
        **sessions,
        session=session[kept],
        minute=minute[kept],
        events=events,
        answers=tuple(
            Answer(
                visitor=int(who[s]),
                account=int(sessions["account"][s]),
                survey=survey,
                rating=rating,
                comment=comment,
                time=start + int(begin[s]) * 60_000 + int(sessions["offset"][s]),
                agent=int(sessions["agent"][s]),
                ip=int(sessions["ip"][s]),
                lag=int(late[s]),
            )
            for s, survey, rating, comment in _answers(
                rng, habits.mood[who[opening]], opening, old_survey_open=day < closed
            )
        ),
    )


def _answers(
    rng: np.random.Generator, mood: Floats, opening: Ints, *, old_survey_open: bool
) -> list[tuple[int, int, str, str | None]]:
    """Draw who answers which survey in the day's first session: session, survey, rating, comment."""
    draws = rng.random((3, len(mood)))
    wish = mood + rng.normal(0, 1.5, len(mood))
    out_of_ten = np.clip(np.rint(wish), 0, 10).astype(np.int64)
    out_of_five = np.clip(np.rint(wish / 2), 1, 5).astype(np.int64)
    given: list[tuple[int, int, str, str | None]] = []
    for survey, rate in enumerate(SURVEY_RATES):
        if survey == NPS_OLD and not old_survey_open:
            continue
        for k in np.flatnonzero(draws[survey] < rate):
            luck = draws[survey][k] / rate  # uniform in 0..1, free to use again
            rating, comment = str(out_of_ten[k]), None
            if survey != CSAT:
                comment = COMMENTS[int(luck * len(COMMENTS))]
            elif luck < NO_NUMBER:
                rating = ODD_ANSWERS[int(luck / NO_NUMBER * len(ODD_ANSWERS))]
            else:
                rating = str(out_of_five[k])
            given.append((int(opening[k]), survey, rating, comment))
    return given


def browse(seed: int, day: Day) -> Browsing:
    """Say which pages, features and track events a day's active minutes were spent on."""
    rng = np.random.default_rng([seed, day.date.toordinal(), 1])
    total = len(day.minute)
    app = day.app[day.session]
    # A page is stayed on for minutes, but no longer than the session.
    moves = rng.random(total) >= STAYS
    moves |= np.diff(day.session, prepend=-1) != 0
    arrived = np.maximum.accumulate(np.where(moves, np.arange(total), 0))
    page = np.searchsorted(_POPULAR_PAGES, app + rng.random(total), side="right")
    page = np.where(rng.random(total) < UNTAGGED, -1, page)[arrived]
    parameter = _value(rng.random(total)[arrived], _PAGE_PARAMETERS[page])
    tagged = page >= 0
    loads = np.where(tagged, 1 + rng.binomial(day.events - 1, LOADS), 0)

    clicks = np.where(tagged, rng.binomial(day.events - loads, CLICKS), 0)
    feature = _FIRST_FEATURE[page] + _value(rng.random(total), _FEATURES_OF[page])
    feature = np.where(clicks > 0, feature, -1)

    fires = rng.random(total) < TRACKED
    track = _FIRST_TRACK[app] + _value(rng.random(total), _TRACKS_OF[app])
    track = np.where(fires, track, -1)
    return Browsing(
        page=page.astype(np.int8),
        parameter=parameter.astype(np.int8),
        page_events=loads.astype(np.int16),
        feature=feature.astype(np.int8),
        feature_events=clicks.astype(np.int16),
        track=track.astype(np.int8),
        detail=_value(rng.random(total), _TRACK_VALUES[track]).astype(np.int8),
        track_events=np.where(fires, 1 + (rng.random(total) < TRACKED), 0).astype(np.int16),
    )


def sightings(seed: int, day: Day) -> list[Sighting]:
    """Tell whom surveys showed up to on a day: to all who answered, and to some who closed them."""
    rng = np.random.default_rng([seed, day.date.toordinal(), 2])
    seen = [
        Sighting(
            a.visitor, a.account, a.survey, max(a.time - SEEN_BEFORE_MS, day.start), a.agent, a.ip, a.lag, answered=True
        )
        for a in day.answers
    ]
    opening = day.minute[np.diff(day.session, prepend=-1) != 0]
    for s in np.flatnonzero(rng.random(len(day.visitor)) < WAVED_AWAY).tolist():
        time = day.start + int(opening[s]) * 60_000 + int(day.offset[s])
        survey = CSAT if day.app[s] else NPS
        columns = (day.visitor, day.account, day.agent, day.ip, day.lag)
        who, account, agent, ip, lag = (int(column[s]) for column in columns)
        seen.append(Sighting(who, account, survey, time, agent, ip, lag, answered=False))
    return seen


def _value(luck: Floats, choices: Ints) -> Ints:
    """Choose one of so many values, -1 where there are none."""
    chosen: Ints = np.where(choices > 0, (luck * choices).astype(np.int64), -1)
    return chosen


def _counts(sizes: list[int]) -> Ints:
    """Make a table whose last entry, which -1 finds, is 0."""
    return np.array([*sizes, 0])


def _popularity() -> Floats:
    """Share each app's unit interval out among its pages."""
    weights = np.array([page.weight for page in PAGES], float)
    app = np.array([page.app for page in PAGES])
    shares = weights / np.bincount(app, weights)[app]
    edges = np.cumsum(shares)
    edges[np.diff(app, append=len(APPS)) != 0] = np.arange(1, len(APPS) + 1)
    return edges


_POPULAR_PAGES = _popularity()
_PAGE_PARAMETERS = _counts([len(page.parameters) for page in PAGES])
_FEATURES_OF = _counts([sum(feature.page == n for feature in FEATURES) for n in range(len(PAGES))])
_FIRST_FEATURE = np.cumsum(_FEATURES_OF) - _FEATURES_OF
_TRACKS_OF = np.array([sum(track.app == app for track in TRACK_TYPES) for app in range(len(APPS))])
_FIRST_TRACK = np.cumsum(_TRACKS_OF) - _TRACKS_OF
_TRACK_VALUES = _counts([len(track.values) for track in TRACK_TYPES])
