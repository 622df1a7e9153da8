"""The steps that commands are made of: load, provision, plan, apply. They print nothing."""

from __future__ import annotations

import asyncio
import datetime as dt
import secrets
import tempfile
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import orjson
from filelock import FileLock, Timeout

from activators import hubspot
from activators.activation import Activation
from activators.apply import Run, apply_plan, refuse_overtaken, refuse_stale
from activators.builds import refuse_behind, refuse_unbuilt
from activators.check import Asked, Checked, unset
from activators.check import ask as ask_all
from activators.check import check as check_all
from activators.connectors import Probe
from activators.declarations import landed_objects, landed_tables, read_activations, read_manifest
from activators.destinations import Restraint, connect, connectors
from activators.errors import PlanError
from activators.journal import Journal, journal_sizes, read_history
from activators.plan import Plan, Verdict, latest_plan, read_plan
from activators.provision import Provisioned
from activators.provision import provision as provision_all
from activators.sealing import seal_plan
from activators.sending import Applied, Progress
from activators.undo import plan_undo
from activators.verify import reread
from activators.written import read_run
from backhaul.settings import Settings
from backhaul.spark import refuse_without_spark
from loaders import Landing, Wanted
from loaders import load as load_all
from loaders.lake import publish

VENDORS = ("hubspot", "salesforce", "pendo", "ledger")
# A century: a formula is read again sooner, by the full reads.
_LONGEST_HOURS = 876_000
# The landing's own columns of a HubSpot object; every other one is a property of that name.
_NOT_PROPERTIES = frozenset({"id", "created_at", "updated_at", "archived", "archived_at"})


def activations(settings: Settings, only: Collection[str] = ()) -> tuple[Activation, ...]:
    """The declared activations, or those named. Raises PlanError for a name that none has."""
    declared = read_activations(read_manifest(settings.manifest))
    unknown = set(only) - {activation.name for activation in declared}
    if unknown:
        known = ", ".join(activation.name for activation in declared) or "none"
        raise PlanError(f"no activation is called {', '.join(sorted(unknown))}; declared: {known}")
    return tuple(activation for activation in declared if not only or activation.name in only)


def vendors(settings: Settings) -> tuple[str, ...]:
    """The vendors of a whole load: product usage comes from files where they are declared, and else from Pendo."""
    usage = "files" if settings.load_settings().files.is_file() else "pendo"
    return tuple(usage if vendor == "pendo" else vendor for vendor in VENDORS)


def load(
    settings: Settings,
    vendors: Sequence[str],
    progress: Callable[[str, str, int], None],
    *,
    same_subscription: bool = False,
) -> tuple[Landing, ...]:
    """Land the vendors. The properties to ask for are those of the project's sources and activations."""
    if settings.on_spark:
        refuse_without_spark(settings.warehouse)
    asked = wanted(read_manifest(settings.manifest))
    account = settings.hubspot_base_url, settings.hubspot_access_token.get_secret_value()
    # The window of apply: a load and an apply at once are no more calls than HubSpot takes.
    with closing(_restraint(settings).window("hubspot", hubspot.CALLS, hubspot.SECONDS, *account)) as window:
        loading = replace(settings.load_settings(), hubspot_window=window, same_subscription=same_subscription)
        try:
            return load_all(vendors, loading, asked, progress)
        finally:
            # Of several vendors, the ones before the one that failed have landed.
            if settings.on_spark and loading.warehouse.exists():
                publish(settings.warehouse)


def wanted(manifest: Mapping[str, Any]) -> Wanted:
    """What to land: what the sources declare and the activations write. PlanError for a `meta` that says neither."""
    written: dict[str, dict[str, tuple[str, ...]]] = {name: {} for name in connectors()}
    for activation in read_activations(manifest):
        if activation.kind == "events":
            continue  # what was sent is not read again
        names = tuple(item.name for item in activation.properties)
        of_object = written[activation.destination]
        of_object[activation.object] = of_object.get(activation.object, ()) + names
    return Wanted(
        hubspot={
            name: tuple(column for column in columns if column not in _NOT_PROPERTIES)
            for name, columns in landed_objects(manifest, "hubspot").items()
        },
        salesforce=landed_objects(manifest, "salesforce"),
        hubspot_activated=written["hubspot"],
        salesforce_activated=written["salesforce"],
        pendo=landed_tables(manifest, "pendo"),
        salesforce_formulas=_formulas_every(manifest),
        hubspot_associations=_associated(manifest),
        hubspot_history=_with_history(manifest),
        hubspot_subscriptions="subscription_statuses" in landed_tables(manifest, "hubspot"),
        hubspot_events="event_definitions" in landed_tables(manifest, "hubspot"),
    )


def _formulas_every(manifest: Mapping[str, Any]) -> dict[str, dt.timedelta]:
    """How often each Salesforce object's formulas are read again, where its source's `meta` says."""
    every: dict[str, dt.timedelta] = {}
    for node in manifest["sources"].values():
        meta = node["config"].get("meta", {})
        hours = meta.get("formulas_every_hours")
        if node["source_name"] != "salesforce" or hours is None:
            continue
        of = f"{node['original_file_path']}: table {node['name']}: meta.formulas_every_hours"
        if not isinstance(hours, int | float) or isinstance(hours, bool) or not 0 <= hours <= _LONGEST_HOURS:
            raise PlanError(f"{of} is {hours!r}; give a number of hours, such as 24")
        if "object" not in meta:
            raise PlanError(f"{of} is for an object's table; this one has no meta.object")
        every[str(meta["object"])] = dt.timedelta(hours=hours)
    return every


def _associated(manifest: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """From which HubSpot object to which other associations are landed, where a source's `meta` says."""
    pairs: list[tuple[str, str]] = []
    for node in _hubspot_objects(manifest):
        others = node["config"]["meta"].get("associations", [])
        if not isinstance(others, list) or not all(isinstance(other, str) for other in others):
            raise PlanError(
                f"{node['original_file_path']}: table {node['name']}: meta.associations is {others!r}; "
                "give a list of objects, such as [companies]"
            )
        pairs += [(str(node["config"]["meta"]["object"]), other) for other in others]
    return tuple(dict.fromkeys(pairs))


def _with_history(manifest: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """The properties of each HubSpot object whose columns say `meta.history: true`."""
    told: dict[str, tuple[str, ...]] = {}
    for node in _hubspot_objects(manifest):
        for name, column in node["columns"].items():
            asked = column["config"].get("meta", {}).get("history", False)
            if not isinstance(asked, bool):
                raise PlanError(
                    f"{node['original_file_path']}: table {node['name']}: column {name}: meta.history is {asked!r}; "
                    "give true or false"
                )
            if asked:
                of = str(node["config"]["meta"]["object"])
                told[of] = (*told.get(of, ()), name)
    return told


def _hubspot_objects(manifest: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [
        node
        for node in manifest["sources"].values()
        if node["source_name"] == "hubspot" and "object" in node["config"].get("meta", {})
    ]


def check(settings: Settings) -> Checked:
    """Every mistake in the declarations, without asking the CRMs."""
    return check_all(read_manifest(settings.manifest), settings.warehouse)


def ask(settings: Settings, declared: Sequence[Activation]) -> list[Asked]:
    """Ask the CRMs of the declared activations what they let us do. Those whose settings are missing are not asked."""
    credentials = settings.credentials()
    lacking = unset(declared, credentials)
    try:
        last = open_plan(settings, None)
    except PlanError:
        last = None  # nothing to compare the day's calls with

    async def read() -> list[Asked]:
        reachable = [name for name in _destinations(declared) if name not in lacking]
        async with connect(reachable, credentials, _restraint(settings)) as destinations:
            return await ask_all(declared, destinations, last)

    mend = "put it in the environment or in .env"
    silent = [
        Asked(name, None, Probe("settings", f"{' and '.join(missing)} not set", mend))
        for name, missing in lacking.items()
    ]
    return silent + asyncio.run(read())


def provision(settings: Settings, declared: Sequence[Activation]) -> tuple[Provisioned, ...]:
    """Create what the CRMs lack."""

    async def create() -> tuple[Provisioned, ...]:
        async with connect(_destinations(declared), settings.credentials(), _restraint(settings)) as destinations:
            return await provision_all(declared, destinations)

    return asyncio.run(create())


def plan(
    settings: Settings, declared: Sequence[Activation], *, retry_rejected: bool = False, verify: bool = False
) -> Plan:
    """Seal a plan of the declared activations. With `verify`, what was edited since the landing is held back."""
    refuse_unbuilt(declared, settings.target, run_results(settings.target))
    # Before anything is read: apply refuses the plan once any run has written more.
    sizes = journal_sizes(settings.journal)
    refuse_behind(declared, settings.warehouse, settings.target, settings.journal, sizes)
    seal = partial(seal_plan, declared, settings.warehouse, retry_rejected=retry_rejected, journals=sizes)
    verdicts: dict[str, list[Verdict]] = {}
    if verify:
        # The warehouse is closed while the CRMs are read, so what would be sent is put down first.
        with tempfile.TemporaryDirectory() as folder:
            draft = seal(Path(folder), dt.datetime.now(dt.UTC))
            verdicts = asyncio.run(_reread(settings, draft))
    return seal(settings.plans, dt.datetime.now(dt.UTC), verdicts=verdicts)


async def _reread(settings: Settings, draft: Plan) -> dict[str, list[Verdict]]:
    names = dict.fromkeys(item.destination for item in draft.activations if item.changes)
    async with connect(list(names), settings.credentials(), _restraint(settings)) as destinations:
        return await reread(draft, destinations)


def undo(settings: Settings, run_id: str, declared: Sequence[Activation], only: Collection[str] = ()) -> Plan:
    """Seal a plan that takes a run back, or what it wrote for some activations. Only their CRMs are asked."""
    run = read_run(settings.journal, run_id)
    names = set(run.activations).intersection(only or run.activations)
    needed = _destinations([activation for activation in declared if activation.name in names])

    async def read() -> Plan:
        async with connect(needed, settings.credentials(), _restraint(settings)) as destinations:
            return await plan_undo(run_id, declared, destinations, settings.journal, settings.plans, only=only)

    return asyncio.run(read())


def open_plan(settings: Settings, name: str | None) -> Plan:
    """A sealed plan by its id or folder, or the newest."""
    folder = latest_plan(settings.plans) if name is None else Path(name)
    if not folder.is_dir() and name is not None:
        folder = settings.plans / name
    return read_plan(folder)


def apply(
    settings: Settings, sealed: Plan, progress: Progress, *, verify: bool = False, keep_going: bool = False
) -> Run:
    """Send a sealed plan, or go on where an interrupted run of it stopped. The guards are the caller's to check."""
    settings.state.mkdir(parents=True, exist_ok=True)
    lock = FileLock(settings.state / "apply.lock")
    try:
        held = lock.acquire(blocking=False)
    except Timeout:
        raise PlanError(f"{lock.lock_file}: another apply is running; wait for it") from None
    with held:
        history = read_history(settings.journal, sealed.plan_id)
        if history is not None and history.ended and not sealed.changes:
            # Said once already; there is nothing that could be done twice.
            return Run(history.run_id, sealed.plan_id, tuple(Applied(item.name) for item in sealed.activations))
        refuse_stale(sealed, history, settings.target)
        refuse_overtaken(sealed, settings.journal)
        now = dt.datetime.now(dt.UTC)
        names = [item.name for item in sealed.activations if item.changes]
        journal = (
            Journal.resume(settings.journal, history)
            if history
            else Journal.begin(
                settings.journal,
                f"{now:%Y%m%dT%H%M%S.%fZ}-{secrets.token_hex(3)}",
                sealed.plan_id,
                now,
                names,
                planned={item.name: item.planned for item in sealed.activations},
            )
        )

        async def send() -> Run:
            needed = dict.fromkeys(item.destination for item in sealed.activations if item.changes)
            async with connect(list(needed), settings.credentials(), _restraint(settings)) as destinations:
                return await apply_plan(
                    sealed, destinations, journal, history, progress, verify=verify, keep_going=keep_going
                )

        try:
            return asyncio.run(send())
        finally:
            journal.close()


def unfinished(settings: Settings) -> Plan | None:
    """The plan of a run that began and has not ended. Raises PlanError when that run cannot go on.

    It cannot where the plan is damaged or its models were built again since: a new plan sees to what is left.
    """
    try:
        name = latest_plan(settings.plans).name
    except PlanError:
        return None  # there is no plan at all
    history = read_history(settings.journal, name)
    if history is None or history.ended:
        return None
    sealed = open_plan(settings, name)
    refuse_stale(sealed, history, settings.target)
    refuse_overtaken(sealed, settings.journal)
    return sealed


def sound(settings: Settings, declared: Sequence[Activation]) -> tuple[Activation, ...]:
    """Those activations whose models the last build built, with every test of what they read passed."""
    results = run_results(settings.target)

    def is_sound(activation: Activation) -> bool:
        try:
            refuse_unbuilt([activation], settings.target, results)
        except PlanError:
            return False
        return True

    return tuple(activation for activation in declared if is_sound(activation))


def _restraint(settings: Settings) -> Restraint:
    return Restraint(settings.state / "limits", settings.day_share)


def _destinations(declared: Sequence[Activation]) -> list[str]:
    return list(dict.fromkeys(activation.destination for activation in declared))


def run_results(target: Path) -> Mapping[str, Any]:
    """What dbt built last, as its `run_results.json` has it; empty where it has left no word."""
    try:
        results: Mapping[str, Any] = orjson.loads((target / "run_results.json").read_bytes())
    except (FileNotFoundError, orjson.JSONDecodeError):
        return {}
    return results
