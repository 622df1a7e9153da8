"""Pendo over HTTP: what it shows, to whom, and that it adds up to the ground truth."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest

from sandbox.server import Sandbox, serving

AS_OF = date(2026, 11, 21)
NEW_YORK = ZoneInfo("America/New_York")
ALL_APPS = {"appId": 'expandAppIds("*")'}


def days(count: int, **source: object) -> dict[str, object]:
    return {**source, "timeSeries": {"period": "dayRange", "first": "now()", "count": count}}


class Pendo:
    """A client of one sandbox's Pendo."""

    def __init__(self, sandbox: Sandbox, closing: ExitStack) -> None:
        key = {"x-pendo-integration-key": sandbox.settings["PENDO_INTEGRATION_KEY"]}
        pendo, control = sandbox.urls["pendo"], sandbox.urls["control"]
        self.http = closing.enter_context(httpx.Client(base_url=pendo, headers=key))
        self.control = closing.enter_context(httpx.Client(base_url=control, timeout=30))

    def post(self, *pipeline: object) -> httpx.Response:
        """Ask for an aggregation."""
        request = {"requestId": "test", "pipeline": list(pipeline)}
        body = {"response": {"mimeType": "application/json"}, "request": request}
        return self.http.post("/api/v1/aggregation", json=body)

    def rows(self, source: object, *steps: object) -> list[dict[str, Any]]:
        """Give an aggregation's rows."""
        answer = self.post({"source": source}, *steps)
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["results"]
        return found


@contextmanager
def subscription() -> Iterator[Pendo]:
    with serving(seed=5, visitors=200, as_of=AS_OF, accounts=12) as sandbox, ExitStack() as closing:
        yield Pendo(sandbox, closing)


@pytest.fixture(scope="module")
def pendo() -> Iterator[Pendo]:
    with subscription() as client:
        yield client


def test_a_wrong_key_is_refused(pendo: Pendo) -> None:
    for key in ("", "wrong"):
        answer = pendo.http.get("/api/v1/token/verify", headers={"x-pendo-integration-key": key})
        assert answer.status_code == 403
    assert pendo.http.get("/api/v1/token/verify").status_code == 200


def test_answers_carry_the_sandbox_date(pendo: Pendo) -> None:
    for path in ("/api/v1/token/verify", "/api/v1/nowhere"):
        answer = pendo.http.get(path)
        assert len(answer.headers.get_list("date")) == 1
        assert answer.headers["date"].startswith("Sat, 21 Nov 2026 09:0")


def test_served_usage_adds_up_to_the_truth(pendo: Pendo) -> None:
    truth = pendo.control.get("/truth/metrics").json()
    as_of = date.fromisoformat(truth["as_of"])
    events = pendo.rows(days(-360, events=ALL_APPS), {"identified": "visitorId"})
    for kind, key in (("visitors", "visitorId"), ("accounts", "accountId")):
        for length in (30, 90, 180):
            active: dict[object, set[object]] = defaultdict(set)
            sums: dict[object, Counter[str]] = defaultdict(Counter)
            for row in events:
                on = datetime.fromtimestamp(row["day"] / 1000, NEW_YORK)
                assert (on.hour, on.minute) == (0, 0)
                ago = (as_of - on.date()).days
                if ago <= length:
                    active[row[key]].add(ago)
                    sums[row[key]].update(minutes=row["numMinutes"], events=row["numEvents"])
                elif ago <= 2 * length:
                    sums[row[key]].update(previous=row["numMinutes"])
            for name, metrics in truth[kind].items():
                window = metrics["windows"][str(length)]
                assert window["active_days"] == len(active[name])
                assert window["minutes"] == sums[name]["minutes"]
                assert window["events"] == sums[name]["events"]
                assert window["previous_minutes"] == sums[name]["previous"]


def test_known_people_and_accounts_are_those_of_the_truth(pendo: Pendo) -> None:
    truth = pendo.control.get("/truth/metrics").json()
    visitors = pendo.rows({"visitors": None}, {"identified": "visitorId"})
    members = Counter[str]()
    assert {row["visitorId"] for row in visitors} == set(truth["visitors"])
    for row in visitors:
        auto = row["metadata"]["auto"]
        metrics = truth["visitors"][row["visitorId"]]
        assert auto.get("firstvisit") == metrics["first_visit"]
        assert auto.get("lastvisit") == metrics["last_visit"]
        members.update(auto.get("accountids", []))
    accounts = pendo.rows({"accounts": None})
    assert {row["accountId"] for row in accounts} == set(truth["accounts"])
    for row in accounts:
        auto = row["metadata"]["auto"]
        metrics = truth["accounts"][row["accountId"]]
        assert auto.get("firstvisit") == metrics["first_visit"]
        assert auto.get("lastvisit") == metrics["last_visit"]
        assert members[str(row["accountId"])] == metrics["visitors"]


def test_served_answers_score_as_the_truth(pendo: Pendo) -> None:
    truth = pendo.control.get("/truth/metrics").json()
    latest: dict[tuple[object, object], str] = {}
    answers = pendo.rows(
        days(-180, pollEvents=ALL_APPS),
        {"identified": "visitorId"},
        {"filter": 'guideId == "guide-nps-2026" && pollId == "poll-nps-rating"'},
        {"sort": ["browserTime"]},
    )
    for row in answers:
        latest[row["accountId"], row["visitorId"]] = str(row["pollResponse"])
    assert len(latest) > 20
    for account, metrics in truth["accounts"].items():
        ratings = [int(rating) for (name, _), rating in latest.items() if name == account]
        points = [(rating >= 9) - (rating <= 6) for rating in ratings]
        score = 100 * sum(points) / len(points) if points else None
        assert metrics["nps_score"] == score
        assert metrics["nps_responses"] == len(ratings)


def test_a_row_is_one_visitor_account_app_day_server_address_and_browser(pendo: Pendo) -> None:
    rows = pendo.rows(days(-30, events=ALL_APPS))
    key = ("visitorId", "accountId", "appId", "day", "server", "remoteIp", "userAgent")
    assert len({tuple(row[name] for name in key) for row in rows}) == len(rows)
    people_days = {(row["visitorId"], row["day"]) for row in rows}
    assert len(people_days) < len(rows)


def test_without_app_ids_only_the_default_app_is_read(pendo: Pendo) -> None:
    default = pendo.rows(days(-30, events=None))
    assert {row["appId"] for row in default} == {-323232}
    everything = pendo.rows(days(-30, events=ALL_APPS))
    other = {row["appId"] for row in everything} - {-323232}
    assert len(other) == 1
    chosen = pendo.rows(days(-30, events={"appId": other.pop()}))
    assert len(default) + len(chosen) == len(everything)
    assert len(pendo.http.get("/api/v1/guide").json()) == 2
    guides = pendo.http.get("/api/v1/guide", params={"expand": "*"}).json()
    assert [g["id"] for g in guides if g["appId"] != -323232] == ["guide-csat-2026"]


def test_guides_name_their_polls(pendo: Pendo) -> None:
    guides = {g["id"]: g for g in pendo.rows({"guides": ALL_APPS})}
    polls = guides["guide-nps-2026"]["polls"]
    assert [(p["id"], p["attributes"]["type"]) for p in polls] == [
        ("poll-nps-rating", "NPSRating"),
        ("poll-nps-comment", "NPSReason"),
    ]


def test_excluded_visitors_appear_only_when_asked_for(pendo: Pendo) -> None:
    def ids(blacklist: str | None) -> set[object]:
        options = {"blacklist": blacklist} if blacklist else None
        return {row["visitorId"] for row in pendo.rows({"visitors": options})}

    assert ids(None) == ids("apply")
    assert ids("only")
    assert ids("apply") | ids("only") == ids("ignore")
    assert not ids("apply") & ids("only")
    shown = {row["visitorId"] for row in pendo.rows(days(-90, events=ALL_APPS))}
    assert not shown & ids("only")


def test_a_negative_count_ends_yesterday_and_a_positive_one_begins_with_first(pendo: Pendo) -> None:
    def starts(**series: object) -> list[date]:
        source = {"events": ALL_APPS, "timeSeries": {"period": "dayRange", **series}}
        return sorted({datetime.fromtimestamp(row["day"] / 1000, NEW_YORK).date() for row in pendo.rows(source)})

    month = starts(first="now()", count=-30)
    assert (month[0], month[-1]) == (date(2026, 10, 22), date(2026, 11, 20))
    week = starts(first="date(2026, 10, 29)", count=7)  # the clocks change within
    assert (week[0], week[-1], len(week)) == (date(2026, 10, 29), date(2026, 11, 4), 7)
    assert starts(first="date(2026,10,29)", last="date(2026,11,4)") == week
    assert starts(first="now()", count=1) == []


def test_hours_add_up_to_their_day(pendo: Pendo) -> None:
    totals = {"group": {"group": [], "fields": {"minutes": {"sum": "numMinutes"}}}}
    start = int(datetime(2026, 11, 16, tzinfo=NEW_YORK).timestamp() * 1000)
    by_hour = {"period": "hourRange", "first": start, "count": 24}
    by_day = {"period": "dayRange", "first": start, "count": 1}
    hours = pendo.rows({"events": ALL_APPS, "timeSeries": by_hour}, totals)
    assert hours == pendo.rows({"events": ALL_APPS, "timeSeries": by_day}, totals)
    assert hours[0]["minutes"]


def test_a_page_follows_a_page_by_sort_filter_and_limit(pendo: Pendo) -> None:
    everybody = [row["visitorId"] for row in pendo.rows({"visitors": None}, {"sort": ["visitorId"]})]
    seen: list[object] = []
    while True:
        last = seen[-1] if seen else ""
        page = pendo.rows(
            {"visitors": None},
            {"sort": ["visitorId"]},
            {"filter": f'visitorId > "{last}"'},
            {"limit": 60},
            {"select": {"id": "visitorId", "email": "metadata.agent.email"}},
        )
        if not page:
            break
        seen += [row["id"] for row in page]
    assert seen == everybody


def test_late_sessions_arrive_days_after_they_happened() -> None:
    with subscription() as pendo:
        friday = {"events": ALL_APPS}
        series = {"period": "dayRange", "first": "date(2026,11,20)", "count": 1}
        shown: list[int] = []
        for _ in range(5):
            rows = pendo.rows({**friday, "timeSeries": series})
            shown.append(sum(row["numMinutes"] for row in rows))
            pendo.control.post("/advance", json={"days": 1})
        assert shown[0] < shown[3]
        assert shown == sorted(shown)
        assert shown[3] == shown[4]


def test_a_sandbox_that_went_on_answers_as_its_truth_does() -> None:
    with subscription() as pendo:
        before = pendo.control.get("/truth/metrics").json()
        pendo.control.post("/advance", json={"days": 3})
        after = pendo.control.get("/truth/metrics").json()
        assert after["as_of"] == "2026-11-24"
        assert set(before["visitors"]) <= set(after["visitors"])
        assert before["accounts"] != after["accounts"]
        test_known_people_and_accounts_are_those_of_the_truth(pendo)
        test_served_usage_adds_up_to_the_truth(pendo)


@pytest.mark.parametrize(
    ("pipeline", "says"),
    [
        ([], "pipeline"),
        ([{"filter": "a == 1"}], "source"),
        ([{"source": {"feelings": None}}], "feelings"),
        ([{"source": {"events": None}}], "timeSeries"),
        ([{"source": days(0, events=None)}], "count"),
        ([{"source": {"events": None, "timeSeries": {"period": "dayRange"}}}], "count or last"),
        ([{"source": days(-1, events={"appId": "all"})}], "appId"),
        ([{"source": {"visitors": {"blacklist": "maybe"}}}], "blacklist"),
        ([{"source": {"visitors": None}}, {"filter": "visitorId =="}], "malformed"),
        ([{"source": {"visitors": None}}, {"explode": 1}], "explode"),
        ([{"source": {"visitors": None}}, {"limit": "ten"}], "limit"),
        ([{"source": {"visitors": None}}, {"group": {"group": "visitorId"}}], "group"),
    ],
)
def test_what_makes_no_sense_is_refused(pendo: Pendo, pipeline: list[object], says: str) -> None:
    answer = pendo.post(*pipeline)
    assert answer.status_code == 400
    assert says in answer.json()["message"]


def test_a_body_that_is_no_json_is_refused(pendo: Pendo) -> None:
    assert pendo.http.post("/api/v1/aggregation", content=b"{").status_code == 400


def test_the_schema_names_the_fields(pendo: Pendo) -> None:
    schema = pendo.http.get("/api/v1/metadata/schema/visitor").json()
    assert schema["agent"]["email"]["Type"] == "string"
    assert pendo.http.get("/api/v1/metadata/schema/planet").status_code == 404
