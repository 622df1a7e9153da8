from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activators.values import same_value

SAME = [
    ("number", "12", "12.0"),
    ("number", "-0.50", "-0.5"),
    ("number", "1e3", "1000"),
    ("date", "2026-03-20", "1773964800000"),
    ("date", "2026-03-20", "2026-03-20T00:00:00Z"),
    ("datetime", "2026-03-20T09:00:00Z", "2026-03-20T09:00:00.000Z"),
    ("datetime", "2026-03-20T09:00:00Z", "2026-03-20T10:00:00+01:00"),
    ("datetime", "2026-03-20T09:00:00.000+0000", "1773997200000"),
    ("boolean", "true", "True"),
    ("string", "", None),
    ("number", "", None),
]
DIFFERENT = [
    ("number", "12", "12.7"),
    ("number", "0", None),
    ("number", "many", None),
    ("date", "2026-03-20", "2026-03-21"),
    ("datetime", "2026-03-20T09:00:00Z", "2026-03-20T09:00:01Z"),
    ("boolean", "false", None),
    ("string", "12", "12.0"),
    ("string", "a", "A"),
]


@pytest.mark.parametrize(("family", "left", "right"), SAME)
def test_one_value_in_two_writings_is_the_same(family: str, left: str, right: str | None) -> None:
    assert same_value(family, left, right)
    assert same_value(family, right, left)


@pytest.mark.parametrize(("family", "left", "right"), DIFFERENT)
def test_two_values_differ_however_alike_they_look(family: str, left: str, right: str | None) -> None:
    assert not same_value(family, left, right)


@given(st.decimals(allow_nan=False, allow_infinity=False, places=4), st.integers(0, 6))
def test_trailing_zeros_never_make_a_number_another(value: Decimal, zeros: int) -> None:
    assert same_value("number", f"{value:f}", f"{value:f}" + "0" * zeros)


@given(st.datetimes(timezones=st.timezones(), min_value=dt.datetime(1971, 1, 1), max_value=dt.datetime(2100, 1, 1)))  # noqa: DTZ001
def test_a_moment_is_itself_in_every_zone(moment: dt.datetime) -> None:
    in_utc = moment.astimezone(dt.UTC)
    assert same_value("datetime", moment.isoformat(), in_utc.isoformat())


@given(st.text())
def test_any_text_at_all_is_compared_without_an_error(text: str) -> None:
    for family in ("number", "date", "datetime", "boolean", "string"):
        assert same_value(family, text, text)
