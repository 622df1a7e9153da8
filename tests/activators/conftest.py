"""A sandbox with its properties provisioned, and plans sealed from tables as the plan models leave them."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import httpx
import orjson
import pytest

from activators.activation import Activation, ColumnType, Guards, Model, Property
from activators.apply import Run, apply_plan
from activators.destinations import Credentials, Restraint, connect
from activators.journal import Journal, read_history
from activators.plan import Plan
from activators.provision import provision
from activators.sealing import seal_plan
from activators.sending import Progress
from sandbox.hubspot.limits import Limits
from sandbox.server import Sandbox, serving

BATCH_PATH = {"hubspot": "/batch/update", "salesforce": "/composite/sobjects", "pendo": "/custom/value"}
# Reading the machine's certificates takes longer than all else that a small run does; nothing here is encrypted.
UNUSED_CERTIFICATES = httpx.create_ssl_context()
NOW = dt.datetime(2026, 3, 20, 12, tzinfo=dt.UTC)
DAYS = Property("usage_days", "days", ColumnType("number"), "Usage - days", "Days of use.")
NOTE = Property("usage_note", "note", ColumnType("string"), "Usage - note", "A remark.")
SF_DAYS = Property("Usage_Days__c", "days", ColumnType("number"), "Usage - days", "Days of use.")
SF_NOTE = Property("Usage_Note__c", "note", ColumnType("string"), "Usage - note", "A remark.")


@dataclass(frozen=True, slots=True)
class Crm:
    """One CRM of a sandbox, as a test needs it: what to declare, what stands in it, what it was sent."""

    sandbox: Sandbox
    activation: Activation
    ids: tuple[str, ...]
    _control: httpx.Client

    @property
    def days(self) -> str:
        return self.activation.properties[0].name

    @property
    def note(self) -> str:
        return self.activation.properties[1].name

    def credentials(self, **changes: str) -> Credentials:
        local = self.sandbox.settings
        return Credentials(local | {name.upper(): value for name, value in changes.items()})

    def everything(self) -> dict[str, dict[str, Any]]:
        """The records as the CRM holds them: values by property, by record id."""
        if self.activation.destination == "pendo":
            return metadata(self.sandbox)
        found = self._control.get(f"/records/{self.activation.destination}/{self.activation.object}").json()
        return {item.get("id") or item["Id"]: item.get("properties", item) for item in found}

    def stored(self, record_id: str) -> dict[str, Any]:
        """One record as the CRM holds it."""
        return self.everything()[record_id]

    def fault(self, **fault: object) -> None:
        self._control.post("/faults", json={"vendor": self.activation.destination, **fault}).raise_for_status()

    def act(self, name: str, **arguments: object) -> None:
        """Do what an administrator or a person does in the CRM's own pages."""
        self._control.post(f"/do/{self.activation.destination}/{name}", json=arguments).raise_for_status()

    def edit(self, record_id: str, **properties: object) -> None:
        if self.activation.destination == "pendo":
            self.act("edit_metadata", kind=self.activation.object, id=record_id, values=properties, group="custom")
            return
        body = {"vendor": self.activation.destination, "object": self.activation.object, "id": record_id}
        self._control.post("/edit", json={**body, "properties": properties}).raise_for_status()

    def requests(self, path_end: str) -> list[dict[str, Any]]:
        """The CRM's own log of the calls whose path ends so."""
        found = self._control.get("/requests", params={"vendor": self.activation.destination}).json()
        return [item for item in found if item["path"].endswith(path_end)]

    def reset(self) -> None:
        self._control.delete("/faults").raise_for_status()
        self._control.delete("/requests").raise_for_status()


def metadata(sandbox: Sandbox, kind: str = "visitor") -> dict[str, dict[str, Any]]:
    """Pendo's visitors or accounts, excluded ones too: the custom fields by name, and the other groups beside them."""
    source = {f"{kind}s": {"blacklist": "ignore"} if kind == "visitor" else None}
    answer = httpx.post(
        f"{sandbox.settings['PENDO_BASE_URL']}/api/v1/aggregation",
        json={
            "response": {"mimeType": "application/json"},
            "request": {"pipeline": [{"source": source}, {"identified": f"{kind}Id"}]},
        },
        headers={"x-pendo-integration-key": sandbox.settings["PENDO_INTEGRATION_KEY"]},
        timeout=60,
        verify=UNUSED_CERTIFICATES,
    ).raise_for_status()
    found = {row[f"{kind}Id"]: row["metadata"] for row in answer.json()["results"]}
    for groups in found.values():
        groups.update(groups.pop("custom"), lastupdated=groups["auto"].pop("lastupdated"))
    return found


# By destination: the object that tests write.
OBJECTS = {"hubspot": "contacts", "salesforce": "Contact", "pendo": "visitor"}


def activation(destination: str, **changes: Any) -> Activation:
    values: dict[str, Any] = {
        "name": f"{destination}_contacts",
        "destination": destination,
        "object": OBJECTS[destination],
        "key": "contact_id",
        "group": "product_usage",
        "properties": (SF_DAYS, SF_NOTE) if destination == "salesforce" else (DAYS, NOTE),
        "guards": Guards(),
        "sync_relation": '"activations"."sync_contacts"',
        "plan_relation": '"plans"."plan_contacts"',
        "path": "models/activations/sync_contacts.yml",
        "models": tuple(
            Model(f"model.b.{kind}_contacts", f"run/b/{kind}_contacts.sql") for kind in ("sync", "diff", "plan")
        ),
    }
    return Activation(**(values | changes))


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    # Tests that follow each other make more calls than an account takes; that one run keeps to the limit is measured by
    # `make bench`.
    limits = Limits(burst=5_000)
    with serving(seed=5, visitors=1000, as_of=dt.date(2026, 3, 20), hubspot_limits=limits) as running:
        yield running


Seal = Callable[..., Plan]


@pytest.fixture
def seal(tmp_path: Path) -> Seal:
    """Make the tables that the plan models would, and seal them.

    Rows are (record, property, before, after) or (record, property, before, after, decision, reason).
    """

    def make(  # noqa: PLR0913  each is one circumstance of a plan
        filled: Activation,
        rows: list[tuple[Any, ...]],
        *,
        declared: Activation | None = None,
        records: int | None = None,
        calls: int = 1_000_000,
        left: int = 1_000_000,
    ) -> Plan:
        warehouse = tmp_path / "warehouse.duckdb"
        warehouse.unlink(missing_ok=True)
        families = {item.name: item.type.family for item in filled.properties}
        with duckdb.connect(str(warehouse)) as connection:
            # One transaction is one wait for the disk.
            connection.begin()
            connection.execute("create schema activations; create schema plans")
            connection.execute("create table activations.sync_contacts (contact_id varchar)")
            ids = {row[0] for row in rows} | {
                f"other-{n}" for n in range((records or 0) - len({row[0] for row in rows}))
            }
            connection.execute("insert into activations.sync_contacts select unnest(?)", [sorted(ids) or ["0"]])
            connection.execute(
                """
                create table plans.plan_contacts (
                    record_id varchar, property varchar, family varchar, current_value varchar, desired_value varchar,
                    decision varchar, reason varchar, has_left boolean default false
                );
                create table plans.int_crm_properties (
                    crm varchar, object varchar, property varchar, type varchar, fingerprint varchar
                );
                create table plans.int_crm_quotas (crm varchar, daily_calls bigint, remaining_calls bigint);
                """
            )
            connection.execute("insert into plans.int_crm_quotas values (?, ?, ?)", [filled.destination, calls, left])
            if rows:
                connection.executemany(
                    """
                    insert into plans.plan_contacts
                        (record_id, property, family, current_value, desired_value, decision, reason)
                    values (?, ?, ?, ?, ?, ?, ?)
                    """,
                    [
                        [record, name, families[name], before, after, *(decided or ("send", "differs"))]
                        for record, name, before, after, *decided in rows
                    ],
                )
            connection.commit()
        return seal_plan([declared or filled], warehouse, tmp_path / "plans", NOW)

    return make


@contextmanager
def provisioned(sandbox: Sandbox, destination: str) -> Iterator[Crm]:
    """A sandbox's CRM with its properties made."""
    declared = activation(destination)
    with httpx.Client(base_url=sandbox.urls["control"], timeout=60) as control:
        if destination == "pendo":
            ids = sorted(metadata(sandbox))
        else:
            stored = control.get(f"/records/{declared.destination}/{declared.object}").json()
            alive = [item for item in stored if not item.get("archived", item.get("IsDeleted"))]
            ids = sorted(item.get("id", item.get("Id")) for item in alive)
        crm = Crm(sandbox, declared, tuple(ids), control)

        async def create() -> None:
            async with connect([declared.destination], crm.credentials()) as destinations:
                await provision([declared], destinations)

        asyncio.run(create())
        yield crm


@pytest.fixture(scope="module", params=["hubspot", "salesforce"])
def crm_of_module(sandbox: Sandbox, request: pytest.FixtureRequest) -> Iterator[Crm]:
    with provisioned(sandbox, request.param) as crm:
        yield crm


@pytest.fixture
def crm(crm_of_module: Crm) -> Crm:
    """The CRM without faults and with an empty request log. Each test uses records of its own choosing."""
    crm_of_module.reset()
    return crm_of_module


def send(  # noqa: PLR0913  each is one circumstance of a run
    crm: Crm,
    plan: Plan,
    folder: Path,
    *,
    verify: bool = False,
    keep_going: bool = False,
    progress: Progress = lambda *_: None,
    restraint: Restraint | None = None,
    **changes: str,
) -> Run:
    """Apply as the command does, in a new journal or in what an earlier attempt left. `changes` are of credentials."""
    history = read_history(folder, plan.plan_id)
    journal = (
        Journal.resume(folder, history)
        if history
        else Journal.begin(folder, "run-1", plan.plan_id, NOW, [crm.activation.name])
    )

    async def run() -> Run:
        names = [crm.activation.destination]
        async with connect(names, crm.credentials(**changes), restraint or Restraint()) as destinations:
            return await apply_plan(
                plan, destinations, journal, history, progress, verify=verify, keep_going=keep_going
            )

    try:
        return asyncio.run(run())
    finally:
        journal.close()


def journaled(folder: Path) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in (folder / "run-1.jsonl").read_bytes().splitlines()]


def answered(folder: Path) -> list[str]:
    """The status of each answer that the journal has."""
    outcomes = (line["results"] for line in journaled(folder) if line["type"] == "outcome")
    return [item["status"] for results in outcomes for item in results]


def writes(crm: Crm) -> list[dict[str, Any]]:
    return crm.requests(BATCH_PATH[crm.activation.destination])


def number(value: object) -> float:
    return float(str(value))
