"""Rows of the event sources: usage by day or hour, answers to polls, and guides that showed up."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache

import numpy as np
from numpy.typing import NDArray

from sandbox.pendo.days import Rows, Source, UsageRows, actors, lag_shown
from sandbox.pendo.expressions import MalformedPipelineError, Row
from sandbox.pendo.timeseries import HOUR_MS, Periods
from sandbox.people import People
from sandbox.product import AGENTS, APPS, FEATURES, GUIDES, PAGES, SERVERS, TRACK_TYPES, Guide
from sandbox.usage import Answer, Sighting, midnight, sightings
from sandbox.world import World

ADDRESSES = 1 << 17


def address(number: int) -> str:
    """Write a number as an address in the range set aside for tests of networks."""
    return f"198.{18 + (number >> 16 & 1)}.{number >> 8 & 255}.{number & 255}"


@cache
def _addresses() -> NDArray[np.object_]:
    return np.array([address(number) for number in range(ADDRESSES)], object)


@dataclass(frozen=True, slots=True)
class Tagged:
    """A source whose rows name something: the option and field that does, and fields by index and value."""

    option: str
    ids: tuple[str, ...]
    fields: tuple[tuple[Row, ...], ...]  # by index, then by one more than the value's, 0 for none


def _fields(option: str, one: str, values_name: str, values: list[Row]) -> tuple[Row, ...]:
    return ({option: one}, *({option: one, values_name: value} for value in values))


TAGGED: Mapping[Source, Tagged] = {
    Source.PAGES: Tagged(
        "pageId",
        tuple(page.id for page in PAGES),
        tuple(_fields("pageId", p.id, "parameters", [{"parameter": v} for v in p.parameters]) for p in PAGES),
    ),
    Source.FEATURES: Tagged(
        "featureId",
        tuple(feature.id for feature in FEATURES),
        tuple(_fields("featureId", feature.id, "", []) for feature in FEATURES),
    ),
    Source.TRACKS: Tagged(
        "trackTypeId",
        tuple(track.id for track in TRACK_TYPES),
        tuple(_fields("trackTypeId", t.id, "properties", [{t.detail: v} for v in t.values]) for t in TRACK_TYPES),
    ),
}
SOURCES: Mapping[str, Source] = {
    "events": Source.EVENTS,
    "pageEvents": Source.PAGES,
    "featureEvents": Source.FEATURES,
    "trackEvents": Source.TRACKS,
}


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request wants of a source, and as of which morning; `identified` leaves out anonymous visitors."""

    options: Row
    blacklist: str
    periods: Periods
    as_of: date
    identified: bool = False

    def lists(self, people: People) -> NDArray[np.bool_]:
        """Tell which visitors may be in the answer."""
        listed = ~people.anonymous if self.identified else np.ones(len(people), bool)
        if self.blacklist != "ignore":
            listed &= people.excluded == (self.blacklist == "only")
        return listed


class EventRows:
    """Makes the rows of event sources, day after day."""

    def __init__(self, world: World, usage: UsageRows, visitors: Callable[[], NDArray[np.object_]]) -> None:
        self._world = world
        self._usage = usage
        self._visitors = visitors
        self._accounts = np.array([*(account.id for account in world.accounts), ""], object)

    def days(self, asked: Asked) -> list[date]:
        """Give the days that are asked for and known."""
        return [day for day in asked.periods.days if self._world.first_day <= day < asked.as_of]

    def usage(self, source: Source, asked: Asked) -> Iterator[Row]:
        """Give usage rows: a row per visitor, account, app, bucket, server, address, browser and thing used."""
        wanted = self._wanted(source, asked)
        return (row for day, rows in wanted for row in self._written(source, asked.periods, day, rows))

    def usage_count(self, source: Source, asked: Asked) -> int:
        """Count the usage rows that are asked for."""
        return sum(len(rows) for _, rows in self._wanted(source, asked))

    def _wanted(self, source: Source, asked: Asked) -> Iterator[tuple[date, Rows]]:
        apps = np.isin(range(len(APPS)), app_numbers(asked.options))
        listed = asked.lists(self._world.visitors)
        chosen: int | None = None
        if source in TAGGED:
            tagged = TAGGED[source]
            wanted = asked.options.get(tagged.option)
            if wanted is not None:
                chosen = tagged.ids.index(str(wanted)) + 1 if wanted in tagged.ids else -1
        if "web" not in _texts(asked.options.get("eventClass", ["web"]), "eventClass"):
            return iter(())
        return self._kept(source, asked, apps, listed, chosen)

    def _kept(
        self, source: Source, asked: Asked, apps: NDArray[np.bool_], listed: NDArray[np.bool_], chosen: int | None
    ) -> Iterator[tuple[date, Rows]]:
        hourly = asked.periods.hourly
        for day in self.days(asked):
            rows = self._usage.rows(source, day, lag_shown(asked.as_of, day), hourly=hourly)
            kept = listed[rows["visitor"]] & apps[(rows["flags"] >> 1) & 1]
            if hourly:
                start = midnight(day, self._world.zone) + rows["hour"].astype(np.int64) * HOUR_MS
                kept &= (start >= asked.periods.first) & (start <= asked.periods.last)
            if chosen is not None:
                kept &= rows["object"] == chosen
            yield day, rows[kept]

    def _written(self, source: Source, periods: Periods, day: date, rows: Rows) -> Iterator[Row]:
        by = actors(self._world, rows)
        start = midnight(day, self._world.zone)
        bucket = "hour" if periods.hourly else "day"
        columns = (
            (start + rows["hour"].astype(np.int64) * HOUR_MS).tolist(),
            self._visitors()[by.visitor].tolist(),
            self._accounts[by.account].tolist(),
            by.app.tolist(),
            by.server.tolist(),
            _addresses()[by.ip % ADDRESSES].tolist(),
            by.agent.tolist(),
            rows["events"].tolist(),
            rows["minutes"].tolist(),
            _things(source, rows),
        )
        return (
            {
                "accountId": account,
                "appId": APPS[app],
                bucket: begin,
                "numEvents": events,
                "numMinutes": minutes,
                "remoteIp": ip,
                "server": SERVERS[server],
                "userAgent": AGENTS[agent],
                "visitorId": visitor,
                **thing,
            }
            for begin, visitor, account, app, server, ip, agent, events, minutes, thing in zip(*columns, strict=True)
        )

    def polls(self, asked: Asked) -> Iterator[Row]:
        """Give answers to polls, a row per poll that was answered."""
        options = asked.options
        apps, listed = app_numbers(options), asked.lists(self._world.visitors)
        for day in self.days(asked):
            lag = lag_shown(asked.as_of, day)
            for answer in self._usage.answers(day):
                guide = GUIDES[answer.survey]
                if answer.lag > lag or guide.app not in apps or not listed[answer.visitor]:
                    continue
                if not _within(asked.periods, answer.time) or options.get("guideId", guide.id) != guide.id:
                    continue
                for row in self._responses(answer, guide):
                    if options.get("pollId", row["pollId"]) == row["pollId"]:
                        yield row

    def _responses(self, answer: Answer, guide: Guide) -> Iterator[Row]:
        for step, (poll, response) in enumerate(zip(guide.polls, (answer.rating, answer.comment), strict=False)):
            if response is None:
                continue
            yield {
                **self._guide_fields(answer, guide, step),
                "browserTime": answer.time + step * 900,
                "pollId": poll.id,
                "pollResponse": response,
                "pollType": poll.kind,
                "type": "pollResponse",
            }

    def guides(self, asked: Asked) -> Iterator[Row]:
        """Give what happened to guides: seen, then advanced by an answer or dismissed."""
        options = asked.options
        apps, listed = app_numbers(options), asked.lists(self._world.visitors)
        for day in self.days(asked):
            lag = lag_shown(asked.as_of, day)
            for sighting in sightings(self._world.seed, self._world.day(day)):
                guide = GUIDES[sighting.survey]
                if sighting.lag > lag or guide.app not in apps or not listed[sighting.visitor]:
                    continue
                if not _within(asked.periods, sighting.time) or options.get("guideId", guide.id) != guide.id:
                    continue
                common = {**self._guide_fields(sighting, guide, 0), "language": "en"}
                yield {**common, "browserTime": sighting.time, "reason": "auto", "type": "guideSeen"}
                ended = "guideAdvanced" if sighting.answered else "guideDismissed"
                yield {**common, "browserTime": sighting.time + 400, "reason": "", "type": ended}

    def _guide_fields(self, by: Answer | Sighting, guide: Guide, step: int) -> Row:
        account = self._accounts[by.account]
        server = SERVERS[2 if guide.app else 0]
        return {
            "accountId": account,
            "accountIds": [account] if account else [],
            "appId": APPS[guide.app],
            "country": "US",
            "guideId": guide.id,
            "guideStepId": f"{guide.id}-step-{step + 1}",
            "remoteIp": address(by.ip),
            "serverName": server,
            "url": f"https://{server}/home",
            "userAgent": AGENTS[by.agent],
            "visitorId": self._visitors()[by.visitor],
        }


def _things(source: Source, rows: Rows) -> list[Row]:
    """Say what each row is about, beyond who and how."""
    if source not in TAGGED:
        return [{}] * len(rows)
    fields = TAGGED[source].fields
    named = zip(rows["object"].tolist(), rows["value"].tolist(), strict=True)
    return [fields[thing - 1][value] for thing, value in named]


def _within(periods: Periods, time: int) -> bool:
    return not periods.hourly or periods.first <= time < periods.last + HOUR_MS


def app_numbers(options: Row) -> list[int]:
    """Say which apps a source reads: without `appId` the default one only."""
    wanted = options.get("appId", APPS[0])
    if isinstance(wanted, str) and re.fullmatch(r"""expandAppIds\(["']\*["']\)""", wanted):
        return list(range(len(APPS)))
    ids = wanted if isinstance(wanted, list) else [wanted]
    if not all(isinstance(one, int | str) and str(one).lstrip("-").isdigit() for one in ids):
        raise MalformedPipelineError(f'appId is an id, a list or expandAppIds("*"), got {wanted!r}')
    return [app for app, app_id in enumerate(APPS) if app_id in map(int, ids)]


def _texts(value: object, name: str) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise MalformedPipelineError(f"{name} is a list of strings, got {value!r}")
    return value
