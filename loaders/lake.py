"""Publish what has landed: a Delta table for each, in a lakehouse that Spark and DuckDB read in place."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from loaders.values import LoadError

if TYPE_CHECKING:
    import pyarrow as pa
    from deltalake import DeltaTable

LANDING = "landing.duckdb"
DIGEST = "backhaul.digest"
ROWS_A_BATCH = 100_000
# The first millisecond of a day of usage.
DAY = "day"
# A changed day costs the file that it is in, and an engine opens each file.
FILE_BYTES = 32 * 1024 * 1024


def publish(lake: Path, schemas: Collection[str] = (), file_bytes: int = FILE_BYTES) -> int:
    """Write the landed tables that have changed, each in one commit; those of all schemas by default.

    Returns how many were written. Of usage, those files are written anew that hold a day that has changed; a file has
    some `file_bytes`. What a build may be reading stays: files of older versions are deleted when they are a week old.
    LoadError when a table cannot be written; those before it are, and the next load goes on from there.
    """
    from deltalake.exceptions import DeltaError  # noqa: PLC0415  of an extra

    try:
        return _publish(lake, schemas, file_bytes)
    except (duckdb.Error, DeltaError, OSError) as error:
        said = str(error).strip().splitlines()[0]
        raise LoadError(f"{lake}: what has landed cannot be published ({said}); mend that, and load again") from error


def _publish(lake: Path, schemas: Collection[str], file_bytes: int) -> int:
    from deltalake import CommitProperties, DeltaTable, write_deltalake  # noqa: PLC0415  of an extra
    from sqlglot import exp  # noqa: PLC0415  every load imports this module

    written = 0
    with duckdb.connect(lake / LANDING, read_only=True) as connection:
        connection.execute("set TimeZone = 'UTC'")
        for schema, table in _landed(connection, schemas):
            name = exp.table_(table, schema, quoted=True).sql("duckdb")
            folder = lake / "landing" / schema / table
            known = DeltaTable(folder) if DeltaTable.is_deltatable(str(folder)) else None
            digest = _digest(connection, name)
            if known is not None and _told(known) == digest:
                continue
            commit = CommitProperties(custom_metadata={DIGEST: digest})
            write = partial(
                write_deltalake, folder, mode="overwrite", target_file_size=file_bytes, commit_properties=commit
            )
            days = _changed_days(connection, name, folder, known)
            if days:
                changed = f"{DAY} in ({', '.join(str(day) for day in days)})"
                write(_read(connection, f"{name} where {changed}"), predicate=changed)
            else:
                # In the order of the days, where there are any, so that a file has few of them.
                rows = name if days is None else f"{name} order by {DAY}"
                write(_read(connection, rows), schema_mode="overwrite")
            DeltaTable(folder).vacuum(dry_run=False)
            written += 1
    return written


def _read(connection: duckdb.DuckDBPyConnection, rows: str) -> pa.RecordBatchReader:
    return connection.sql(f"from {rows}").to_arrow_reader(ROWS_A_BATCH)


def _landed(connection: duckdb.DuckDBPyConnection, schemas: Collection[str]) -> list[tuple[str, str]]:
    found = connection.execute(
        "select table_schema, table_name from information_schema.tables "
        "where table_schema <> 'main' and not ends_with(table_schema, '_staging') order by all"
    ).fetchall()
    return [(schema, table) for schema, table in found if not schemas or schema in schemas]


def _digest(connection: duckdb.DuckDBPyConnection, name: str) -> str:
    """What a table's rows and columns come to, in whatever order the rows are."""
    shape = _shape(connection, name)
    sums = connection.execute(f"select count(*), sum(hash(landed)) from {name} as landed").fetchall()  # noqa: S608  dlt's names
    return hashlib.sha256(repr((shape, sums)).encode()).hexdigest()


def _changed_days(
    connection: duckdb.DuckDBPyConnection, name: str, folder: Path, known: DeltaTable | None
) -> list[int] | None:
    """Which days of usage are not those of the last version; an empty list where all of it is to be written.

    Usage lands by the day (loaders/pendo/events.py), so that a night changes few. Of a table without days, None.
    """
    from sqlglot import exp  # noqa: PLC0415  every load imports this module

    shape = _shape(connection, name)
    if (DAY, "BIGINT") not in shape:
        return None
    files = [] if known is None else [str(folder / Path(uri).name) for uri in known.file_uris()]
    listed = exp.Array(expressions=[exp.Literal.string(file) for file in files]).sql("duckdb")
    held = f"read_parquet({listed}, hive_partitioning = false)"
    if not files or _shape(connection, held) != shape:
        return []
    found = connection.execute(
        f"""
        select {DAY}, landed.digest is distinct from held.digest as is_changed
        from (select {DAY}, (count(*), sum(hash(one))) as digest from {name} as one group by all) as landed
        full join (select {DAY}, (count(*), sum(hash(one))) as digest from {held} as one group by all) as held
        using ({DAY})
        order by all
        """  # noqa: S608  dlt's names
    ).fetchall()
    changed = [day for day, is_changed in found if is_changed]
    # Of more than half, to write the others too is no more work.
    return [] if None in changed or 2 * len(changed) > len(found) else changed


def _shape(connection: duckdb.DuckDBPyConnection, rows: str) -> list[tuple[str, str]]:
    return [row[:2] for row in connection.execute(f"describe from {rows}").fetchall()]


def _told(table: DeltaTable) -> str | None:
    (last,) = table.history(1)
    told = last.get(DIGEST)
    return told if isinstance(told, str) else None
