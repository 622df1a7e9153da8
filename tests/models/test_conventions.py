"""The house rules of the dbt project, read off its manifest and its files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema.protocols import Validator
from jsonschema.validators import validator_for

from activators.declarations import read_activations, read_manifest
from backhaul.settings import Settings
from loaders.pendo.events import FINAL_AFTER_DAYS, HISTORY_DAYS
from tests.conftest import ROOT, Loop, transforming

YAML_FILES = sorted(path for folder in ("models", "seeds", "macros") for path in (ROOT / folder).rglob("*.yml"))


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("parsed")
    settings = Settings.model_construct(
        warehouse=folder / "warehouse.duckdb", state=folder / "state", target=folder / "target"
    )
    transforming(settings).parse()
    return dict(read_manifest(settings.manifest))


@pytest.fixture(scope="module")
def models(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    return [node for node in manifest["nodes"].values() if node["resource_type"] == "model"]


def covering(manifest: dict[str, Any], model: dict[str, Any]) -> Iterator[str]:
    for node in (*manifest["nodes"].values(), *manifest["unit_tests"].values()):
        if node["resource_type"] in {"test", "unit_test"} and model["unique_id"] in node["depends_on"]["nodes"]:
            yield node["name"]


def test_every_model_and_seed_says_its_grain(manifest: dict[str, Any]) -> None:
    described = [node for node in manifest["nodes"].values() if node["resource_type"] in {"model", "seed"}]
    silent = [node["name"] for node in described if "one row per" not in " ".join(node["description"].lower().split())]
    # A view over one table has that table's grain, which its source says.
    assert [name for name in silent if not name.startswith("stg_")] == []


def test_every_described_column_says_more_than_its_name(models: list[dict[str, Any]]) -> None:
    empty = [
        f"{model['name']}.{name}"
        for model in models
        for name, column in model["columns"].items()
        if column["description"] and re.sub(r"\W", "", column["description"].lower()) == name.replace("_", "")
    ]
    assert empty == []


def test_every_rule_bearing_model_is_tested(manifest: dict[str, Any], models: list[dict[str, Any]]) -> None:
    untested = [
        model["name"]
        for model in models
        # A contract with a primary key is enforced by the database; a diff is proven over real tables.
        if not list(covering(manifest, model))
        and not model["config"]["contract"]["enforced"]
        and not model["name"].startswith(("stg_", "diff_"))
    ]
    assert untested == []


def test_unit_tests_are_named_for_what_stays_true(manifest: dict[str, Any]) -> None:
    for test in manifest["unit_tests"].values():
        assert test["name"].startswith(f"{test['model']}__"), test["name"]
        assert test["description"].endswith("."), test["name"]


def test_every_activation_is_public_contracted_and_described(manifest: dict[str, Any]) -> None:
    activations = read_activations(manifest)
    assert [item.name for item in activations] == [
        "hubspot_companies",
        "hubspot_contacts",
        "hubspot_events",
        "pendo_accounts",
        "pendo_visitors",
        "salesforce_accounts",
        "salesforce_contacts",
        "salesforce_leads",
        "salesforce_opportunities",
        "salesforce_subscriptions",
    ]
    for activation in activations:
        model = manifest["nodes"][activation.models[0].id]
        assert model["config"]["access"] == "public"
        assert model["config"]["contract"]["enforced"]
        assert all(item.description.endswith(".") for item in activation.properties)
        # Salesforce cuts labels at 40 characters.
        assert all(len(item.label) <= 40 for item in activation.properties)


@pytest.fixture(scope="module")
def known() -> Validator:
    """What dbt knows, checked once: that takes far longer than what it is for."""
    from dbt.jsonschemas.jsonschemas import resources_schema  # noqa: PLC0415  dbt takes seconds to import

    kind = validator_for(resources_schema())
    kind.check_schema(resources_schema())
    return kind(resources_schema())


@pytest.mark.parametrize("path", YAML_FILES, ids=lambda path: path.stem)
def test_yaml_holds_only_keys_that_dbt_knows(known: Validator, path: Path) -> None:
    """On some warehouses dbt checks this itself, and never on DuckDB."""
    known.validate(yaml.safe_load(path.read_text()))


def test_no_model_branches_and_none_reads_the_wall_clock() -> None:
    for path in (ROOT / "models").rglob("*.sql"):
        text = path.read_text()
        assert "{% if" not in text, path
        assert not re.search(r"current_(timestamp|date)|now\(\)", text), path


def test_every_macro_is_used_twice_or_stands_between_engines() -> None:
    texts = [
        path.read_text() for folder in ("models", "macros", "tests/models") for path in (ROOT / folder).rglob("*.sql")
    ]
    for path in (ROOT / "macros").glob("*.sql"):
        for name in re.findall(r"\{% macro (\w+)\(", path.read_text()):
            uses = sum(len(re.findall(rf"(?<!macro ){name}\(", text)) for text in texts)
            assert uses >= 2 or name == "generate_schema_name", name


def test_open_days_are_those_that_the_loader_reads_again(manifest: dict[str, Any]) -> None:
    """A day that is closed too early keeps what late activity has changed since."""
    project = yaml.safe_load((ROOT / "dbt_project.yml").read_text())
    assert project["vars"]["open_days"] >= FINAL_AFTER_DAYS
    assert "var('open_days')" in manifest["nodes"]["model.backhaul.dim_windows"]["raw_code"]


def test_windows_fit_in_the_days_that_the_first_load_reads(manifest: dict[str, Any]) -> None:
    guard = manifest["nodes"]["test.backhaul.assert_windows_hold_landed_days"]["raw_code"]
    assert re.search(rf"2 \* windows\.window_days > {HISTORY_DAYS}\b", guard)


def test_an_nps_has_the_type_of_its_scale_wherever_it_is_passed_on() -> None:
    """A contract with the type of one scale stops every build with the other."""
    types: dict[str, str] = {}
    for file in YAML_FILES:
        for model in yaml.safe_load(file.read_text()).get("models", []):
            for column in model.get("columns", []):
                if column["name"] == "nps_score":
                    types[model["name"]] = column["data_type"].replace("(5, ", "(5,")
    assert {"fct_account_metrics", "sync_hubspot__companies", "sync_salesforce__accounts"} <= set(types)
    assert set(types.values()) == {"decimal(5,{{ 1 if var('nps_scale') == 100 else 3 }})"}


def test_every_column_of_a_metric_says_what_it_is(models: list[dict[str, Any]]) -> None:
    """The contract makes sure that the table has no other columns."""
    facts = [
        model for model in models if model["path"].startswith("metrics/") and model["config"]["contract"]["enforced"]
    ]
    assert {"fct_visitor_metrics", "fct_account_metrics", "fct_account_health"} <= {model["name"] for model in facts}
    for model in facts:
        for name, column in model["columns"].items():
            assert column["description"].strip().endswith("."), f"{model['name']}.{name}"
            if "_last_" in name:
                nullable = {"type": "not_null"} not in [{"type": one["type"]} for one in column["constraints"]]
                # A view has no constraints: its columns say that they are 0 where a table's are not null.
                known = "ull when" in column["description"] or "0 when" in column["description"]
                assert not nullable or known, f"{model['name']}.{name}"


# Their columns are made by macros from the var window_days, so no list in YAML can hold them all. The facts that are
# made of them have contracts with a column for each.
MADE_BY_MACROS = {
    "int_usage__summed",
    "int_tagged_usage__windowed",
}
# Likewise: from the properties that a sync model declares, which dbt does not show to a unit test.
MADE_FROM_PROPERTIES = {"stg_pendo__visitor_metadata", "stg_pendo__account_metadata"}
# What a staging view does beyond new names and times out of milliseconds, which need no test.
RULE = re.compile(r"coalesce|date_in_zone|json_text|nullif|trim|unnest_|where")


# Views that macros make from the match rules; test_match_properties.py and assert_identities_have_one_spelling.sql hold
# their rules.
MADE_FROM_RULES = {"int_keys", "int_matches__shared"}
# A contract would write a million pairs a second time; its check holds what matters.
WRITTEN_AT_ONCE = {"int_matches__candidates"}


def test_every_model_of_a_metric_or_a_match_says_its_grain_its_columns_and_its_rule(
    manifest: dict[str, Any], models: list[dict[str, Any]]
) -> None:
    lacking = []
    for model in models:
        if not model["path"].startswith(("metrics/", "identity/", "staging/pendo/")):
            continue
        name = model["name"]
        rules = [one for one in manifest["unit_tests"].values() if one["model"] == name]
        if "one row per" not in " ".join(model["description"].lower().split()):
            lacking.append(f"{name}: its grain")
        columns = model["columns"].values()
        lacking += [f"{name}.{one['name']}: a description" for one in columns if not one["description"]]
        is_staging = model["path"].startswith("staging/")
        if not rules and (
            name not in MADE_FROM_PROPERTIES | MADE_FROM_RULES and (not is_staging or RULE.search(model["raw_code"]))
        ):
            lacking.append(f"{name}: a unit test")
        is_exempt = is_staging or name in MADE_BY_MACROS | MADE_FROM_RULES | WRITTEN_AT_ONCE
        if model["config"]["contract"]["enforced"] == is_exempt:
            lacking.append(f"{name}: a contract, or to be left out of the lists above")
    assert lacking == []


def test_a_test_of_a_seed_or_a_key_stops_what_is_made_of_it(manifest: dict[str, Any]) -> None:
    """A node waits for a test when it comes from all that the test reads, and nothing comes from a seed and tags."""
    tests = [node for node in manifest["nodes"].values() if node["resource_type"] == "test"]
    names = {"decided", "key", "surrogate_key"}
    stopping = [one for one in tests if (one.get("test_metadata") or {}).get("name") in names]
    assert {"decided_surveys", "decided_chosen_usage", "decided_sent_events"} <= {one["name"] for one in stopping}
    assert [one["name"] for one in stopping if len(one["depends_on"]["nodes"]) > 1] == []


def test_no_activation_goes_by_record_pairs(manifest: dict[str, Any]) -> None:
    """A record whose visitor is in doubt may have a pair: what is sent goes by matches alone."""
    parents = {name: node["depends_on"].get("nodes", []) for name, node in manifest["nodes"].items()}
    for activation in read_activations(manifest):
        seen: set[str] = set()
        waiting = [model.id for model in activation.models]
        while waiting:
            node = waiting.pop()
            if node not in seen:
                seen.add(node)
                waiting += parents.get(node, [])
        assert "model.backhaul.matches" in seen, activation.name
        assert not {node for node in seen if "record_pairs" in node}, activation.name


def test_no_record_in_conflict_is_synced(built: Loop) -> None:
    """Not as a record of either CRM, and not as a visitor or account of the product."""
    conflicts = "identity.match_conflicts where crm = '{crm}' and object = '{object}'"
    for crm, kind, table, key in (
        ("hubspot", "contacts", "contacts", "contact_id"),
        ("hubspot", "companies", "companies", "company_id"),
        ("salesforce", "Contact", "contacts", "contact_id"),
        ("salesforce", "Account", "accounts", "account_id"),
    ):
        among = conflicts.format(crm=crm, object=kind)
        assert built.rows(f"select 1 from {among} limit 1") or kind != "contacts"
        synced = f"select {key} from activations.sync_{crm}__{table} where {key} in (select record_id from {among})"
        assert built.rows(synced) == []


def test_every_column_of_a_metric_or_a_match_is_described(models: list[dict[str, Any]], built: Loop) -> None:
    """A staging view has its loader's types and no contract, so the warehouse says which columns there are."""
    query = "select table_schema, table_name, column_name from information_schema.columns"
    there = {(schema, table): set[str]() for schema, table, _ in built.rows(query)}
    for schema, table, column in built.rows(query):
        there[schema, table].add(str(column))
    for model in models:
        if model["name"] in MADE_BY_MACROS | MADE_FROM_PROPERTIES:
            continue
        if model["path"].startswith(("metrics/", "identity/", "staging/pendo/")):
            assert set(model["columns"]) == there[model["schema"], model["name"]], model["name"]


def test_every_activations_records_are_among_those_that_can_be_mended(manifest: dict[str, Any]) -> None:
    """Otherwise what the CRM refuses of them would be missing in current_rejects."""
    model = manifest["nodes"]["model.backhaul.int_records__synced"]
    declared = read_activations(manifest)
    assert [item.name for item in declared if item.models[0].id not in model["depends_on"]["nodes"]] == []
    # As the ledger calls them: the model's own name for an object may be another one.
    listed = r"\('(\w+)', '(\w+)', '\w+', ref|'(\w+)' as destination,\s+'(\w+)' as object"
    named = [(one[0] or one[2], one[1] or one[3]) for one in re.findall(listed, model["raw_code"])]
    assert sorted(named) == sorted((item.destination, item.object) for item in declared)


def test_every_activation_of_properties_is_compared_with_what_was_sent_and_landed(manifest: dict[str, Any]) -> None:
    """Otherwise reconciliation would not know what it sent, and a record that drops out of its diff would be silent."""
    nodes = manifest["nodes"]
    kept = {item.models[0].id for item in read_activations(manifest) if item.kind == "properties"}
    sent = set(nodes["model.backhaul.int_sent"]["depends_on"]["nodes"])
    assert {name.replace(".sync_", ".sent_") for name in kept} == sent
    assert [name for name in kept if name not in nodes[name.replace(".sync_", ".sent_")]["depends_on"]["nodes"]] == []
    landed = nodes["test.backhaul.assert_every_synced_record_is_landed"]["depends_on"]["nodes"]
    assert {name for name in landed if name.startswith("model.")} == kept
