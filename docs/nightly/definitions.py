"""The nightly run as Dagster assets, from the vendors' tables through the dbt models to the CRMs' properties.

    dagster dev -f docs/nightly/definitions.py

in the project's folder, with its settings in `.env` as for every command. Copy it and change what you need, such as the
hour of the schedule; docs/nightly.md says how to install it and what differs from `backhaul sync`.
"""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import dagster as dg
import dlt
from dagster_dbt import DagsterDbtTranslator, DbtCliResource, dbt_assets
from dagster_dlt import DagsterDltTranslator
from dagster_dlt.translator import DltResourceTranslatorData
from dlt.extract import DltResource

from activators.activation import Activation
from activators.declarations import read_manifest
from activators.errors import ActivationError, PlanError, RefusedAlike
from backhaul import steps
from backhaul.markdown import markdown
from backhaul.settings import Settings
from backhaul.sync import EVERYTHING, alone, refuse_tripped
from backhaul.transform import Transform
from loaders import LoadError

PROJECT = Path.cwd()
SETTINGS = Settings()
# Usage from files fills Pendo's tables.
DATASETS = {"files": "pendo"}

# profiles.yml reads where the warehouse is from here.
os.environ["BACKHAUL_WAREHOUSE"] = str(SETTINGS.warehouse.resolve())
Transform(SETTINGS, PROJECT).parse()
MANIFEST: Mapping[str, Any] = read_manifest(SETTINGS.manifest)
ACTIVATIONS = {activation.name: activation for activation in steps.activations(SETTINGS)}


@contextmanager
def at_work() -> Iterator[None]:
    """Hold the lock that every sync holds, for this step alone: between two steps anybody may have it.

    What stops a step is one line, as on the command line.
    """
    try:
        with alone(SETTINGS):
            yield
    except (ActivationError, LoadError) as error:
        raise dg.Failure(str(error), allow_retries=False) from None


class LandedTable(DagsterDltTranslator):
    """A table that dlt lands, under the key that dbt's sources have."""

    def get_asset_spec(self, data: DltResourceTranslatorData) -> dg.AssetSpec:
        """Describe it as the project's source does."""
        vendor = data.resource.section
        source = next(
            node
            for node in MANIFEST["sources"].values()
            if (node["source_name"], node["name"]) == (vendor, data.resource.name)
        )
        return (
            super()
            .get_asset_spec(data)
            .replace_attributes(
                key=[vendor, data.resource.name],
                deps=[],
                description=" ".join(source["description"].split()),
                group_name=vendor,
                kinds={"dlt", "duckdb"} | ({vendor} if vendor != "ledger" else set()),
            )
        )


def landing(vendor: str) -> dg.AssetsDefinition:
    """One vendor's tables. They are landed together, by the project's own loader.

    dagster-dlt's resource runs a source that is made beforehand. Ours ask the vendor for its fields while they are
    made, which loading definitions must not, and hold the warehouse only while they write.
    """
    dataset = DATASETS.get(vendor, vendor)
    tables = [node["name"] for node in MANIFEST["sources"].values() if node["source_name"] == dataset]
    translator = LandedTable()
    specs = [
        translator.get_asset_spec(DltResourceTranslatorData(resource=declared(dataset, table), pipeline=None))
        for table in tables
    ]

    @dg.multi_asset(name=f"load_{vendor}", specs=specs)
    def load(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult]:
        with at_work():
            finish_interrupted(context)
            landed = {item.table: item for item in steps.load(SETTINGS, [vendor], lambda *_: None)}
        for spec in specs:
            item = landed.get(spec.key.path[-1])
            figures = {"rows_landed": item.rows, "seconds": round(item.seconds, 3)} if item else {"rows_landed": 0}
            yield dg.MaterializeResult(asset_key=spec.key, metadata=figures)

    return load


def declared(dataset: str, table: str) -> DltResource:
    """A table as dlt knows it, without what reads it."""
    resource: DltResource = dlt.resource([], name=table)
    resource.section = dataset
    return resource


def finish_interrupted(context: dg.AssetExecutionContext) -> None:
    """Finish an apply that was interrupted, before anything is loaded, as a sync does."""
    try:
        sealed = steps.unfinished(SETTINGS)
    except PlanError as error:
        context.log.warning("an interrupted run is left as it is: %s", error)
        return
    if sealed is not None:
        # What was refused alike is remembered, and the rest is planned anew.
        with suppress(RefusedAlike):
            steps.apply(SETTINGS, sealed, lambda *_: None)


class Model(DagsterDbtTranslator):
    """A dbt model or seed, in the group of its folder."""

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str:
        """Name staging, identity, metrics, activations, plans, audit or seeds."""
        _project, *folders, _name = dbt_resource_props["fqn"]
        return str(folders[0]) if folders else "seeds"


@dbt_assets(manifest=MANIFEST, name="dbt_build", dagster_dbt_translator=Model())
def models(context: dg.AssetExecutionContext, dbt: DbtCliResource) -> Iterator[Any]:
    """Seeds, models and their tests."""
    with at_work():
        # Where the plan looks for what was built when.
        target = SETTINGS.target.resolve()
        yield from dbt.cli(["build", *EVERYTHING], context=context, target_path=target, raise_on_error=True).stream()


def activation_key(name: str) -> dg.AssetKey:
    """Name what an activation writes."""
    return dg.AssetKey(["crm", name])


def model_key(model_id: str) -> dg.AssetKey:
    """Name a dbt model as dagster-dbt does."""
    return DagsterDbtTranslator().get_asset_key(MANIFEST["nodes"][model_id])


def activation_spec(activation: Activation) -> dg.AssetSpec:
    """What an activation writes, property by property, and the column that each comes from."""
    sync, *_, plan = activation.models
    columns = [
        dg.TableColumn(item.name, item.type.family, f"{item.label}. {item.description}")
        for item in activation.properties
    ]
    lineage = {
        item.name: [dg.TableColumnDep(asset_key=model_key(sync.id), column_name=item.column)]
        for item in activation.properties
    }
    return dg.AssetSpec(
        activation_key(activation.name),
        deps=[model_key(sync.id), model_key(plan.id)],
        description=f"The properties of {activation.destination}'s {activation.object} that {sync.name} says.",
        group_name="crm",
        kinds={activation.destination},
        metadata={
            "dagster/column_schema": dg.TableSchema(columns),
            "dagster/column_lineage": dg.TableColumnLineage(lineage),
        },
    )


@dg.multi_asset(
    name="activate",
    specs=[activation_spec(activation) for activation in ACTIVATIONS.values()],
    check_specs=[
        dg.AssetCheckSpec(
            "every_record_confirmed", asset=activation_key(name), description="None was rejected or is unknown."
        )
        for name in ACTIVATIONS
    ],
    can_subset=True,
)
def activate(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
    """Seal one plan of the selected activations, apply it unless a guard stops it, and load what was written."""
    chosen = [name for name in ACTIVATIONS if activation_key(name) in context.selected_asset_keys]
    with at_work():
        sealed = steps.plan(SETTINGS, [ACTIVATIONS[name] for name in chosen])
        context.log.info(markdown(sealed))
        refuse_tripped(sealed)
        done = steps.apply(SETTINGS, sealed, lambda *_: None) if sealed.changes else None
        if done:
            steps.load(SETTINGS, ["ledger"], lambda *_: None)
    applied = {item.name: item for item in done.activations} if done else {}
    for planned in sealed.activations:
        name = planned.name
        figures: dict[str, Any] = {
            figure: getattr(planned, figure) for figure in ("records", "changes", "held", "kept", "invalid")
        }
        figures["plan_id"] = sealed.plan_id
        sent = applied.get(name)
        if done and sent:
            figures |= {figure: getattr(sent, figure) for figure in ("confirmed", "rejected", "unknown", "calls")}
            figures["run_id"] = done.run_id
        yield dg.MaterializeResult(asset_key=activation_key(name), metadata=figures)
        yield dg.AssetCheckResult(
            asset_key=activation_key(name),
            check_name="every_record_confirmed",
            passed=not (sent and (sent.rejected or sent.unknown)),
            severity=dg.AssetCheckSeverity.WARN,
            metadata=dict(sent.examples) if sent else {},
        )


def definitions(vendors: Sequence[str]) -> dg.Definitions:
    """Everything, one job of it all, and its hour."""
    nightly = dg.define_asset_job(
        "nightly",
        selection=dg.AssetSelection.all(),
        # DuckDB lets one process write.
        executor_def=dg.in_process_executor,
        description="Load, build, plan and apply.",
    )
    return dg.Definitions(
        assets=[*(landing(vendor) for vendor in vendors), models, activate],
        jobs=[nightly],
        # Off until somebody switches it on.
        schedules=[dg.ScheduleDefinition(name="every_night", job=nightly, cron_schedule="17 4 * * *")],
        resources={
            "dbt": DbtCliResource(
                project_dir=str(PROJECT),
                profiles_dir=str(PROJECT),
                dbt_executable=str(Path(sys.executable).parent / "dbt"),
            )
        },
    )


defs = definitions(steps.vendors(SETTINGS))
