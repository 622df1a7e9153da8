"""A plan over a million contacts: against the one bare statement that finds the same differences.

dbt's own start-up is left out: a model costs what dbt says it took to run.
"""

from __future__ import annotations

import datetime as dt
import os
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import orjson
import yaml

from activators.declarations import read_activations, read_manifest
from activators.sealing import seal_plan
from backhaul.settings import Settings
from backhaul.transform import Transform
from benchmarks.figures import Figure, peak_megabytes, seconds

ROOT = Path(__file__).parents[1]
CONTACTS = int(os.environ.get("BENCH_CONTACTS", "1_000_000"))
CHANGED_EVERY = 100
# By column: type, and the SQL of its value for contact `n`, changed by `shift`.
COLUMNS = {
    **{f"count_{k}": ("bigint", f"n % {97 + k} + shift") for k in range(8)},
    **{f"share_{k}": ("decimal(12,2)", f"cast((n % {1009 + k} + shift) / 7 as decimal(12, 2))") for k in range(3)},
    "first_at": ("timestamp with time zone", "to_timestamp(1700000000 + n + shift)"),
    "last_at": ("timestamp with time zone", "to_timestamp(1750000000 + n + shift)"),
    "stage": ("varchar", "'stage ' || ((n + shift) % 5)"),
    "note": ("varchar", "'As told to ' || (n + shift)"),
}
KINDS = {
    "bigint": ("number", "number"),
    "decimal(12,2)": ("number", "number"),
    "timestamp with time zone": ("datetime", "datetime"),
    "varchar": ("string", "string"),
}


def million() -> list[Figure]:
    """Plan with an empty ledger, and with every value in it, as the night after a first full apply finds it."""
    bare, models, sealing = _measured(written=False)
    detail = {
        "contacts": CONTACTS,
        "properties": len(COLUMNS),
        "changed_share": 1 / CHANGED_EVERY,
        "bare_seconds": bare,
        "model_seconds": models,
        "seal_seconds": sealing,
    }
    bare_again, models_full, sealing_full = _measured(written=True)
    full = {
        "at_most": 3,
        "ledger_values": CONTACTS * len(COLUMNS),
        "bare_seconds": bare_again,
        "model_seconds": models_full,
        "seal_seconds": sealing_full,
    }
    return [
        Figure("plan.million_vs_bare_diff", (models + sealing) / bare, "x", {"at_most": 3, **detail}),
        Figure("plan.million_vs_bare_diff_full_ledger", (models_full + sealing_full) / bare_again, "x", full),
        Figure("plan.million_peak_mb", peak_megabytes(), "MB", {"at_most": 2_000}),
    ]


def _measured(*, written: bool) -> tuple[float, float, float]:
    """Time the bare statement, the models and the seal, in seconds."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        settings = Settings.model_construct(
            warehouse=folder / "warehouse.duckdb", state=folder / "state", target=folder / "target"
        )
        _plant(settings.warehouse, written=written)
        with _opened(settings.warehouse) as connection:
            bare = seconds(lambda: connection.execute(f"create table bare as {_bare()}"))
            found = connection.execute("select count(*) from bare").fetchall()[0][0]
        models, sealing, planned = _plan(settings, _project(folder / "project"))
    if planned != found:
        raise RuntimeError(f"the plan has {planned} changes, and the bare statement finds {found}")
    return bare, models, sealing


def _opened(warehouse: Path) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(warehouse)
    connection.execute("set TimeZone = 'UTC'")
    return connection


def _plan(settings: Settings, project: Path) -> tuple[float, float, int]:
    """Build the diff and the plan model, and seal: seconds of either, and the changes."""
    transform = Transform(settings, project)
    transform.build(
        lambda *_: None, "--select", "diff_hubspot__contacts", "plan_hubspot__contacts", "--resource-type", "model"
    )
    results = orjson.loads((settings.target / "run_results.json").read_bytes())["results"]
    declared = [one for one in read_activations(read_manifest(settings.manifest)) if one.name == "hubspot_contacts"]
    sealed = []
    sealing = seconds(
        lambda: sealed.append(seal_plan(declared, settings.warehouse, settings.plans, dt.datetime.now(dt.UTC)))
    )
    return sum(one["execution_time"] for one in results), sealing, sealed[0].changes


def _project(folder: Path) -> Path:
    """Copy the project, and give its contacts these columns."""
    for part in ("models", "macros", "seeds"):
        shutil.copytree(ROOT / part, folder / part)
    for part in ("dbt_project.yml", "profiles.yml"):
        shutil.copy(ROOT / part, folder / part)
    file = folder / "models/activations/hubspot/sync_hubspot__contacts.yml"
    declared = yaml.safe_load(file.read_text())
    key = declared["models"][0]["columns"][0]
    declared["models"][0]["columns"] = [
        key,
        *(
            {
                "name": name,
                "description": "A value.",
                "data_type": kind,
                "config": {"meta": {"property": name, "label": name}},
            }
            for name, (kind, _) in COLUMNS.items()
        ),
    ]
    file.write_text(yaml.safe_dump(declared))
    return folder


def _plant(warehouse: Path, *, written: bool) -> None:
    """Make the landing, the sync model's table and the ledger, in which nothing or everything was sent once."""
    typed = {name: f"cast({value} as {kind})" for name, (kind, value) in COLUMNS.items()}
    texts = {
        name: f"strftime({value}, '%Y-%m-%dT%H:%M:%SZ')"
        if COLUMNS[name][0].startswith("timestamp")
        else f"cast({value} as varchar)"
        for name, value in typed.items()
    }
    rows = f"(select range as n, 0 as shift from range({CONTACTS}))"
    wanted = f"(select range as n, cast(range % {CHANGED_EVERY} = 0 as integer) as shift from range({CONTACTS}))"
    with _opened(warehouse) as connection:
        for schema in ("hubspot", "activations", "plans", "audit"):
            connection.execute(f"create schema {schema}")
        landed = ", ".join(f"{text} as {name}" for name, text in texts.items())
        connection.execute(
            f"create table hubspot.contacts as select cast(100000 + n as varchar) as id, now() as updated_at, "
            f"false as archived, {landed} from {rows}"
        )
        desired = ", ".join(f"{value} as {name}" for name, value in typed.items())
        connection.execute(
            f"create table activations.sync_hubspot__contacts as "
            f"select cast(100000 + n as varchar) as contact_id, {desired} from {wanted}"
        )
        connection.execute(
            "create table plans.int_crm_properties (crm varchar, object varchar, property varchar, type varchar, "
            "family varchar, max_length integer, is_read_only boolean, options varchar, fingerprint varchar)"
        )
        connection.executemany(
            "insert into plans.int_crm_properties values ('hubspot', 'contacts', ?, ?, ?, null, false, null, 'f')",
            [(name, *KINDS[kind]) for name, (kind, _) in COLUMNS.items()],
        )
        connection.execute(
            "create table plans.int_crm_quotas (crm varchar, daily_calls bigint, remaining_calls bigint)"
        )
        connection.execute(
            "create table audit.int_writes__latest (destination varchar, object varchar, record_id varchar, "
            "property varchar, run_id varchar, activation varchar, after_value varchar, "
            "written_at timestamp with time zone, record_key ubigint, has_unanswered boolean, "
            "unanswered_value varchar, loaded_at timestamp with time zone)"
        )
        for name in COLUMNS if written else ():
            connection.execute(
                f"insert into audit.int_writes__latest select 'hubspot', 'contacts', id, '{name}', 'r1', "
                f"'hubspot_contacts', {name}, updated_at - interval 1 hour, "
                "md5_number_lower('hubspot|contacts|' || id), false, null, now() from hubspot.contacts"
            )
        connection.execute(
            "create table audit.int_records__written as select destination, object, record_id, "
            "max(written_at) as written_at, true as has_values, max(loaded_at) as loaded_at "
            "from audit.int_writes__latest group by all"
        )
        connection.execute(
            "create table audit.int_writes__rejected (destination varchar, object varchar, record_id varchar, "
            "property varchar, run_id varchar, after_value varchar, code varchar, property_fingerprint varchar)"
        )


def _bare() -> str:
    """Write what a person would who wants the same rows once: record, property, what it says, what it should."""
    differs = {
        name: f"{f'landed.{name}' if kind == 'varchar' else f'try_cast(landed.{name} as {kind})'} "
        f"is distinct from desired.{name}"
        for name, (kind, _) in COLUMNS.items()
    }
    values = ", ".join(
        f"landed.{name} as is_{name}, desired.{name} as should_{name}, {test} as differs_{name}"
        for name, test in differs.items()
    )
    parts = " union all ".join(
        f"select id as record_id, '{name}' as property, is_{name} as current_value, "
        f"cast(should_{name} as varchar) as desired_value from compared where differs_{name}"
        for name in COLUMNS
    )
    return f"""
        with compared as materialized (
            select landed.id, {values}
            from activations.sync_hubspot__contacts as desired
            inner join hubspot.contacts as landed on desired.contact_id = landed.id
            where {" or ".join(differs.values())}
        )
        {parts}
    """
