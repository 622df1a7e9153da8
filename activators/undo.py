"""Take a run back: an ordinary plan that restores every value that it replaced, where nobody has edited it since.

Decided here and not in a model, as it needs what the CRM says at this moment. Reads the CRMs, writes to none.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path

import duckdb
import pyarrow as pa

from activators.activation import Activation, Guards
from activators.connectors import Destination
from activators.destinations import connectors
from activators.errors import PlanError
from activators.journal import Change, Stored, Write, read_runs, read_writes
from activators.plan import Plan, seal_tables
from activators.values import same_value

# One value of one record, and what is locked with it.
COLUMNS = ("record_id", "property", "family", "current_value", "desired_value", "decision", "reason", "lock_group")
Row = tuple[str, str, str, str | None, str | None, str, str, str | None]

# What the newest of the later runs wrote, by activation, record and property.
Later = dict[tuple[str, str, str], str | None]


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
    later = _later_writes(journal, run_id)
    undone: list[Activation] = []
    with duckdb.connect() as connection:
        connection.execute("create schema plans")
        connection.execute(
            """
            create table plans.int_crm_quotas (crm varchar, daily_calls bigint, remaining_calls bigint);
            create table plans.int_crm_properties (crm varchar, object varchar, property varchar, fingerprint varchar);
            """
        )
        connection.execute("create schema undo")
        for name, group in groupby(sorted(writes, key=lambda write: write.activation), lambda write: write.activation):
            if name not in declared:
                raise PlanError(f"run {run_id} wrote for {name}, which is declared no more; declare it again")
            activation = declared[name]
            written = list(group)
            rows = await _rows(activation, written, destinations[activation.destination], later)
            undone.append(_tabled(connection, activation, len(written), rows))
        for name, destination in destinations.items():
            # The answers to the reading say how much of the day is left.
            usage = destination.caller.usage
            if usage is not None:
                connection.execute("insert into plans.int_crm_quotas values (?, ?, ?)", [name, usage.daily, usage.left])
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


def _later_writes(journal: Path, run_id: str) -> Later:
    later: Later = {}
    for run in read_runs(journal):  # the newest first
        if run.run_id <= run_id:
            break
        for write in read_writes(journal, run.run_id):
            if write.result is None or write.result.status != "rejected":
                for change in write.record.changes:
                    later.setdefault((write.activation, write.record.record_id, change.property), change.after)
    return later


async def _rows(activation: Activation, writes: Sequence[Write], destination: Destination, later: Later) -> list[Row]:
    """Compare what a run wrote with what the CRM holds now, in the destination's own batches."""
    rows: list[Row] = []
    size = destination.records_per_call
    parent = connectors()[activation.destination].lock_fields.get(activation.object)
    for start in range(0, len(writes), size):
        batch = [write.record for write in writes[start : start + size]]
        properties = sorted({change.property for record in batch for change in record.changes})
        properties += [parent] if parent else []
        found = await destination.read(activation.object, [record.record_id for record in batch], properties)
        for record in batch:
            stored = found.get(record.record_id)
            for change in record.changes:
                key = activation.name, record.record_id, change.property
                # A later run that has been taken back, too, left what this one wrote.
                is_newest = key not in later or same_value(change.family, later[key], change.after)
                decided = restore(change, stored, is_newest=is_newest)
                if decided:
                    current = stored.values.get(change.property) if stored else None
                    group = stored.values.get(parent) if stored and parent else None
                    value = record.record_id, change.property, change.family, current, change.before
                    rows.append((*value, *decided, group))
    return rows


def _tabled(
    connection: duckdb.DuckDBPyConnection, activation: Activation, records: int, rows: Sequence[Row]
) -> Activation:
    """The activation with its relations in this connection: what a seal reads of a plan model and of its sync model."""
    name = activation.name
    connection.execute(f'create table undo."{name}_records" as select unnest(range(?)) as record', [records])
    columns = zip(*rows, strict=True) if rows else [[] for _ in COLUMNS]
    table = pa.table([pa.array(list(column), pa.string()) for column in columns], names=COLUMNS)
    connection.register("decided", table)
    # A plan model says which records its sync model has lost (has_left); here every record is one of the run's.
    connection.execute(f'create table undo."{name}" as select *, false as has_left from decided')  # noqa: S608  a dbt name
    connection.unregister("decided")
    return replace(
        activation,
        sync_relation=f'undo."{name}_records"',
        plan_relation=f'undo."{name}"',
        # Whoever takes a run back has looked at it; it takes no more calls than the run did.
        guards=Guards(max_change_share=1.0, max_clear_share=1.0, max_quota_share=1.0),
    )
