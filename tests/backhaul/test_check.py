"""`backhaul check` finds every mistake of the declarations, each in one line with its mend, and writes nothing."""

from __future__ import annotations

import ast
import asyncio
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb
import httpx
import pytest

from activators.activation import ColumnType
from activators.check import Asked, Checked, ask, check
from activators.declarations import read_activations
from activators.destinations import Credentials, connect, connectors
from activators.errors import PlanError
from activators.hubspot import HubSpot
from sandbox.clock import Clock
from sandbox.hubspot.app import hubspot_app
from sandbox.hubspot.store import HubSpotStore
from sandbox.server import serving
from tests.activators.conftest import Crm, Seal, activation, crm, crm_of_module, sandbox, seal
from tests.activators.test_declarations import activation_of, column, manifest, set_column, set_meta, sync_of
from tests.backhaul.test_cli import backhaul, environment
from tests.conftest import AS_OF, ROOT, Loop

__all__ = ["crm", "crm_of_module", "manifest", "sandbox", "seal"]

Landed = dict[str, Any]
FIELD: Landed = {
    "crm": "hubspot",
    "object": "contacts",
    "property": "usage_days",
    "type": "number",
    "family": "number",
    "max_length": None,
    "integer_digits": None,
    "fraction_digits": None,
    "group_name": "backhaul",
    "is_read_only": False,
    "options": None,
}
TYPES = {
    "max_length": "integer",
    "integer_digits": "integer",
    "fraction_digits": "integer",
    "is_read_only": "boolean",
}


def landing(path: Path, *fields: Landed, rows: str = "select '1' as contact_id, 5 as days, 'n' as note") -> Path:
    """A warehouse with what was landed of the properties, and with the sync model as it was last built."""
    with duckdb.connect(str(path)) as connection:
        connection.execute("create schema plans; create schema activations")
        columns = ", ".join(f"{name} {TYPES.get(name, 'varchar')}" for name in FIELD)
        connection.execute(f"create table plans.int_crm_properties ({columns})")
        marks = ", ".join("?" for _ in FIELD)
        for field in fields:
            connection.execute(
                f"insert into plans.int_crm_properties values ({marks})", [(FIELD | field)[n] for n in FIELD]
            )
        connection.execute(f"create table activations.sync_hubspot__contacts as {rows}")
    return path


def lines(found: Checked) -> list[str]:
    return [str(mistake) for mistake in found.mistakes]


def with_note(manifest: Any, **test: Any) -> Any:
    """The manifest with a second property, `usage_note`, and perhaps a test of what it may hold."""
    set_column("note", config={"meta": {"property": "usage_note", "label": "Note"}})(manifest)
    if test:
        manifest["nodes"]["test.p.accepted"] = {
            "unique_id": "test.p.accepted",
            "resource_type": "test",
            "name": "accepted",
            "attached_node": "model.p.sync_hubspot__contacts",
            "column_name": "note",
            "test_metadata": {"name": "accepted_values", "kwargs": test},
        }
    return manifest


NOTE = {"property": "usage_note", "type": "string", "family": "string", "max_length": 10}


def test_what_is_right_is_said_to_be(manifest: Any, tmp_path: Path) -> None:
    warehouse = landing(tmp_path / "w.duckdb", FIELD, NOTE)
    found = check(with_note(manifest, values=["n"]), warehouse)
    assert (lines(found), found.notes, len(found.activations), found.properties) == ([], (), 1, 2)


@pytest.mark.parametrize(
    ("field", "message"),
    [
        (
            {"property": "other"},
            "column days: HubSpot has no property usage_days, or hides it from us; run `backhaul provision`",
        ),
        ({"is_read_only": True}, "column days: property usage_days is calculated, or not ours to write; map another"),
        (
            {"type": "string", "family": "string"},
            "column days: holds a number, but hubspot has property usage_days as string",
        ),
        (
            {"type": "weird", "family": None},
            "column days: holds a number, but hubspot has property usage_days as weird; map",
        ),
        (
            {"object": "companies"},
            "HubSpot has no object contacts that we have landed; correct it, or declare its source",
        ),
        (
            {"integer_digits": 0},
            "column days: 1 rows have more digits before the point than the 0 that property usage_days",
        ),
    ],
)
def test_what_the_landing_says_against_a_declaration_is_one_line(
    manifest: Any, tmp_path: Path, field: Landed, message: str
) -> None:
    found = check(manifest, landing(tmp_path / "w.duckdb", FIELD | field))
    (line,) = lines(found)
    assert line.startswith("models/sync.yml: exposure hubspot_contacts: ")
    assert message in line


def test_names_are_compared_as_the_crm_does(manifest: Any, tmp_path: Path) -> None:
    assert (
        lines(check(manifest, landing(tmp_path / "w.duckdb", FIELD | {"property": "Usage_Days", "object": "Contacts"})))
        == []
    )


@pytest.mark.parametrize(("data_type", "fits"), [("decimal(12,2)", True), ("decimal(12,3)", False), ("double", False)])
def test_digits_that_the_property_would_drop_are_told(
    manifest: Any,
    tmp_path: Path,
    data_type: str,
    fits: bool,  # noqa: FBT001
) -> None:
    """The CRM rounds, and the rounded value differs from the model's again every night."""
    set_column("days", data_type=data_type)(manifest)
    found = lines(check(manifest, landing(tmp_path / "w.duckdb", FIELD | {"fraction_digits": 2})))
    assert [("property usage_days keeps 2; cast the column to decimal(18,2)" in line) for line in found] == [True] * (
        not fits
    )


def test_numbers_are_counted_by_their_digits(manifest: Any, tmp_path: Path) -> None:
    rows = "select unnest(['1', '2', '3']) as contact_id, unnest([999, -1000, 1000]) as days, 'n' as note"
    (line,) = lines(check(manifest, landing(tmp_path / "w.duckdb", FIELD | {"integer_digits": 3}, rows=rows)))
    assert "2 rows have more digits before the point than the 3 that property usage_days holds" in line


@pytest.mark.parametrize(
    ("data_type", "text", "message"),
    [
        ("varchar(11)", "n", "the column has up to 11 characters, and property usage_note holds 10; cut the column"),
        ("varchar(10)", "n", None),
        ("varchar", "eleven char", "1 rows have more characters than the 10 that property usage_note holds; cut"),
        ("varchar", "ten charac", None),
    ],
)
def test_texts_are_measured_by_type_or_by_what_was_built(
    manifest: Any, tmp_path: Path, data_type: str, text: str, message: str | None
) -> None:
    set_column("note", data_type=data_type)(with_note(manifest))
    warehouse = landing(
        tmp_path / "w.duckdb", FIELD, NOTE, rows=f"select '1' as contact_id, 5 as days, '{text}' as note"
    )
    found = lines(check(manifest, warehouse))
    assert len(found) == (message is not None)
    assert all(str(message) in line for line in found)


def test_values_that_a_test_accepts_must_be_options(manifest: Any, tmp_path: Path) -> None:
    choice = NOTE | {"type": "enumeration", "options": json.dumps(["a", "b"]), "max_length": None}
    warehouse = landing(tmp_path / "w.duckdb", FIELD, choice)
    assert lines(check(with_note(manifest, values=["a", "b"]), warehouse)) == []
    (line,) = lines(check(with_note(manifest, values=["a", "c", "d"]), warehouse))
    assert (
        "column note: property usage_note has no option 'c', 'd', which the column may hold; add it in HubSpot" in line
    )


def test_a_group_is_missed_where_properties_are_still_to_be_made(manifest: Any, tmp_path: Path) -> None:
    activation_of(manifest).update(group="product_usage")
    assert lines(check(manifest, landing(tmp_path / "made.duckdb", FIELD))) == []
    found = lines(check(manifest, landing(tmp_path / "w.duckdb", FIELD | {"property": "other"})))
    assert found[-1].endswith("HubSpot has no property group product_usage; run `backhaul provision`")


def test_every_mistake_is_listed_whatever_its_kind(manifest: Any, tmp_path: Path) -> None:
    """A wrong guard does not hide a wrong column, nor a wrong column the property that is missing."""
    set_meta(on_null="wipe")(manifest)
    activation_of(manifest).update(guards={"max_change_share": 50})
    manifest["nodes"].pop("model.p.plan_hubspot__contacts")
    sync_of(manifest)["columns"]["bad"] = column("bad", "json", {"property": "usage_bad", "label": "Bad"})
    found = lines(check(manifest, landing(tmp_path / "w.duckdb", FIELD)))
    for message in (
        "column days: meta.on_null: input should be 'keep' or 'clear'",
        "guards.max_change_share: input should be less than or equal to 1",
        "no model plan_hubspot__contacts depends on diff_hubspot__contacts",
        "column bad: no CRM field can hold json",
    ):
        assert len([line for line in found if message in line]) == 1, message
    assert len(found) == 4


def test_columns_that_can_be_read_are_compared_beside_one_that_cannot(manifest: Any, tmp_path: Path) -> None:
    set_column("note", data_type="json")(with_note(manifest))
    found = lines(check(manifest, landing(tmp_path / "w.duckdb", FIELD | {"is_read_only": True})))
    assert len(found) == 2
    assert "column note: no CRM field can hold json" in found[0]
    assert "column days: property usage_days is calculated" in found[1]


def test_without_a_landing_it_says_so_and_reads_the_declarations(manifest: Any, tmp_path: Path) -> None:
    found = check(manifest, tmp_path / "none.duckdb")
    assert lines(found) == []
    assert "no such warehouse, so only the declarations were looked at; run `backhaul load`" in found.notes[0]
    duckdb.connect(str(tmp_path / "empty.duckdb")).close()
    (note,) = check(manifest, tmp_path / "empty.duckdb").notes
    assert note.startswith("hubspot: no landed property metadata")
    (tmp_path / "torn.duckdb").write_text("x" * 5_000)
    with pytest.raises(PlanError, match="not a warehouse that can be read"):
        check(manifest, tmp_path / "torn.duckdb")


def answers(crm: Crm, **changes: str) -> list[Asked]:
    async def run() -> list[Asked]:
        async with connect([crm.activation.destination], crm.credentials(**changes)) as destinations:
            return await ask([crm.activation], destinations, None)

    return asyncio.run(run())


def wrong(asked: list[Asked]) -> dict[str, str]:
    return {item.probe.what: f"{item.probe.found}; {item.probe.mend}" for item in asked if item.probe.mend}


def test_online_all_is_well_and_nothing_is_written(crm: Crm) -> None:
    asked = answers(crm)
    assert wrong(asked) == {}
    found = {item.probe.what: item.probe.found for item in asked}
    assert "accepts the credentials" in found["log in"]
    assert "are left" in found["calls"]
    methods = {(item["method"], item["path"]) for item in crm.requests("")}
    assert methods
    assert {path for method, path in methods if method != "GET"} <= {"/services/oauth2/token"}


def test_online_a_wrong_credential_is_told_and_not_shown(crm: Crm) -> None:
    names = {"hubspot": "hubspot_access_token", "salesforce": "salesforce_client_secret"}
    name = names[crm.activation.destination]
    asked = answers(crm, **{name: "wrong-secret"})
    told = wrong(asked)
    assert name.upper() in told["log in"]
    assert "wrong-secret" not in str(asked)


def test_online_a_property_that_is_gone_is_told(crm: Crm) -> None:
    destination = crm.activation.destination
    extra = activation(destination).properties[0]
    missing = "usage_gone" if destination == "hubspot" else "Usage_Gone__c"
    declared = activation(destination, properties=(extra, type(extra)(missing, "gone", extra.type, "Gone", "Gone.")))

    async def run() -> list[Asked]:
        async with connect([destination], crm.credentials()) as destinations:
            return await ask([declared], destinations, None)

    (told,) = wrong(asyncio.run(run())).items()
    assert missing in told[0]
    assert "run `backhaul provision`" in told[1]


def test_online_what_a_salesforce_user_may_not_edit_is_told(sandbox: Any) -> None:
    with httpx.Client(base_url=sandbox.urls["control"], timeout=60) as control:
        declared = activation("salesforce")
        locked = type(declared.properties[0])("CreatedDate", "made", declared.properties[0].type, "Made", "Made.")
        of = Crm(sandbox, activation("salesforce", properties=(locked,)), (), control)
        assert wrong(answers(of)) == {
            "change CreatedDate": "read-only for the user; give it edit, or map another field"
        }
        hidden = Crm(sandbox, activation("salesforce", object="Nowhere"), (), control)
        assert "no such object, or it is hidden" in wrong(answers(hidden))["read Nowhere"]


def test_online_a_scope_that_the_hubspot_app_lacks_is_named() -> None:
    store = HubSpotStore([], Clock(AS_OF))
    app = hubspot_app(store, "token", scopes=["oauth", "crm.schemas.contacts.read"])

    async def run() -> list[Asked]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://hubspot") as client:
            return await ask(
                [activation("hubspot", properties=())], {"hubspot": HubSpot.connect(client, "token")}, None
            )

    told = wrong(asyncio.run(run()))
    assert told == {
        "read contacts": "HubSpot refuses the call (403); grant the app the scopes it lacks: crm.objects.contacts.read"
    }


def test_online_a_plan_of_more_calls_than_are_left_waits_for_tomorrow(seal: Seal) -> None:
    declared = activation("salesforce")
    plan = seal(declared, [(str(one), "Usage_Days__c", None, "5") for one in range(2_000)])
    with serving(seed=5, visitors=20, as_of=AS_OF, salesforce_daily_requests=8) as few:

        async def run() -> list[Asked]:
            async with connect(["salesforce"], Credentials(few.settings)) as destinations:
                return await ask([declared], destinations, plan)

        found = {item.probe.what: item.probe for item in asyncio.run(run())}
    assert found["calls"].found.endswith("of the day's 8 are left, and the last plan takes 10")
    assert found["calls"].mend == "apply it tomorrow"


def test_online_calls_that_are_not_left_are_told() -> None:
    """More calls than the org has left would stop the plan half-way."""
    with serving(seed=5, visitors=20, as_of=AS_OF, salesforce_daily_requests=3) as few, httpx.Client() as http:
        of = Crm(few, activation("salesforce"), (), http)
        answers(of)
        told = wrong(answers(of))
    assert "the org's daily calls are spent" in str(told)


def test_the_projects_own_declarations_are_right(built: Loop) -> None:
    """Against what a load of the sandbox says, before its properties are made."""
    manifest = json.loads(built.settings.manifest.read_text())
    found = check(manifest, built.settings.warehouse)
    assert len(found.activations) == len(read_activations(manifest))
    assert {line.rpartition("; ")[2] for line in lines(found)} == {"run `backhaul provision`"}


TYPE_TABLES = {
    "hubspot": "stg_hubspot__properties",
    "salesforce": "stg_salesforce__fields",
    "pendo": "stg_pendo__metadata_fields",
}


def test_the_models_and_the_destinations_agree_on_what_a_field_can_hold(built: Loop) -> None:
    """`provision` and `apply` go by the modules' tables, plans by the model's: a field fits both or neither."""
    (compiled,) = (built.settings.target / "compiled").rglob("models/plans/int_crm_properties.sql")
    catalog = built.settings.warehouse.stem
    with duckdb.connect() as connection:
        connection.execute(f'attach \':memory:\' as "{catalog}"; create schema "{catalog}".staging')
        for crm_name, table in TYPE_TABLES.items():
            kinds = {kind for held in connectors()[crm_name].holds.values() for kind in held}
            landed = {str(kind) for (kind,) in built.rows(f"select distinct type from staging.{table}")}
            columns = ", ".join(f'"{row[0]}" {row[1]}' for row in built.rows(f"describe staging.{table}"))
            connection.execute(f'create table "{catalog}".staging.{table} ({columns})')
            flags = [row[0] for row in built.rows(f"describe staging.{table}") if row[1] == "BOOLEAN"]
            connection.executemany(
                f'insert into "{catalog}".staging.{table} (type, {", ".join(flags)}) '
                f"values (?, {', '.join('false' for _ in flags)})",
                [[kind] for kind in sorted(kinds | landed | {"unheard_of"})],
            )
        found = connection.execute(f"select crm, family, type from ({compiled.read_text()})").fetchall()
    for crm_name in TYPE_TABLES:
        by_model = {(family, kind) for name, family, kind in found if name == crm_name and family is not None}
        by_module = {(family, kind) for family, kinds in connectors()[crm_name].holds.items() for kind in kinds}
        assert by_model == by_module, crm_name


@pytest.mark.parametrize(
    "data_type",
    [
        *("varchar", "text", "string", "varchar(80)", "boolean", "date", "timestamp", "timestamptz", "DOUBLE"),
        *("timestamp with time zone", "tinyint", "smallint", "integer", "int", "bigint", "float", "decimal(12, 2)"),
    ],
)
def test_the_diff_and_the_reader_agree_on_a_columns_family(data_type: str) -> None:
    macro = (ROOT / "macros" / "diff.sql").read_text()
    (table,) = re.findall(r"set families = (\{.+?\}) -%", macro, re.DOTALL)
    families = ast.literal_eval(table)
    column = ColumnType.parse(data_type)
    assert column is not None
    assert families.get(data_type.lower().split("(")[0].strip(), "number") == column.family


def run_check(env: Mapping[str, str], *options: str) -> Any:
    return backhaul(env, "check", *options, folder=ROOT)


def test_the_command_lists_what_is_wrong_and_exits_with_1(built: Loop) -> None:
    without_token = environment(built, HUBSPOT_ACCESS_TOKEN="", SALESFORCE_CLIENT_ID="", SALESFORCE_CLIENT_SECRET="")
    done = run_check(without_token)
    assert (done.returncode, done.stderr) == (1, "")
    assert "HubSpot has no property usage_minutes_30d, or hides it from us; run `backhaul provision`" in done.stdout
    machine = json.loads(run_check(without_token, "--json").stdout)
    assert len(machine["mistakes"]) == len(done.stdout.splitlines())
    assert set(machine["mistakes"][0]) == {"file", "exposure", "column", "what", "mend"}
    online = run_check(without_token, "--online")
    assert "hubspot: settings: HUBSPOT_ACCESS_TOKEN not set; put it in the environment or in .env" in online.stdout
