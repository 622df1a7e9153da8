"""Seal what the plan models say into files that people review and `apply` sends. Writes to no vendor."""

from __future__ import annotations

import datetime as dt
import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path

import duckdb
import orjson
import pyarrow as pa

from activators.activation import Activation
from activators.declarations import wrong_type
from activators.destinations import write_calls
from activators.errors import PlanError
from activators.guards import tripped
from activators.plan import ActivationPlan, Plan, Quota, Reason, Sample, Verdict, digest, seal_of
from activators.warehouse import first_line, open_warehouse, row, rows

_SAMPLES = 3
# Rows that apply has in memory at once, of a plan of any size.
_ROWS_IN_GROUP = 20_480


def seal_plan(  # noqa: PLR0913  what to plan, where, and what is known beside the models
    activations: Sequence[Activation],
    warehouse: Path,
    plans: Path,
    now: dt.datetime,
    *,
    retry_rejected: bool = False,
    verdicts: Mapping[str, Sequence[Verdict]] | None = None,
    journals: Mapping[str, int] | None = None,
) -> Plan:
    """Read the plan models and write a sealed plan under `plans`. The warehouse is opened read-only.

    With `retry_rejected`, values that the CRM refused before are sent again as they are. `verdicts`, by activation,
    overrule the models. `journals` are the runs that the models know, and how much of each, in bytes.

    Raises PlanError when the models are not built, a column's type does not fit its property, or the file is locked.
    """
    with open_warehouse(warehouse) as connection:
        _refuse_unfit(connection, activations)
        if retry_rejected:
            activations = [_retrying(connection, activation) for activation in activations]
        if verdicts:
            activations = [_judged(connection, item, verdicts.get(item.name, ())) for item in activations]
        return seal_tables(connection, activations, plans, now, journals)


def seal_tables(
    connection: duckdb.DuckDBPyConnection,
    activations: Sequence[Activation],
    plans: Path,
    now: dt.datetime,
    journals: Mapping[str, int] | None = None,
) -> Plan:
    """Seal the tables that the activations name as their sync and plan relations, wherever the connection has them.

    `journals` are the runs that the tables know, and how much of each, in bytes.
    """
    known = dict(journals or {})
    plan_id = f"{now:%Y%m%dT%H%M%S.%fZ}-{secrets.token_hex(3)}"
    folder = plans / f".{plan_id}.partial"
    try:
        folder.mkdir(parents=True, mode=0o700)
    except OSError as error:
        raise PlanError(f"{plans}: plans cannot be written there ({error.strerror}); set BACKHAUL_STATE") from None
    try:
        quotas = _quotas(connection)
        sealed = tuple(
            _seal_activation(connection, activation, folder, quotas.get(activation.destination))
            for activation in activations
        )
        landings, known = _landings(connection), dict(journals or {})
        header = {
            "plan_id": plan_id,
            "created_at": now,
            "landings": landings,
            "journals": known,
            "activations": [asdict(activation) for activation in sealed],
        }
        seal = seal_of(header)
        _write_durably(folder / "plan.json", orjson.dumps(header | {"seal": seal}, option=orjson.OPT_INDENT_2))
        # Only a whole plan ever has its name: a crash before this line leaves nothing that apply would read.
        folder.rename(plans / plan_id)
    except BaseException:
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()
        raise
    return Plan(plan_id, now, sealed, seal, plans / plan_id, landings, known)


def count_changes(connection: duckdb.DuckDBPyConnection, activation: Activation) -> ActivationPlan:
    """What `seal_tables` says of an activation, without a file of its changes."""
    return _count(connection, activation, _quotas(connection).get(activation.destination))


def _seal_activation(
    connection: duckdb.DuckDBPyConnection,
    activation: Activation,
    folder: Path,
    quota: Quota | None,
) -> ActivationPlan:
    file = f"{activation.name}.parquet"
    _copy_differences(connection, activation, folder / file)
    return replace(_count(connection, activation, quota), file=file, sha256=digest(folder / file))


def _count(connection: duckdb.DuckDBPyConnection, activation: Activation, quota: Quota | None) -> ActivationPlan:
    """What the activation's plan relation says, with its guards, and no file yet."""
    (records,) = row(connection, f"select count(*) from {activation.sync_relation}")  # noqa: S608  a name from the manifest
    changed, sent, held, kept, invalid, of_model, left, clears, most_cleared, overwrites = row(
        connection,
        f"""
        with

        cleared as (

            select count(*) as clears
            from {activation.plan_relation}
            where decision = 'send' and desired_value is null
            group by property

        )

        select
            count(distinct record_id) filter (where decision = 'send'),
            count(*) filter (where decision = 'send'),
            count(*) filter (where decision = 'hold'),
            count(*) filter (where decision = 'keep'),
            count(*) filter (where decision = 'invalid'),
            count(*) filter (where not has_left),
            count(distinct record_id) filter (where has_left),
            count(*) filter (where decision = 'send' and desired_value is null),
            (select coalesce(max(cleared.clears), 0) from cleared),
            count(distinct record_id) filter (where decision = 'send' and nullif(current_value, '') is not null)
        from {activation.plan_relation}
        """,  # noqa: S608  a name from the manifest
    )
    created = _created(connection, activation) if activation.kind == "events" else []
    calls = write_calls(activation.destination, changed, activation.kind)
    calls += write_calls(activation.destination, len(created))
    sealed = ActivationPlan(
        name=activation.name,
        destination=activation.destination,
        object=activation.object,
        records=records,
        records_changed=changed,
        changes=sent,
        held=held,
        kept=kept,
        invalid=invalid,
        # An occurrence is one value, whatever it carries.
        unchanged=records * (len(activation.properties) if activation.kind == "properties" else 1) - of_model,
        left=left,
        clears=clears,
        # Of all records that we look after: a model that has lost its rows clears everything.
        clear_share=round(most_cleared / (records + left), 6) if most_cleared else 0.0,
        overwrites=overwrites,
        calls=calls,
        quota_share=round(calls / quota.daily, 6) if quota else None,
        samples=_samples(connection, activation),
        reasons=_reasons(connection, activation),
        warnings=(),
        fingerprints=_fingerprints(connection, activation),
        guards=activation.guards,
        calls_left=quota.remaining if quota else None,
        sync_file=activation.models[0].file,
        file="",
        sha256="",
        kind=activation.kind,
        external_id=activation.external_id,
        occurrences=_occurrences(connection, activation) if activation.kind == "events" else {},
        creates=len(created),
        created_samples=tuple(created[:_SAMPLES]),
    )
    return replace(sealed, warnings=tuple(line for _, line in tripped(sealed)))


def _occurrences(connection: duckdb.DuckDBPyConnection, activation: Activation) -> dict[str, int]:
    """By event: how many occurrences would be sent."""
    found = rows(
        connection,
        f"""
        select property, count(*)
        from {activation.plan_relation}
        where decision = 'send'
        group by property
        order by property
        """,  # noqa: S608  a name from the manifest
    )
    return dict(found)


def _created(connection: duckdb.DuckDBPyConnection, activation: Activation) -> list[str]:
    """The addresses of those for whom a record is created first."""
    found = rows(
        connection,
        f"""
        select distinct json_extract_string(desired_value, '$.email') as email
        from {activation.plan_relation}
        where decision = 'send' and email is not null
        order by email
        """,  # noqa: S608  a name from the manifest
    )
    return [email for (email,) in found]


def _retrying(connection: duckdb.DuckDBPyConnection, activation: Activation) -> Activation:
    """The activation with a plan relation, in this connection alone, that sends what a refusal held back."""
    view = f'"retried {activation.name}"'
    connection.execute(
        f"""
        create temporary view {view} as
        select * replace (case when reason = 'rejected_before' then 'send' else decision end as decision)
        from {activation.plan_relation}
        """  # noqa: S608  names from the manifest
    )
    return replace(activation, plan_relation=view)


def _judged(connection: duckdb.DuckDBPyConnection, activation: Activation, verdicts: Sequence[Verdict]) -> Activation:
    """The activation with a plan relation, in this connection alone, that the verdicts overrule."""
    names = [item.name for item in fields(Verdict)]
    columns = [pa.array([getattr(item, name) for item in verdicts], pa.string()) for name in names]
    connection.register("verdicts", pa.table(columns, names=names))
    table = f'temp."{activation.name} judged"'
    connection.execute(
        f"""
        create temp table "{activation.name} judged" as
        select
            plans.* replace (
                coalesce(verdicts.decision, plans.decision) as decision,
                coalesce(verdicts.reason, plans.reason) as reason,
                case when verdicts.record_id is null then plans.current_value else verdicts.now end as current_value
            )
        from {activation.plan_relation} as plans
        left join verdicts on plans.record_id = verdicts.record_id and plans.property = verdicts.property
        where verdicts.record_id is null or verdicts.decision is not null
        """  # noqa: S608  names from the manifest
    )
    connection.unregister("verdicts")
    return replace(activation, plan_relation=table)


def _fingerprints(connection: duckdb.DuckDBPyConnection, activation: Activation) -> Mapping[str, str]:
    """How the CRM defined each property at the landing, as a digest."""
    declared = {item.name.lower(): item.name for item in activation.properties}
    found = rows(
        connection,
        "select lower(property), fingerprint from plans.int_crm_properties where crm = $1 and object = $2",
        [activation.destination, activation.object],
    )
    return {declared[name]: fingerprint for name, fingerprint in sorted(found) if name in declared}


def _copy_differences(connection: duckdb.DuckDBPyConnection, activation: Activation, file: Path) -> None:
    target = str(file).replace("'", "''")  # COPY takes no parameter for its target
    try:
        # Records that lock one and the same parent are sent together, where the plan model knows it.
        described = connection.execute(f"describe {activation.plan_relation}").fetchall()
        group = "lock_group, " if "lock_group" in {row[0] for row in described} else ""
        connection.execute(
            f"""
            copy (
                select record_id, property, family, current_value as before, desired_value as after, decision, reason
                from {activation.plan_relation}
                order by {group}record_id, property
            ) to '{target}' (format parquet, compression zstd, row_group_size {_ROWS_IN_GROUP})
            """  # noqa: S608  a name from the manifest, and an escaped path
        )
    except duckdb.IOException as error:
        raise PlanError(f"{file}: cannot be written ({first_line(error)}); make room") from None
    except duckdb.CatalogException:
        raise PlanError(
            f"exposure {activation.name}: {activation.plan_relation} is not in the warehouse; run `dbt build`"
        ) from None
    file.chmod(0o600)


def _refuse_unfit(connection: duckdb.DuckDBPyConnection, activations: Sequence[Activation]) -> None:
    """Refuse what is a mistake of the declaration and not of a row.

    A column whose type the CRM's property does not have; rows of a property that is not declared any more.
    """
    mistakes: list[str] = []
    for activation in activations:
        columns = {item.name: item for item in activation.properties}
        declared = columns if activation.kind == "properties" else {item.name for item in activation.events}
        for (name,) in rows(connection, f"select distinct property from {activation.plan_relation} order by 1"):  # noqa: S608
            if name not in declared:
                what = "property" if activation.kind == "properties" else "event"
                by = "column" if activation.kind == "properties" else "row of its seed"
                mistakes.append(
                    f"{activation.path}: exposure {activation.name}: the plan model still has {what} {name}, "
                    f"which no {by} declares; run `dbt build`"
                )
        for name, kind in rows(
            connection,
            f"""
            select distinct plans.property, properties.type
            from {activation.plan_relation} as plans
            inner join plans.int_crm_properties as properties
                on
                    properties.crm = $1 and properties.object = $2
                    and lower(properties.property) = lower(plans.property)
            where plans.reason = 'wrong_type'
            order by 1
            """,  # noqa: S608  a name from the manifest
            [activation.destination, activation.object],
        ):
            if name in columns:
                mistakes.append(str(wrong_type(activation, columns[name], kind)))
    if mistakes:
        raise PlanError("\n".join(mistakes))


def _quotas(connection: duckdb.DuckDBPyConnection) -> dict[str, Quota]:
    found = rows(connection, "select crm, daily_calls, remaining_calls from plans.int_crm_quotas")
    return {crm: Quota(daily, remaining) for crm, daily, remaining in found if daily}


def _landings(connection: duckdb.DuckDBPyConnection) -> dict[str, dt.datetime]:
    """By vendor: when its newest read began. A vendor's landing is a schema with a table `reads`."""
    schemas = rows(
        connection,
        """
        select table_schema from information_schema.columns
        where table_name = 'reads' and column_name = 'read_at' and not ends_with(table_schema, '_staging')
        order by table_schema
        """,
    )
    # As an epoch: a Python time with a zone needs a library that DuckDB does not bring.
    found = {
        schema: row(connection, f'select epoch(max(read_at)) from "{schema}".reads')[0]  # noqa: S608  dlt's name
        for (schema,) in schemas
    }
    return {schema: dt.datetime.fromtimestamp(at, dt.UTC) for schema, at in found.items() if at is not None}


def _samples(connection: duckdb.DuckDBPyConnection, activation: Activation) -> tuple[Sample, ...]:
    # One change of each of a few properties tells more than a few properties of one record.
    found = rows(
        connection,
        f"""
        select record_id, property, current_value, desired_value
        from {activation.plan_relation}
        where decision = 'send'
        qualify row_number() over (partition by property order by record_id) = 1
        order by hash(property), property
        limit {_SAMPLES}
        """,  # noqa: S608  a name from the manifest
    )
    return tuple(Sample(*one) for one in found)


def _reasons(connection: duckdb.DuckDBPyConnection, activation: Activation) -> tuple[Reason, ...]:
    found = rows(
        connection,
        f"""
        select
            decision,
            reason,
            count(*),
            min_by(record_id, (record_id, property)),
            min_by(property, (record_id, property)),
            arg_min_null(current_value, (record_id, property)),
            arg_min_null(desired_value, (record_id, property))
        from {activation.plan_relation}
        where decision <> 'send'
        group by decision, reason
        order by decision, reason
        """,  # noqa: S608  a name from the manifest
    )
    return tuple(Reason(one[0], one[1], one[2], Sample(*one[3:])) for one in found)


def _write_durably(file: Path, content: bytes) -> None:
    try:
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as target:
            target.write(content)
            target.flush()
            os.fsync(target.fileno())
    except OSError as error:
        raise PlanError(f"{file}: cannot be written ({error.strerror}); make room") from None
