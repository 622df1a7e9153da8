"""Whether the models that a plan reads are what the project and the ledger say now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from activators.activation import Activation
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


def refuse_behind(activations: Sequence[Activation], warehouse: Path, target: Path, journal: Path) -> None:
    """Refuse models that do not know yet what a run has written: the same changes would be sent again.

    Raises PlanError when the ledger lacks a run's writes, or was loaded after the models were built.
    """
    files = sorted(journal.glob("*.jsonl"))
    if not files:
        return
    with open_warehouse(warehouse) as connection:
        landed, loaded_at = _landed(connection), _loaded_at(connection)
    for file in files:
        run = landed.get(file.stem)
        if run is not None and (
            run.has_ended if run.journal_bytes is None else run.journal_bytes == file.stat().st_size
        ):
            continue
        for activation in activations:
            if _wrote(file, activation.name):
                raise PlanError(
                    f"exposure {activation.name}: the ledger does not have all that run {file.stem} wrote; "
                    "run `backhaul load ledger` and `dbt build`"
                )
    for activation in activations:
        diff = activation.models[1]
        if loaded_at.get(activation.name, 0.0) > (target / diff.file).stat().st_mtime:
            raise PlanError(
                f"exposure {activation.name}: {diff.name} was built before the ledger was loaded; run `dbt build`"
            )


def _landed(connection: duckdb.DuckDBPyConnection) -> dict[str, _Landed]:
    try:
        found = connection.execute("select run_id, ended_at is not null, journal_bytes from ledger.runs").fetchall()
    except duckdb.BinderException:
        found = connection.execute("select run_id, ended_at is not null, null from ledger.runs").fetchall()
    except duckdb.CatalogException:
        found = []
    return {run_id: _Landed(*rest) for run_id, *rest in found}


def _loaded_at(connection: duckdb.DuckDBPyConnection) -> dict[str, float]:
    """By activation: when the newest of its writes was landed, as seconds since 1970."""
    try:
        query = "select activation, epoch(max(loaded_at)) from ledger.writes group by activation"
        return dict(connection.execute(query).fetchall())
    except (duckdb.CatalogException, duckdb.BinderException):
        return {}


def _wrote(file: Path, activation: str) -> bool:
    lines = read_lines(file)
    run = next(lines, None)
    if run is None or activation not in run["activations"]:
        return False
    return any(line["type"] == "intent" and line["activation"] == activation for line in lines)
