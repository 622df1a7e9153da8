"""Suggestions from a small warehouse and from a world: what is likely, what stays open, and that nothing is matched."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import duckdb
import pytest

from activators.declarations import read_manifest
from backhaul import steps
from backhaul.settings import Settings
from backhaul.suggest import SuggestionError, Suggestions, suggest
from backhaul.suggest.output import write
from backhaul.transform import Transform, TransformError
from tests.backhaul.suggesting import BUILD, MODELS, needs_splink, project
from tests.conftest import ROOT, transforming

DOCS = (ROOT / "docs/suggestions.md").read_text()
# The marketing tool's people, and the sales tool's.
HUBSPOT = [
    {"id": "101", "firstname": "花子", "lastname": "佐藤", "address": "銀座 1-2-3", "zip": "104-0061", "city": "東京"},
    {"id": "102", "firstname": "太郎", "lastname": "田中", "company": "株式会社みどり"},
    {"id": "103", "firstname": "次郎", "lastname": "田中", "company": "みどり"},
    {"id": "104", "firstname": "三郎", "lastname": "田中", "company": "㈱みどり"},
    {"id": "105", "firstname": "Ada", "lastname": "Brown", "email": "ada@brook.example", "phone": "+1 555 0112 3456"},
    {"id": "106", "firstname": "Zoë", "lastname": "Baker", "email": "zoe@brook.example"},
]
SALESFORCE = [
    {"Id": "0035g00000000A1AAA", "FirstName": "花子", "LastName": "佐藤", "Email": "hanako@mail.example"},
    {"Id": "0035g00000000B1AAA", "LastName": "田中", "AccountId": "0015g0000000001AAA", "Email": "tanaka@mail.example"},
    {"Id": "0035g00000000C1AAA", "FirstName": "ADA", "LastName": "Brown", "Phone": "(555) 0112-3456"},
    {"Id": "0035g00000000D1AAA", "FirstName": "Zoë", "LastName": "Baker", "Email": "ZOE@brook.example"},
]
ACCOUNTS = [{"Id": "0015g0000000001AAA", "Name": "みどり株式会社"}]


@dataclass(frozen=True)
class Small:
    """A warehouse of a few records, matched by dbt in a project of its own that has suggestions switched on."""

    settings: Settings
    transform: Transform

    def build(self, *arguments: str) -> None:
        self.transform.build(lambda *_: None, *(arguments or BUILD))

    def suggest(self) -> Suggestions:
        return suggest(self.settings, read_manifest(self.settings.manifest))

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.settings.warehouse)) as connection:
            return connection.execute(query).fetchall()

    def run(self, *arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
        """`backhaul suggest` in a process of its own."""
        env = {name: value for name, value in os.environ.items() if not name.startswith(("BACKHAUL", "DBT"))}
        env |= {
            "BACKHAUL_WAREHOUSE": str(self.settings.warehouse),
            "BACKHAUL_STATE": str(self.settings.state),
            "DBT_TARGET_PATH": str(self.settings.target),
            **changes,
        }
        command = [sys.executable, "-m", "backhaul", "suggest", *arguments]
        return subprocess.run(
            command, cwd=self.transform.root, env=env, capture_output=True, text=True, check=False, timeout=120
        )


def plant(warehouse: Path, manifest: Mapping[str, Any], landed: Mapping[str, Sequence[Mapping[str, str]]]) -> None:
    """Land records by table; every source has the columns that it declares, null where nothing is said."""
    columns: dict[str, dict[str, str]] = {}
    for node in manifest["sources"].values():
        table = columns.setdefault(f"{node['schema']}.{node['identifier']}", {})
        table |= {name: type_of(name) for name in node["columns"]}
    with duckdb.connect(str(warehouse)) as connection:
        for table, types in columns.items():
            connection.execute(f"create schema if not exists {table.split('.')[0]}")
            declared = ", ".join(f'"{name}" {kind}' for name, kind in types.items())
            connection.execute(f"create table {table} ({declared})")
        for table, rows in landed.items():
            for row in rows:
                names, marks = ", ".join(row), ", ".join("?" * len(row))
                connection.execute(f"insert into {table} ({names}) values ({marks})", list(row.values()))
        for flag, table in (
            ("archived", "hubspot.contacts"),
            ("IsDeleted", "salesforce.contact"),
            ("IsDeleted", "salesforce.account"),
        ):
            connection.execute(f"update {table} set {flag} = false")
        connection.execute("update salesforce.contact set IsPersonAccount = false")
        connection.execute("update salesforce.account set IsPersonAccount = false")


def type_of(column: str) -> str:
    if column in {"first_visit", "last_visit", "last_updated", "type_id"}:
        return "bigint"
    if column.startswith(("Is", "is_")) or column in {"archived", "do_not_process"}:
        return "boolean"
    return "timestamptz" if column.endswith(("_at", "Date", "SystemModstamp")) else "varchar"


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Small:
    folder = tmp_path_factory.mktemp("suggest")
    settings = Settings.model_construct(
        warehouse=folder / "warehouse.duckdb", state=folder / "state", target=folder / "target"
    )
    made = Small(settings, Transform(settings, project(folder / "project")))
    made.transform.parse()
    plant(
        settings.warehouse,
        read_manifest(settings.manifest),
        {"hubspot.contacts": HUBSPOT, "salesforce.contact": SALESFORCE, "salesforce.account": ACCOUNTS},
    )
    made.build()
    return made


@pytest.fixture(scope="module")
def off(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Any]:
    """The manifest of the project as it comes."""
    folder = tmp_path_factory.mktemp("off")
    settings = Settings.model_construct(warehouse=folder / "warehouse.duckdb", state=folder / "s", target=folder / "t")
    transforming(settings).parse()
    return read_manifest(settings.manifest)


@pytest.fixture(scope="module")
def made(small: Small) -> Suggestions:
    """What is suggested before anybody has decided anything."""
    return small.suggest()


def test_what_is_landed_grows_only_when_suggestions_are_on(small: Small, off: Mapping[str, Any]) -> None:
    on = steps.wanted(read_manifest(small.settings.manifest))
    assert {"phone", "address", "zip", "email"} <= set(on.hubspot["contacts"])
    assert {"MailingStreet", "Phone", "Email"} <= set(on.salesforce["Contact"])
    wanted = steps.wanted(off)
    more = {name: new for name in on.hubspot if (new := set(on.hubspot[name]) - set(wanted.hubspot[name]))}
    assert more == {
        "contacts": {"company", "phone", "mobilephone", "address", "zip", "city"},
        "companies": {"phone", "address", "zip", "city"},
    }
    assert not {"Phone", "MailingStreet"} & set(wanted.salesforce["Contact"])
    enabled = {node["name"] for node in off["nodes"].values() if node["config"]["enabled"]}
    assert not enabled & set(MODELS)


def test_without_the_extra_one_line_says_how_to_get_it(small: Small, tmp_path: Path) -> None:
    # A module that cannot be found stands before the installed one.
    (tmp_path / "sitecustomize.py").write_text(
        "import importlib.util as util\nfind = util.find_spec\n"
        "util.find_spec = lambda name, *rest: None if name == 'splink' else find(name, *rest)\n"
    )
    done = small.run(PYTHONPATH=os.pathsep.join([str(tmp_path), str(ROOT)]))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines() == [
        "backhaul: suggestions need Splink: pip install 'backhaul[suggest]', in a clone pip install -e '.[suggest]'"
    ]


def test_the_rules_of_the_models_hold(small: Small) -> None:
    """`make test` has them switched off, so their unit tests run here."""
    assert small.transform.build(lambda *_: None, "--select", *MODELS) == len(MODELS) * 3


@needs_splink
def test_a_project_without_the_switch_is_told_of_it(small: Small, off: Mapping[str, Any]) -> None:
    with pytest.raises(SuggestionError, match=r"suggestions are off; write `&suggestions true` there, then run"):
        suggest(small.settings, off)


@needs_splink
def test_tables_that_dbt_has_not_built_are_named(small: Small, tmp_path: Path) -> None:
    empty = small.settings.model_copy(update={"warehouse": tmp_path / "empty.duckdb"})
    duckdb.connect(str(empty.warehouse)).close()
    with pytest.raises(
        SuggestionError, match=r"compared_people.*does not exist; run `backhaul load`, then `dbt build`"
    ):
        suggest(empty, read_manifest(small.settings.manifest))


@needs_splink
def test_a_warehouse_that_another_process_holds_is_named_with_it(small: Small) -> None:
    with duckdb.connect(str(small.settings.warehouse)):
        done = small.run()
    assert done.returncode == 1
    assert f"another process, {os.getpid()}, holds the warehouse" in done.stderr


@needs_splink
def test_the_worked_example_is_what_the_docs_show(small: Small) -> None:
    done = small.run()
    assert done.returncode == 0, done.stderr
    example = re.search(r"<!-- example -->\n```\n(.*?)\n```\n<!-- /example -->", DOCS, re.DOTALL)
    assert example is not None
    assert [line.rstrip() for line in done.stdout.splitlines()] == example[1].splitlines()


@needs_splink
def test_a_bare_family_name_is_nobody_in_particular(made: Suggestions) -> None:
    tanaka = [one for one in made.found if one.right_name == "田中"]
    assert {one.left_name for one in tanaka} == {"太郎 田中", "次郎 田中", "三郎 田中"}
    assert {one.candidates for one in tanaka} == {3}
    assert len({round(one.probability, 9) for one in tanaka}) == 1
    # Each alone looks likely; together they cannot be more than one person.
    assert all(one.probability_alone > 0.8 for one in tanaka)
    assert sum(one.probability for one in tanaka) < 1


@needs_splink
def test_one_name_on_two_records_that_have_nothing_else_in_common_proves_little(made: Suggestions) -> None:
    (sato,) = [one for one in made.found if one.left_id == "101"]
    assert 0.05 < sato.probability < 0.5
    assert {item.comparison: item.level for item in sato.evidence} == {
        "name": "same name",
        "company": "missing",
        "phone": "missing",
        "address": "missing",
        "email": "missing",
    }
    address, email = sato.evidence[3], sato.evidence[4]
    assert (address.left_value, address.right_value) == ("銀座 1-2-3, 104-0061, 東京", None)
    assert (email.left_value, email.right_value) == (None, "hanako@mail.example")


@needs_splink
def test_the_weights_of_the_evidence_add_up(made: Suggestions) -> None:
    found = made.found
    assert found
    for one in found:
        assert one.weight == pytest.approx(one.weight_before + sum(item.weight for item in one.evidence))
        assert one.probability_alone == pytest.approx(2**one.weight / (1 + 2**one.weight))
        assert one.probability <= one.probability_alone


@needs_splink
def test_two_runs_over_one_warehouse_say_the_same(small: Small, made: Suggestions) -> None:
    assert replace(small.suggest(), made_at=made.made_at) == made


@needs_splink
def test_suggesting_matches_nothing(small: Small, made: Suggestions) -> None:
    tables = [f"identity.{name}" for name in ("matches", "record_pairs", "match_conflicts", "record_pair_conflicts")]
    there = {
        name
        for (name,) in small.rows("select 'identity.' || table_name from duckdb_tables where schema_name = 'identity'")
    }
    before = {table: small.rows(f"from {table} order by all") for table in tables if table in there}
    assert len(before["identity.record_pairs"]) == 1, "Zoë has one address in both"
    write(small.settings.warehouse, made)
    assert small.rows("select count(*) > 0 from suggestions.match_suggestions") == [(True,)]
    assert {table: small.rows(f"from {table} order by all") for table in before} == before
    kept = small.rows(
        "select json_extract_string(evidence, '$[0].level'), settings_id from suggestions.match_suggestions"
    )
    assert ("same name", small.rows("select settings_id from suggestions.suggestion_settings")[0][0]) in kept


@needs_splink
def test_a_row_is_a_match_only_when_a_person_has_said_who_and_why(small: Small, tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    done = small.run("--at-least", "0.9", "--json", "--csv", str(file))
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert [item["comparison"] for item in told["suggestions"][0]["evidence"]] == [
        *("name", "company", "phone", "address", "email")
    ]
    seed = small.transform.root / "seeds/match_overrides.csv"
    empty = seed.read_text()
    assert file.read_text().splitlines()[0] == empty.strip()
    (row,) = csv.DictReader(file.open(encoding="utf-8"))
    assert (row["left_id"], row["right_id"], row["decided_by"], row["reason"]) == ("105", "0035g00000000C1AAA", "", "")
    try:
        seed.write_text(file.read_text())
        with pytest.raises(TransformError, match="decided_match_overrides"):
            small.build("--select", "match_overrides")
        filled = {**row, "decided_by": "Kim", "reason": "Asked on the phone"}
        ruled_out = {**filled, "left_id": "101", "right_id": "0035g00000000A1AAA", "decision": "forbid"}
        seed.write_text("\n".join([empty.strip(), ",".join(filled.values()), ",".join(ruled_out.values()), ""]))
        small.build()
    finally:
        seed.write_text(empty)
    assert small.rows("select hubspot_id, salesforce_id from identity.record_pairs order by all") == [
        ("105", "0035g00000000C1AAA"),
        ("106", "0035g00000000D1AAA"),
    ]
    assert small.rows("select count(*) > 0 from suggestions.match_suggestions") == [(True,)], "dbt does not drop it"
    # Neither what is matched now nor what was ruled out is suggested again.
    assert {one.left_id for one in small.suggest().found} == {"102", "103", "104"}
