"""Every combination of policies and situations is decided as docs/activations.md says, by the macros themselves."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from types import SimpleNamespace
from typing import Any, get_args

import duckdb
import jinja2
import pyarrow as pa

from activators.declarations import _PropertyMeta
from tests.conftest import ROOT

# Texts that are numbers, as one of the properties holds.
OURS, LAST_SENT, THEIRS = "1234", "12", "13"


@dataclass(frozen=True, slots=True)
class Case:
    """A column's policies, and what is so of one record: each a text of one property, or what is known of it."""

    write: str
    on_null: str
    on_conflict: str
    on_exit: str
    # In the CRM, of the model, and what we last wrote, where we did.
    current: str | None
    desired: str | None
    last_sent: str | None
    has_left: bool
    # The property: there, missing, not ours, of another type, too short, of too few digits, without the option.
    property: str
    # The same value was refused before, and perhaps the property has changed since.
    refused: str


def every_case() -> list[Case]:
    declared = (_PropertyMeta.model_fields[name].annotation for name in ("write", "on_null", "on_conflict", "on_exit"))
    policies = itertools.product(*map(get_args, declared))
    situations = itertools.product(
        (None, "", OURS, LAST_SENT, THEIRS),
        (None, OURS),
        (None, OURS, LAST_SENT),
        (False, True),
        ("there", "missing", "read only", "of another type", "short", "narrow", "without the option"),
        ("never", "as it is", "as it was"),
    )
    return [Case(*policy, *situation) for policy, situation in itertools.product(policies, list(situations))]


def documented(case: Case) -> str | None:
    """The reason by the table of docs/activations.md, "What the plan decides"; None where nothing differs."""
    wanted = None if case.has_left else case.desired
    now = case.current or None
    if now == wanted or (case.has_left and case.last_sent is None):
        return None
    edited = case.last_sent is not None and now != case.last_sent
    rules = {
        "missing_property": case.property == "missing",
        "read_only": case.property == "read only",
        "wrong_type": case.property == "of another type",
        "exit_keeps": case.has_left and case.on_exit == "keep",
        "null_keeps": not case.has_left and wanted is None and case.on_null == "keep",
        "already_filled": not case.has_left and case.write == "fill_empty" and now is not None,
        "theirs_wins": edited and case.on_conflict == "keep",
        "too_long": case.property == "short" and wanted is not None,
        "too_large": case.property == "narrow" and wanted is not None,
        "not_an_option": case.property == "without the option" and wanted is not None,
        "edited_in_crm": edited and case.on_conflict == "hold",
        "rejected_before": case.refused == "as it is",
        "exit_clears": case.has_left,
        "differs": True,
    }
    return next(reason for reason, holds in rules.items() if holds)


# In the order of the documented table.
DECISIONS = {
    "missing_property": "invalid",
    "read_only": "invalid",
    "wrong_type": "invalid",
    "exit_keeps": "keep",
    "null_keeps": "keep",
    "already_filled": "keep",
    "theirs_wins": "keep",
    "too_long": "invalid",
    "too_large": "invalid",
    "not_an_option": "invalid",
    "edited_in_crm": "hold",
    "rejected_before": "hold",
    "exit_clears": "send",
    "differs": "send",
}


def macros() -> Any:
    """The project's own macros, as dbt would call them on DuckDB."""
    adapter = SimpleNamespace(dispatch=lambda name, _: getattr(module, f"duckdb__{name}"))
    environment = jinja2.Environment(extensions=["jinja2.ext.do"], autoescape=False)  # noqa: S701  SQL, and no HTML
    environment.globals.update(adapter=adapter, **{"return": lambda text: text})
    files = [ROOT / "macros" / name for name in ("decide.sql", "values.sql", "engine/json_array_contains.sql")]
    module: Any = environment.from_string("\n".join(file.read_text() for file in files)).module
    return module


def decided(cases: Sequence[Case]) -> dict[int, tuple[str, str]]:
    """By case: decision and reason of the macros, all in one statement. Where nothing differs there is none."""
    sql = macros()
    query = f"""
        with

        situations as (

            select
                *,
                case when has_left then null else desired end as desired_value
            from cases

        ),

        -- As the macro `diff` leaves them. Each situation of a property is a property of its own.
        differences as (

            select
                record_id,
                property,
                case property when 'narrow' then 'number' else 'string' end as family,
                current as current_value,
                desired_value,
                last_sent as last_sent_value,
                has_left,
                "write" as write_policy,
                on_null as null_policy,
                on_conflict as conflict_policy,
                on_exit as exit_policy,
                last_sent is not null and {sql.differs("current", "last_sent", "string")} as is_edited_since,
                refused <> 'never' as was_rejected,
                case refused when 'as it was' then 'before' else 'now' end as rejected_fingerprint
            from situations
            where
                {sql.differs("current", "desired_value", "string")}
                and (not has_left or last_sent is not null)

        ),

        properties as (

            select
                upper(property) as property,
                property = 'read only' as is_read_only,
                case when property in ('of another type', 'narrow') then 'number' else 'string' end as family,
                case property when 'short' then 2 end as max_length,
                case property when 'narrow' then 3 end as integer_digits,
                case property when 'without the option' then '["13"]' else '["1234", "13"]' end as options,
                'now' as fingerprint
            from (select distinct property from situations)
            where property <> 'missing'

        ),

        {sql.decide("differences", "properties")}

        select record_id, decision, reason from decided
    """
    with duckdb.connect() as connection:
        connection.register(
            "cases", pa.Table.from_pylist([{"record_id": n, **asdict(one)} for n, one in enumerate(cases)])
        )
        return {one: (decision, reason) for one, decision, reason in connection.execute(query).fetchall()}


def test_every_combination_of_policies_and_situations_is_decided_as_documented(
    record_property: Callable[[str, object], None],
) -> None:
    cases = every_case()
    found = decided(cases)
    expected = {n: (DECISIONS[reason], reason) for n, case in enumerate(cases) if (reason := documented(case))}
    wrong = {n for n in found.keys() | expected.keys() if found.get(n) != expected.get(n)}
    assert not [(cases[n], found.get(n), expected.get(n)) for n in sorted(wrong)[:5]], len(wrong)
    # Every rule decides somewhere.
    assert {reason for _, reason in found.values()} == DECISIONS.keys()
    record_property("told", f"policies: {len(cases):,} combinations, {len(expected):,} of which differ")


def test_the_documented_rules_are_those_of_the_table_and_in_its_order() -> None:
    """The reading above is worth what it has in common with what people read."""
    table = (
        (ROOT / "docs" / "activations.md").read_text().partition("## What the plan decides")[2].partition("\n\n## ")[0]
    )
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \|", table, re.MULTILINE)
    assert [(reason, decision) for reason, decision in rows if reason in DECISIONS] == list(DECISIONS.items())
