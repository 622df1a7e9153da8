"""The macro `diff`, compiled once by dbt and run over made-up landings, against the rule in plain Python."""

from __future__ import annotations

import datetime as dt
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

import duckdb
import pytest
import yaml
from hypothesis import HealthCheck, given
from hypothesis import settings as running
from hypothesis import strategies as st

from activators.values import same_value
from backhaul.settings import Settings
from tests.conftest import ROOT, transforming

# By property: the column's type, and the family that its values are compared in.
COLUMNS = {
    "days": ("integer", "number"),
    "events": ("bigint", "number"),
    "trend": ("decimal(12,2)", "number"),
    "revenue": ("decimal(18,2)", "number"),
    "score": ("decimal(18,9)", "number"),
    "ratio": ("double", "number"),
    "seen_on": ("date", "date"),
    "seen_at": ("timestamp with time zone", "datetime"),
    "is_active": ("boolean", "boolean"),
    "plan": ("varchar", "string"),
}
# What a person, an import or we may have put in a property, and what a column may say.
LANDED = {
    "number": [
        *("", None, "0", "7", "7.0", "7.50", "1e1", "many", "9007199254740993", "9007199254740992", "1e17", "1e30"),
        # Each is the same double as a value of WANTED.
        *("16777217.000000001", "900000000000000.13", "123456789.123456789"),
    ],
    "date": ["", None, "2026-03-20", "1773964800000", "2026-03-20T00:00:00.000Z", "2026-03-21", "soon"],
    "datetime": ["", None, "2026-03-20T09:00:00Z", "1773997200000", "1773997200250", "2026-03-20T09:00:01Z", "later"],
    "boolean": ["", None, "true", "TRUE", "false", "maybe"],
    "string": ["", None, "team", "Team", " team"],
}
WANTED = {
    "days": [None, "0", "7", "10", "16777217"],
    "events": [None, "0", "7", "9007199254740992", "9007199254740993", "100000000000000001"],
    "trend": [None, "7.00", "7.50", "-0.01", "16777217.00"],
    "revenue": [None, "7.50", "900000000000000.12", "900000000000000.13"],
    "score": [None, "7.500000000", "123456789.123456788", "123456789.123456789"],
    "ratio": [None, "7.5", "123456789.12345679"],
    "seen_on": [None, "2026-03-20", "2026-03-21"],
    # A moment is sent in whole seconds, whatever the model has.
    "seen_at": [None, "2026-03-20T09:00:00.250Z", "2026-03-20T09:00:01Z"],
    "is_active": [None, "true", "false"],
    "plan": [None, "", "team", "Team"],
}
LANDED_AT = dt.datetime(2026, 3, 20, 12, tzinfo=dt.UTC)
BEFORE, AFTER = LANDED_AT - dt.timedelta(hours=1), LANDED_AT + dt.timedelta(seconds=1)


@dataclass(frozen=True)
class Write:
    """What the ledger says that we last wrote, and when."""

    value: str | None
    at: dt.datetime
    # Whether a later write was never answered, and its value.
    lost: tuple[str | None] | None


@dataclass(frozen=True)
class Case:
    """One record: None for a value that nobody has."""

    wanted: Mapping[str, str | None] | None
    landed: Mapping[str, str | None] | None
    is_gone: bool
    written: Mapping[str, Write] = field(default_factory=dict)
    refused: Mapping[str, str | None] = field(default_factory=dict)


def texts(family: str) -> st.SearchStrategy[str | None]:
    return st.sampled_from(LANDED[family])


def wanted_texts(name: str) -> st.SearchStrategy[str | None]:
    return st.sampled_from(WANTED[name])


def some_of(values: Mapping[str, st.SearchStrategy[object]]) -> st.SearchStrategy[dict[str, object]]:
    return st.fixed_dictionaries({}, optional=dict(values))


WRITES = some_of(
    {
        name: st.builds(
            Write,
            st.one_of(wanted_texts(name), texts(family)).map(lambda text: text or None),
            st.sampled_from([BEFORE, AFTER]),
            st.none() | st.tuples(wanted_texts(name).map(lambda text: text or None)),
        )
        for name, (_, family) in COLUMNS.items()
    }
)
CASES = st.lists(
    st.builds(
        Case,
        st.none() | st.fixed_dictionaries({name: wanted_texts(name) for name in COLUMNS}),
        st.none() | st.fixed_dictionaries({name: texts(family) for name, (_, family) in COLUMNS.items()}),
        st.booleans(),
        WRITES,
        some_of({name: wanted_texts(name).map(lambda text: text or None) for name in COLUMNS}),
    ),
    min_size=1,
    max_size=6,
)
# record, property, current, desired, last sent, edited, left, refused before
Row = tuple[str, str, str | None, str | None, str | None, bool, bool, bool]


def whole_seconds(text: str | None) -> str | None:
    return re.sub(r"\.\d+Z$", "Z", text) if text else text


def expected(cases: list[Case]) -> set[Row]:
    """The rule, record by record and property by property."""
    rows: set[Row] = set()
    for number, case in enumerate(cases):
        if case.landed is None or case.is_gone:
            continue
        has_left = case.wanted is None
        for name, (_, family) in COLUMNS.items():
            write = case.written.get(name)
            if has_left and (write is None or write.value is None):
                continue
            current = write.value if write and write.at > LANDED_AT else case.landed[name]
            desired = None if case.wanted is None else whole_seconds(case.wanted[name]) or None
            if same_value(family, current, desired):
                continue
            edited = write is not None and not same_value(family, current, write.value)
            if write is not None and write.lost is not None:
                edited = edited and not same_value(family, current, write.lost[0])
            refused = name in case.refused and same_value(family, case.refused[name], desired)
            rows.add((str(number), name, current, desired, write and write.value, edited, has_left, refused))
    return rows


@dataclass(frozen=True)
class Warehouse:
    """Empty tables, and the compiled query of a diff model over them."""

    connection: duckdb.DuckDBPyConnection = field(repr=False)
    query: str = field(repr=False)


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    folder = tmp_path_factory.mktemp("diff")
    for part in ("models", "macros", "seeds"):
        shutil.copytree(ROOT / part, folder / part)
    for part in ("dbt_project.yml", "profiles.yml"):
        shutil.copy(ROOT / part, folder / part)
    file = folder / "models/activations/hubspot/sync_hubspot__contacts.yml"
    declared = yaml.safe_load(file.read_text())
    declared_columns = declared["models"][0]["columns"]
    declared_columns[1:] = [
        {
            "name": name,
            "data_type": kind,
            "description": "A value.",
            "config": {"meta": {"property": name, "label": name}},
        }
        for name, (kind, _) in COLUMNS.items()
    ]
    file.write_text(yaml.safe_dump(declared))
    settings = Settings.model_construct(
        warehouse=folder / "warehouse.duckdb", state=folder / "state", target=folder / "target"
    )
    with duckdb.connect(settings.warehouse) as connection:
        for table, columns in TABLES.items():
            connection.execute(f"create schema if not exists {table.partition('.')[0]}")
            connection.execute(f"create table {table} ({columns})")
    transform = transforming(settings, folder)
    transform.build(lambda *_: None, "--select", "diff_hubspot__contacts", "--resource-type", "model")
    query = (folder / "target/compiled/backhaul/models/plans/diff_hubspot__contacts.sql").read_text()
    with duckdb.connect(settings.warehouse) as connection:
        connection.execute("set TimeZone = 'UTC'")
        yield Warehouse(connection, query)


TEXTS = ", ".join(f"{name} varchar" for name in COLUMNS)
TYPED = ", ".join(f"{name} {kind}" for name, (kind, _) in COLUMNS.items())
KEY = "destination varchar, object varchar, record_id varchar"
WRITE = "property varchar, run_id varchar, after_value varchar"
TABLES = {
    "hubspot.contacts": f"id varchar, updated_at timestamptz, archived boolean, {TEXTS}",
    "activations.sync_hubspot__contacts": f"contact_id varchar, {TYPED}",
    "audit.int_writes__latest": f"{KEY}, {WRITE}, written_at timestamptz, record_key ubigint, has_unanswered boolean, "
    "unanswered_value varchar",
    "audit.int_records__written": f"{KEY}, written_at timestamptz, has_values boolean",
    "audit.int_writes__rejected": f"{KEY}, {WRITE}, code varchar, property_fingerprint varchar",
}


def fill(connection: duckdb.DuckDBPyConnection, cases: list[Case]) -> None:
    contact = ("hubspot", "contacts")
    for table in (
        "hubspot.contacts",
        "activations.sync_hubspot__contacts",
        "audit.int_writes__latest",
        "audit.int_records__written",
        "audit.int_writes__rejected",
    ):
        connection.execute(f"delete from {table}")
    for number, case in enumerate(cases):
        key = str(number)
        if case.landed is not None:
            row = [key, LANDED_AT, case.is_gone, *(case.landed[name] for name in COLUMNS)]
            connection.execute(f"insert into hubspot.contacts values ({', '.join('?' * len(row))})", row)
        if case.wanted is not None:
            row = [key, *(case.wanted[name] for name in COLUMNS)]
            connection.execute(
                f"insert into activations.sync_hubspot__contacts values ({', '.join('?' * len(row))})", row
            )
        for name, write in case.written.items():
            lost = write.lost is not None, write.lost and write.lost[0]
            connection.execute(
                "insert into audit.int_writes__latest "
                "values ($1, $2, $3, $4, 'r1', $5, $6, md5_number_lower($1 || '|' || $2 || '|' || $3), $7, $8)",
                [*contact, key, name, write.value, write.at, *lost],
            )
        for name, value in case.refused.items():
            connection.execute(
                "insert into audit.int_writes__rejected values (?, ?, ?, ?, 'r2', ?, 'NO', 'f')",
                [*contact, key, name, value],
            )
    connection.execute(
        "insert into audit.int_records__written select destination, object, record_id, max(written_at), "
        "bool_or(after_value is not null) from audit.int_writes__latest group by all"
    )


def found(warehouse: Warehouse, cases: list[Case]) -> list[Row]:
    """The rows of the diff."""
    fill(warehouse.connection, cases)
    return warehouse.connection.execute(
        "select record_id, property, current_value, desired_value, last_sent_value, is_edited_since, has_left, "
        f"was_rejected from ({warehouse.query})"
    ).fetchall()


def alone(name: str, landed: str | None, wanted: str | None) -> Case:
    """A record that can differ in one property only, so that no other one brings the record up."""
    nothing = dict.fromkeys(COLUMNS)
    return Case(nothing | {name: wanted}, nothing | {name: landed}, is_gone=False)


@running(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cases=CASES)
def test_a_diff_has_exactly_the_values_that_differ(warehouse: Warehouse, cases: list[Case]) -> None:
    rows = found(warehouse, cases)
    assert len(rows) == len(set(rows))
    assert set(rows) == expected(cases)


def test_a_value_that_differs_is_found_where_nothing_else_of_its_record_does(warehouse: Warehouse) -> None:
    cases = [
        alone(name, landed, wanted)
        for name, (_, family) in COLUMNS.items()
        for landed in LANDED[family]
        for wanted in WANTED[name]
    ]
    assert set(found(warehouse, cases)) == expected(cases)


def test_a_fraction_of_a_second_in_the_model_brings_no_record_up(warehouse: Warehouse) -> None:
    """Else each record with such a moment is compared as text, every night."""
    said = "2026-03-20T09:00:00.250Z"
    fill(warehouse.connection, [alone("seen_at", landed, said) for landed in (said, "2026-03-20T09:00:00Z")])
    ctes, marker, _ = warehouse.query.partition("differences as (")
    assert marker
    compared = warehouse.connection.execute(f"{ctes.rstrip().rstrip(',')} select record_id from candidates").fetchall()
    # A fraction in the CRM is not what we send.
    assert compared == [("0",)]


# By property: the digits that its column holds, and how many of them are decimals.
DIGITS = {"days": (9, 0), "events": (18, 0), "trend": (12, 2), "revenue": (18, 2), "score": (18, 9)}


@st.composite
def neighbours(draw: st.DrawFn) -> Case:
    """A number of up to all the digits that its column holds, and one that differs in the last place, if at all."""
    name = draw(st.sampled_from(sorted(DIGITS)))
    digits, scale = DIGITS[name]
    wanted = Decimal(draw(st.integers(1 - 10**digits, 10**digits - 1))).scaleb(-scale)
    step = Decimal(draw(st.sampled_from([-1, 0, 1]))).scaleb(-draw(st.sampled_from([scale, 9])))
    landed = wanted + step
    return alone(name, draw(st.sampled_from([f"{landed:f}", f"{landed:e}"])), f"{wanted:.{scale}f}")


@running(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cases=st.lists(neighbours(), min_size=1, max_size=12))
def test_numbers_differ_whichever_digit_differs(warehouse: Warehouse, cases: list[Case]) -> None:
    assert set(found(warehouse, cases)) == expected(cases)
