"""The whole loop, as a user runs it: every step leaves what the next one counts on."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from activators.activation import Activation, ColumnType, Property
from activators.errors import DeclarationError, PlanError, Unreachable
from activators.plan import Plan, read_changes
from activators.values import same_value
from activators.written import read_runs, read_writes
from backhaul import steps
from sandbox.world import build_world
from tests.activators.conftest import metadata
from tests.conftest import AS_OF, CRM_SIDE, ROOT, WITHOUT_UNIT_TESTS, Loop, looping, transforming
from tests.occurrences import Occurrence, sent_events, true_occurrences

OBJECTS = {
    "hubspot_contacts": ("hubspot", "contacts", "contact_id"),
    "hubspot_companies": ("hubspot", "companies", "company_id"),
    "salesforce_contacts": ("salesforce", "Contact", "contact_id"),
    "salesforce_accounts": ("salesforce", "Account", "account_id"),
    "salesforce_leads": ("salesforce", "Lead", "lead_id"),
    "salesforce_opportunities": ("salesforce", "Opportunity", "opportunity_id"),
    "salesforce_subscriptions": ("salesforce", "Subscription__c", "subscription_id"),
    "pendo_visitors": ("pendo", "visitor", "visitor_id"),
    "pendo_accounts": ("pendo", "account", "account_id"),
}
# What refers to an account, and by which field.
PARENTS = {"Opportunity": "AccountId", "Subscription__c": "Account__c"}
WRITES = ("/batch/update", "/batch/upsert", "/send/batch", "/composite/sobjects", "/custom/value")
# Which property of which CRM's record fills a metadata field; `email` is its owner's.
FILLS = {
    "visitor": {
        ("hubspot", "contacts"): {
            "hubspot_lifecycle_stage": "lifecyclestage",
            "hubspot_job_title": "jobtitle",
            "hubspot_created_at": "createdate",
            "hubspot_owner_email": "email",
        },
        ("salesforce", "Contact"): {"salesforce_job_title": "Title", "salesforce_owner_email": "email"},
    },
    "account": {
        ("hubspot", "companies"): {
            "hubspot_lifecycle_stage": "lifecyclestage",
            "hubspot_industry": "industry",
            "hubspot_annual_revenue": "annualrevenue",
            "hubspot_employee_count": "numberofemployees",
            "hubspot_owner_email": "email",
        },
        ("salesforce", "Account"): {
            "salesforce_type": "Type",
            "salesforce_industry": "Industry",
            "salesforce_annual_revenue": "AnnualRevenue",
            "salesforce_employee_count": "NumberOfEmployees",
            "salesforce_owner_email": "email",
        },
    },
}
EVENTS = "hubspot_events"
DEFINITIONS = "/events/2026-09/event-definitions"


# The declaration of HubSpot's events, for a custom object: the records have an own id, and show whose they are.
OF_SALESFORCE = """
models:
  - name: sync_salesforce__events
    description: What happened in the product and Salesforce should know of, one row per occurrence.
    columns:
      - name: occurrence_id
        data_type: varchar(36)
        constraints: [{type: not_null}, {type: primary_key}]
        config: {meta: {property: Occurrence_Id__c, label: Occurrence}}
      - {name: event_name, data_type: varchar, config: {meta: {property: Event__c, label: Event}}}
      - {name: record_id, data_type: varchar, config: {meta: {property: Contact_Id__c, label: Contact}}}
      - {name: email, data_type: varchar}
      - name: occurred_at
        data_type: timestamp with time zone
        config: {meta: {property: Occurred_At__c, label: Occurred at}}
      - {name: event_count, data_type: bigint, config: {meta: {property: Times__c, label: Times}}}
      - {name: minutes, data_type: bigint, config: {meta: {property: Minutes__c, label: Minutes}}}
      - {name: account_id, data_type: varchar, config: {meta: {property: Product_Account__c, label: Product account}}}

exposures:
  - name: salesforce_events
    type: application
    owner: {name: RevOps, email: revops@example.com}
    depends_on: [ref('sync_salesforce__events')]
    config:
      meta:
        activation:
          {destination: salesforce, object: Product_Event__c, key: occurrence_id, kind: events, events: sent_events}
"""


# Two objects of an org that the project knows nothing of: the goods of an account, and a custom object whose records
# have a visitor's id of their own. By activation: model, exposure's object, landing table and columns.
MORE_OBJECTS = {
    "assets": ("Asset", "AccountId"),
    "product_users": ("Product_User__c", "Visitor_Id__c"),
}
MORE_SYNCS = {
    "assets": """
select assets."Id" as record_id, account_metrics.active_days_last_30, account_metrics.last_visit_at
from {{ source('salesforce', 'asset') }} as assets
inner join {{ ref('matches') }} as matches
    on assets."AccountId" = matches.record_id and matches.crm = 'salesforce' and matches.object = 'Account'
inner join {{ ref('fct_account_metrics') }} as account_metrics on matches.product_id = account_metrics.account_id
where not assets."IsDeleted"
""",
    "product_users": """
select users."Id" as record_id, visitor_metrics.active_days_last_30, visitor_metrics.last_visit_at
from {{ source('salesforce', 'product_user__c') }} as users
inner join {{ ref('fct_visitor_metrics') }} as visitor_metrics on users."Visitor_Id__c" = visitor_metrics.visitor_id
where not users."IsDeleted"
""",
}
MORE_DECLARED = """
models:
  - name: sync_salesforce__{name}
    columns:
      - {{name: record_id, data_type: varchar, constraints: [{{type: not_null}}, {{type: primary_key}}]}}
      - name: active_days_last_30
        data_type: integer
        config: {{meta: {{property: Usage_Active_Days_30d__c, label: Active days}}}}
      - name: last_visit_at
        data_type: timestamp with time zone
        config: {{meta: {{property: Usage_Last_Visit_At__c, label: Last visit}}}}

exposures:
  - name: salesforce_{name}
    type: application
    owner: {{name: RevOps, email: revops@example.com}}
    depends_on: [ref('sync_salesforce__{name}')]
    config: {{meta: {{activation: {{destination: salesforce, object: {object}, key: record_id}}}}}}
"""
MORE_SOURCES = """
      - name: {table}
        config: {{meta: {{object: {object}}}}}
        columns: [{{name: Id}}, {{name: IsDeleted}}, {{name: SystemModstamp}}, {{name: {column}}}]
"""


def record_writes(loop: Loop) -> int:
    requests: Any = loop.ask("/requests")
    return sum(item["path"].endswith(WRITES) for item in requests)


def stored(loop: Loop, name: str) -> dict[str, dict[str, Any]]:
    vendor, kind, _ = OBJECTS[name]
    if vendor == "pendo":
        return metadata(loop.sandbox, kind)
    found: Any = loop.ask(f"/records/{vendor}/{kind}")
    return {item.get("id") or item["Id"]: item.get("properties", item) for item in found}


def planned(plan: Plan) -> dict[tuple[str, str, str], str | None]:
    return {
        (item.name, record.record_id, change.property): change.after
        for item in plan.activations
        for record in read_changes(plan.folder / item.file)
        for change in record.changes
    }


def new_lead(loop: Loop) -> tuple[str, str]:
    """A visitor whom HubSpot has once and Salesforce not at all, and the open lead that becomes theirs."""
    truth: Any = loop.ask("/truth/matches")
    known = {one for item in truth["conflicts"] for one in item["product_ids"]}
    known |= {item["product_id"] for item in truth["matches"] if item["crm"] == "salesforce"}
    contacts: Any = {item["id"]: item["properties"] for item in loop.ask("/records/hubspot/contacts")}
    people = (item for item in truth["matches"] if item["object"] == "contacts" and item["product_id"] not in known)
    visitor, address = next(
        (item["product_id"], email) for item in people if (email := contacts[item["record_id"]]["email"]).isascii()
    )
    active = {one["Id"] for one in loop.ask("/records/salesforce/User") if one["IsActive"]}
    leads: Any = loop.ask("/records/salesforce/Lead")
    lead = next(item["Id"] for item in leads if not item["IsConverted"] and item["OwnerId"] in active)
    loop.tell("/edit", vendor="salesforce", object="Lead", id=lead, properties={"Email": address})
    return visitor, lead


@pytest.fixture(scope="module")
def loop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loop]:
    """A loop that the tests of this module take from step to step, in their order."""
    with looping(tmp_path_factory.mktemp("loop"), seed=11, visitors=200) as running:
        # What the world leaves empty, of accounts that no CRM has twice.
        truth: Any = running.ask("/truth/matches")
        doubled = {one for item in truth["conflicts"] for one in item["product_ids"]}
        for vendor, kind, values in (
            ("hubspot", "companies", {"annualrevenue": "1250000.50", "lifecyclestage": "customer"}),
            ("salesforce", "Account", {"AnnualRevenue": 980000}),
        ):
            record_id = next(
                item["record_id"]
                for item in truth["matches"]
                if item["object"] == kind and item["product_id"] not in doubled
            )
            running.tell("/edit", vendor=vendor, object=kind, id=record_id, properties=values)
        running.load()
        running.build(*WITHOUT_UNIT_TESTS)
        yield running


def updating(loop: Loop) -> list[Activation]:
    """The activations that write properties of records."""
    return [item for item in steps.activations(loop.settings) if item.kind == "properties"]


def test_before_provisioning_no_property_can_be_written_and_the_plan_says_why(loop: Loop) -> None:
    plan = loop.plan()
    assert plan.changes == 0
    assert {(reason.decision, reason.reason) for item in plan.activations for reason in item.reasons} >= {
        ("invalid", "missing_property"),
        ("invalid", "missing_definition"),
    }


def test_provisioning_creates_what_is_missing_and_only_once(loop: Loop) -> None:
    # The last event is left for later.
    declared = [replace(item, events=item.events[:-1]) for item in steps.activations(loop.settings)]
    first = steps.provision(loop.settings, declared)
    assert {item.activation: len(item.created) for item in first} == {
        item.name: len(item.events or item.properties) for item in declared
    }
    assert all(not item.created for item in steps.provision(loop.settings, declared))


def events_of(loop: Loop) -> Activation:
    return next(item for item in steps.activations(loop.settings) if item.name == EVENTS)


def test_applying_the_plan_makes_the_crms_say_what_the_models_say(loop: Loop) -> None:
    changed, *_, never_made = events_of(loop).events
    # An administrator thinks that nobody needs the account in one event.
    with hubspot(loop) as http:
        (full_name,) = (
            one["fullyQualifiedName"]
            for one in http.get(DEFINITIONS).raise_for_status().json()["results"]
            if one["name"] == changed.name
        )
        http.delete(f"{DEFINITIONS}/{full_name}/property/account_id").raise_for_status()
    loop.load("hubspot", "salesforce", "pendo")
    loop.build(*CRM_SIDE)
    checked = {str(mistake).partition(f"exposure {EVENTS}: ")[2] for mistake in steps.check(loop.settings).mistakes}
    assert checked == {
        f"column account_id: HubSpot's event {changed.name} has no property account_id; run `backhaul provision`",
        f"HubSpot has no event {never_made.name}; run `backhaul provision`",
    }
    plan = loop.plan()
    (waiting,) = (item for item in plan.activations if item.name == EVENTS)
    assert waiting.occurrences.keys() & {never_made.name} == set()
    assert {(item.decision, item.reason, item.sample.property) for item in waiting.reasons} >= {
        ("invalid", "missing_definition", never_made.name),
        ("invalid", "missing_property", changed.name),
    }
    # The world's leads are strangers to the product.
    assert {item.name for item in plan.activations if item.changes} == {*OBJECTS, EVENTS} - {"salesforce_leads"}
    run = loop.apply(plan)
    assert run.complete
    assert sum(item.values for item in run.activations) == plan.changes
    calls = {item.name: item.calls for item in plan.activations}
    assert [item.calls for item in run.activations if item.name == EVENTS] == [calls[EVENTS]]
    for activation in updating(loop):
        columns = [item.column for item in activation.properties]
        wanted = loop.rows(f"select {activation.key}, {', '.join(columns)} from {activation.sync_relation}")
        records = stored(loop, activation.name)
        for record_id, *values in wanted:
            for item, value in zip(activation.properties, values, strict=True):
                said = records[str(record_id)].get(item.name)
                assert (said in {None, ""}) == (value is None), (record_id, item.name)
                if item.type.family == "number" and value is not None:
                    assert float(said) == float(str(value)), (record_id, item.name)


def test_what_waited_for_an_event_is_sent_the_day_after_it_was_provisioned(loop: Loop) -> None:
    declared = events_of(loop)
    changed, *_, never_made = declared.events
    waited = dict(
        loop.rows(
            f"select property, count(*) from {declared.plan_relation} "
            "where reason in ('missing_definition', 'missing_property') group by property"
        )
    )
    assert waited.keys() == {changed.name, never_made.name}
    (done,) = steps.provision(loop.settings, [declared])
    assert set(done.created) == {never_made.name, f"{changed.name}.account_id"}
    loop.load("hubspot", "ledger")
    loop.build(*CRM_SIDE)
    (sealed,) = (plan := steps.plan(loop.settings, [declared])).activations
    assert (sealed.invalid, sealed.held) == (0, 0)
    # Of nobody whom HubSpot knows is what is kept; it waited, too.
    kept = dict(
        loop.rows(f"select property, count(*) from {declared.plan_relation} where decision = 'keep' group by property")
    )
    sent = {name: count + kept.get(name, 0) for name, count in sealed.occurrences.items()}
    assert sent[never_made.name] == waited[never_made.name]
    assert sealed.occurrences.keys() == {changed.name, never_made.name}
    assert loop.apply(plan).complete


def owners(loop: Loop) -> dict[str, str]:
    """The addresses of HubSpot's owners, by id."""
    key = loop.settings.hubspot_access_token.get_secret_value()
    url = f"{loop.settings.hubspot_base_url}/crm/owners/2026-09"
    answers = [
        httpx.get(url, params={"limit": 100, "archived": archived}, headers={"Authorization": f"Bearer {key}"})
        for archived in ("false", "true")
    ]
    return {item["id"]: item["email"] for answer in answers for item in answer.raise_for_status().json()["results"]}


def true_metadata(loop: Loop, kind: str) -> dict[str, dict[str, object]]:
    """What Pendo must hold, by the sandbox's own matches and the CRMs' own records.

    Whom a CRM has several times is left alone.
    """
    truth: Any = loop.ask("/truth/matches")
    doubled = {one for item in truth["conflicts"] if item["product_object"] == kind for one in item["product_ids"]}
    wanted: dict[str, dict[str, object]] = {}
    for (crm, of), fields in FILLS[kind].items():
        found: Any = loop.ask(f"/records/{crm}/{of}")
        records = {item.get("id") or item["Id"]: item.get("properties", item) for item in found}
        emails = (
            owners(loop)
            if crm == "hubspot"
            else {one["Id"]: one["Email"] for one in loop.ask("/records/salesforce/User")}
        )
        owner = "hubspot_owner_id" if crm == "hubspot" else "OwnerId"
        for item in truth["matches"]:
            if (item["crm"], item["object"]) == (crm, of) and item["product_id"] not in doubled:
                record = records[item["record_id"]]
                said = record | {"email": emails.get(record.get(owner))}
                values = wanted.setdefault(item["product_id"], {})
                values |= {name: said.get(prop) for name, prop in fields.items() if said.get(prop) not in {None, ""}}
    return wanted


@pytest.mark.parametrize("kind", ["visitor", "account"])
def test_every_value_in_pendo_is_the_crms_and_nobody_was_made(loop: Loop, kind: str) -> None:
    assert_pendo_is_true(loop, kind)
    # The edited ones, as numbers and not as texts.
    if kind == "account":
        found = metadata(loop.sandbox, kind).values()
        assert {item.get("hubspot_annual_revenue") for item in found} >= {1250000.5}
        assert {item.get("salesforce_annual_revenue") for item in found} >= {980000}


def assert_pendo_is_true(loop: Loop, kind: str) -> None:
    wanted = true_metadata(loop, kind)
    held = metadata(loop.sandbox, kind)
    landed = loop.rows(f"select count(*), count(distinct {kind}_id) from pendo.{kind}s")
    assert landed == [(len(held), len(held))]
    families = {
        item.name: item.type.family
        for activation in steps.activations(loop.settings)
        if activation.name == f"pendo_{kind}s"
        for item in activation.properties
    }
    assert len(wanted) > 3
    for product_id, groups in held.items():
        values = {name: value for name, value in groups.items() if name in families}
        expected = wanted.get(product_id, {})
        assert values.keys() == expected.keys(), product_id
        for name, value in values.items():
            assert same_value(families[name], str(value), str(expected[name])), (product_id, name)


def hubspot(loop: Loop) -> httpx.Client:
    """HubSpot's API, as an administrator's script has it."""
    key = loop.settings.hubspot_access_token.get_secret_value()
    headers = {"Authorization": f"Bearer {key}"}
    return httpx.Client(base_url=loop.settings.hubspot_base_url, headers=headers, timeout=60)


def recorded(loop: Loop) -> list[Occurrence]:
    """Every occurrence in HubSpot."""
    with hubspot(loop) as http:
        defined = http.get(DEFINITIONS).raise_for_status().json()["results"]
        names = {one["fullyQualifiedName"]: one["name"] for one in defined}
        found: list[dict[str, Any]] = []
        for name in names:
            params = {"eventType": name, "limit": "1000"}
            while params:
                body = http.get("/events/event-occurrences/2026-09", params=params).raise_for_status().json()
                found += body["results"]
                after = body.get("paging", {}).get("next", {}).get("after")
                params = {**params, "after": after} if after else {}
    return [
        (
            one["objectId"],
            names[one["eventType"]],
            one["occurredAt"][:19],
            float(one["properties"]["event_count"]),
            float(one["properties"]["minutes"]) if "minutes" in one["properties"] else None,
            one["properties"].get("account_id"),
        )
        for one in found
    ]


def test_only_matched_records_were_touched(loop: Loop) -> None:
    for activation in updating(loop):
        matched = {str(row[0]) for row in loop.rows(f"select {activation.key} from {activation.sync_relation}")}
        names = [item.name for item in activation.properties]
        touched = {
            record_id
            for record_id, values in stored(loop, activation.name).items()
            if any(values.get(name) not in {None, ""} for name in names)
        }
        assert touched <= matched


def test_a_plan_is_applied_once(loop: Loop) -> None:
    with pytest.raises(PlanError, match="was applied already"):
        loop.apply(steps.open_plan(loop.settings, None))


def test_the_ledger_alone_makes_the_next_plan_empty(loop: Loop) -> None:
    """What we wrote is known before the CRM has been landed again."""
    loop.load("ledger")
    loop.build(*CRM_SIDE)
    plan = loop.plan()
    assert all(item.changes == item.held == item.invalid == 0 for item in plan.activations)


def true_usage(of: dict[str, Any]) -> dict[str, str | None]:
    """By column, what a CRM must hold of a visitor or an account that was used so; in units and hundredths of it."""
    said: dict[str, str | None] = {
        # CRMs keep whole seconds.
        f"{name}_at": None if of[name] is None else str(of[name] // 1000 * 1000)
        for name in ("first_visit", "last_visit")
    }
    for days, window in of["windows"].items():
        said[f"active_days_last_{days}"] = str(window["active_days"])
        said[f"minutes_last_{days}"] = str(window["minutes"])
        said[f"usage_trend_percent_last_{days}"] = rounded(window["trending_percent"], "0.01")
    if "visitors" in of:
        said |= {"nps_score": rounded(of["nps_score"], "0.1"), "poll_average": rounded(of["poll_average"], "0.01")}
        return said | {"visitor_count": str(of["visitors"])}
    return said | {
        name: None if of[name] is None else str(of[name]) for name in ("latest_nps_rating", "latest_poll_response")
    }


def rounded(value: float | None, places: str) -> str | None:
    return None if value is None else str(Decimal(repr(value)).quantize(Decimal(places), ROUND_HALF_UP))


def assert_usage_is_true(loop: Loop, activation: Activation) -> None:
    """Every value in a CRM is what the world's own minutes say of the match, and nobody else has one."""
    metrics, matches = loop.ask("/truth/metrics"), loop.ask("/truth/matches")["matches"]
    vendor, kind, _ = OBJECTS[activation.name]
    # What belongs to an account says what its account says.
    parent = PARENTS.get(kind)
    usage = {
        one["record_id"]: true_usage(metrics[f"{one['product_object']}s"][one["product_id"]])
        for one in matches
        if (one["crm"], one["object"]) == (vendor, "Account" if parent else kind)
    }
    records = stored(loop, activation.name)
    of = {one: record[parent] if parent else one for one, record in records.items() if not record.get("IsClosed")}
    wanted = {one: usage[named] for one, named in of.items() if named in usage}
    # The world's leads are strangers to the product.
    assert len(wanted) > 1 or kind == "Lead"
    for record_id, record in records.items():
        expected = wanted.get(record_id, {})
        assert not expected or expected.keys() >= {item.column for item in activation.properties}
        for item in activation.properties:
            said = record.get(item.name)
            text = None if said is None else str(said)
            assert same_value(item.type.family, text, expected.get(item.column)), (record_id, item.name)


def test_a_round_trip_ends_with_every_value_as_the_world_has_it_and_nothing_left_to_send(loop: Loop) -> None:
    """CRM properties are in Pendo, usage is in both CRMs, events are in HubSpot, and the second run is empty."""
    before = record_writes(loop)
    assert before > len(OBJECTS)
    loop.load()
    loop.build(*WITHOUT_UNIT_TESTS)
    plan = loop.plan()
    assert {item.name for item in plan.activations} == {*OBJECTS, EVENTS}
    assert all(item.changes == item.held == item.invalid == 0 for item in plan.activations)
    assert loop.apply(plan).complete
    assert record_writes(loop) == before

    assert_pendo_is_true(loop, "visitor")
    assert_pendo_is_true(loop, "account")
    for activation in updating(loop):
        if activation.destination != "pendo":
            assert_usage_is_true(loop, activation)
    wanted = true_occurrences(loop, build_world(11, 200, AS_OF), "hubspot", "contacts")
    assert {row["kind"] for row in sent_events()} == {"page", "feature", "track_type"}
    assert {name for _, name, *_ in wanted} == {row["event_name"] for row in sent_events()}
    assert sorted(recorded(loop), key=str) == sorted(wanted, key=str)


def copied_project(folder: Path) -> None:
    for part in ("models", "macros", "seeds"):
        shutil.copytree(ROOT / part, folder / part)
    for part in ("dbt_project.yml", "profiles.yml"):
        shutil.copy(ROOT / part, folder / part)


def beside(loop: Loop, project: Path) -> Loop:
    """A loop of a copied project, over a copy of the warehouse, that faces the same CRMs."""
    warehouse = project / "warehouse.duckdb"
    shutil.copy(loop.settings.warehouse, warehouse)
    settings = loop.settings.model_copy(
        update={"warehouse": warehouse, "state": project / "state", "target": project / "target"}
    )
    return Loop(loop.sandbox, settings, transforming(settings, project), loop.control)


def test_the_same_declaration_tells_salesforce_the_same_of_its_own_contacts(loop: Loop, tmp_path: Path) -> None:
    """Three models of HubSpot's are copied: a custom object has a record of each occurrence, and nothing is left."""
    copied_project(tmp_path)
    for kind, folder in (("sync", "activations/{}"), ("diff", "plans"), ("plan", "plans")):
        copied = (ROOT / "models" / folder.format("hubspot") / f"{kind}_hubspot__events.sql").read_text()
        # There an occurrence is a record, and events have no definitions.
        copied = copied.replace("256, 'definitions'", "255")
        for ours, theirs in (("hubspot__", "salesforce__"), ("'hubspot'", "'salesforce'"), ("'contacts'", "'Contact'")):
            copied = copied.replace(ours, theirs)
        (tmp_path / "models" / folder.format("salesforce") / f"{kind}_salesforce__events.sql").write_text(copied)
    (tmp_path / "models/activations/salesforce/sync_salesforce__events.yml").write_text(OF_SALESFORCE)
    theirs = beside(loop, tmp_path)
    settings = theirs.settings
    models = ("--select", *(f"{kind}_salesforce__events" for kind in ("sync", "diff", "plan")))
    theirs.build(*models)
    (declared,) = (item for item in steps.activations(settings) if item.name == "salesforce_events")

    with pytest.raises(DeclarationError, match="Salesforce has no object Product_Event__c, or hides it"):
        steps.provision(settings, [declared])
    made = {"name": declared.object, "label": "Product event", "plural": "Product events"}
    loop.control.post("/do/salesforce/add_object", json=made).raise_for_status()
    (provisioned,) = steps.provision(settings, [declared])
    assert len(provisioned.created) == len(declared.properties) == 7

    run = theirs.apply(steps.plan(settings, [declared]))
    wanted = true_occurrences(loop, build_world(11, 200, AS_OF), "salesforce", "Contact")
    assert run.complete
    assert run.activations[0].confirmed == len(wanted) > 20
    found = [
        (
            one["Contact_Id__c"],
            one["Event__c"],
            one["Occurred_At__c"][:19],
            float(one["Times__c"]),
            one["Minutes__c"] and float(one["Minutes__c"]),
            one["Product_Account__c"],
        )
        for one in loop.ask(f"/records/salesforce/{declared.object}")
    ]
    assert sorted(found, key=str) == sorted(wanted, key=str)

    steps.load(settings, ("ledger",), lambda *_: None)
    theirs.build("--select", "source:ledger+", *models[1:], "--resource-type", "model")
    assert steps.plan(settings, [declared]).changes == 0


def test_other_objects_take_models_and_no_code_matched_by_a_parent_or_by_a_key_of_their_own(
    loop: Loop, tmp_path: Path
) -> None:
    """Assets of matched accounts, and records of a custom object that name their visitor: plan, apply, undo."""
    copied_project(tmp_path)
    sources = tmp_path / "models/staging/salesforce/_salesforce__sources.yml"
    for name, (kind, column) in MORE_OBJECTS.items():
        table = MORE_SOURCES.format(table=kind.lower(), object=kind, column=column)
        sources.write_text(
            sources.read_text().replace("      - name: user\n", f"{table.lstrip(chr(10))}      - name: user\n")
        )
        folder = tmp_path / "models/activations/salesforce"
        (folder / f"sync_salesforce__{name}.sql").write_text(MORE_SYNCS[name])
        (folder / f"sync_salesforce__{name}.yml").write_text(MORE_DECLARED.format(name=name, object=kind))
        for model in ("diff", "plan"):
            copied = (ROOT / f"models/plans/{model}_salesforce__leads.sql").read_text()
            copied = copied.replace("salesforce__leads", f"salesforce__{name}").replace("'Lead'", f"'{kind}'")
            copied = copied.replace("'lead'", f"'{kind.lower()}'")
            (tmp_path / f"models/plans/{model}_salesforce__{name}.sql").write_text(copied)
    made = {"name": "Product_User__c", "label": "Product user", "plural": "Product users"}
    loop.control.post("/do/salesforce/add_object", json=made).raise_for_status()
    theirs = beside(loop, tmp_path)
    theirs.transform.parse()
    declared = [
        item for item in steps.activations(theirs.settings) if item.name.removeprefix("salesforce_") in MORE_OBJECTS
    ]
    key = Property("Visitor_Id__c", "visitor_id", ColumnType("string"), "Visitor", "Whose it is.")
    for item in declared:
        own = (key,) if item.object == "Product_User__c" else ()
        steps.provision(theirs.settings, [replace(item, properties=(*item.properties, *own))])
    visitors = [
        str(one) for (one,) in loop.rows("select visitor_id from metrics.fct_visitor_metrics order by 1 limit 7")
    ]
    with salesforce(loop) as http:
        for visitor in (*visitors, "nobody-known"):
            http.post("/sobjects/Product_User__c", json={"Visitor_Id__c": visitor}).raise_for_status()

    theirs.load("salesforce")
    models = [f"{kind}_salesforce__{name}" for kind in ("sync", "diff", "plan") for name in MORE_OBJECTS]
    theirs.build("--select", "int_crm_properties", *models, "--resource-type", "model")
    plan = steps.plan(theirs.settings, declared)
    records = {item.object: item.records_changed for item in plan.activations}
    assert {item.object: item.reasons for item in plan.activations} == {"Asset": (), "Product_User__c": ()}
    assert records["Product_User__c"] == 7
    assert records["Asset"] > 0
    run = theirs.apply(plan)
    assert run.complete
    assert sum(item.confirmed for item in run.activations) == sum(records.values())
    for item in declared:
        held = {one["Id"]: one for one in loop.ask(f"/records/salesforce/{item.object}")}
        wanted = theirs.rows(f"select record_id, active_days_last_30 from {item.sync_relation}")
        assert len(wanted) == records[item.object]
        assert {(one, held[str(one)]["Usage_Active_Days_30d__c"]) for one, _ in wanted} == set(wanted)
        others = [one for name, one in held.items() if name not in {str(one) for one, _ in wanted}]
        assert not any(one.get("Usage_Active_Days_30d__c") for one in others)
    undone = theirs.apply(steps.undo(theirs.settings, run.run_id, declared))
    assert undone.complete
    for item in declared:
        left = [one["Usage_Active_Days_30d__c"] for one in loop.ask(f"/records/salesforce/{item.object}")]
        assert set(left) == {None}


def salesforce(loop: Loop) -> httpx.Client:
    """Salesforce's data API, as an administrator's script has it."""
    local = loop.sandbox.settings
    form = {"client_id": local["SALESFORCE_CLIENT_ID"], "client_secret": local["SALESFORCE_CLIENT_SECRET"]}
    address = local["SALESFORCE_BASE_URL"]
    answer = httpx.post(f"{address}/services/oauth2/token", data={"grant_type": "client_credentials", **form})
    headers = {"Authorization": f"Bearer {answer.raise_for_status().json()['access_token']}"}
    return httpx.Client(base_url=f"{address}/services/data/v66.0", headers=headers, timeout=60)


def test_after_a_day_only_what_changed_is_sent_and_a_persons_value_is_held(loop: Loop) -> None:
    edited = str(
        loop.rows("select min(contact_id) from activations.sync_hubspot__contacts where active_days_last_30 > 3")[0][0]
    )
    loop.tell("/advance", days=1)
    loop.tell("/edit", vendor="hubspot", object="contacts", id=edited, properties={"usage_active_days_30d": "29"})
    typed = str(loop.rows("select min(visitor_id) from activations.sync_pendo__visitors")[0][0])
    over = {
        "kind": "visitor",
        "id": typed,
        "group": "custom",
        "values": {"hubspot_owner_email": "somebody@else.example"},
    }
    loop.tell("/do/pendo/edit_metadata", **over)
    # Salesforce shows an edit at once.
    promoted, contact = loop.rows(
        "select product_id, record_id from identity.matches where object = 'Contact' "
        "and product_id in (select visitor_id from activations.sync_pendo__visitors) order by 2 desc"
    )[0]
    title = {"Title": "Chief Pilot"}
    loop.tell("/edit", vendor="salesforce", object="Contact", id=str(contact), properties=title)
    loop.load()
    loop.build(*WITHOUT_UNIT_TESTS)
    # Pendo tells of no edit, and every visit moves its own time; what we last wrote tells.
    found = loop.rows("select record_id, property from plans.diff_pendo__visitors where is_edited_since")
    assert found == [(typed, "hubspot_owner_email")]
    before = {name: stored(loop, name) for name in OBJECTS}
    plan = loop.plan()
    changes = planned(plan)
    assert 0 < len(changes) < sum(item.records for item in plan.activations if item.name != EVENTS) * 13
    sent_events = [key for key in changes if key[0] == EVENTS]
    # The day that is closed now, and none that was sent before.
    assert sent_events
    for (name, record_id, prop), after in changes.items():
        if name == EVENTS:
            continue
        now = before[name][record_id].get(prop)
        assert str(now or "") != str(after or ""), (name, record_id, prop)
    assert ("hubspot_contacts", edited, "usage_active_days_30d") not in changes
    (held,) = (item for item in plan.activations if item.held)
    assert held.name == "hubspot_contacts"
    assert held.reasons[0].sample.record_id == edited

    sent_before = len(written(loop))
    run = loop.apply(plan)
    assert run.complete
    assert len(written(loop)) - sent_before == len(changes)
    assert stored(loop, "hubspot_contacts")[edited]["usage_active_days_30d"] == "29"
    # The CRM owns what Pendo holds of it: what was typed over is put back, and what was changed there arrives.
    assert_pendo_is_true(loop, "account")
    held, true = metadata(loop.sandbox, "visitor"), true_metadata(loop, "visitor")
    assert held[typed].get("hubspot_owner_email") == true[typed].get("hubspot_owner_email")
    assert held[str(promoted)]["salesforce_job_title"] == true[str(promoted)]["salesforce_job_title"] == "Chief Pilot"


def test_a_lead_that_is_a_visitor_says_what_is_true_and_no_other_lead_says_anything(loop: Loop) -> None:
    visitor, lead = new_lead(loop)
    loop.load("salesforce", "ledger")
    loop.build(*WITHOUT_UNIT_TESTS)
    assert loop.apply(loop.plan()).complete
    used = loop.ask("/truth/metrics")["visitors"][visitor]["windows"]["30"]
    said = stored(loop, "salesforce_leads")
    assert {one: values.get("Usage_Active_Days_30d__c") for one, values in said.items()} == {
        one: used["active_days"] if one == lead else None for one in said
    }
    assert said[lead]["Usage_Minutes_30d__c"] == used["minutes"]


def test_what_left_the_model_stays_and_what_the_crm_refused_waits(loop: Loop) -> None:
    visitor, left = loop.rows(
        "select product_id, record_id from identity.matches where crm = 'salesforce' and object = 'Contact' order by 2"
    )[0]
    loop.tell("/do/pendo/exclude", visitor=visitor)
    loop.tell("/advance", days=1)
    loop.load()
    loop.build(*WITHOUT_UNIT_TESTS)
    plan = loop.plan()
    (exits,) = (one for item in plan.activations for one in item.reasons if item.name == "salesforce_contacts")
    assert (exits.decision, exits.reason, exits.sample.record_id) == ("keep", "exit_keeps", left)

    refusal = {"code": "FIELD_CUSTOM_VALIDATION_EXCEPTION", "message": "Days must be odd."}
    loop.tell("/faults", vendor="salesforce", kind="failing_rows", path="composite/sobjects", **refusal)
    (refused,) = (item for item in loop.apply(plan).activations if item.rejected)
    assert refused.rejected == 1
    loop.load()
    loop.build(*WITHOUT_UNIT_TESTS)
    plan = loop.plan()
    # What a salesperson changed in a day is for Pendo, and HubSpot's search shows it only after a while.
    assert {item.name for item in plan.activations if item.changes} <= {"pendo_visitors"}
    waiting = [one for item in plan.activations for one in item.reasons if one.reason == "rejected_before"]
    listed = loop.rows("select count(*), min(code), min(message) from audit.current_rejects")
    assert listed == [(sum(one.values for one in waiting), refusal["code"], refusal["message"])]
    assert (
        loop.rows("select count(*) from audit.current_rejects where mend like '%validation rule%'")[0] == listed[0][:1]
    )
    # Whatever has been landed since is as it was sent; HubSpot's search shows new values only after a while.
    found = "select sum(as_sent_count) > 100, sum(different_count), sum(gone_count) from audit.reconciliation"
    assert loop.rows(found) == [(True, 0, 0)]

    again = steps.plan(loop.settings, steps.activations(loop.settings), retry_rejected=True)
    assert sum(item.changes for item in again.activations if item.name != "pendo_visitors") == listed[0][0]
    assert loop.apply(again).complete
    loop.load("ledger")
    loop.build(*CRM_SIDE)
    assert loop.rows("select * from audit.current_rejects") == []
    assert loop.rows("select count(*), count(last_success_at) from audit.activation_health") == [(10, 10)]


def test_a_write_whose_answer_was_lost_is_not_taken_for_a_persons(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    """HubSpot writes and its answers are lost, the run is never resumed, and the next day is an ordinary one."""
    monkeypatch.setattr("activators.transport._ATTEMPTS", 1)
    loop.tell("/advance", days=1)
    loop.load()
    loop.build(*WITHOUT_UNIT_TESTS)
    held_before = sum(item.held for item in loop.plan().activations)
    loop.tell("/faults", vendor="hubspot", path="contacts/batch/update", drop=True, after=True, times=100)
    with pytest.raises(Unreachable):
        loop.apply(steps.open_plan(loop.settings, None))
    loop.control.delete("/faults").raise_for_status()

    loop.tell("/advance", days=1)
    loop.load()
    loop.build(*WITHOUT_UNIT_TESTS)
    assert loop.rows("select count(*) > 100 from staging.stg_ledger__writes where status = 'unknown'") == [(True,)]
    plan = loop.plan()
    assert sum(item.held for item in plan.activations) == held_before
    assert loop.apply(plan).complete


def written(loop: Loop) -> list[tuple[str, str]]:
    """Every property that any journal says was about to be sent."""
    lines = [
        orjson.loads(line)
        for path in sorted(loop.settings.journal.glob("*.jsonl"))
        for line in path.read_bytes().splitlines()
    ]
    return [
        (record["id"], change["property"])
        for line in lines
        if line["type"] == "intent"
        for record in line["records"]
        for change in record["changes"]
    ]


def test_after_a_merge_in_the_crm_only_the_survivor_is_written_to(loop: Loop) -> None:
    """The survivor of a HubSpot merge has a new id; the old records are in no list any more, archived ones included."""
    first, second = (
        str(row[0])
        for row in loop.rows("select contact_id from activations.sync_hubspot__contacts order by 1 desc limit 2")
    )
    loop.tell("/merge", vendor="hubspot", object="contacts", primary_id=first, secondary_id=second)
    # HubSpot's search shows new records only after a while.
    loop.tell("/advance", days=1)
    loop.load("hubspot", "ledger")
    loop.build(*CRM_SIDE)
    alive = {str(row[0]) for row in loop.rows("select contact_id from activations.sync_hubspot__contacts")}
    assert not {first, second} & alive


def test_undo_restores_what_a_run_replaced_except_what_a_person_edited_since(loop: Loop) -> None:
    run = next(item for item in read_runs(loop.settings.journal) if item.status == "complete")
    # What has happened stays so.
    writes = [item for item in read_writes(loop.settings.journal, run.run_id) if item.activation != EVENTS]
    contacts = stored(loop, "hubspot_contacts")
    edited, edited_property = next(
        (item.record.record_id, change.property)
        for item in writes
        if item.activation == "hubspot_contacts" and item.record.record_id in contacts
        for change in item.record.changes
        if change.family == "number" and "1" not in {change.before, change.after}
    )
    loop.tell("/edit", vendor="hubspot", object="contacts", id=edited, properties={edited_property: "1"})

    plan = steps.undo(loop.settings, run.run_id, steps.activations(loop.settings))
    reasons = {reason.reason: reason for item in plan.activations for reason in item.reasons}
    assert (reasons["edited_in_crm"].values, reasons["edited_in_crm"].sample.record_id) == (1, edited)
    assert loop.apply(plan).complete

    now = {name: stored(loop, name) for name in OBJECTS}
    # The two records that were merged above are named, and not passed over.
    gone = [item for item in writes if item.record.record_id not in now[item.activation]]
    assert reasons["record_gone"].values == sum(len(item.record.changes) for item in gone) > 0
    for write in (item for item in writes if item not in gone):
        for change in write.record.changes:
            value = now[write.activation][write.record.record_id].get(change.property)
            said = None if value is None else str(value)
            if (write.record.record_id, change.property) == (edited, edited_property):
                assert said == "1"
            else:
                assert same_value(change.family, said, change.before), (write.record.record_id, change)
    # Taken back already: a second undo of the same run has nothing to do.
    assert steps.undo(loop.settings, run.run_id, steps.activations(loop.settings)).changes == 0


def test_no_secret_is_written_down(loop: Loop) -> None:
    secrets = [
        loop.settings.hubspot_access_token.get_secret_value(),
        loop.settings.salesforce_client_secret.get_secret_value(),
        loop.settings.pendo_integration_key.get_secret_value(),
    ]
    assert all(secrets)
    for path in loop.settings.state.parent.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert not [secret for secret in secrets if secret.encode() in content], path
    assert not [secret for secret in secrets if secret in repr(loop.settings)]
