"""How the rows of two engines are compared: every model of the project, value by value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import duckdb
from pyspark.sql import SparkSession

from activators.lake import files_of, parquet_rows
from backhaul.spelling import register

# A row a build.
HISTORIES = {"match_rates"}
# What names the build, or the load before it, and not the world.
OF_THE_BUILD = {
    "match_changes": {"run_id", "run_at"},
    "match_rates": {"run_id", "run_at"},
    "lost_matches": {"lost_at"},
    "int_landed_days": {"landed_at", "changed_in"},
    "int_landed_days__due": {"landed_at", "changed_in"},
    "int_usage__summed": {"changed_in"},
}

# Each engine makes its own numbers of the same texts.
OF_THE_ENGINE = {"visitor_key", "account_key", "key_check"}


def models(manifest: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Schema and name of every model and seed that is built."""
    for node in manifest["nodes"].values():
        if node["resource_type"] in {"model", "seed"}:
            yield node["schema"], node["alias"]


def different_rows(session: SparkSession, lake: Path, warehouse: Path, schema: str, name: str) -> tuple[int, list[Any]]:
    """How many rows a model has in DuckDB, and those that only one of the engines has.

    Spark's values are cast to the types of DuckDB's columns: whole numbers have other widths, and texts another name.
    """
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        register(connection)
        connection.execute(f"attach '{warehouse}' as duck (read_only)")
        described = connection.execute(f'describe duck."{schema}"."{name}"').fetchall()
        skipped = OF_THE_BUILD.get(name, set()) | OF_THE_ENGINE
        columns = [(row[0], row[1]) for row in described if row[0] not in skipped]
        theirs = _rows(connection, session, lake, schema, name)
        assert {row[0].lower() for row in described} == {column.lower() for column in theirs.columns}, name
        theirs.create_view("theirs_rows")
        own = ", ".join(f'"{column}"' for column, _ in columns)
        cast = ", ".join(f'cast("{column}" as {kind}) as "{column}"' for column, kind in columns)
        last = " qualify run_at = max(run_at) over ()" if name in HISTORIES else ""
        connection.execute(f'create view ours as select {own} from duck."{schema}"."{name}"{last}')
        connection.execute(f"create view theirs as select {cast} from theirs_rows{last}")
        found = connection.execute(
            """
            select 'DuckDB' as engine, * from (from ours except all from theirs)
            union all
            select 'Spark' as engine, * from (from theirs except all from ours)
            order by all
            """
        ).fetchall()
        (count,) = connection.execute("select count(*) from ours").fetchall()[0]
        return count, found


def _rows(
    connection: duckdb.DuckDBPyConnection, session: SparkSession, lake: Path, schema: str, name: str
) -> duckdb.DuckDBPyRelation:
    """A table from the files that Spark wrote, a view from Spark itself."""
    files = files_of(lake / "warehouse" / f"{schema}.db" / name)
    if files:
        return connection.sql(parquet_rows(files))
    return connection.from_arrow(session.table(f"{schema}.{name}").toArrow())
