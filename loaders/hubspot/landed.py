"""Which records the warehouse holds, read off it before a load: 8 bytes for each record, 16 for each association."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import duckdb
import numpy as np
import numpy.typing as npt

# Record ids, which are whole numbers, in rising order and none twice.
Ids = npt.NDArray[np.int64]
NONE: Ids = np.empty(0, np.int64)
COLUMNS = ("id", "archived", "archived_at")


@dataclass(frozen=True, slots=True)
class Landed:
    """The records of one object: the live ones, and those that lay in HubSpot's recycle bin."""

    live: Ids = field(default_factory=lambda: NONE)
    binned: Ids = field(default_factory=lambda: NONE)


@dataclass(frozen=True, slots=True)
class Warehouse:
    """What is landed, by object, and each pair of objects' associations: two columns of ids."""

    records: Mapping[str, Landed] = field(default_factory=dict)
    associations: Mapping[tuple[str, str], npt.NDArray[np.int64]] = field(default_factory=dict)


def read_warehouse(connection: duckdb.DuckDBPyConnection) -> Warehouse:
    """Read what is landed of HubSpot; nothing, if nothing is."""
    columns: dict[str, set[str]] = {}
    for table, column in connection.execute(
        "select table_name, column_name from information_schema.columns where table_schema = 'hubspot'"
    ).fetchall():
        columns.setdefault(table, set()).add(column)
    records = {
        table: Landed(
            _ids(connection, f'select id from hubspot."{table}" where not archived'),  # noqa: S608 dlt's own name
            _ids(connection, f'select id from hubspot."{table}" where archived and archived_at is not null'),  # noqa: S608
        )
        for table, names in columns.items()
        if names.issuperset(COLUMNS)
    }
    if "associations" not in columns:
        return Warehouse(records)
    pairs = connection.execute("select distinct from_object, to_object from hubspot.associations").fetchall()
    return Warehouse(records, {(one, other): _ends(connection, one, other) for one, other in pairs})


def joined(parts: Sequence[Ids]) -> Ids:
    """Make one rising list of several, which may be in any order."""
    # numpy's own `unique` is slow for millions.
    if not parts:
        return NONE
    ids = np.sort(np.concatenate(parts))
    return ids[np.append(True, ids[1:] != ids[:-1])] if len(ids) else ids


def without(ids: Ids, *others: Ids) -> Ids:
    """Give the ids that are in none of the others; all of them rise."""
    return np.setdiff1d(ids, joined(others), assume_unique=True)


def _ids(connection: duckdb.DuckDBPyConnection, query: str) -> Ids:
    found: Ids = connection.execute(f"select id::bigint as id from ({query}) order by id").fetchnumpy()["id"]  # noqa: S608
    return found


def _ends(connection: duckdb.DuckDBPyConnection, one: str, other: str) -> npt.NDArray[np.int64]:
    found = connection.execute(
        "select distinct from_id::bigint as start, to_id::bigint as stop from hubspot.associations "
        "where from_object = ? and to_object = ?",
        [one, other],
    ).fetchnumpy()
    return np.column_stack([found["start"], found["stop"]])
