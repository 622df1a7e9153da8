"""Take a run back: an ordinary plan that restores every value that it replaced, where nobody has edited it since.

Decided here and not in a model, as it needs what the CRM says at this moment. Reads the CRMs, writes to none.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from itertools import groupby
from pathlib import Path

import duckdb

from activators.declarations import Activation, Guards
from activators.destinations import RECORDS_PER_CALL, Destination
from activators.errors import PlanError
from activators.journal import Change, Stored, Write, read_runs, read_writes
from activators.plan import Plan, seal_tables
from activators.values import same_value

# One value of one record: (record_id, property, family, current_value, desired_value, decision, reason).
Row = tuple[str, str, str, str | None, str | None, str, str]


async def plan_undo(
    run_id: str,
    activations: Sequence[Activation],
    destinations: Mapping[str, Destination],
    journal: Path,
    plans: Path,
) -> Plan:
    """Seal a plan that takes a run back.

    Raises PlanError when there is no such run, it wrote nothing, or its activations are declared no more.
    """
    declared = {activation.name: activation for activation in activations}
    # What was refused is not there; what was never answered may be, and the CRM is asked.
    writes = [
        write for write in read_writes(journal, run_id) if write.result is None or write.result.status != "rejected"
    ]
    if not writes:
        raise PlanError(f"run {run_id} wrote nothing; there is nothing to take back")
    later = {
        (write.activation, write.record.record_id, change.property)
        for run in read_runs(journal)
        if run.run_id > run_id
        for write in read_writes(journal, run.run_id)
        for change in write.record.changes
    }
    undone: list[Activation] = []
    with duckdb.connect() as connection:
        connection.execute("create schema plans")
        connection.execute(
            "create table plans.int_crm_quotas (crm varchar, daily_calls bigint, remaining_calls bigint)"
        )
        connection.execute("create schema undo")
        for name, group in groupby(sorted(writes, key=lambda write: write.activation), lambda write: write.activation):
            if name not in declared:
                raise PlanError(f"run {run_id} wrote for {name}, which is declared no more; declare it again")
            activation = declared[name]
            written = list(group)
            rows = await _rows(activation, written, destinations[activation.destination], later)
            undone.append(_tabled(connection, activation, len(written), rows))
        return seal_tables(connection, undone, plans, dt.datetime.now(dt.UTC))


def restore(change: Change, stored: Stored | None, *, is_newest: bool = True) -> tuple[str, str] | None:
    """The decision on one written value, and why, given what the CRM holds now; None when it is as before already."""
    if stored is None:
        return "invalid", "record_gone"
    if not is_newest:
        return "hold", "written_since"
    now = stored.values.get(change.property)
    if same_value(change.family, now, change.before):
        return None
    return ("send", "differs") if same_value(change.family, now, change.after) else ("hold", "edited_in_crm")


async def _rows(
    activation: Activation, writes: Sequence[Write], destination: Destination, later: AbstractSet[tuple[str, str, str]]
) -> list[Row]:
    """Compare what a run wrote with what the CRM holds now, in the destination's own batches."""
    rows: list[Row] = []
    size = RECORDS_PER_CALL[activation.destination]
    for start in range(0, len(writes), size):
        batch = [write.record for write in writes[start : start + size]]
        properties = sorted({change.property for record in batch for change in record.changes})
        found = await destination.read(activation.object, [record.record_id for record in batch], properties)
        for record in batch:
            stored = found.get(record.record_id)
            for change in record.changes:
                key = activation.name, record.record_id, change.property
                decided = restore(change, stored, is_newest=key not in later)
                if decided:
                    current = stored.values.get(change.property) if stored else None
                    rows.append((record.record_id, change.property, change.family, current, change.before, *decided))
    return rows


def _tabled(
    connection: duckdb.DuckDBPyConnection, activation: Activation, records: int, rows: Sequence[Row]
) -> Activation:
    """The activation with its relations in this connection: what a seal reads of a plan model and of its sync model."""
    name = activation.name
    connection.execute(f'create table undo."{name}_records" as select unnest(range(?)) as record', [records])
    connection.execute(
        f"""
        create table undo."{name}" (
            record_id varchar, property varchar, family varchar, current_value varchar, desired_value varchar,
            decision varchar, reason varchar
        )
        """
    )
    if rows:
        connection.executemany(f'insert into undo."{name}" values (?, ?, ?, ?, ?, ?, ?)', rows)  # noqa: S608  a dbt name
    return replace(
        activation,
        sync_relation=f'undo."{name}_records"',
        plan_relation=f'undo."{name}"',
        # Whoever takes a run back has looked at it; it takes no more calls than the run did.
        guards=Guards(max_change_share=1.0, max_clear_share=1.0, max_quota_share=1.0),
    )
