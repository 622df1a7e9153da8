"""A Pendo subscription behind real HTTP, with a clock that tests move: anything may happen in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import date, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, cast

import duckdb
import httpx
import orjson
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from loaders import Wanted
from sandbox.clock import Clock
from sandbox.pendo import PendoStore, pendo_app
from sandbox.product import FEATURES, GUIDES, PAGES, TRACK_TYPES
from sandbox.world import World, build_world
from tests.loaders.convergence import PERSON, Calls, Hands, State

if TYPE_CHECKING:
    from tests.sandbox.hubspot_fixtures import Switch

KEY = "0123.us"
OTHER_KEY = "4567.us"
DAY_MS = 24 * 3_600_000
HISTORY_DAYS = 400
# A day is final nine days later, so that nothing older changes.
OPEN_DAYS = 9
# The fewest rows that Pendo still answers for: more than a day has.
FEW_ROWS = 60
USAGE = {"events": "events", "featureEvents": "feature_events"}
EVERYBODY = {"blacklist": "ignore"}
ALL_APPS = {"appId": 'expandAppIds("*")'}
ACTORS = ("visitorId", "accountId", "appId", "server", "remoteIp", "userAgent")
Row = Mapping[str, Any]


@cache
def small_world(seed: int = 5) -> World:
    """Make a world with few people once for all stories; whoever is opted out must come back in."""
    return build_world(seed, 8, date(2026, 11, 20), "America/New_York", accounts=3)


class Restated:
    """A subscription whose usage of some days is another one than its store's: more of it, or none."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        # How many events are added to each row of a day, by when it begins; None: it has no rows.
        self.days: dict[int, int | None] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not scope["path"].endswith("/aggregation") or not self.days:
            await self.app(scope, receive, send)
            return
        head: list[Message] = []
        body = b""

        async def keep(message: Message) -> None:
            nonlocal body
            if message["type"] == "http.response.start":
                head.append(message)
            else:
                body += message.get("body", b"")

        await self.app(scope, receive, keep)
        answer = orjson.loads(body)
        answer |= {"results": [kept for row in answer.get("results", ()) if (kept := self.restated(row)) is not None]}
        body = orjson.dumps(answer)
        headers = [(name, value) for name, value in head[0]["headers"] if name != b"content-length"]
        await send({**head[0], "headers": [*headers, (b"content-length", b"%d" % len(body))]})
        await send({"type": "http.response.body", "body": body})

    def restated(self, row: dict[str, Any]) -> dict[str, Any] | None:
        more = self.days.get(row.get("day", 0), 0)
        if more is None:
            return None
        return row | {"numEvents": row["numEvents"] + more} if more else row


class Pendo:
    """A Pendo subscription to which anything may happen."""

    vendor = "pendo"
    EVENTS = (
        "edit a visitor",
        "edit an account",
        "exclude",
        "include",
        "restate a day",
        "empty a day",
        "let days pass",
        "let weeks pass",
        "be slow",
        "one call fails",
    )
    wanted = Wanted(pendo=frozenset({"visitors", "accounts", "guides", "poll_events", *USAGE.values()}))

    def __init__(
        self, switch: Switch, client: httpx.Client, key: str = KEY, seed: int = 5, *, own_ids: bool = False
    ) -> None:
        self.clock = Hands()
        self.key = key
        self.world = small_world(seed)
        self.world.visitors.excluded[:] = False
        self.store = PendoStore(self.world, cast("Clock", self.clock))
        self.restated = Restated(pendo_app(self.store, key))
        switch.app = self.calls = Calls(with_own_ids(self.restated) if own_ids else self.restated)
        self.client = client

    def happen(self, event: str, one: int, other: int) -> None:
        """Let one of EVENTS happen, to the visitor, account or day that two numbers choose."""
        match event:
            case "edit a visitor" | "edit an account":
                kind = event.rpartition(" ")[2]
                ids = [row[f"{kind}Id"] for row in self.listed(f"{kind}s")]
                group = "agent" if one % 2 else "custom"
                self.store.edit(kind, ids[other % len(ids)], {f"field{one % 3}": f"text{other}"}, group)
            case "exclude" | "include":
                ids = [row["visitorId"] for row in self.listed("visitors")]
                self.store.exclude(ids[other % len(ids)], excluded=event == "exclude")
            case "restate a day" | "empty a day":
                if days := self.open_days():
                    self.restated.days[days[one % len(days)]] = None if event == "empty a day" else 1 + other % 5
            case "let days pass":
                self.clock.at += timedelta(days=one % 4, hours=other % 24)
            case "let weeks pass":
                self.clock.at += timedelta(days=one % 40)
            case "be slow":
                # A source of more rows takes too long; days pass, and it is as fast as ever.
                self.store.max_rows = FEW_ROWS + one if other % 3 else None
            case _:
                self.calls.fail_once(one % 20)

    def open_days(self) -> list[int]:
        """List when each day begins that has usage and may still change."""
        return sorted({row["day"] for row in self.used("events", OPEN_DAYS)})

    def settle(self) -> None:
        """Let nothing lag: what Pendo shows is what it has."""
        self.store.max_rows = None

    def ask(self, source: Mapping[str, object], *steps: Mapping[str, object]) -> Any:
        body = {"response": {"mimeType": "application/json"}, "request": {"pipeline": [{"source": source}, *steps]}}
        headers = {"x-pendo-integration-key": self.key, **PERSON}
        answer = self.client.post("/api/v1/aggregation", json=body, headers=headers)
        assert answer.is_success, answer.text
        return answer.json()

    def listed(self, name: str) -> list[Row]:
        slow, self.store.max_rows = self.store.max_rows, None
        options = EVERYBODY if name == "visitors" else None
        rows: list[Row] = self.ask({name: options}, {"identified": f"{name.removesuffix('s')}Id"})["results"]
        self.store.max_rows = slow
        return rows

    def used(self, source: str, days: int = HISTORY_DAYS) -> list[Row]:
        """Read a source's last days, those of excluded visitors too."""
        slow, self.store.max_rows = self.store.max_rows, None
        series = {"period": "dayRange", "first": int(self.clock.at.timestamp() * 1000), "count": -days}
        asked = {source: {**ALL_APPS, **EVERYBODY}, "timeSeries": series}
        rows: list[Row] = self.ask(asked, {"identified": "visitorId"})["results"]
        self.store.max_rows = slow
        return rows

    @property
    def since(self) -> int:
        """Give the moment from when on everything is compared: what is older was landed once, and is kept."""
        return int(self.clock.at.timestamp() * 1000) - (HISTORY_DAYS - 2) * DAY_MS

    def truth(self) -> State:
        return {
            "visitors": {
                row["visitorId"]: (*described(row), bool(row["metadata"].get("pendo", {}).get("donotprocess")))
                for row in self.listed("visitors")
            },
            "accounts": {row["accountId"]: described(row) for row in self.listed("accounts")},
            **{
                table: Counter(
                    (
                        row["day"],
                        row.get("featureId"),
                        *(row.get(name) for name in ACTORS),
                        row["numEvents"],
                        row["numMinutes"],
                    )
                    for row in self.used(source)
                    if row["day"] >= self.since
                )
                for source, table in USAGE.items()
            },
            "poll_events": {
                (row["visitorId"], row["pollId"], row["browserTime"], row["pollResponse"])
                for row in self.used("pollEvents")
                if row["browserTime"] >= self.since
            },
        }

    def landed(self, warehouse: duckdb.DuckDBPyConnection) -> State:
        def ask(sql: str) -> list[tuple[Any, ...]]:
            return warehouse.execute(sql).fetchall()

        metadata = "agent, custom, first_visit, last_visit, last_updated"
        actors = "visitor_id, account_id, app_id, server, remote_ip, user_agent, num_events, num_minutes"
        visitors = ask(f"select visitor_id, {metadata}, do_not_process from pendo.visitors")
        accounts = ask(f"select account_id, {metadata} from pendo.accounts")
        answers = ask(
            "select visitor_id, poll_id, browser_time, poll_response from pendo.poll_events "
            f"where browser_time >= {self.since}"
        )
        assert len(set(answers)) == len(answers)
        return {
            "visitors": {key: (parsed(row[0]), parsed(row[1]), *row[2:]) for key, *row in visitors},
            "accounts": {key: (parsed(row[0]), parsed(row[1]), *row[2:]) for key, *row in accounts},
            **{
                table: Counter(
                    ask(
                        f"select day, {'feature_id' if table == 'feature_events' else 'null'}, {actors} "
                        f"from pendo.{table} where day >= {self.since}"
                    )
                )
                for table in USAGE.values()
            },
            "poll_events": set(answers),
        }


def with_own_ids(app: ASGIApp) -> ASGIApp:
    """Give a subscription guides, pages, features and track types of its own; in the sandbox all have the same."""
    ids = [one.id.encode() for things in (GUIDES, PAGES, FEATURES, TRACK_TYPES) for one in things]

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        async def renamed(message: Message) -> None:
            if body := message.get("body"):
                for one in ids:
                    body = body.replace(one, one[::-1])
                message = {**message, "body": body}
            await send(message)

        await app(scope, receive, renamed)

    return answer


def described(row: Row) -> tuple[object, ...]:
    """Give what a visitor's or an account's metadata says."""
    groups = row["metadata"]
    auto = groups.get("auto") or {}
    times = (auto.get(name) for name in ("firstvisit", "lastvisit", "lastupdated"))
    return (groups.get("agent") or {}, groups.get("custom") or {}, *times)


def parsed(text: str) -> object:
    return orjson.loads(text)
