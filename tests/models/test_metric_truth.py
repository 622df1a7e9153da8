"""In other time zones and after late data, what the models say is still what happened, as a full refresh would.

test_truth.py holds the same for a world in New York that was built once. These worlds go on for some days: the models
are built by nights, each on what the last one left, and late and restated days have come in the meantime.
"""

from __future__ import annotations

import datetime as dt
import re
import shutil
from collections.abc import Iterator
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

import pytest

from backhaul.transform import Transform, TransformError
from sandbox.metrics import HEALTH
from tests.conftest import AS_OF, ROOT, Loop, looping

WINDOWS = (30, 90, 180)
# Bogotá never changes its clocks; Auckland, 13 hours east of Greenwich, changes them when summer ends there.
WORLDS = [(11, "America/Bogota", 2), (23, "Pacific/Auckland", 20)]
# Lists of windows that a team may change to, one for each world.
LISTS = {"America/Bogota": (7, 30, 90, 180), "Pacific/Auckland": (30,)}
RAN = ("--select", "+path:models/metrics", "--exclude-resource-type", "unit_test", "--exclude-resource-type", "test")
LASTING = ("int_usage__closed", "int_tagged_usage__closed", "int_usage__summed")
DAILY = ("fct_usage_daily", "fct_tagged_usage_daily")
FACTS = (
    *LASTING,
    *DAILY,
    "fct_visitor_metrics",
    "fct_account_metrics",
    "fct_visitor_chosen_usage",
    "fct_account_chosen_usage",
)


def rounded(value: float | None, places: str) -> Decimal | None:
    return None if value is None else Decimal(repr(value)).quantize(Decimal(places), ROUND_HALF_UP)


@pytest.fixture(scope="module", params=WORLDS, ids=lambda world: str(world[1]))
def nightly(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Loop, str]]:
    """A loop that was built, went on for some days, and was built again."""
    seed, zone, days = request.param
    folder = tmp_path_factory.mktemp("nightly")
    with looping(folder, seed=seed, visitors=40, time_zone=zone) as loop:
        loop.load("pendo")
        build(loop, zone)
        loop.tell("/advance", days=days)
        loop.load("pendo")
        build(loop, zone)
        assert loop.rows("select max(as_of) from metrics.dim_windows") == [(AS_OF + dt.timedelta(days=days),)]
        yield loop, zone


def of_a_list(loop: Loop, lengths: tuple[int, ...], folder: Path) -> Transform:
    """The project with this list in place of its own, and nothing else changed, on the loop's warehouse."""
    for name in ("models", "macros", "seeds", "tests/models"):
        shutil.copytree(ROOT / name, folder / name)
    shutil.copy(ROOT / "profiles.yml", folder)
    text = (ROOT / "dbt_project.yml").read_text()
    listed = "window_days: [30, 90, 180]"
    assert text.count(listed) == 1
    (folder / "dbt_project.yml").write_text(text.replace(listed, f"window_days: {list(lengths)}"))
    return Transform(loop.settings.model_copy(update={"target": folder / "target"}), folder)


@pytest.fixture(scope="module")
def relisted(nightly: tuple[Loop, str], tmp_path_factory: pytest.TempPathFactory) -> tuple[Loop, tuple[int, ...]]:
    """The same loop after a night with another list of windows. It stays so: these tests come last."""
    loop, zone = nightly
    lengths = LISTS[zone]
    relisted = of_a_list(loop, lengths, tmp_path_factory.mktemp("relisted"))
    relisted.build(lambda *_: None, *RAN, "--vars", f"subscription_time_zone: {zone}")
    return loop, lengths


def build(loop: Loop, zone: str, *options: str) -> None:
    loop.build(*RAN, "--vars", f"subscription_time_zone: {zone}", *options)


def said_of(loop: Loop, owner: str) -> dict[str, dict[str, Any]]:
    names = [str(name) for (name,) in loop.rows(f"select column_name from (describe metrics.fct_{owner}_metrics)")]
    rows = loop.rows(f"from metrics.fct_{owner}_metrics")
    return {str(said[f"{owner}_id"]): said for row in rows for said in [dict(zip(names, row, strict=True))]}


def true_windows(truth: dict[str, Any]) -> dict[str, Any]:
    """The columns of windows, from the truth of one visitor or account; rounded to the columns' own units."""
    return {
        f"{name}_last_{days}": value
        for days in WINDOWS
        for window in [truth["windows"][str(days)]]
        for name, value in {
            "active_days": window["active_days"],
            "active_days_percent": rounded(100 * window["share_of_days_active"], "0.01"),
            "minutes": window["minutes"],
            "events": window["events"],
            "events_per_active_day": rounded(window["events_per_active_day"], "0.01"),
            "usage_trend_percent": rounded(window["trending_percent"], "0.01"),
            "usage_trend_reason": window["trending_reason"],
            "pages_viewed": window["pages_viewed"],
            "features_used": window["features_used"],
        }.items()
    }


def differences(said: dict[str, dict[str, Any]], expected: dict[str, dict[str, Any]]) -> list[str]:
    """Every value that is not as expected, and everybody who is missing or too much."""
    listed = [f"{name}: is only on one side" for name in sorted(said.keys() ^ expected.keys())]
    return listed + [
        f"{name}.{column}: {said[name][column]!r} is not {value!r}"
        for name in sorted(said.keys() & expected.keys())
        for column, value in expected[name].items()
        if said[name][column] != value
    ]


def test_every_metric_of_every_visitor_is_true_after_nights(nightly: tuple[Loop, str]) -> None:
    loop, _ = nightly
    truth: dict[str, Any] = loop.ask("/truth/metrics")
    answers = ("latest_nps_rating", "latest_nps_comment", "latest_poll_response")
    expected = {
        visitor: true_windows(of) | {name: of[name] for name in answers} for visitor, of in truth["visitors"].items()
    }
    assert differences(said_of(loop, "visitor"), expected) == []


def test_every_metric_of_every_account_is_true_after_nights(nightly: tuple[Loop, str]) -> None:
    loop, _ = nightly
    truth: dict[str, Any] = loop.ask("/truth/metrics")
    expected = {
        account: true_windows(of)
        | {f"active_visitors_last_{days}": of["active_visitors"][str(days)] for days in WINDOWS}
        | {
            "visitor_count": of["visitors"],
            "nps_score": rounded(of["nps_score"], "0.1"),
            "nps_response_count": of["nps_responses"],
            "poll_average": rounded(of["poll_average"], "0.01"),
            "poll_response_count": of["poll_responses"],
            "poll_reject_count": of["poll_rejects"],
        }
        for account, of in truth["accounts"].items()
    }
    assert differences(said_of(loop, "account"), expected) == []


def test_health_is_made_of_what_is_true(nightly: tuple[Loop, str]) -> None:
    loop, _ = nightly
    truth: dict[str, Any] = loop.ask("/truth/metrics")
    components = loop.rows("select component, weight, full_at from decisions.health_components")
    # The truth has the seed's numbers from nowhere but its own text.
    assert {str(name): (weight, full) for name, weight, full in components} == HEALTH
    names = [str(name) for (name,) in loop.rows("select column_name from (describe metrics.fct_account_health)")]
    rows = [dict(zip(names, row, strict=True)) for row in loop.rows("from metrics.fct_account_health")]
    expected = {
        account: {"health_score": rounded(of["health"]["score"], "0.1")}
        | {f"{name}_points": rounded(of["health"][name], "0.01") for name in HEALTH}
        for account, of in truth["accounts"].items()
    }
    assert differences({str(row["account_id"]): row for row in rows}, expected) == []
    assert len({values["health_score"] for values in expected.values()}) > 1


@pytest.mark.parametrize("owner", ["visitor", "account"])
def test_use_of_chosen_pages_and_features_is_true(nightly: tuple[Loop, str], owner: str) -> None:
    loop, _ = nightly
    truth: dict[str, Any] = loop.ask("/truth/metrics")[f"{owner}s"]
    chosen = loop.rows("select kind, tagged_id, column_name from decisions.chosen_usage")
    names = [str(name) for (name,) in loop.rows(f"select column_name from (describe metrics.fct_{owner}_chosen_usage)")]
    rows = [dict(zip(names, row, strict=True)) for row in loop.rows(f"from metrics.fct_{owner}_chosen_usage")]
    expected = {
        who: {
            f"{name}_{measure}_last_{days}": of["windows"][str(days)][f"{kind}s"].get(tagged, {}).get(measure, 0)
            for kind, tagged, name in chosen
            for days in WINDOWS
            for measure in ("events", "minutes")
        }
        for who, of in truth.items()
    }
    assert differences({str(row[f"{owner}_id"]): row for row in rows}, expected) == []
    assert any(any(values.values()) for values in expected.values())


def test_a_full_refresh_gives_the_same_rows(nightly: tuple[Loop, str]) -> None:
    loop, zone = nightly
    # A full refresh is another build: its number is no fact.
    columns = "columns(lambda name: name <> 'changed_in')"
    left = {name: sorted(map(repr, loop.rows(f"select {columns} from metrics.{name}"))) for name in FACTS}
    build(loop, zone, "--full-refresh")
    for name in FACTS:
        assert sorted(map(repr, loop.rows(f"select {columns} from metrics.{name}"))) == left[name], name


@pytest.mark.parametrize("owner", ["visitor", "account"])
def test_the_windows_are_what_the_list_says(relisted: tuple[Loop, tuple[int, ...]], owner: str) -> None:
    loop, lengths = relisted
    said = said_of(loop, owner)
    names = {name for name in next(iter(said.values())) if "_last_" in name}
    assert {int(name.rsplit("_", 1)[1]) for name in names} == set(lengths)
    for days in lengths:
        counted = loop.rows(f"""
            select {owner}_id, count(distinct usage_on), sum(minutes), sum(event_count) from metrics.fct_usage_daily
            semi join metrics.int_visitors__identified using (visitor_id)
            where usage_on < (select max(as_of) from metrics.dim_windows)
                and usage_on >= (select max(as_of) from metrics.dim_windows) - {days}
            group by {owner}_id
        """)
        measures = [f"{measure}_last_{days}" for measure in ("active_days", "minutes", "events")]
        usage = {who: dict(zip(measures, sums, strict=True)) for who, *sums in counted if who is not None}
        assert usage
        assert differences(said, {who: usage.get(who, dict.fromkeys(measures, 0)) for who in said}) == []


@pytest.mark.parametrize("owner", ["visitor", "account"])
def test_chosen_usage_has_the_windows_that_the_list_says(relisted: tuple[Loop, tuple[int, ...]], owner: str) -> None:
    loop, lengths = relisted
    names = [str(name) for (name,) in loop.rows(f"select column_name from (describe metrics.fct_{owner}_chosen_usage)")]
    assert {int(name.rsplit("_", 1)[1]) for name in names if "_last_" in name} == set(lengths)


def test_a_list_of_windows_that_cannot_be_is_told_in_a_line(nightly: tuple[Loop, str], tmp_path: Path) -> None:
    loop, _ = nightly
    told = re.escape(
        "window_days is [1, 2, 3, 4, 5]: make it a list of one to four different numbers of days, such as ["
    )
    with pytest.raises(TransformError, match=told):
        of_a_list(loop, (1, 2, 3, 4, 5), tmp_path).parse()
