"""The warehouse as a plan reads it, and with errors that say what to do."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from activators.errors import PlanError
from activators.lake import is_lake, read_in_place


def open_warehouse(path: Path, *, read_only: bool = True) -> duckdb.DuckDBPyConnection:
    """Open the warehouse. Raises PlanError when it is missing or another process holds it.

    Here alone is it known what a warehouse is: a DuckDB file, or a lakehouse, whose files DuckDB reads where they are.
    """
    if not path.exists():
        raise PlanError(f"{path}: no such warehouse; run `backhaul load`, or set BACKHAUL_WAREHOUSE")
    if is_lake(path):
        if not read_only:
            raise PlanError(
                f"{path}: only dbt writes to a lakehouse; name a DuckDB file in BACKHAUL_WAREHOUSE for this"
            )
        return read_in_place(path)
    try:
        return duckdb.connect(str(path), read_only=read_only)
    except duckdb.IOException as error:
        holder = re.search(r"\(PID (\d+)\)", str(error))
        if holder is None:
            raise PlanError(f"{path}: not a warehouse that can be read ({error}); set BACKHAUL_WAREHOUSE") from None
        raise PlanError(
            f"{path}: another process, {holder[1]}, holds the warehouse; wait for it or stop it, then try again"
        ) from None


def rows(connection: duckdb.DuckDBPyConnection, query: str, parameters: Iterable[object] = ()) -> list[tuple[Any, ...]]:
    """Every row of a query. Raises PlanError for a table that is not there, or not as this version builds it."""
    try:
        return connection.execute(query, list(parameters)).fetchall()
    except duckdb.CatalogException as error:
        table = str(error).partition("Table with name ")[2].partition(" ")[0]
        raise PlanError(f"{table or 'a plan model'} is not in the warehouse; run `dbt build`") from None
    except duckdb.BinderException as error:
        raise PlanError(f"a plan model was built by another version ({first_line(error)}); run `dbt build`") from None


def scratch(folder: Path, memory: str) -> duckdb.DuckDBPyConnection:
    """Open a database for one task. What does not fit in the memory goes to the folder."""
    connection = duckdb.connect(folder / "scratch.duckdb")
    connection.execute("set memory_limit = ?", [memory])
    connection.execute("set temp_directory = ?", [str(folder)])
    return connection


def append(
    connection: duckdb.DuckDBPyConnection, table: str, names: Sequence[str], rows: Sequence[tuple[str | None, ...]]
) -> None:
    """Add rows of texts to a table. `table` is a name of ours."""
    columns = [pa.array(list(column), pa.string()) for column in zip(*rows, strict=True)]
    connection.register("fresh_rows", pa.table(columns, names=list(names)))
    connection.execute(f"insert into {table} select * from fresh_rows")  # noqa: S608  a name of ours
    connection.unregister("fresh_rows")


def first_line(error: Exception) -> str:
    """What DuckDB says, without the picture below it; of a file that it could not write, what the system says."""
    number = re.search(r'"errno":"(\d+)"', str(error))
    return os.strerror(int(number[1])) if number else str(error).splitlines()[0]


def row(connection: duckdb.DuckDBPyConnection, query: str) -> tuple[Any, ...]:
    """The first row of a query."""
    return rows(connection, query)[0]
