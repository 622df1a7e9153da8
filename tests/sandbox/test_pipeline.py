"""The aggregation pipeline's operators and its expressions."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.pendo.expressions import MalformedPipelineError, Row, compile_expression
from sandbox.pendo.pipeline import run

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


def test_unwind_gives_a_row_an_entry_and_keeps_the_empty_ones_on_demand() -> None:
    rows: list[Row] = [{"id": 1, "of": {"tags": ["a", "b"]}}, {"id": 2, "of": {"tags": []}}, {"id": 3}]
    tags = [(row["id"], row.get("n"), compile_expression("of.tags")(row)) for row in run(rows, [unwind(index="n")])]
    assert tags == [(1, 0, "a"), (1, 1, "b")]
    kept = [(row["id"], compile_expression("of.tags")(row)) for row in run(rows, [unwind(keepEmpty=True)])]
    assert kept == [(1, "a"), (1, "b"), (2, None), (3, None)]
    assert rows[0] == {"id": 1, "of": {"tags": ["a", "b"]}}


def unwind(**options: object) -> object:
    return {"unwind": {"field": "of.tags", **options}}


def test_reduce_makes_one_row_of_all() -> None:
    rows: list[Row] = [{"v": 1}, {"v": None}, {"v": 4}]
    fields = {"total": {"sum": "v"}, "mean": {"avg": "v"}, "all": {"list": "v"}, "rows": {"count": None}}
    assert run(rows, [{"reduce": fields}]) == [{"total": 5, "mean": 2.5, "all": [1, 4], "rows": 3}]
    assert run([], [{"reduce": fields}]) == [{"total": 0, "mean": None, "all": [], "rows": 0}]


def test_fork_sends_every_row_each_way_and_join_lays_them_together() -> None:
    rows: list[Row] = [{"k": "a", "v": 1}, {"k": "a", "v": 2}, {"k": "b", "v": 3}]
    total = [{"group": {"group": ["k"], "fields": {"total": {"sum": "v"}}}}]
    most = [{"group": {"group": ["k"], "fields": {"most": {"max": "v"}}}}]
    steps: list[object] = [{"fork": [total, most]}, {"join": {"fields": ["k"]}}]
    assert run(rows, steps, lambda _: []) == [{"k": "a", "total": 3, "most": 2}, {"k": "b", "total": 3, "most": 3}]


def test_merge_adds_the_fields_of_another_pipeline() -> None:
    others: list[Row] = [{"k": "a", "n": 7}, {"k": "c", "n": 8}]
    merge = {"merge": {"fields": ["k"], "mappings": {"number": "n"}, "pipeline": ["asked for"]}}
    asked: list[object] = []

    def opened(pipeline: object) -> list[Row]:
        asked.append(pipeline)
        return others

    assert run([{"k": "a"}, {"k": "b"}], [merge], opened) == [{"k": "a", "number": 7}, {"k": "b"}]
    assert asked == [["asked for"]]


def test_eval_and_select_fill_fields_within_fields() -> None:
    row: Row = {"a": 1, "meta": {"kept": True}}
    assert run([row], [{"eval": {"meta.b": "a + 1"}}]) == [{"a": 1, "meta": {"kept": True, "b": 2}}]
    assert row == {"a": 1, "meta": {"kept": True}}
    assert run([row], [{"select": {"x.y": "if(a > 0, 'yes', 'no')"}}]) == [{"x": {"y": "yes"}}]


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(st.fixed_dictionaries({"a": st.sampled_from([None, 1, 2, "x"]), "b": st.integers(0, 3)})),
    turned=st.sampled_from(["a", "-a"]),
    skip=st.integers(0, 5),
    limit=st.integers(0, 5),
)
def test_a_limit_after_a_sort_changes_nothing_but_the_work(rows: list[Row], turned: str, skip: int, limit: int) -> None:
    numbered = [{**row, "n": n} for n, row in enumerate(rows)]
    everything = run(numbered, [{"sort": [turned, "b"]}])
    assert run(numbered, [{"sort": [turned, "b"]}, {"skip": skip}, {"limit": limit}]) == everything[skip:][:limit]
    assert sorted(everything, key=lambda row: str(row["n"])) == sorted(numbered, key=lambda row: str(row["n"]))


def test_rows_flow_and_only_those_that_are_wanted_are_made() -> None:
    made: list[int] = []

    def endless() -> Iterator[Row]:
        for n in itertools.count():
            made.append(n)
            yield {"n": n}

    steps: list[object] = [{"filter": "n > 1"}, {"eval": {"m": "n * 2"}}, {"select": {"m": "m"}}, {"limit": 3}]
    assert run(endless(), steps) == [{"m": 4}, {"m": 6}, {"m": 8}]
    assert len(made) == 5


@pytest.mark.parametrize(
    "step",
    [{"unwind": "a"}, {"join": {}}, {"fork": [[]]}, {"merge": {}}, {"sort": []}, {"reduce": 1}, {"skip": -1}, {}, "a"],
)
def test_operators_of_the_wrong_shape_are_refused_before_any_row_moves(step: object) -> None:
    with pytest.raises(MalformedPipelineError):
        run(iter([]), [step])
