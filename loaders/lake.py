"""Publish what has landed: a Delta table for each, in a lakehouse that Spark and DuckDB read in place."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from loaders.values import LoadError

if TYPE_CHECKING:
    from deltalake import DeltaTable

LANDING = "landing.duckdb"
DIGEST = "backhaul.digest"
ROWS_A_BATCH = 100_000


def publish(lake: Path, schemas: Collection[str] = ()) -> int:
    """Write the landed tables that have changed, each in one commit; those of all schemas by default.

    Returns how many were written. What a build may be reading stays: files of older versions are deleted when they are
    a week old. LoadError when a table cannot be written; those before it are, and the next load goes on from there.
    """
    from deltalake.exceptions import DeltaError  # noqa: PLC0415  of an extra

    try:
        return _publish(lake, schemas)
    except (duckdb.Error, DeltaError, OSError) as error:
        said = str(error).strip().splitlines()[0]
        raise LoadError(f"{lake}: what has landed cannot be published ({said}); mend that, and load again") from error


def _publish(lake: Path, schemas: Collection[str]) -> int:
    from deltalake import CommitProperties, DeltaTable, write_deltalake  # noqa: PLC0415  of an extra
    from sqlglot import exp  # noqa: PLC0415  every load imports this module

    written = 0
    with duckdb.connect(lake / LANDING, read_only=True) as connection:
        connection.execute("set TimeZone = 'UTC'")
        for schema, table in _landed(connection, schemas):
            name = exp.table_(table, schema, quoted=True).sql("duckdb")
            folder = str(lake / "landing" / schema / table)
            known = DeltaTable(folder) if DeltaTable.is_deltatable(folder) else None
            digest = _digest(connection, name)
            if known is not None and _told(known) == digest:
                continue
            rows = connection.sql(f"from {name}").to_arrow_reader(ROWS_A_BATCH)
            commit = CommitProperties(custom_metadata={DIGEST: digest})
            write_deltalake(folder, rows, mode="overwrite", schema_mode="overwrite", commit_properties=commit)
            DeltaTable(folder).vacuum(dry_run=False)
            written += 1
    return written


def _landed(connection: duckdb.DuckDBPyConnection, schemas: Collection[str]) -> list[tuple[str, str]]:
    found = connection.execute(
        "select table_schema, table_name from information_schema.tables "
        "where table_schema <> 'main' and not ends_with(table_schema, '_staging') order by all"
    ).fetchall()
    return [(schema, table) for schema, table in found if not schemas or schema in schemas]


def _digest(connection: duckdb.DuckDBPyConnection, name: str) -> str:
    """What a table's rows and columns come to, in whatever order the rows are."""
    shape = [row[:2] for row in connection.execute(f"describe {name}").fetchall()]
    sums = connection.execute(f"select count(*), sum(hash(landed)) from {name} as landed").fetchall()  # noqa: S608  dlt's names
    return hashlib.sha256(repr((shape, sums)).encode()).hexdigest()


def _told(table: DeltaTable) -> str | None:
    (last,) = table.history(1)
    told = last.get(DIGEST)
    return told if isinstance(told, str) else None
