"""Take a run back: an ordinary plan that restores every value that it replaced, where nobody has edited it since.

Decided here and not in a model, as it needs what the CRM says at this moment. Reads the CRMs, writes to none.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby, islice
from operator import itemgetter
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb

from activators.activation import Activation, Guards
from activators.connectors import Destination
from activators.destinations import connectors
from activators.errors import PlanError
from activators.journal import Change, Stored, journal_sizes
from activators.plan import Plan
from activators.sealing import seal_tables
from activators.values import same_value
from activators.warehouse import append, scratch
from activators.written import later_runs, read_writes

# One value of one record, and what is locked with it.
COLUMNS = ("record_id", "property", "family", "current_value", "desired_value", "decision", "reason", "lock_group")
Row = tuple[str, str, str, str | None, str | None, str, str, str | None]

# Values that are held in memory at once, on their way from the journals; past its limit DuckDB uses the disk.
_VALUES = 50_000
_MEMORY = "512MB"


async def plan_undo(  # noqa: PLR0913  what to take back, where, and from what
    run_id: str,
    activations: Sequence[Activation],
    destinations: Mapping[str, Destination],
    journal: Path,
    plans: Path,
    *,
    only: Collection[str] = (),
) -> Plan:
    """Seal a plan that takes a run back. `destinations` are those of the run's activations.

    With `only`, what the run wrote for other activations stays; so do events, which cannot be taken back. Raises
    PlanError when there is no such run, it wrote nothing else, or its activations are declared no more.
    """
    declared = {activation.name: activation for activation in activations}
    # Before they are read: what a run writes in the meantime is not known here.
    sizes = journal_sizes(journal)
    with TemporaryDirectory() as folder, scratch(Path(folder), _MEMORY) as connection:
        connection.execute(
            """
            create schema plans;
            create table plans.int_crm_quotas (crm varchar, daily_calls bigint, remaining_calls bigint);
            create table plans.int_crm_properties (crm varchar, object varchar, property varchar, fingerprint varchar);
            create schema undo;
            """
        )
        _fill(connection, "written", [run_id], journal)
        _fill(connection, "later", later_runs(journal, run_id), journal)
        undone: list[Activation] = []
        of_events: list[str] = []
        for name, records in connection.execute(
            "select activation, count(distinct record_id) from undo.written group by activation order by activation"
        ).fetchall():
            if only and name not in only:
                continue
            if name not in declared:
                raise PlanError(f"run {run_id} wrote for {name}, which is declared no more; declare it again")
            activation = declared[name]
            if activation.kind == "events":
                of_events.append(name)
                continue
            await _decide(connection, activation, destinations[activation.destination])
            undone.append(_restoring(connection, activation, records))
        if of_events and not undone:
            names = ", ".join(of_events)
            raise PlanError(f"run {run_id} sent events only ({names}), and an event cannot be taken back")
        if not undone:
            what = f" for {', '.join(sorted(only))}" if only else ""
            raise PlanError(f"run {run_id} wrote nothing{what}; there is nothing to take back")
        for name, destination in destinations.items():
            # The answers to the reading say how much of the day is left.
            usage = destination.caller.usage
            if usage is not None:
                connection.execute("insert into plans.int_crm_quotas values (?, ?, ?)", [name, usage.daily, usage.left])
        return seal_tables(connection, undone, plans, dt.datetime.now(dt.UTC), sizes)


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


def _fill(connection: duckdb.DuckDBPyConnection, table: str, run_ids: Iterable[str], journal: Path) -> None:
    """Put what runs wrote into a table, a row for each value, and none that was refused."""
    names = ("activation", "record_id", "run_id", "property", "family", "before_value", "after_value")
    connection.execute(f"create table undo.{table} ({', '.join(f'{name} varchar' for name in names)})")
    values = (
        (
            write.activation,
            write.record.record_id,
            write.run_id,
            change.property,
            change.family,
            change.before,
            change.after,
        )
        for run_id in run_ids
        for write in read_writes(journal, run_id)
        if write.may_stand
        for change in write.record.changes
    )
    while some := list(islice(values, _VALUES)):
        append(connection, f"undo.{table}", names, some)


async def _decide(connection: duckdb.DuckDBPyConnection, activation: Activation, destination: Destination) -> None:
    """Compare what a run wrote with what the CRM holds now, in the destination's own batches; keep what to do."""
    table = f'undo."{activation.name}"'
    connection.execute(f"create table {table} ({', '.join(f'{name} varchar' for name in COLUMNS)})")
    parent = connectors()[activation.destination].lock_fields.get(activation.object)
    decided: list[Row] = []
    records = _records(connection.cursor(), activation)
    while batch := list(islice(records, destination.records_per_call)):
        properties = sorted({change.property for _, changes in batch for change, _ in changes})
        properties += [parent] if parent else []
        found = await destination.read(activation.object, [record_id for record_id, _ in batch], properties)
        for record_id, changes in batch:
            stored = found.get(record_id)
            group = stored.values.get(parent) if stored and parent else None
            for change, is_newest in changes:
                decision = restore(change, stored, is_newest=is_newest)
                if decision:
                    current = stored.values.get(change.property) if stored else None
                    decided.append(
                        (record_id, change.property, change.family, current, change.before, *decision, group)
                    )
        if len(decided) >= _VALUES:
            append(connection, table, COLUMNS, decided)
            decided = []
    if decided:
        append(connection, table, COLUMNS, decided)


def _records(
    cursor: duckdb.DuckDBPyConnection, activation: Activation
) -> Iterator[tuple[str, list[tuple[Change, bool]]]]:
    """What the run changed of each record, and whether no later run wrote another value."""
    cursor.execute(
        """
        with newest as (
            select record_id, property, arg_max_null(after_value, run_id) as after_value
            from undo.later
            where activation = $1
            group by record_id, property
        )

        select
            written.record_id, written.property, written.family, written.before_value, written.after_value,
            newest.record_id is not null as has_later, newest.after_value
        from undo.written
        left join newest on written.record_id = newest.record_id and written.property = newest.property
        where written.activation = $1
        order by written.record_id, written.property
        """,
        [activation.name],
    )
    rows = (row for some in iter(lambda: cursor.fetchmany(_VALUES), []) for row in some)
    for record_id, of_record in groupby(rows, key=itemgetter(0)):
        yield (
            record_id,
            [
                # A later run that has been taken back, too, left what this one wrote.
                (Change(name, family, before, after), not has_later or same_value(family, later, after))
                for _, name, family, before, after, has_later, later in of_record
            ],
        )


def _restoring(connection: duckdb.DuckDBPyConnection, activation: Activation, records: int) -> Activation:
    """The activation with its relations in this connection: what a seal reads of a plan model and of its sync model."""
    name = activation.name
    connection.execute(f'create table undo."{name}_records" as select unnest(range(?)) as record', [records])
    # A plan model says which records its sync model has lost (has_left); here every record is one of the run's.
    connection.execute(f'alter table undo."{name}" add column has_left boolean default false')
    return replace(
        activation,
        sync_relation=f'undo."{name}_records"',
        plan_relation=f'undo."{name}"',
        # Whoever takes a run back has looked at it; it takes no more calls than the run did.
        guards=Guards(max_change_share=1.0, max_clear_share=1.0, max_quota_share=1.0),
    )
