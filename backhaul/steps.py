"""The steps that commands are made of: load, provision, plan, apply. They print nothing."""

from __future__ import annotations

import asyncio
import datetime as dt
import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
from filelock import FileLock, Timeout

from activators.apply import Progress, Run, apply_plan, refuse_stale
from activators.declarations import Activation, landed_objects, read_activations, read_manifest
from activators.destinations import connect
from activators.errors import PlanError
from activators.journal import Journal, read_history
from activators.plan import Plan, latest_plan, read_plan, refuse_unbuilt, seal_plan
from activators.provision import Provisioned
from activators.provision import provision as provision_all
from activators.undo import plan_undo
from backhaul.settings import Settings
from loaders import Landing, Wanted
from loaders import load as load_all

VENDORS = ("hubspot", "salesforce", "pendo", "ledger")
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


def load(settings: Settings, vendors: Sequence[str], progress: Callable[[str, str, int], None]) -> tuple[Landing, ...]:
    """Land the vendors. The properties to ask for are those of the project's sources and activations."""
    manifest = read_manifest(settings.manifest)
    written: dict[str, dict[str, tuple[str, ...]]] = {"hubspot": {}, "salesforce": {}}
    for activation in read_activations(manifest):
        names = tuple(item.name for item in activation.properties)
        of_object = written[activation.destination]
        of_object[activation.object] = of_object.get(activation.object, ()) + names
    wanted = Wanted(
        hubspot={
            name: tuple(column for column in columns if column not in _NOT_PROPERTIES)
            for name, columns in landed_objects(manifest, "hubspot").items()
        },
        salesforce=landed_objects(manifest, "salesforce"),
        hubspot_activated=written["hubspot"],
        salesforce_activated=written["salesforce"],
    )
    return load_all(vendors, settings.load_settings(), wanted, progress)


def provision(settings: Settings, declared: Sequence[Activation]) -> tuple[Provisioned, ...]:
    """Create what the CRMs lack."""

    async def create() -> tuple[Provisioned, ...]:
        async with connect(_destinations(declared), settings.credentials()) as destinations:
            return await provision_all(declared, destinations)

    return asyncio.run(create())


def plan(settings: Settings, declared: Sequence[Activation]) -> Plan:
    """Seal a plan of the declared activations."""
    refuse_unbuilt(declared, settings.target, settings.journal, _run_results(settings.target))
    return seal_plan(declared, settings.warehouse, settings.plans, dt.datetime.now(dt.UTC))


def undo(settings: Settings, run_id: str, declared: Sequence[Activation]) -> Plan:
    """Seal a plan that takes a run back."""

    async def read() -> Plan:
        async with connect(_destinations(declared), settings.credentials()) as destinations:
            return await plan_undo(run_id, declared, destinations, settings.journal, settings.plans)

    return asyncio.run(read())


def open_plan(settings: Settings, name: str | None) -> Plan:
    """A sealed plan by its id or folder, or the newest."""
    folder = latest_plan(settings.plans) if name is None else Path(name)
    if not folder.is_dir() and name is not None:
        folder = settings.plans / name
    return read_plan(folder)


def apply(settings: Settings, sealed: Plan, progress: Progress, *, verify: bool = False) -> Run:
    """Send a sealed plan, or go on where an interrupted run of it stopped. The guards are the caller's to check."""
    settings.state.mkdir(parents=True, exist_ok=True)
    lock = FileLock(settings.state / "apply.lock")
    try:
        lock.acquire(blocking=False)
    except Timeout:
        raise PlanError(f"{lock.lock_file}: another apply is running; wait for it") from None
    with lock:
        history = read_history(settings.journal, sealed.plan_id)
        refuse_stale(sealed, history, settings.target)
        now = dt.datetime.now(dt.UTC)
        names = [item.name for item in sealed.activations if item.changes]
        journal = (
            Journal.resume(settings.journal, history)
            if history
            else Journal.begin(
                settings.journal, f"{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}", sealed.plan_id, now, names
            )
        )

        async def send() -> Run:
            needed = dict.fromkeys(item.destination for item in sealed.activations if item.changes)
            async with connect(list(needed), settings.credentials()) as destinations:
                return await apply_plan(sealed, destinations, journal, history, progress, verify=verify)

        try:
            return asyncio.run(send())
        finally:
            journal.close()


def _destinations(declared: Sequence[Activation]) -> list[str]:
    return list(dict.fromkeys(activation.destination for activation in declared))


def _run_results(target: Path) -> Mapping[str, Any]:
    """What dbt built last, if it has left word of it."""
    try:
        results: Mapping[str, Any] = orjson.loads((target / "run_results.json").read_bytes())
    except (FileNotFoundError, orjson.JSONDecodeError):
        return {}
    return results
