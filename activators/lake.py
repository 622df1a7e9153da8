"""A lakehouse, read in place: Delta tables that the loads wrote, and the Parquet tables that dbt made of them on Spark.

A lakehouse is a folder `<name>.lake`: in it `landing.duckdb`, in which dlt merges what the vendors send; `landing`, a
Delta table for each landed one; and `warehouse`, what dbt made of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

# Delta's names of types in Spark's SQL and in DuckDB's; the others are called alike.
SPARK_TYPES = {"long": "bigint", "integer": "int", "short": "smallint", "byte": "tinyint"}
DUCKDB_TYPES = {"timestamp": "timestamp with time zone", "timestamp_ntz": "timestamp", "binary": "blob"}


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The newest version of a landed table: its Parquet files, and its columns with Spark's types."""

    schema: str
    table: str
    version: int
    folder: Path
    files: tuple[Path, ...]
    columns: tuple[tuple[str, str], ...]


def is_lake(warehouse: Path) -> bool:
    """Whether a warehouse's path names a lakehouse; anything else is a DuckDB file."""
    return warehouse.suffix == ".lake"


def snapshots(lake: Path) -> list[Snapshot]:
    """Every landed table of a lakehouse, by name."""
    from deltalake import DeltaTable  # noqa: PLC0415  of an extra

    found = []
    for log in sorted((lake.absolute() / "landing").glob("*/*/_delta_log")):
        folder = log.parent
        table = DeltaTable(str(folder))
        columns = tuple((field.name, _spark_type(str(field.type.type))) for field in table.schema().fields)
        files = tuple(folder / Path(uri).name for uri in sorted(table.file_uris()))
        found.append(Snapshot(folder.parent.name, folder.name, table.version(), folder, files, columns))
    return found


def read_in_place(lake: Path) -> duckdb.DuckDBPyConnection:
    """Open DuckDB on a lakehouse's own files: a view for each landed table and for each that dbt has made.

    Nothing is read before it is asked for, and then no more than the columns and rows that are asked for. It writes
    nothing. Of what Spark has no file there is no view: a view of dbt's, and a table of partitions that has none.
    """
    connection = duckdb.connect()
    connection.execute("set TimeZone = 'UTC'")
    from sqlglot import exp  # noqa: PLC0415  most warehouses are one file, and do without it

    for snapshot in snapshots(lake):
        columns = [
            f"cast(null as {DUCKDB_TYPES.get(kind, kind)}) as {exp.to_identifier(name, quoted=True).sql('duckdb')}"
            for name, kind in snapshot.columns
        ]
        empty = f"select {', '.join(columns)} where false"
        _name(connection, snapshot.schema, snapshot.table, snapshot.files, empty)
    for folder in sorted((lake / "warehouse").glob("*.db/*/")):
        _name(connection, folder.parent.stem, folder.name, files_of(folder), "")
    return connection


def files_of(folder: Path) -> list[Path]:
    """The Parquet files of a table that Spark wrote, in partitions or without; not those that it is still writing."""
    return sorted([*folder.glob("*.parquet"), *folder.glob("[!._]*=*/*.parquet")])


def parquet_rows(files: Sequence[Path]) -> str:
    """A DuckDB query of Parquet files, at least one. What is in partitions has their column last, as in Spark."""
    from sqlglot import exp  # noqa: PLC0415  most warehouses are one file, and do without it

    listed = exp.Array(expressions=[exp.Literal.string(str(file)) for file in files]).sql("duckdb")
    # Told, not guessed: a lakehouse may lie in a folder with an equals sign.
    return f"from read_parquet({listed}, hive_partitioning = {str('=' in files[0].parent.name).lower()})"


def _name(connection: duckdb.DuckDBPyConnection, schema: str, table: str, files: Sequence[Path], empty: str) -> None:
    from sqlglot import exp  # noqa: PLC0415  most warehouses are one file, and do without it

    rows = parquet_rows(files) if files else empty
    if rows:
        connection.execute(f"create schema if not exists {exp.to_identifier(schema, quoted=True).sql('duckdb')}")
        connection.execute(f"create view {exp.table_(table, schema, quoted=True).sql('duckdb')} as {rows}")


def _spark_type(name: str) -> str:
    return SPARK_TYPES.get(name, name)
