"""One Pendo subscription over the world: its aggregations, its lists, its metadata, and what a person does to it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sandbox.clock import Clock
from sandbox.pendo.catalogue import LISTS, PATHS
from sandbox.pendo.days import UsageRows
from sandbox.pendo.events import SOURCES, Asked, EventRows, app_numbers
from sandbox.pendo.expressions import MalformedPipelineError, Row
from sandbox.pendo.listing import Ids, Listing, account_rows, visitor_rows
from sandbox.pendo.metadata import KINDS, Metadata, MetadataError
from sandbox.pendo.pipeline import compile_pipeline, spawned
from sandbox.pendo.timeseries import read_periods
from sandbox.pendo.visits import VisitLog
from sandbox.product import APPS
from sandbox.usage import midnight
from sandbox.world import World

OTHER_SOURCES = ("visitors", "accounts", "pollEvents", "guideEvents")
BLACKLIST = ("apply", "ignore", "only")
# The host of each region, where its keys are good.
REGIONS: Mapping[str, str] = {
    "us": "app.pendo.io",
    "eu": "app.eu.pendo.io",
    "us1": "us1.app.pendo.io",
    "jpn": "app.jpn.pendo.io",
    "au": "app.au.pendo.io",
}


class TimedOutError(Exception):
    """Pendo would need more than its five minutes."""


@dataclass(frozen=True, slots=True)
class Aggregation:
    """An answer: `start` is the ms at which the first period begins, None for sources without time."""

    start: int | None
    rows: Iterator[Row]


class PendoStore:
    """A subscription.

    `region` is one of REGIONS. Without `write_access` its key reads only. A source of more than
    `max_rows` rows, and a bulk write of more than `max_values` entries, takes longer than Pendo waits.
    """

    def __init__(  # noqa: PLR0913
        self,
        world: World,
        clock: Clock,
        *,
        region: str = "us",
        write_access: bool = True,
        max_rows: int | None = None,
        max_values: int | None = None,
    ) -> None:
        if region not in REGIONS:
            raise ValueError(f"a region is one of {', '.join(REGIONS)}, got {region!r}")
        self.world = world
        self.clock = clock
        self.region = region
        self.write_access = write_access
        self.max_rows = max_rows
        self.max_values = max_values
        self.metadata = Metadata(self._exists, self._now_ms)
        self._usage = UsageRows(world)
        self._visits = VisitLog(world, self._usage)
        self._events = EventRows(world, self._usage, lambda: self._ids["visitor"].texts)
        self._made = midnight(world.first_day, world.zone)

    @cached_property
    def _ids(self) -> Mapping[str, Ids]:
        accounts = [account.id for account in self.world.accounts]
        return {"visitor": Ids(self.world.visitors.ids()), "account": Ids(accounts)}

    def prepare(self, progress: Callable[[int, int], None] | None = None) -> None:
        """Make all of the usage before anybody asks; `progress` is told days done and days in all."""
        self._visits.at(self.clock.as_of, progress)

    # Aggregation.

    def aggregate(self, request: object) -> Aggregation:
        """Read a request as a whole and begin to answer it."""
        body = request.get("request") if isinstance(request, Mapping) else None
        shape = request.get("response") if isinstance(request, Mapping) else None
        if not isinstance(shape, Mapping) or shape.get("mimeType") != "application/json":
            raise MalformedPipelineError('response.mimeType must be "application/json"')
        return self._open(body.get("pipeline") if isinstance(body, Mapping) else None)

    def _open(self, pipeline: object) -> Aggregation:
        if not isinstance(pipeline, list) or not pipeline:
            raise MalformedPipelineError("a pipeline must be a list of operators")
        head, *steps = pipeline
        if isinstance(head, Mapping) and list(head) == ["spawn"]:
            rows: Iterable[Row] = spawned(head["spawn"], self._opened)
            return Aggregation(None, compile_pipeline(steps, self._opened)(rows))
        name, options, blacklist, series = _source(head)
        compile_pipeline(steps, self._opened)  # what makes no sense is refused before anything is counted
        if name in ("visitors", "accounts"):
            listing = self._listing(name, blacklist)
            self._check(len(listing.numbers))
            listing, left = listing.narrowed(steps)
            return Aggregation(None, compile_pipeline(left, self._opened)(listing))
        if name in LISTS:
            return Aggregation(None, compile_pipeline(steps, self._opened)(self.tagged(name, app_numbers(options))))
        periods = read_periods(series, self.world.zone, self.clock.now())
        # Most requests begin so; a column says it sooner than the rows do.
        identified = steps[:1] == [{"identified": "visitorId"}]
        stream = compile_pipeline(steps[identified:], self._opened)
        asked = Asked(options, blacklist, periods, self.clock.as_of, identified)
        if name in SOURCES:
            if self.max_rows is not None:
                self._check(self._events.usage_count(SOURCES[name], asked))
            return Aggregation(periods.first, stream(self._events.usage(SOURCES[name], asked)))
        app_numbers(options)
        rows = self._events.polls(asked) if name == "pollEvents" else self._events.guides(asked)
        return Aggregation(periods.first, stream(rows))

    def _opened(self, pipeline: object) -> Iterable[Row]:
        return self._open(pipeline).rows

    def _check(self, rows: int) -> None:
        if self.max_rows is not None and rows > self.max_rows:
            raise TimedOutError(f"{rows} rows take longer than five minutes")

    def _listing(self, name: str, blacklist: str) -> Listing:
        world, as_of = self.world, self.clock.as_of
        visits = self._visits.at(as_of)
        if name == "accounts":
            numbers = np.arange(len(world.accounts))
            every = np.ones(len(world.accounts), bool)
            rows = lambda some: account_rows(world, visits, self.metadata, some, self._made)  # noqa: E731
            return Listing("accountId", self._ids["account"], numbers, every, rows)
        people = world.visitors
        known = people.known(as_of)
        if blacklist != "ignore":
            known &= people.excluded == (blacklist == "only")
        rows = lambda some: visitor_rows(world, visits, self.metadata, some, self._made)  # noqa: E731
        return Listing("visitorId", self._ids["visitor"], np.flatnonzero(known), ~people.anonymous, rows)

    # Lists and single objects.

    def tagged(self, name: str, apps: Iterable[int]) -> list[Row]:
        """List pages, features, trackTypes or guides of some apps."""
        ids = {APPS[app] for app in apps}
        return [one for one in LISTS[name](self._made) if one["appId"] in ids]

    def tagged_by_path(self, path: str, apps: Iterable[int]) -> list[Row]:
        """List by the name that the kind has in a path: page, feature, tracktype, guide."""
        return self.tagged(PATHS[path], apps)

    def one(self, kind: str, text: str) -> Row:
        """Give one visitor or account; raises MetadataError if there is none."""
        number = self._number(kind, text)
        if number is None:
            raise MetadataError(404, f"no {kind} {text}")
        (row,) = self._listing(f"{kind}s", "ignore").rows(np.array([number]))
        groups = row["metadata"]
        found: dict[str, object] = {"id": text, "metadata": groups}
        if kind == "visitor" and isinstance(groups, Mapping):
            auto = groups["auto"]
            found["accountIds"] = auto.get("accountids", [])
            if "firstvisit" in auto:
                auto["firstidentifiedvisit"] = auto["firstvisit"]
        return found

    def value(self, kind: str, group: str, text: str, name: str) -> object:
        """Give one metadata value, None where there is none."""
        if not self.metadata.known_field(kind, group, name):
            raise MetadataError(404, f"no field {name} in {kind}'s {group}")
        groups = self.one(kind, text)["metadata"]
        return groups[group].get(name) if isinstance(groups, Mapping) else None

    # Writes.

    def write(self, kind: str, group: str, rows: object) -> Mapping[str, object]:
        """Write metadata of many, as the bulk call does."""
        if self.max_values is not None and isinstance(rows, list) and len(rows) > self.max_values:
            raise TimedOutError(f"{len(rows)} entries take longer than five minutes")
        return self.metadata.write(kind, group, rows)

    def put(self, kind: str, group: str, text: str, name: str, value: object) -> None:
        """Write one metadata value, as the call for one value does."""
        self.metadata.put(kind, group, text, name, value)
        if (kind, group, name) == ("visitor", "pendo", "donotprocess"):
            self.exclude(text, excluded=bool(value))

    def edit(self, kind: str, text: str, values: Mapping[str, object], group: str = "agent") -> None:
        """Change metadata as the product or a person would; any group but auto, fields unknown so far too.

        An unknown visitor or account raises KeyError. The ground truth's matches go on by the address
        that the world gave a visitor, so change no `email`.
        """
        if kind not in KINDS or self._number(kind, text) is None:
            raise KeyError(f"no {kind} {text!r}")
        self.metadata.set(kind, text, group, values)

    def exclude(self, visitor: str, *, excluded: bool = True) -> None:
        """Take a visitor out of all processing, or back in; the ground truth follows."""
        number = self._number("visitor", visitor)
        if number is None:
            raise KeyError(f"no visitor {visitor!r}")
        self.world.visitors.excluded[number] = excluded
        self._visits.forget()

    def _number(self, kind: str, text: str) -> int | None:
        self.metadata.check_kind(kind)
        number = self._ids[kind].number(text)
        if kind == "visitor" and number is not None and not self.world.visitors.known(self.clock.as_of)[number]:
            return None
        return number

    def _exists(self, kind: str, text: str) -> bool:
        return self._number(kind, text) is not None

    def _now_ms(self) -> int:
        return int(self.clock.now().timestamp() * 1000)


def _source(head: object) -> tuple[str, Row, str, object]:
    """Read a source: its name, its options, what to do about excluded visitors, its timeSeries."""
    source = head.get("source") if isinstance(head, Mapping) else None
    if not isinstance(source, Mapping):
        raise MalformedPipelineError("a pipeline begins with a source")
    names = [str(name) for name in source if name not in ("timeSeries", "blacklist")]
    if len(names) != 1 or names[0] not in (*SOURCES, *LISTS, *OTHER_SOURCES):
        raise MalformedPipelineError(f"unknown source {names}")
    options = source[names[0]] or {}
    if not isinstance(options, Mapping):
        raise MalformedPipelineError(f"{names[0]} takes null or an object")
    blacklist = options.get("blacklist", source.get("blacklist", "apply"))
    if blacklist not in BLACKLIST:
        raise MalformedPipelineError(f"blacklist is one of {BLACKLIST}, got {blacklist!r}")
    return names[0], options, blacklist, source.get("timeSeries")
