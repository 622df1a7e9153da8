"""Pendo's Engage API over the world: aggregation, guides and the metadata schema."""

from __future__ import annotations

import hmac
import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime

import numpy as np
import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.clock import Clock
from sandbox.pipeline import MalformedPipelineError, Row, run
from sandbox.usage import MAX_LAG, Answer, Day, Ints, midnight
from sandbox.world import AGENTS, APPS, GUIDES, SERVERS, Guide, World

Handler = Callable[["Pendo", Request, bytes], tuple[int, object]]
FORBIDDEN: tuple[int, object] = (403, {"message": "Forbidden"})
HOUR_MS = 3_600_000
KEY_HEADER = "x-pendo-integration-key"
BLACKLIST = ("apply", "ignore", "only")
NEVER_SEEN = np.iinfo(np.int64).max
CALENDAR = re.compile(r"date\(\s*(\d{4})\s*,\s*(\d{1,2})\s*,\s*(\d{1,2})\s*\)")
BROWSERS = (
    ("Chrome", "Windows"),
    ("Safari", "Mac OS X"),
    ("Firefox", "Linux"),
    ("Edge", "Windows"),
    ("Mobile Safari", "iOS"),
    ("Chrome Mobile", "Android"),
)
# Group → field → type, as the schema endpoint lists them.
SCHEMA: Mapping[str, Mapping[str, Mapping[str, str]]] = {
    "visitor": {
        "agent": {"email": "string", "full_name": "string", "role": "string"},
        "auto": {
            "accountid": "string",
            "accountids": "list",
            "firstvisit": "time",
            "id": "string",
            "idhash": "integer",
            "lastbrowsername": "string",
            "lastoperatingsystem": "string",
            "lastupdated": "time",
            "lastuseragent": "string",
            "lastvisit": "time",
        },
        "custom": {},
        "pendo": {"donotprocess": "boolean"},
    },
    "account": {
        "agent": {"domain": "string", "name": "string", "plan": "string"},
        "auto": {
            "firstvisit": "time",
            "id": "string",
            "idhash": "integer",
            "lastupdated": "time",
            "lastvisit": "time",
        },
        "custom": {},
        "pendo": {},
    },
}


@dataclass(frozen=True, slots=True)
class _Buckets:
    """One day's usage rows as columns, a row per visitor, account, app, server, ip and browser.

    `bucket` is the row's start in ms: the day's, or an hour's.
    """

    bucket: Ints
    visitor: Ints
    account: Ints
    app: Ints
    server: Ints
    ip: Ints
    agent: Ints
    events: Ints
    minutes: Ints


@dataclass(frozen=True, slots=True)
class _Range:
    """The periods of a time series: whole days or hours, `first` to `last`, both included."""

    hourly: bool
    first: int
    last: int
    days: tuple[date, ...]


class Pendo:
    """One subscription's answers; it keeps nothing that the world does not say."""

    def __init__(self, world: World, clock: Clock) -> None:
        self.world = world
        self.clock = clock
        self._buckets: dict[tuple[date, bool], tuple[int, _Buckets]] = {}
        self._people: tuple[date, list[Row], list[Row]] | None = None

    def aggregate(self, request: object) -> dict[str, object]:
        """Answer a parsed aggregation request."""
        pipeline = _pipeline(request)
        head, *steps = pipeline
        source = head.get("source") if isinstance(head, Mapping) else None
        if not isinstance(source, Mapping):
            raise MalformedPipelineError("a pipeline begins with a source")
        names = [name for name in source if name not in ("timeSeries", "blacklist")]
        if len(names) != 1 or names[0] not in self._sources():
            raise MalformedPipelineError(f"unknown source {names}")
        options = source[names[0]] or {}
        if not isinstance(options, Mapping):
            raise MalformedPipelineError(f"{names[0]} takes null or an object")
        blacklist = options.get("blacklist", source.get("blacklist", "apply"))
        if blacklist not in BLACKLIST:
            raise MalformedPipelineError(f"blacklist is one of {BLACKLIST}, got {blacklist!r}")
        rows, needs_time = self._sources()[names[0]]
        span = self._range(source.get("timeSeries")) if needs_time else None
        answer: dict[str, object] = {"startTime": span.first} if span else {}
        answer["results"] = run(rows(options, str(blacklist), span), steps)
        return answer

    def _sources(self) -> Mapping[str, tuple[Callable[..., Iterator[Row]], bool]]:
        return {
            "visitors": (self._visitors, False),
            "accounts": (self._accounts, False),
            "guides": (self._guides, False),
            "events": (self._events, True),
            "pollEvents": (self._poll_events, True),
        }

    # Time.

    def _range(self, series: object) -> _Range:
        if not isinstance(series, Mapping):
            raise MalformedPipelineError("this source needs a timeSeries")
        period = series.get("period")
        if period not in ("dayRange", "hourRange"):
            raise MalformedPipelineError(f"the sandbox has dayRange and hourRange, not {period!r}")
        count, end = series.get("count"), series.get("last")
        if (count is None) == (end is None):
            raise MalformedPipelineError("a timeSeries has either count or last")
        number = self._hour if period == "hourRange" else self._day
        begin = number(self._moment(series.get("first")))
        steps = number(self._moment(end)) - begin + 1 if count is None else count
        if not isinstance(steps, int) or isinstance(steps, bool) or steps == 0:
            raise MalformedPipelineError(f"count is a number of periods, got {count!r}")
        if count is None and steps < 0:
            raise MalformedPipelineError("last is before first")
        # A negative count ends just before the period that contains `first`.
        begin = min(begin, begin + steps)
        last = begin + abs(steps) - 1
        if number == self._hour:
            first_ms, last_ms = begin * HOUR_MS, last * HOUR_MS
            begin, last = self._day(first_ms), self._day(last_ms)
        else:
            first_ms, last_ms = (midnight(date.fromordinal(day), self.world.zone) for day in (begin, last))
        days = tuple(map(date.fromordinal, range(begin, last + 1)))
        return _Range(period == "hourRange", first_ms, last_ms, days)

    def _moment(self, value: object) -> int:
        """Read ms, `now()` or `date(y,m,d)` (midnight in the subscription's time zone)."""
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        text = str(value).strip()
        if text == "now()":
            return int(self.clock.now().timestamp() * 1000)
        if text.isdigit():
            return int(text)
        if called := CALENDAR.fullmatch(text):
            try:
                return midnight(date(*map(int, called.groups())), self.world.zone)
            except ValueError as error:
                raise MalformedPipelineError(f"{text}: {error}") from error
        raise MalformedPipelineError(f"a moment is ms, now() or date(y,m,d), got {value!r}")

    def _day(self, ms: int) -> int:
        """Number the local day of a moment."""
        return datetime.fromtimestamp(ms / 1000, self.world.zone).toordinal()

    @staticmethod
    def _hour(ms: int) -> int:
        return ms // HOUR_MS

    # Usage.

    def _shown(self, days: tuple[date, ...]) -> Iterator[tuple[Day, int]]:
        """Give each known day and how late its latest visible session may be."""
        as_of = self.clock.as_of
        known = self.world.days(as_of)
        for day in days:
            at = (day - self.world.first_day).days
            if 0 <= at < len(known):
                yield known[at], min((as_of - day).days - 1, MAX_LAG)

    def _events(self, options: Row, blacklist: str, span: _Range) -> Iterator[Row]:
        apps = _apps(options)
        if "web" not in _texts(options.get("eventClass", ["web"]), "eventClass"):
            return
        visitors = np.array([v.id for v in self.world.visitors], dtype=object)
        accounts = np.array([*(a.id for a in self.world.accounts), ""], dtype=object)
        excluded = np.array([v.excluded for v in self.world.visitors])
        bucket_name = "hour" if span.hourly else "day"
        for day, lag in self._shown(span.days):
            b = self._bucketed(day, lag, hourly=span.hourly)
            kept = np.isin(b.app, apps) & (b.bucket >= span.first) & (b.bucket <= span.last)
            if blacklist != "ignore":
                kept &= excluded[b.visitor] == (blacklist == "only")
            rows = zip(
                b.bucket[kept].tolist(),
                visitors[b.visitor[kept]].tolist(),
                accounts[b.account[kept]].tolist(),
                b.app[kept].tolist(),
                b.server[kept].tolist(),
                b.ip[kept].tolist(),
                b.agent[kept].tolist(),
                b.events[kept].tolist(),
                b.minutes[kept].tolist(),
                strict=True,
            )
            for start, visitor, account, app, server, ip, agent, events, minutes in rows:
                yield {
                    "accountId": account,
                    "appId": APPS[app],
                    bucket_name: start,
                    "numEvents": events,
                    "numMinutes": minutes,
                    "remoteIp": address(ip),
                    "server": SERVERS[server],
                    "userAgent": AGENTS[agent],
                    "visitorId": visitor,
                }

    def _bucketed(self, day: Day, lag: int, *, hourly: bool) -> _Buckets:
        """Aggregate a day; a day whose late sessions are all in is aggregated once."""
        kept = self._buckets.get((day.date, hourly))
        if kept is None or kept[0] != lag:
            kept = (lag, _bucket(day, lag, hourly=hourly))
            self._buckets[day.date, hourly] = kept
        return kept[1]

    def _poll_events(self, options: Row, blacklist: str, span: _Range) -> Iterator[Row]:
        apps = _apps(options)
        for day, lag in self._shown(span.days):
            for answer in day.answers:
                guide = GUIDES[answer.survey]
                visitor = self.world.visitors[answer.visitor]
                if answer.lag > lag or guide.app not in apps or not _listed(visitor.excluded, blacklist):
                    continue
                if span.hourly and not span.first <= answer.time < span.last + HOUR_MS:
                    continue
                if options.get("guideId", guide.id) != guide.id:
                    continue
                for row in self._responses(answer, guide):
                    if options.get("pollId", row["pollId"]) == row["pollId"]:
                        yield row

    def _responses(self, answer: Answer, guide: Guide) -> Iterator[Row]:
        visitor = self.world.visitors[answer.visitor]
        account = self.world.accounts[answer.account].id if answer.account >= 0 else ""
        for step, (poll, response) in enumerate(zip(guide.polls, (answer.rating, answer.comment), strict=False)):
            if response is None:
                continue
            yield {
                "accountId": account,
                "accountIds": [account] if account else [],
                "appId": APPS[guide.app],
                "browserTime": answer.time + step * 900,
                "country": "US",
                "guideId": guide.id,
                "guideStepId": f"{guide.id}-step-{step + 1}",
                "pollId": poll.id,
                "pollResponse": response,
                "pollType": poll.kind,
                "remoteIp": address(answer.ip),
                "serverName": SERVERS[2 if guide.app else 0],
                "type": "pollResponse",
                "url": f"https://{SERVERS[2 if guide.app else 0]}/home",
                "userAgent": AGENTS[answer.agent],
                "visitorId": visitor.id,
            }

    # People and surveys.

    def _visitors(self, _options: Row, blacklist: str, _span: None) -> Iterator[Row]:
        excluded = {v.id for v in self.world.visitors if v.excluded}
        return (r for r in self._known()[0] if _listed(r["visitorId"] in excluded, blacklist))

    def _accounts(self, _options: Row, _blacklist: str, _span: None) -> Iterator[Row]:
        return iter(self._known()[1])

    def _guides(self, options: Row, _blacklist: str, _span: None) -> Iterator[Row]:
        apps = _apps(options)
        return (row for guide, row in zip(GUIDES, self.guides(), strict=True) if guide.app in apps)

    def guides(self) -> list[Row]:
        """Give every guide of every app."""
        made = midnight(self.world.first_day, self.world.zone)
        return [
            {
                "appId": APPS[guide.app],
                "createdAt": made,
                "id": guide.id,
                "isMultiStep": len(guide.polls) > 1,
                "kind": "Guide",
                "lastUpdatedAt": made,
                "launchMethod": "auto",
                "name": guide.name,
                "polls": [
                    {
                        "attributes": {"type": poll.kind, "display": "numbers"},
                        "guideId": guide.id,
                        "id": poll.id,
                        "question": poll.question,
                    }
                    for poll in guide.polls
                ],
                "resetAt": 0,
                "state": "disabled" if "closed" in guide.name else "public",
            }
            for guide in GUIDES
        ]

    def _known(self) -> tuple[list[Row], list[Row]]:
        """Give visitors' and accounts' metadata as of this morning."""
        as_of = self.clock.as_of
        if self._people is None or self._people[0] != as_of:
            visits = self._visits(as_of)
            self._people = (as_of, self._visitor_rows(as_of, visits), self._account_rows(visits))
        return self._people[1], self._people[2]

    def _visits(self, as_of: date) -> Mapping[str, tuple[Ints, Ints]]:
        """Find first and last activity in ms: by visitor, by visitor and app, and by account."""
        people, firms = len(self.world.visitors), len(self.world.accounts)
        excluded = np.array([v.excluded for v in self.world.visitors])
        spans = {
            name: (np.full(size, NEVER_SEEN), np.full(size, -1))
            for name, size in (("visitor", people), ("app", 2 * people), ("account", firms + 1))
        }
        for n, visitor in enumerate(self.world.visitors):
            if visitor.earlier is None:
                continue
            homes = [] if visitor.excluded else list(visitor.accounts[:1])
            for name, places in (("visitor", [n]), ("app", [2 * n]), ("account", homes)):
                np.minimum.at(spans[name][0], places, visitor.earlier[0])
                np.maximum.at(spans[name][1], places, visitor.earlier[1])
        for day, lag in self._shown(tuple(d.date for d in self.world.days(as_of))):
            base = day.start + day.offset
            ends = np.flatnonzero(np.diff(day.session, append=len(day.visitor)))
            begins = np.append(0, ends[:-1] + 1) if len(ends) else ends
            shown = day.lag <= lag
            first = (base + day.minute[begins] * 60_000)[shown]
            last = (base + day.minute[ends] * 60_000)[shown]
            who, firm, app = day.visitor[shown], day.account[shown], day.app[shown]
            # Nobody without an account, and nobody who opted out, makes an account active.
            firm = np.where((firm < 0) | excluded[who], firms, firm)
            for name, at in (("visitor", who), ("app", 2 * who + app), ("account", firm)):
                np.minimum.at(spans[name][0], at, first)
                np.maximum.at(spans[name][1], at, last)
        return spans

    def _visitor_rows(self, as_of: date, visits: Mapping[str, tuple[Ints, Ints]]) -> list[Row]:
        imported = midnight(self.world.first_day, self.world.zone)
        rows: list[Row] = []
        for n, visitor in enumerate(self.world.visitors):
            if not self.world.is_known(visitor, as_of):
                continue
            seen = _span(visits["visitor"], n)
            homes = [self.world.accounts[a].id for a in visitor.accounts]
            agent = {"email": visitor.email, "full_name": visitor.full_name, "role": visitor.role}
            browser = int(self.world.habits.agent[n])
            metadata: dict[str, object] = {
                "agent": {}
                if visitor.anonymous
                else {name: value for name, value in agent.items() if value is not None},
                "auto": {
                    **({"accountid": homes[0], "accountids": homes} if homes else {}),
                    **seen,
                    "id": visitor.id,
                    "idhash": zlib.crc32(visitor.id.encode()),
                    "lastbrowsername": BROWSERS[browser][0],
                    "lastoperatingsystem": BROWSERS[browser][1],
                    "lastupdated": seen.get("lastvisit", imported),
                    "lastuseragent": AGENTS[browser],
                },
                "custom": {},
                "pendo": {"donotprocess": True} if visitor.excluded else {},
            }
            for app, app_id in enumerate(APPS):
                if span := _span(visits["app"], 2 * n + app):
                    metadata[f"auto_{app_id}".replace("-", "_")] = span
            rows.append({"visitorId": visitor.id, "metadata": metadata})
        return rows

    def _account_rows(self, visits: Mapping[str, tuple[Ints, Ints]]) -> list[Row]:
        imported = midnight(self.world.first_day, self.world.zone)
        rows: list[Row] = []
        for n, account in enumerate(self.world.accounts):
            seen = _span(visits["account"], n)
            agent = {"name": account.name, "domain": account.domain, "plan": account.plan}
            auto = {
                **seen,
                "id": account.id,
                "idhash": zlib.crc32(account.id.encode()),
                "lastupdated": seen.get("lastvisit", imported),
            }
            known = {name: value for name, value in agent.items() if value is not None}
            metadata = {"agent": known, "auto": auto, "custom": {}, "pendo": {}}
            rows.append({"accountId": account.id, "metadata": metadata})
        return rows


def address(ip: int) -> str:
    """Write a number as an address in the range set aside for tests of networks."""
    return f"198.{18 + (ip >> 16 & 1)}.{ip >> 8 & 255}.{ip & 255}"


def _bucket(day: Day, lag: int, *, hourly: bool) -> _Buckets:
    """Count distinct minutes and events of a day's visible sessions, by Pendo's row key."""
    shown = np.flatnonzero(day.lag <= lag)
    # A browser at an address is one person's, so the address stands for the visitor.
    key = day.ip[shown]
    for column, width in ((day.account + 1, 1 << 24), (day.app, 2), (day.server, 4), (day.agent, 8)):
        key = key * width + column[shown]
    _, sample, row_of = np.unique(key, return_index=True, return_inverse=True)
    row_of_session = np.full(len(day.visitor), -1)
    row_of_session[shown] = row_of
    visible = row_of_session[day.session] >= 0
    row, minute, events = (
        row_of_session[day.session[visible]],
        day.minute[visible],
        day.events[visible],
    )
    # A row and an hour of it share one number: hours of a day with a clock change fit in 32.
    group = row * 32 + (minute // 60 if hourly else 0)
    groups, group_of = np.unique(group, return_inverse=True)
    distinct = np.unique(group_of * 2048 + minute) // 2048
    session = shown[sample[groups // 32]] if len(groups) else shown[:0]
    return _Buckets(
        bucket=(day.start + groups % 32 * HOUR_MS).astype(np.int64),
        visitor=day.visitor[session],
        account=day.account[session],
        app=day.app[session],
        server=day.server[session],
        ip=day.ip[session],
        agent=day.agent[session],
        events=np.bincount(group_of, weights=events, minlength=len(groups)).astype(np.int64),
        minutes=np.bincount(distinct, minlength=len(groups)),
    )


def _pipeline(request: object) -> list[object]:
    body = request.get("request") if isinstance(request, Mapping) else None
    shape = request.get("response") if isinstance(request, Mapping) else None
    if not isinstance(shape, Mapping) or shape.get("mimeType") != "application/json":
        raise MalformedPipelineError('response.mimeType must be "application/json"')
    pipeline = body.get("pipeline") if isinstance(body, Mapping) else None
    if not isinstance(pipeline, list) or not pipeline:
        raise MalformedPipelineError("request.pipeline must be a list of operators")
    return pipeline


def _apps(options: Row) -> list[int]:
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


def _listed(excluded: object, blacklist: str) -> bool:
    return blacklist == "ignore" or bool(excluded) == (blacklist == "only")


def _span(spans: tuple[Ints, Ints], index: int) -> dict[str, int]:
    first, last = int(spans[0][index]), int(spans[1][index])
    return {} if last < 0 else {"firstvisit": first, "lastvisit": last}


def pendo_app(world: World, clock: Clock, key: str) -> Starlette:
    """Serve the subscription to whoever has the integration key."""
    pendo = Pendo(world, clock)

    def route(path: str, handler: Handler, method: str = "GET") -> Route:
        async def endpoint(request: Request) -> Response:
            status, body = FORBIDDEN
            given = request.headers.get(KEY_HEADER, "")
            if hmac.compare_digest(given.encode(), key.encode()):
                status, body = handler(pendo, request, await request.body())
            date_header = {"Date": clock.http_date()}
            return Response(orjson.dumps(body), status, date_header, "application/json")

        return Route(path, endpoint, methods=[method])

    return Starlette(
        routes=[
            route("/api/v1/aggregation", _aggregation, "POST"),
            route("/api/v1/guide", _guide),
            route("/api/v1/metadata/schema/{kind}", _schema),
            route("/api/v1/token/verify", _verify),
        ]
    )


def _aggregation(pendo: Pendo, _request: Request, body: bytes) -> tuple[int, object]:
    try:
        return 200, pendo.aggregate(orjson.loads(body))
    except orjson.JSONDecodeError as error:
        return 400, {"message": f"request is not JSON: {error}"}
    except MalformedPipelineError as error:
        return 400, {"message": str(error)}


def _guide(pendo: Pendo, request: Request, _body: bytes) -> tuple[int, object]:
    everything = request.query_params.get("expand") == "*"
    return 200, [guide for guide in pendo.guides() if everything or guide["appId"] == APPS[0]]


def _schema(_pendo: Pendo, request: Request, _body: bytes) -> tuple[int, object]:
    kind = request.path_params["kind"]
    if kind not in SCHEMA:
        return 404, {"message": f"no metadata of kind {kind}"}
    return 200, {
        group: {
            name: {"Type": type_, "DisplayName": name, "isHidden": False, "isDeleted": False}
            for name, type_ in fields.items()
        }
        for group, fields in SCHEMA[kind].items()
    }


def _verify(_pendo: Pendo, _request: Request, _body: bytes) -> tuple[int, object]:
    return 200, {"valid": True}
