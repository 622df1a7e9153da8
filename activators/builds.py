"""Whether the models that a plan reads are what the project and the ledger say now."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from activators.activation import Activation, Model
from activators.errors import PlanError
from activators.journal import read_lines
from activators.warehouse import open_warehouse


def refuse_unbuilt(activations: Sequence[Activation], target: Path, run_results: Mapping[str, Any]) -> None:
    """Refuse models whose tables are not what the project says now, going by what dbt leaves in its target folder.

    Raises PlanError when a model was never built, its last build failed or was skipped, or it is older than the one
    that it reads.
    """
    failed = {
        result["unique_id"]: result["status"]
        for result in run_results.get("results", [])
        if result["status"] in {"error", "fail", "skipped", "runtime error"}
    }
    for activation in activations:
        last, builds = "", 0.0
        for model in activation.models:
            file = target / model.file
            if not file.exists():
                raise PlanError(f"exposure {activation.name}: dbt has not built {model.name} here; run `dbt build`")
            if model.id in failed:
                raise PlanError(
                    f"exposure {activation.name}: the last build of {model.name} ended in {failed[model.id]}; "
                    "mend it and run `dbt build`"
                )
            if file.stat().st_mtime < builds:
                raise PlanError(f"exposure {activation.name}: {model.name} is older than {last}; run `dbt build`")
            last, builds = model.name, file.stat().st_mtime


@dataclass(frozen=True, slots=True)
class _Landed:
    """What the ledger has of a run. An earlier version did not keep the journal's size."""

    has_ended: bool
    journal_bytes: int | None


@dataclass(frozen=True, slots=True)
class _Loaded:
    """When the newest of an activation's writes was landed, and the newest confirmed one, as seconds since 1970."""

    at: float
    confirmed_at: float


def refuse_behind(
    activations: Sequence[Activation], warehouse: Path, target: Path, journal: Path, sizes: Mapping[str, int]
) -> None:
    """Refuse models that do not know yet what a run has written: the same changes would be sent again.

    `sizes` are those of the journals before anything was read of them, in bytes. Raises PlanError when the ledger lacks
    a run's writes, or a model that says what was written, or compares with it, does not follow from the ledger's load.
    """
    with open_warehouse(warehouse) as connection:
        landed, loaded_at = _landed(connection), _loaded_at(connection)
        for name, size in sorted(sizes.items()):
            run = landed.get(name)
            if run is not None and (run.has_ended if run.journal_bytes is None else run.journal_bytes == size):
                continue
            for activation in activations:
                if _wrote(journal / f"{name}.jsonl", activation.name):
                    raise PlanError(
                        f"exposure {activation.name}: the ledger does not have all that run {name} wrote; "
                        "run `backhaul load ledger` and `dbt build`"
                    )
        for activation in activations:
            if activation.name in loaded_at:
                _refuse_ignorant(connection, activation, target, loaded_at[activation.name])


def _refuse_ignorant(
    connection: duckdb.DuckDBPyConnection, activation: Activation, target: Path, loaded: _Loaded
) -> None:
    """Refuse tables that were built before the ledger was loaded, or a diff model built before them."""
    diff = activation.models[1]
    for model in (*activation.written, diff):
        built_at = _built_at(target, model)
        if loaded.at > built_at:
            raise PlanError(
                f"exposure {activation.name}: {model.name} was built before the ledger was loaded; run `dbt build`"
            )
        if built_at > _built_at(target, diff):
            raise PlanError(f"exposure {activation.name}: {diff.name} is older than {model.name}; run `dbt build`")
    # dbt leaves a model's file behind, too, when its build fails.
    for model in activation.written:
        if _newest_known(connection, model) < loaded.confirmed_at:
            raise PlanError(
                f"exposure {activation.name}: {model.name} lacks writes that the ledger has; run `dbt build`"
            )


def _built_at(target: Path, model: Model) -> float:
    """When dbt last built a model here, as seconds since 1970; long ago, where it never has."""
    file = target / model.file
    return file.stat().st_mtime if file.exists() else 0.0


def _newest_known(connection: duckdb.DuckDBPyConnection, model: Model) -> float:
    """The landing of the newest write that a table knows; for ever, where it does not keep that."""
    try:
        found = connection.execute(f"select epoch(max(loaded_at)) from {model.relation}").fetchone()  # noqa: S608
    except duckdb.BinderException:
        return math.inf
    except duckdb.CatalogException:
        return 0.0
    return (found and found[0]) or 0.0


def _landed(connection: duckdb.DuckDBPyConnection) -> dict[str, _Landed]:
    try:
        found = connection.execute("select run_id, ended_at is not null, journal_bytes from ledger.runs").fetchall()
    except duckdb.BinderException:
        found = connection.execute("select run_id, ended_at is not null, null from ledger.runs").fetchall()
    except duckdb.CatalogException:
        found = []
    return {run_id: _Landed(*rest) for run_id, *rest in found}


def _loaded_at(connection: duckdb.DuckDBPyConnection) -> dict[str, _Loaded]:
    query = """
        select activation, epoch(max(loaded_at)), coalesce(epoch(max(loaded_at) filter (where status = 'confirmed')), 0)
        from ledger.writes
        group by activation
    """
    try:
        found = connection.execute(query).fetchall()
    except (duckdb.CatalogException, duckdb.BinderException):
        found = []
    return {activation: _Loaded(*at) for activation, *at in found}


def _wrote(file: Path, activation: str) -> bool:
    lines = read_lines(file)
    run = next(lines, None)
    if run is None or activation not in run["activations"]:
        return False
    return any(line["type"] == "intent" and line["activation"] == activation for line in lines)
