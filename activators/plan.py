"""Seal what the plan models say into files that people review and `apply` sends. Writes to no vendor.

A plan is a folder: `plan.json`, and for each activation `<name>.parquet`, one row per property that differs, sorted by
record: record_id, property, family, before, after, decision, reason. `plan.json` holds their digests and its own seal.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import re
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import duckdb
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from activators.activation import Activation, Guards
from activators.destinations import write_calls
from activators.errors import PlanError
from activators.journal import Change, RecordChanges, last_written

_SAMPLES = 3


@dataclass(frozen=True, slots=True)
class Sample:
    """One change as a person would write it."""

    record_id: str
    property: str
    before: str | None
    after: str | None

    def __str__(self) -> str:
        return f"{self.record_id}  {self.property}: {shown(self.before)} → {shown(self.after)}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the CRM says, at the moment, of a value that would be sent. Without a decision it is there already."""

    record_id: str
    property: str
    decision: str | None
    reason: str | None
    now: str | None


@dataclass(frozen=True, slots=True)
class Reason:
    """How many values one rule kept back, and an example."""

    decision: str
    reason: str
    values: int
    sample: Sample


@dataclass(frozen=True, slots=True)
class Quota:
    """API calls of one CRM account: for a whole day, and what was left at the last landing."""

    daily: int
    remaining: int


@dataclass(frozen=True, slots=True)
class ActivationPlan:
    """What one activation would send. Counts are of values (one property of one record) unless named otherwise."""

    name: str
    destination: str
    object: str
    records: int
    records_changed: int
    changes: int
    held: int
    kept: int
    invalid: int
    unchanged: int
    # Records that an earlier run wrote and that the sync model does not have any more.
    left: int
    clears: int
    clear_share: float
    overwrites: int
    calls: int
    quota_share: float | None
    samples: tuple[Sample, ...]
    reasons: tuple[Reason, ...]
    warnings: tuple[str, ...]
    # By property: how the CRM defined it at the landing. A refusal stands for as long as that stays the same.
    fingerprints: Mapping[str, str]
    # What the activation declares, and the day's calls that were left at the landing.
    guards: Guards
    calls_left: int | None
    # Below dbt's target folder: touched by dbt whenever it builds the sync model.
    sync_file: str
    file: str
    sha256: str

    @property
    def planned(self) -> dict[str, Any]:
        """What the journal keeps of it, for the ledger."""
        kept = ("destination", "object", "records", "changes", "held", "kept", "invalid", "fingerprints")
        return {name: getattr(self, name) for name in kept}


@dataclass(frozen=True, slots=True)
class Plan:
    """A sealed plan."""

    plan_id: str
    created_at: dt.datetime
    activations: tuple[ActivationPlan, ...]
    seal: str
    folder: Path
    # By vendor: when the newest read that the warehouse has of it began, by the vendor's clock.
    landings: Mapping[str, dt.datetime] = field(default_factory=dict)

    @property
    def changes(self) -> int:
        """Values that would be sent."""
        return sum(activation.changes for activation in self.activations)

    @property
    def warnings(self) -> tuple[str, ...]:
        """The guards that this plan trips, a line each."""
        return tuple(line for activation in self.activations for line in activation.warnings)


def seal_plan(  # noqa: PLR0913  what to plan, where, and what is known beside the models
    activations: Sequence[Activation],
    warehouse: Path,
    plans: Path,
    now: dt.datetime,
    *,
    retry_rejected: bool = False,
    verdicts: Mapping[str, Sequence[Verdict]] | None = None,
) -> Plan:
    """Read the plan models and write a sealed plan under `plans`. The warehouse is opened read-only.

    With `retry_rejected`, values that the CRM refused before are sent again as they are. `verdicts`, by activation,
    overrule the models.

    Raises PlanError when the models are not built, a column's type does not fit its property, or the file is locked.
    """
    with open_warehouse(warehouse) as connection:
        _refuse_unfit(connection, activations)
        if retry_rejected:
            activations = [_retrying(connection, activation) for activation in activations]
        if verdicts:
            activations = [_judged(connection, item, verdicts.get(item.name, ())) for item in activations]
        return seal_tables(connection, activations, plans, now)


def seal_tables(
    connection: duckdb.DuckDBPyConnection, activations: Sequence[Activation], plans: Path, now: dt.datetime
) -> Plan:
    """Seal the tables that the activations name as their sync and plan relations, wherever the connection has them."""
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
        landings = _landings(connection)
        header = {
            "plan_id": plan_id,
            "created_at": now,
            "landings": landings,
            "activations": [asdict(activation) for activation in sealed],
        }
        seal = _seal_of(header)
        _write_durably(folder / "plan.json", orjson.dumps(header | {"seal": seal}, option=orjson.OPT_INDENT_2))
        # Only a whole plan ever has its name: a crash before this line leaves nothing that apply would read.
        folder.rename(plans / plan_id)
    except BaseException:
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()
        raise
    return Plan(plan_id, now, sealed, seal, plans / plan_id, landings)


def read_plan(folder: Path) -> Plan:
    """Open a sealed plan. Raises PlanError when it, or a file of it, is not as it was sealed."""
    try:
        header = dict(orjson.loads((folder / "plan.json").read_bytes()))
    except OSError:
        raise PlanError(f"{folder}: no such plan; run `backhaul plan`") from None
    except (TypeError, ValueError):
        raise PlanError(f"{folder}: plan.json is damaged; run `backhaul plan`") from None
    seal = header.pop("seal", None)
    if seal != _seal_of(header):
        raise PlanError(f"{folder}: plan.json was changed after it was sealed; run `backhaul plan`")
    for activation in header["activations"]:
        file = folder / activation["file"]
        if not file.is_file() or _digest(file) != activation["sha256"]:
            raise PlanError(f"{file}: missing, or changed after it was sealed; run `backhaul plan`")
    return Plan(
        header["plan_id"],
        dt.datetime.fromisoformat(header["created_at"]),
        tuple(_activation_plan(item) for item in header["activations"]),
        seal,
        folder,
        {vendor: dt.datetime.fromisoformat(at) for vendor, at in header["landings"].items()},
    )


def refuse_unbuilt(
    activations: Sequence[Activation], target: Path, journal: Path, run_results: Mapping[str, Any]
) -> None:
    """Refuse models whose tables are not what the project says now, going by what dbt leaves in its target folder.

    Raises PlanError when a model was never built, its last build failed or was skipped, a model is older than the one
    that it reads, or a run has written records since: the same changes would be sent again.
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
        written = last_written(journal, activation.name)
        if written is not None and written.timestamp() > builds:
            raise PlanError(
                f"exposure {activation.name}: {last} was built before the last run wrote its records; "
                "run `backhaul load` and `dbt build`"
            )


def latest_plan(plans: Path) -> Path:
    """The newest sealed plan's folder. Raises PlanError when there is none."""
    folders = sorted(path for path in plans.glob("[0-9]*") if path.is_dir())
    if not folders:
        raise PlanError(f"{plans}: no plan yet; run `backhaul plan`")
    return folders[-1]


def read_changes(file: Path) -> Iterator[RecordChanges]:
    """What a sealed plan sends, record by record, in a few megabytes whatever the plan's size."""
    rows = (
        row
        for batch in pq.ParquetFile(file).iter_batches(batch_size=10_000)
        for row in batch.to_pylist()
        if row["decision"] == "send"
    )
    for record_id, changes in groupby(rows, key=itemgetter("record_id")):
        yield RecordChanges(
            record_id,
            tuple(Change(row["property"], row["family"], row["before"], row["after"]) for row in changes),
        )


def open_warehouse(path: Path, *, read_only: bool = True) -> duckdb.DuckDBPyConnection:
    """Open the warehouse, mostly read-only. Raises PlanError when it is missing or another process holds it."""
    if not path.exists():
        raise PlanError(f"{path}: no such warehouse; run `backhaul load`, or set BACKHAUL_WAREHOUSE")
    try:
        return duckdb.connect(str(path), read_only=read_only)
    except duckdb.IOException as error:
        holder = re.search(r"\(PID (\d+)\)", str(error))
        if holder is None:
            raise PlanError(f"{path}: not a warehouse that can be read ({error}); set BACKHAUL_WAREHOUSE") from None
        raise PlanError(
            f"{path}: another process, {holder[1]}, holds the warehouse; wait for it or stop it, then try again"
        ) from None


def _seal_activation(
    connection: duckdb.DuckDBPyConnection,
    activation: Activation,
    folder: Path,
    quota: Quota | None,
) -> ActivationPlan:
    file = f"{activation.name}.parquet"
    _copy_differences(connection, activation, folder / file)
    (records,) = _row(connection, f"select count(*) from {activation.sync_relation}")  # noqa: S608  a name from the manifest
    changed, sent, held, kept, invalid, of_model, left, clears, most_cleared, overwrites = _row(
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
    calls = write_calls(activation.destination, changed)
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
        unchanged=records * len(activation.properties) - of_model,
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
        file=file,
        sha256=_digest(folder / file),
    )
    return replace(sealed, warnings=tuple(_tripped(activation.guards, sealed, quota)))


def _tripped(guards: Guards, sealed: ActivationPlan, quota: Quota | None) -> Iterator[str]:
    # Filling what is empty harms nobody; a guard is about values that are there now.
    known = sealed.records + sealed.left
    if sealed.overwrites > guards.max_change_share * known:
        yield (
            f"{sealed.name}: {sealed.overwrites} of {known} records would lose a value that they have "
            f"(more than max_change_share {guards.max_change_share:.0%})"
        )
    if sealed.clear_share > guards.max_clear_share:
        yield (
            f"{sealed.name}: one property would be cleared on {sealed.clear_share:.0%} of the records "
            f"(more than max_clear_share {guards.max_clear_share:.0%})"
        )
    if sealed.quota_share is not None and sealed.quota_share > guards.max_quota_share:
        yield (
            f"{sealed.name}: {sealed.quota_share:.0%} of the day's calls "
            f"(more than max_quota_share {guards.max_quota_share:.0%})"
        )
    if quota is not None and sealed.calls > quota.remaining:
        yield f"{sealed.name}: {sealed.calls} calls, and {quota.remaining} were left of the day's at the last landing"


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
    found = _rows(
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
            ) to '{target}' (format parquet, compression zstd)
            """  # noqa: S608  a name from the manifest, and an escaped path
        )
    except duckdb.IOException as error:
        raise PlanError(f"{file}: cannot be written ({str(error).splitlines()[0]}); make room") from None
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
        for (name,) in _rows(connection, f"select distinct property from {activation.plan_relation} order by 1"):  # noqa: S608
            if name not in columns:
                mistakes.append(
                    f"{activation.path}: exposure {activation.name}: the plan model still has property {name}, "
                    "which no column declares; run `dbt build`"
                )
        for name, kind in _rows(
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
            item = columns.get(name)
            if item is not None:
                mistakes.append(
                    f"{activation.path}: exposure {activation.name}: column {item.column} is a {item.type.family}, but "
                    f"{activation.destination} has property {name} as {kind}; map another property or cast the column"
                )
    if mistakes:
        raise PlanError("\n".join(mistakes))


def _quotas(connection: duckdb.DuckDBPyConnection) -> dict[str, Quota]:
    found = _rows(connection, "select crm, daily_calls, remaining_calls from plans.int_crm_quotas")
    return {crm: Quota(daily, remaining) for crm, daily, remaining in found if daily}


def _landings(connection: duckdb.DuckDBPyConnection) -> dict[str, dt.datetime]:
    """By vendor: when its newest read began. A vendor's landing is a schema with a table `reads`."""
    schemas = _rows(
        connection,
        """
        select table_schema from information_schema.columns
        where table_name = 'reads' and column_name = 'read_at' and not ends_with(table_schema, '_staging')
        order by table_schema
        """,
    )
    # As an epoch: a Python time with a zone needs a library that DuckDB does not bring.
    found = {
        schema: _row(connection, f'select epoch(max(read_at)) from "{schema}".reads')[0]  # noqa: S608  dlt's name
        for (schema,) in schemas
    }
    return {schema: dt.datetime.fromtimestamp(at, dt.UTC) for schema, at in found.items() if at is not None}


def _samples(connection: duckdb.DuckDBPyConnection, activation: Activation) -> tuple[Sample, ...]:
    # One change of each of a few properties tells more than a few properties of one record.
    rows = _rows(
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
    return tuple(Sample(*row) for row in rows)


def _reasons(connection: duckdb.DuckDBPyConnection, activation: Activation) -> tuple[Reason, ...]:
    rows = _rows(
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
    return tuple(Reason(row[0], row[1], row[2], Sample(*row[3:])) for row in rows)


def _rows(
    connection: duckdb.DuckDBPyConnection, query: str, parameters: Iterable[object] = ()
) -> list[tuple[Any, ...]]:
    try:
        return connection.execute(query, list(parameters)).fetchall()
    except duckdb.CatalogException as error:
        table = str(error).partition("Table with name ")[2].partition(" ")[0]
        raise PlanError(f"{table or 'a plan model'} is not in the warehouse; run `dbt build`") from None
    except duckdb.BinderException as error:
        raise PlanError(f"a plan model was built by another version ({_first_line(error)}); run `dbt build`") from None


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]


def _row(connection: duckdb.DuckDBPyConnection, query: str) -> tuple[Any, ...]:
    return _rows(connection, query)[0]


def _activation_plan(item: Mapping[str, Any]) -> ActivationPlan:
    return ActivationPlan(
        **{
            **item,
            "samples": tuple(Sample(**sample) for sample in item["samples"]),
            "reasons": tuple(Reason(**{**reason, "sample": Sample(**reason["sample"])}) for reason in item["reasons"]),
            "warnings": tuple(item["warnings"]),
            "guards": Guards(**item["guards"]),
        }
    )


def _seal_of(header: Mapping[str, Any]) -> str:
    return hashlib.sha256(orjson.dumps(header, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _digest(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _write_durably(file: Path, content: bytes) -> None:
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as target:
        target.write(content)
        target.flush()
        os.fsync(target.fileno())


def shown(value: str | None) -> str:
    """A value as a person reads it."""
    return "(empty)" if value in {None, ""} else str(value)
