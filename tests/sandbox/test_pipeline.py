"""The aggregation pipeline's operators and its expressions."""

from __future__ import annotations

import pytest

from sandbox.pipeline import MalformedPipelineError, Row, compile_expression, run

ROW = {"a": 2, "b": "x y", "none": None, "meta": {"auto": {"n": 5}}, "tags": ["red"]}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a == 2 && b != 'x'", True),
        ("a > 2 || a >= 2", True),
        ("!(a == 2)", False),
        ("a == 3 || a == 2 && b == `x y`", True),
        ("(a == 2 || a == 3) && b == 'no'", False),
        ("a + 2 * 3 - 1", 7),
        ("-a / 4", -0.5),
        ("a / 0", None),
        ("meta.auto.n > 4.5", True),
        ("isNull(meta.auto.x.y)", True),
        ("none == null", True),
        ("none < 1 || none >= 1", False),
        ("b < 1 || b >= 1", False),
        ("b contains 'y'", True),
        ('contains(b, "z")', False),
        ('contains(tags, "red")', True),
        ('startsWith(b, "x")', True),
        (r'"say \"hi\""', 'say "hi"'),
        ("true != false", True),
    ],
)
def test_expressions_give_their_value(text: str, value: object) -> None:
    assert compile_expression(text)(ROW) == value


@pytest.mark.parametrize("text", ["", "a ==", "(a", "a b", "a = 2", "nope(a)", "isNull(a, b)", "a &", "'open", ")"])
def test_malformed_expressions_are_refused(text: str) -> None:
    with pytest.raises(MalformedPipelineError):
        compile_expression(text)


def test_groups_aggregate_what_is_not_null() -> None:
    rows: list[Row] = [{"k": "a", "v": 1}, {"k": "a", "v": None}, {"k": "b", "v": 3}, {"k": "a", "v": 1}]
    fields = {
        "total": {"sum": "v"},
        "rows": {"count": None},
        "values": {"count": "v"},
        "low": {"min": "v"},
        "high": {"max": "v"},
        "one": {"first": "v"},
    }
    assert run(rows, [{"group": {"group": ["k"], "fields": fields}}]) == [
        {"k": "a", "total": 2, "rows": 3, "values": 1, "low": 1, "high": 1, "one": 1},
        {"k": "b", "total": 3, "rows": 1, "values": 1, "low": 3, "high": 3, "one": 3},
    ]


def test_sorting_puts_the_first_field_first_and_a_minus_turns_it() -> None:
    rows: list[Row] = [{"a": 1, "b": 1}, {"a": 2, "b": None}, {"a": 2, "b": 3}, {"a": 1, "b": 2}]
    ordered = run(rows, [{"sort": ["-a", "b"]}, {"skip": 1}, {"limit": 2}])
    assert ordered == [{"a": 2, "b": 3}, {"a": 1, "b": 1}]


def test_identified_drops_the_anonymous_and_the_placeholder() -> None:
    ids = ["_PENDO_T_1", "VISITOR-UNIQUE-ID", "", None, "u-1"]
    rows: list[Row] = [{"id": i} for i in ids]
    assert run(rows, [{"identified": "id"}]) == [{"id": "u-1"}]


def test_eval_adds_and_select_keeps() -> None:
    steps = [{"eval": {"double": "a * 2"}}, {"select": {"d": "double", "n": "meta.auto.n"}}]
    assert run([ROW], steps) == [{"d": 4, "n": 5}]
