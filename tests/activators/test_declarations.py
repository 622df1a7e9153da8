"""Every mistake in a declaration is one line that names the file, the place and the mend."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from activators.activation import ColumnType
from activators.declarations import read_activations, read_manifest
from activators.errors import DeclarationError

Manifest = dict[str, Any]


def column(name: str, data_type: str | None, meta: dict[str, Any], *constraints: str) -> dict[str, Any]:
    return {
        "name": name,
        "data_type": data_type,
        "description": f"What {name} says.",
        "config": {"meta": meta},
        "constraints": [{"type": item} for item in constraints],
    }


def following(kind: str, sync: dict[str, Any]) -> dict[str, Any]:
    """The diff or plan model of a sync model."""
    suffix = sync["name"].removeprefix("sync_")
    parent = sync["unique_id"] if kind == "diff" else f"model.p.diff_{suffix}"
    name = f"{kind}_{suffix}"
    own = {"unique_id": f"model.p.{name}", "name": name, "alias": name, "schema": "plans"}
    return sync | own | {"depends_on": {"nodes": [parent]}, "original_file_path": f"models/{name}.sql"}


@pytest.fixture
def manifest() -> Manifest:
    """As much of dbt's manifest as the reader reads; `test_the_projects_own` reads a whole one."""
    sync = {
        "unique_id": "model.p.sync_hubspot__contacts",
        "resource_type": "model",
        "name": "sync_hubspot__contacts",
        "package_name": "p",
        "alias": "sync_hubspot__contacts",
        "schema": "activations",
        "original_file_path": "models/sync.sql",
        "patch_path": "p://models/sync.yml",
        "config": {"contract": {"enforced": True}},
        "constraints": [],
        "columns": {
            "contact_id": column("contact_id", "varchar", {}, "not_null", "primary_key"),
            "days": column("days", "integer", {"property": "usage_days", "label": "Days"}),
            "note": column("note", "varchar", {}),
        },
        "depends_on": {"nodes": []},
    }
    exposure = {
        "name": "hubspot_contacts",
        "original_file_path": "models/sync.yml",
        "depends_on": {"nodes": ["model.p.sync_hubspot__contacts"]},
        "config": {"meta": {"activation": {"destination": "hubspot", "object": "contacts", "key": "contact_id"}}},
    }
    return {
        "nodes": {node["unique_id"]: node for node in (sync, following("diff", sync), following("plan", sync))},
        "exposures": {"exposure.p.hubspot_contacts": exposure},
        "sources": {},
    }


def activation_of(manifest: Manifest) -> dict[str, Any]:
    found: dict[str, Any] = manifest["exposures"]["exposure.p.hubspot_contacts"]["config"]["meta"]["activation"]
    return found


def sync_of(manifest: Manifest) -> dict[str, Any]:
    found: dict[str, Any] = manifest["nodes"]["model.p.sync_hubspot__contacts"]
    return found


def test_a_column_without_a_property_is_never_sent(manifest: Manifest) -> None:
    (activation,) = read_activations(manifest)
    assert [item.name for item in activation.properties] == ["usage_days"]
    assert activation.plan_relation == '"plans"."plan_hubspot__contacts"'
    assert [(model.name, model.file) for model in activation.models] == [
        ("sync_hubspot__contacts", "run/p/models/sync.sql"),
        ("diff_hubspot__contacts", "run/p/models/diff_hubspot__contacts.sql"),
        ("plan_hubspot__contacts", "run/p/models/plan_hubspot__contacts.sql"),
    ]


def test_an_exposure_that_is_no_activation_is_left_alone(manifest: Manifest) -> None:
    manifest["exposures"]["exposure.p.hubspot_contacts"]["config"]["meta"] = {"owner": "somebody"}
    assert read_activations(manifest) == ()


def set_activation(**values: Any) -> Any:
    return lambda manifest: activation_of(manifest).update(values)


def set_column(name: str, **values: Any) -> Any:
    return lambda manifest: sync_of(manifest)["columns"][name].update(values)


def set_meta(**values: Any) -> Any:
    return lambda manifest: sync_of(manifest)["columns"]["days"]["config"]["meta"].update(values)


@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        (
            set_activation(guard={}),
            "exposure hubspot_contacts: meta.activation.guard: unknown key; did you mean guards?",
        ),
        (
            set_activation(guards={"max_change_shar": 0.1}),
            "guards.max_change_shar: unknown key; did you mean max_change_share?",
        ),
        (
            set_activation(guards={"max_change_share": 50}),
            "guards.max_change_share: input should be less than or equal to 1",
        ),
        (
            set_activation(destination="marketo"),
            "meta.activation.destination: no destination is called marketo; known destinations: hubspot, salesforce",
        ),
        (set_activation(key="days"), "key days is not the primary key of sync_hubspot__contacts"),
        (set_activation(key="nobody"), "key nobody is not the primary key"),
        (set_meta(on_nul="keep"), "column days: meta.on_nul: unknown key; did you mean on_null?"),
        (set_meta(on_null="wipe"), "column days: meta.on_null: input should be 'keep' or 'clear'"),
        (
            set_meta(property="Usage Days"),
            "column days: property Usage Days cannot exist; a HubSpot name is lower-case",
        ),
        (set_meta(property="hs_days"), "column days: property hs_days cannot exist"),
        (set_column("days", data_type="struct(a int)"), "column days: no CRM field can hold struct(a int)"),
        (set_column("days", data_type=None), "column days: no CRM field can hold no data_type"),
        (
            set_column("note", config={"meta": {"property": "usage_days", "label": "Note"}}),
            "column note: property usage_days is already filled by days of hubspot_contacts",
        ),
        (set_column("note", config={"meta": {"label": "Note"}}), "column note: meta.property: missing; add it"),
        (
            set_column("note", config={"meta": {"propertyy": "x"}}),
            "column note: meta.propertyy: unknown key; did you mean property?",
        ),
        (set_column("days", data_type="decimal(p,2)"), "column days: no CRM field can hold decimal(p,2)"),
        (set_column("days", config={"meta": {}}), "no column of sync_hubspot__contacts has a meta.property"),
        (
            lambda manifest: sync_of(manifest)["config"]["contract"].update(enforced=False),
            "sync_hubspot__contacts has no enforced contract",
        ),
        (
            lambda manifest: manifest["nodes"].pop("model.p.plan_hubspot__contacts"),
            "no model plan_hubspot__contacts depends on diff_hubspot__contacts",
        ),
        (
            lambda manifest: manifest["exposures"]["exposure.p.hubspot_contacts"]["depends_on"].update(nodes=[]),
            "depends on 0 models; name exactly one sync_ model",
        ),
    ],
)
def test_a_mistake_is_one_line_with_its_file_and_its_mend(manifest: Manifest, mistake: Any, message: str) -> None:
    mistake(manifest)
    with pytest.raises(DeclarationError) as caught:
        read_activations(manifest)
    # A broken line leaves other lines about the same column true; each stands alone.
    (text,) = [line for line in str(caught.value).splitlines() if message in line]
    assert text.startswith("models/sync.yml: exposure hubspot_contacts: ")


def test_every_mistake_is_told_at_once(manifest: Manifest) -> None:
    set_meta(on_null="wipe")(manifest)
    set_column("note", config={"meta": {"label": "Note"}})(manifest)
    with pytest.raises(DeclarationError) as caught:
        read_activations(manifest)
    assert len(str(caught.value).splitlines()) == 2


def test_two_activations_of_one_object_cannot_fill_one_property(manifest: Manifest) -> None:
    sync = copy.deepcopy(sync_of(manifest)) | {
        "name": "sync_hubspot__people",
        "unique_id": "model.p.sync_hubspot__people",
    }
    for node in (sync, following("diff", sync), following("plan", sync)):
        manifest["nodes"][node["unique_id"]] = node
    exposure = copy.deepcopy(manifest["exposures"]["exposure.p.hubspot_contacts"])
    exposure |= {"name": "hubspot_people", "depends_on": {"nodes": ["model.p.sync_hubspot__people"]}}
    manifest["exposures"]["exposure.p.hubspot_people"] = exposure
    with pytest.raises(DeclarationError, match="property usage_days is already filled by days of hubspot_contacts"):
        read_activations(manifest)


@pytest.mark.parametrize("name", ["Usage_Days__c", "Description", "A__c"])
def test_salesforce_takes_its_own_names(manifest: Manifest, name: str) -> None:
    activation_of(manifest).update(destination="salesforce", object="Contact")
    set_meta(property=name)(manifest)
    assert read_activations(manifest)[0].properties[0].name == name


@pytest.mark.parametrize("name", ["1st__c", "Two__Parts__c", "Trailing___c", "Usage Days__c", "x" * 41 + "__c"])
def test_salesforce_refuses_other_names(manifest: Manifest, name: str) -> None:
    activation_of(manifest).update(destination="salesforce", object="Contact")
    set_meta(property=name)(manifest)
    with pytest.raises(DeclarationError, match="cannot exist; a Salesforce custom field"):
        read_activations(manifest)


@pytest.mark.parametrize(
    ("data_type", "expected"),
    [
        ("integer", ColumnType("number", 0)),
        ("decimal(12,2)", ColumnType("number", 2, 12)),
        ("DECIMAL(9, 3)", ColumnType("number", 3, 9)),
        ("double", ColumnType("number", 8)),
        ("decimal", ColumnType("number", 3)),
        ("timestamp with time zone", ColumnType("datetime")),
        ("varchar(20)", ColumnType("string", length=20)),
        ("date", ColumnType("date")),
        ("boolean", ColumnType("boolean")),
        ("json", None),
    ],
)
def test_contract_types_come_down_to_families(data_type: str, expected: ColumnType | None) -> None:
    assert ColumnType.parse(data_type) == expected


def test_a_missing_manifest_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(DeclarationError, match="run `dbt build`"):
        read_manifest(tmp_path / "manifest.json")


def test_the_tables_between_the_ledger_and_a_diff_are_known(manifest: Manifest) -> None:
    """A view is never behind, a seed says nothing of writes, and what the sync model reads is not compared with."""
    nodes, sync = manifest["nodes"], manifest["nodes"]["model.p.sync_hubspot__contacts"]
    manifest["sources"]["source.p.ledger.writes"] = {"source_name": "ledger"}
    manifest["sources"]["source.p.hubspot.contacts"] = {"source_name": "hubspot"}

    def add(name: str, materialized: str, *parents: str) -> None:
        own = {"unique_id": f"model.p.{name}", "name": name, "alias": name, "schema": "audit"}
        about = {"config": {"materialized": materialized}, "depends_on": {"nodes": list(parents)}}
        nodes[own["unique_id"]] = sync | own | about | {"original_file_path": f"models/{name}.sql"}

    add("stg_ledger__writes", "view", "source.p.ledger.writes")
    add("landing", "table", "source.p.hubspot.contacts")
    add("codes", "seed")
    add("latest", "incremental", "model.p.stg_ledger__writes")
    add("rejected", "table", "model.p.latest", "model.p.codes")
    add("report", "table", "model.p.stg_ledger__writes")
    sync["depends_on"] = {"nodes": ["model.p.report"]}
    nodes["model.p.diff_hubspot__contacts"]["depends_on"]["nodes"] += ["model.p.landing", "model.p.rejected"]
    (declared,) = read_activations(manifest)
    assert [(model.name, model.file, model.relation) for model in declared.written] == [
        ("latest", "run/p/models/latest.sql", '"audit"."latest"'),
        ("rejected", "run/p/models/rejected.sql", '"audit"."rejected"'),
    ]
