"""What a load asks the vendors for is what the project's sources declare."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from activators.errors import PlanError
from backhaul.steps import wanted


def source(vendor: str, table: str, /, *columns: str, history: object = None, **meta: object) -> dict[str, Any]:
    """Declare a table as dbt's manifest does; `history` is what its last column says."""
    declared: dict[str, Any] = {name: {"name": name, "config": {"meta": {}}} for name in columns}
    if history is not None:
        declared[columns[-1]]["config"]["meta"]["history"] = history
    return {
        "source_name": vendor,
        "name": table,
        "columns": declared,
        "config": {"meta": meta},
        "original_file_path": f"models/_{vendor}__sources.yml",
    }


def manifest(*sources: dict[str, Any]) -> dict[str, Any]:
    return {
        "sources": {f"source.backhaul.{one['source_name']}.{one['name']}": one for one in sources},
        "exposures": {},
        "nodes": {},
    }


def test_the_columns_of_a_source_are_what_is_asked_for() -> None:
    found = wanted(
        manifest(
            source("hubspot", "contacts", "id", "archived", "email", object="contacts"),
            source("salesforce", "contact", "Id", "Email", object="Contact"),
            source("pendo", "visitors", "visitor_id"),
            source("pendo", "events", "day"),
        )
    )
    # What the landing makes itself is no property.
    assert found.hubspot == {"contacts": ("email",)}
    assert found.salesforce == {"Contact": ("Id", "Email")}
    assert found.pendo == {"visitors", "events"}


def test_a_table_that_is_no_object_is_not_asked_for_as_one() -> None:
    found = wanted(manifest(source("hubspot", "owners", "id"), source("salesforce", "limits", "name")))
    assert (found.hubspot, found.salesforce, found.hubspot_associations) == ({}, {}, ())


def test_associations_are_landed_from_the_object_that_names_others_each_once() -> None:
    found = wanted(
        manifest(
            source("hubspot", "contacts", "id", object="contacts", associations=["companies", "deals", "companies"]),
            source("hubspot", "companies", "id", object="companies"),
        )
    )
    assert found.hubspot_associations == (("contacts", "companies"), ("contacts", "deals"))


@pytest.mark.parametrize("associations", ["companies", [1], {"companies": True}, None])
def test_associations_that_are_no_list_of_objects_are_refused(associations: object) -> None:
    declared = source("hubspot", "contacts", "id", object="contacts", associations=associations)
    with pytest.raises(PlanError, match=r"_hubspot__sources.yml: table contacts: meta.associations is .*give a list"):
        wanted(manifest(declared))


def test_histories_are_landed_of_the_columns_that_ask_for_them() -> None:
    found = wanted(
        manifest(
            source("hubspot", "contacts", "id", "email", "jobtitle", object="contacts", history=True),
            source("hubspot", "companies", "id", "domain", object="companies", history=False),
            source("hubspot", "deals", "id", "dealname", object="deals"),
        )
    )
    assert found.hubspot_history == {"contacts": ("jobtitle",)}


@pytest.mark.parametrize("history", ["yes", 1, ["true"]])
def test_a_history_that_is_neither_true_nor_false_is_refused(history: object) -> None:
    declared = source("hubspot", "contacts", "id", "jobtitle", object="contacts", history=history)
    with pytest.raises(PlanError, match=r"table contacts: column jobtitle: meta\.history is .* give true or false"):
        wanted(manifest(declared))


@pytest.mark.parametrize("table", ["subscription_statuses", "subscriptions"])
def test_subscriptions_are_landed_when_their_statuses_are_a_source(table: str) -> None:
    found = wanted(manifest(source("hubspot", "contacts", "id", object="contacts"), source("hubspot", table, "email")))
    assert found.hubspot_subscriptions is (table == "subscription_statuses")


@pytest.mark.parametrize("table", ["event_definitions", "events"])
def test_events_are_landed_when_their_definitions_are_a_source(table: str) -> None:
    found = wanted(manifest(source("hubspot", "contacts", "id", object="contacts"), source("hubspot", table, "name")))
    assert found.hubspot_events is (table == "event_definitions")


@pytest.mark.parametrize(("hours", "every"), [(24, timedelta(days=1)), (0, timedelta(0)), (0.5, timedelta(minutes=30))])
def test_formulas_are_read_again_as_often_as_their_object_says(hours: float, every: timedelta) -> None:
    found = wanted(
        manifest(
            source("salesforce", "contact", "Id", object="Contact", formulas_every_hours=hours),
            source("salesforce", "account", "Id", object="Account"),
        )
    )
    assert found.salesforce_formulas == {"Contact": every}


@pytest.mark.parametrize("hours", ["24", -1, True, [1], float("nan"), float("inf")])
def test_a_number_of_hours_that_is_none_is_refused(hours: object) -> None:
    declared = source("salesforce", "contact", "Id", object="Contact", formulas_every_hours=hours)
    with pytest.raises(PlanError, match=r"_salesforce__sources.yml: table contact: meta.formulas_every_hours is"):
        wanted(manifest(declared))


def test_hours_of_a_table_that_is_no_object_are_refused() -> None:
    with pytest.raises(PlanError, match=r"table limits: meta.formulas_every_hours .* meta.object"):
        wanted(manifest(source("salesforce", "limits", "name", formulas_every_hours=24)))
