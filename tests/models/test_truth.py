"""What the models say is what happened in the world, by its own minutes and code that shares nothing with them."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import pytest

from activators.destinations import connectors
from tests.conftest import AS_OF, Loop

WINDOWS = (30, 90, 180)


def rounded(value: float | None, places: str) -> Decimal | None:
    return None if value is None else Decimal(repr(value)).quantize(Decimal(places), ROUND_HALF_UP)


def said_of(loop: Loop, model: str, key: str, *columns: str) -> dict[str, dict[str, Any]]:
    windowed = [
        f"{name}_last_{days}"
        for days in WINDOWS
        for name in (
            "active_days",
            "active_days_percent",
            "minutes",
            "events",
            "events_per_active_day",
            "usage_trend_percent",
            "usage_trend_reason",
            "pages_viewed",
            "features_used",
        )
    ]
    names = ("epoch_ms(first_visit_at)", "epoch_ms(last_visit_at)", *windowed, *columns)
    rows = loop.rows(f"select {key}, {', '.join(names)} from metrics.{model}")
    return {str(row[0]): dict(zip(names, row[1:], strict=True)) for row in rows}


def true_usage(truth: dict[str, Any]) -> dict[str, Any]:
    said: dict[str, Any] = {
        # CRMs keep whole seconds.
        f"epoch_ms({name}_at)": None if truth[name] is None else truth[name] // 1000 * 1000
        for name in ("first_visit", "last_visit")
    }
    for days in WINDOWS:
        window = truth["windows"][str(days)]
        said |= {
            f"active_days_last_{days}": window["active_days"],
            f"active_days_percent_last_{days}": rounded(100 * window["share_of_days_active"], "0.01"),
            f"minutes_last_{days}": window["minutes"],
            f"events_last_{days}": window["events"],
            f"events_per_active_day_last_{days}": rounded(window["events_per_active_day"], "0.01"),
            f"usage_trend_percent_last_{days}": rounded(window["trending_percent"], "0.01"),
            f"usage_trend_reason_last_{days}": window["trending_reason"],
            f"pages_viewed_last_{days}": window["pages_viewed"],
            f"features_used_last_{days}": window["features_used"],
        }
    return said


def test_every_metric_of_every_visitor_is_true(built: Loop) -> None:
    truth: dict[str, Any] = built.ask("/truth/metrics")
    answers = ("latest_nps_rating", "latest_nps_comment", "latest_poll_response")
    said = said_of(built, "fct_visitor_metrics", "visitor_id", *answers)
    expected = {
        visitor: true_usage(of) | {name: of[name] for name in answers} for visitor, of in truth["visitors"].items()
    }
    assert said == expected


def test_every_metric_of_every_account_is_true(built: Loop) -> None:
    truth: dict[str, Any] = built.ask("/truth/metrics")
    people = [f"active_visitors_last_{days}" for days in WINDOWS]
    survey = ("nps_score", "nps_response_count", "poll_average", "poll_response_count", "poll_reject_count")
    said = said_of(built, "fct_account_metrics", "account_id", "visitor_count", *survey, *people)
    expected = {
        account: true_usage(of)
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
    assert said == expected


def test_windows_end_on_the_last_whole_day(built: Loop) -> None:
    assert built.rows("select distinct as_of from metrics.dim_windows") == [(AS_OF,)]


def test_every_match_is_true_and_none_is_missing(built: Loop) -> None:
    truth: dict[str, Any] = built.ask("/truth/matches")
    columns = ("crm", "object", "product_object", "product_id", "record_id")
    said = set(built.rows(f"select {', '.join(columns)} from identity.matches"))
    assert said == {tuple(pair[column] for column in columns) for pair in truth["matches"]}


def test_every_conflict_is_listed_and_nothing_else(built: Loop) -> None:
    truth: dict[str, Any] = built.ask("/truth/matches")
    said = built.rows("select crm, object, product_object, product_id, record_id from identity.match_conflicts")
    expected = {
        (group["crm"], group["object"], group["product_object"], side, name)
        for group in truth["conflicts"]
        for side in ("product_ids", "record_ids")
        for name in group[side]
    }
    listed = {
        (str(row[0]), str(row[1]), str(row[2]), side, str(row[column]))
        for row in said
        for side, column in (("product_ids", 3), ("record_ids", 4))
    }
    assert listed == expected
    # The world must have planted some, or this proves nothing.
    assert len(expected) > 5


@pytest.mark.parametrize("days", WINDOWS)
def test_the_world_is_rich_enough_to_prove_the_metrics(built: Loop, days: int) -> None:
    query = f"""
        select
            count(distinct active_days_last_{days}) > 5,
            count(*) filter (where usage_trend_reason_last_{days} = 'new') > 0,
            count(*) filter (where usage_trend_reason_last_{days} = 'none') > 0,
            count(*) filter (where usage_trend_percent_last_{days} < 0) > 0
        from metrics.fct_visitor_metrics
    """
    assert built.rows(query) == [(True, True, True, True)]


def test_python_and_sql_agree_which_property_types_hold_a_column(built: Loop) -> None:
    """Provisioning asks the CRM itself, the plan asks its landing: both must refuse the same."""
    found = built.rows("select distinct crm, type, family from plans.int_crm_properties where family is not null")
    assert {(crm, kind) for crm, kind, _ in found} >= {("hubspot", "string"), ("salesforce", "double")}
    for crm, kind, family in found:
        accepting = {name for name, kinds in connectors()[str(crm)].holds.items() if kind in kinds}
        assert accepting == {family}, (crm, kind)
