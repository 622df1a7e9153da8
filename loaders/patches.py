"""Patches: tables that hold some columns of records whose other columns were not read."""

from __future__ import annotations

import dlt
import duckdb

HINT = "x-patches"


def apply_patches(pipeline: dlt.Pipeline, warehouse: duckdb.DuckDBPyConnection) -> None:
    """Put each patch's columns into the table that it is for, by the patch's key, and empty the patch.

    A patch that still has rows before a load was left by one that died: it goes first, as the load may bring newer
    values.
    """
    if pipeline.default_schema_name is None:
        return
    there = {
        name
        for (name,) in warehouse.execute(
            "select table_name from information_schema.tables where table_schema = ?", [pipeline.dataset_name]
        ).fetchall()
    }
    for name, patch in pipeline.default_schema.tables.items():
        target = patch.get(HINT)
        if target is not None and {name, target} <= there:
            keys = [column for column, hints in patch["columns"].items() if hints.get("primary_key")]
            values = [column for column in patch["columns"] if column not in keys]
            _apply(
                warehouse, f'"{pipeline.dataset_name}"."{name}"', f'"{pipeline.dataset_name}"."{target}"', keys, values
            )


def _apply(warehouse: duckdb.DuckDBPyConnection, patch: str, target: str, keys: list[str], values: list[str]) -> None:
    # Every name is one of the schema that dlt keeps.
    sets = ", ".join(f'"{one}" = patch."{one}"' for one in values)
    same = " and ".join(f'target."{one}" = patch."{one}"' for one in keys)
    differs = " or ".join(f'target."{one}" is distinct from patch."{one}"' for one in values)
    warehouse.begin()
    warehouse.execute(f"update {target} as target set {sets} from {patch} as patch where {same} and ({differs})")  # noqa: S608
    warehouse.execute(f"delete from {patch}")  # noqa: S608
    warehouse.commit()
