"""A lakehouse: what has landed is published once, and read where it is."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from activators.errors import PlanError
from activators.lake import snapshots
from activators.warehouse import open_warehouse
from tests.conftest import ROOT

pytest.importorskip("deltalake", reason="needs the extra spark: make test-spark")

from loaders.lake import LANDING, publish
from loaders.values import LoadError

FIRST_DAY = 1739422800000
DAY_MS = 86_400_000


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    folder = tmp_path / "warehouse.lake"
    folder.mkdir()
    land(
        folder,
        "create schema crm",
        "create table crm.people (id varchar, seen_at timestamptz)",
        "insert into crm.people values ('1', '2026-03-20 12:00:00+00'), ('2', null)",
        "create table crm.nobody (id varchar, amount bigint, seen_at timestamptz, is_known boolean)",
        "create schema crm_staging",
        "create table crm_staging.people (id varchar)",
    )
    return folder


def land(lake: Path, *statements: str) -> None:
    with duckdb.connect(lake / LANDING) as connection:
        for statement in statements:
            connection.execute(statement)


def rows(lake: Path, query: str) -> list[tuple[object, ...]]:
    with open_warehouse(lake) as connection:
        return connection.execute(query).fetchall()


def test_what_has_landed_is_read_in_place_and_dlts_staging_is_not(lake: Path) -> None:
    assert publish(lake) == 2
    assert rows(lake, "select id, epoch(seen_at) from crm.people order by id") == [("1", 1774008000.0), ("2", None)]
    assert {(item.schema, item.table) for item in snapshots(lake)} == {("crm", "people"), ("crm", "nobody")}


def test_a_table_without_rows_has_its_columns_and_types(lake: Path) -> None:
    publish(lake)
    described = rows(lake, "select column_name, column_type from (describe crm.nobody)")
    assert described == [
        ("id", "VARCHAR"),
        ("amount", "BIGINT"),
        ("seen_at", "TIMESTAMP WITH TIME ZONE"),
        ("is_known", "BOOLEAN"),
    ]


def test_a_table_that_has_not_changed_is_not_written_again(lake: Path) -> None:
    publish(lake)
    assert publish(lake) == 0
    # The same rows in another order are the same rows.
    land(lake, "create or replace table crm.people as from crm.people order by id desc")
    assert publish(lake) == 0
    land(lake, "update crm.people set id = '3' where id = '2'")
    assert publish(lake) == 1
    assert rows(lake, "select id from crm.people order by id") == [("1",), ("3",)]


def test_a_row_that_comes_twice_and_a_column_that_comes_later_are_changes(lake: Path) -> None:
    publish(lake)
    land(lake, "insert into crm.people from crm.people")
    assert publish(lake) == 1
    land(lake, "alter table crm.people add column name varchar")
    assert publish(lake) == 1
    assert rows(lake, "select count(*), count(name) from crm.people") == [(4, 0)]


def test_only_the_named_schemas_are_published(lake: Path) -> None:
    assert publish(lake, ["erp"]) == 0
    assert publish(lake, ["crm"]) == 2


def test_who_reads_the_last_version_still_finds_its_files(lake: Path) -> None:
    publish(lake)
    (before,) = [item for item in snapshots(lake) if item.table == "people"]
    land(lake, "delete from crm.people")
    publish(lake)
    assert all(file.exists() for file in before.files)
    assert rows(lake, "select count(*) from crm.people") == [(0,)]


def test_a_table_that_cannot_be_published_is_told_in_a_sentence_and_the_next_load_mends_it(lake: Path) -> None:
    in_the_way = lake / "landing" / "crm" / "people"
    in_the_way.parent.mkdir(parents=True)
    in_the_way.write_text("not a folder")
    with pytest.raises(LoadError, match=r"warehouse\.lake: what has landed cannot be published .*load again"):
        publish(lake)
    in_the_way.unlink()
    assert publish(lake) >= 1
    assert rows(lake, "select count(*) from crm.people") == [(2,)]


def test_a_lakehouse_that_is_missing_or_is_to_be_written_is_refused_in_a_sentence(lake: Path) -> None:
    with pytest.raises(PlanError, match="no such warehouse; run `backhaul load`"):
        open_warehouse(lake.with_name("other.lake"))
    with pytest.raises(PlanError, match="only dbt writes to a lakehouse"):
        open_warehouse(lake, read_only=False)


def test_spark_is_refused_for_a_duckdb_file(tmp_path: Path) -> None:
    pytest.importorskip("dbt.adapters.spark", reason="needs the extra spark: make test-spark")
    environment = os.environ | {"BACKHAUL_WAREHOUSE": str(tmp_path / "usage.duckdb")}
    places = [f"--{name}-path={tmp_path}" for name in ("target", "log")]
    command = [sys.executable, "-m", "dbt.cli.main", "parse", "--target", "spark", *places]
    refused = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert refused.returncode == 2
    assert "usage.duckdb is no lakehouse; set BACKHAUL_WAREHOUSE to a name that ends in .lake" in refused.stdout


def test_quotation_marks_in_names_and_in_the_path_are_names_like_others(tmp_path: Path) -> None:
    folder = tmp_path / "the team's.lake"
    folder.mkdir()
    land(
        folder,
        'create schema "c""rm"',
        'create table "c""rm"."peo""ple" ("i""d" varchar)',
        """insert into "c""rm"."peo""ple" values ('it''s')""",
        'create table "c""rm"."no""body" ("i""d" varchar)',
    )
    assert publish(folder) == 2
    assert rows(folder, 'from "c""rm"."peo""ple"') == [("it's",)]
    assert rows(folder, 'select "i""d" from "c""rm"."no""body"') == []


def used_lake(folder: Path, visitors: int) -> Path:
    """A lakehouse with a year of usage that has landed."""
    folder.mkdir()
    land(
        folder,
        "create schema pendo",
        "create table pendo.events (day bigint not null, visitor_id varchar, num_events bigint)",
        f"""
        insert into pendo.events
        select {FIRST_DAY} + {DAY_MS} * days.number, md5(days.number || '.' || visitors.number), days.number
        from range(365) as days (number), range({visitors}) as visitors (number)
        """,
    )
    return folder


def day_files(lake: Path) -> dict[Path, set[int]]:
    """The files of the newest version of the usage, and the days that are in each."""
    (usage,) = snapshots(lake)
    found = {}
    for file in usage.files:
        days = duckdb.execute(f"select distinct (day - {FIRST_DAY}) // {DAY_MS} from read_parquet(?)", [str(file)])
        found[file] = {int(day) for (day,) in days.fetchall()}
    return found


def unpublished(lake: Path) -> list[tuple[object, ...]]:
    """The rows that have landed and are not published, and the other way round."""
    with duckdb.connect() as connection:
        connection.execute(f"attach '{lake / LANDING}' as landing (read_only)")
        files = {"files": [str(file) for file in day_files(lake)]}
        return connection.execute(
            """
            (from landing.pendo.events except all from read_parquet($files))
            union all (from read_parquet($files) except all from landing.pendo.events)
            """,
            files,
        ).fetchall()


def test_of_a_year_of_usage_the_files_of_the_days_that_changed_are_written(tmp_path: Path) -> None:
    lake = used_lake(tmp_path / "warehouse.lake", visitors=200)
    assert publish(lake, file_bytes=1) == 1
    before = day_files(lake)
    assert len(before) > 5
    land(
        lake,
        f"update pendo.events set num_events = 0 where day = {FIRST_DAY + 300 * DAY_MS} and visitor_id < '8'",
        f"delete from pendo.events where day = {FIRST_DAY + 301 * DAY_MS}",
        f"insert into pendo.events values ({FIRST_DAY + 365 * DAY_MS}, 'new', 1)",
    )
    assert publish(lake, file_bytes=1) == 1
    after = day_files(lake)
    assert unpublished(lake) == []
    changed = {300, 301}
    assert {file for file, days in before.items() if file not in after} == {
        file for file, days in before.items() if days & changed
    }
    assert len(before.keys() & after.keys()) > 3
    assert publish(lake, file_bytes=1) == 0


def test_usage_whose_columns_changed_is_published_whole(tmp_path: Path) -> None:
    lake = used_lake(tmp_path / "warehouse.lake", visitors=2)
    publish(lake)
    land(
        lake,
        "alter table pendo.events add column app_id bigint",
        "update pendo.events set app_id = 1 where num_events > 360",
    )
    assert publish(lake) == 1
    assert unpublished(lake) == []


def test_a_version_that_cannot_be_committed_leaves_the_last_one(tmp_path: Path) -> None:
    lake = used_lake(tmp_path / "warehouse.lake", visitors=2)
    publish(lake)
    before = day_files(lake)
    in_the_way = lake / "landing" / "pendo" / "events" / "_delta_log" / "00000000000000000001.json"
    in_the_way.mkdir()
    land(lake, f"delete from pendo.events where day = {FIRST_DAY}")
    with pytest.raises(LoadError, match="cannot be published"):
        publish(lake)
    assert day_files(lake) == before
    in_the_way.rmdir()
    assert publish(lake) == 1
    assert unpublished(lake) == []


nights = st.lists(
    st.dictionaries(st.integers(0, 370), st.sampled_from(["gone", "more", "twice"]), max_size=5), min_size=1, max_size=3
)


@settings(max_examples=10)
@given(nights=nights)
def test_whatever_changes_what_is_published_is_what_has_landed(
    tmp_path_factory: pytest.TempPathFactory, nights: list[dict[int, str]]
) -> None:
    lake = used_lake(tmp_path_factory.mktemp("nights") / "warehouse.lake", visitors=3)
    changes = {
        "gone": "delete from pendo.events where day = {}",
        "more": "insert into pendo.events values ({}, 'new', 1)",
        "twice": "insert into pendo.events from pendo.events where day = {}",
    }
    publish(lake, file_bytes=1)
    for night in nights:
        land(lake, *(changes[change].format(FIRST_DAY + number * DAY_MS) for number, change in night.items()))
        publish(lake, file_bytes=1)
        assert unpublished(lake) == []
