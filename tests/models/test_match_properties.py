"""The matching models, compiled once by dbt and run over made-up keys, against the rule in plain Python."""

from __future__ import annotations

import csv
import re
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import orjson
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as running
from hypothesis import strategies as st

from backhaul.settings import Settings
from backhaul.spelling import register
from backhaul.transform import Transform, TransformError
from tests.conftest import ROOT, transforming

# Two rules of one priority, and a weaker one; leads by the same address.
RULES = (
    ("b_additional", 1, "visitor", "agent.email", "Contact", "Other__c"),
    ("a_email", 1, "visitor", "agent.email", "Contact", "Email"),
    ("c_login", 2, "visitor", "agent.login", "Contact", "Email"),
    ("d_lead", 1, "visitor", "agent.email", "Lead", "Email"),
)
COLUMNS = (
    "rule,priority,left_system,left_object,left_field,right_system,right_object,right_field,normalisation,decided_by,"
    "reason"
)
VALUES = st.sampled_from(["a@x.com", "b@x.com", "c@x.com"])
# system, landed object, field, record, value
Key = tuple[str, str, str, str, str]
KEYS = st.lists(
    st.one_of(
        st.tuples(
            st.just("pendo"),
            st.just("visitor"),
            st.sampled_from(["agent.email", "agent.login"]),
            st.sampled_from(["v1", "v2", "v3"]),
            VALUES,
        ),
        st.tuples(
            st.just("salesforce"),
            st.just("Contact"),
            st.sampled_from(["Email", "Other__c"]),
            st.sampled_from(["c1", "c2", "c3"]),
            VALUES,
        ),
        st.tuples(st.just("salesforce"), st.just("Lead"), st.just("Email"), st.sampled_from(["l1", "l2"]), VALUES),
    ),
    max_size=12,
)
PAIRS = st.tuples(
    st.sampled_from(["v1", "v2", "v3"]),
    st.sampled_from([("Contact", "c1"), ("Contact", "c2"), ("Lead", "l1")]),
)
OVERRIDES = st.dictionaries(PAIRS, st.sampled_from(["match", "forbid"]), max_size=3)
Pair = tuple[str, str, str]
Overrides = dict[tuple[str, tuple[str, str]], str]


@dataclass(frozen=True)
class Warehouse:
    """A warehouse with empty landings, and what dbt made of the models; `shared` also by the rules reversed."""

    connection: duckdb.DuckDBPyConnection = field(repr=False)
    shared: tuple[str, str] = field(repr=False)
    candidates: str = field(repr=False)


def write_rules(root: Path, rules: Sequence[tuple[object, ...]]) -> None:
    with (root / "seeds/match_rules.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS.split(","))
        for name, priority, left, left_field, right, right_field in rules:
            writer.writerow(
                [name, priority, "pendo", left, left_field, "salesforce", right, right_field, "email", "Test", "Test"]
            )


def project(root: Path, rules: Sequence[tuple[object, ...]]) -> Transform:
    """Copy the project, with rules of its own, over empty landings."""
    for part in ("models", "macros", "seeds"):
        shutil.copytree(ROOT / part, root / part)
    for part in ("dbt_project.yml", "profiles.yml"):
        shutil.copy(ROOT / part, root / part)
    write_rules(root, rules)
    settings = Settings.model_construct(
        warehouse=root / "warehouse.duckdb", state=root / "state", target=root / "target"
    )
    with duckdb.connect(settings.warehouse) as connection:
        for schema in ("pendo", "hubspot", "salesforce", "identity"):
            connection.execute(f"create schema {schema}")
        for table, columns in LANDINGS.items():
            connection.execute(f"create table {table} ({columns})")
    return transforming(settings, root)


LANDINGS = {
    "pendo.visitors": "visitor_id varchar, agent varchar, custom varchar",
    "pendo.accounts": "account_id varchar, agent varchar, custom varchar",
    "hubspot.contacts": "id varchar, email varchar",
    "hubspot.companies": "id varchar, domain varchar",
    "salesforce.contact": "Id varchar, Email varchar, Other__c varchar, Birthdate date",
    "salesforce.lead": "Id varchar, Email varchar",
    "salesforce.account": "Id varchar, Website varchar",
    "identity.int_records__gone": "system varchar, object varchar, record_id varchar, reason varchar, "
    "living_object varchar, living_id varchar",
    "identity.int_match_overrides__followed": "left_system varchar, left_object varchar, left_id varchar, "
    "right_system varchar, right_object varchar, right_id varchar, decision varchar, decided_by varchar",
}
SELECTION = (
    *("--select", "match_rules", "free_mail_domains", "int_keys", "int_matches__shared", "int_matches__candidates"),
    *("matches", "match_conflicts", "--resource-type", "model", "--resource-type", "seed"),
)


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    folder = tmp_path_factory.mktemp("matching")
    transform = project(folder, RULES)
    compiled = folder / "target/compiled/backhaul/models/identity"
    shared = []
    for rules in (RULES, RULES[::-1]):
        write_rules(folder, rules)
        transform.build(lambda *_: None, *SELECTION)
        shared.append((compiled / "int_matches__shared.sql").read_text())
    with duckdb.connect(transform.settings.warehouse) as connection:
        register(connection)
        connection.execute("drop view identity.matches")
        connection.execute("drop table identity.match_conflicts")
        for model in ("matches", "match_conflicts"):
            connection.execute(f"create view identity.{model} as {(compiled / f'{model}.sql').read_text()}")
        candidates = (compiled / "int_matches__candidates.sql").read_text()
        yield Warehouse(connection, (shared[0], shared[1]), candidates)


def matched(
    warehouse: Warehouse, keys: list[Key], overrides: Overrides, order: int = 0
) -> tuple[dict[Pair, tuple[str, str]], set[Pair]]:
    """Match made-up keys, a landed row for each: the pairs with their evidence, and the pairs in conflict."""
    connection = warehouse.connection
    for table in ("pendo.visitors", "salesforce.contact", "salesforce.lead", "identity.int_match_overrides__followed"):
        connection.execute(f"delete from {table}")
    for system, landed, name, record, value in keys:
        if system == "pendo":
            agent = orjson.dumps({name.partition(".")[2]: value}).decode()
            connection.execute("insert into pendo.visitors (visitor_id, agent) values (?, ?)", [record, agent])
        else:
            connection.execute(f"insert into salesforce.{landed} (Id, {name}) values (?, ?)", [record, value])
    for (visitor, (kind, record)), decision in overrides.items():
        connection.execute(
            "insert into identity.int_match_overrides__followed values ('pendo', 'visitor', ?, 'salesforce', ?, ?, ?, "
            "'T')",
            [visitor, kind, record, decision],
        )
    connection.execute(f"create or replace view identity.int_matches__shared as {warehouse.shared[order]}")
    connection.execute(f"create or replace table identity.int_matches__candidates as {warehouse.candidates}")
    found = connection.execute("select product_id, object, record_id, rule, key_value from identity.matches").fetchall()
    conflicts = connection.execute("select product_id, object, record_id from identity.match_conflicts").fetchall()
    assert len({row[:3] for row in found}) == len(found)
    assert len(set(conflicts)) == len(conflicts)
    return {row[:3]: row[3:] for row in found}, set(conflicts)


def expected(keys: list[Key], overrides: Overrides) -> tuple[set[Pair], set[Pair]]:
    """The rule: the first rules for which both have a value decide; whoever may be several is nobody."""
    values: dict[tuple[str, str, str], set[str]] = {}
    for _, landed, name, record, value in keys:
        values.setdefault((landed, record, name), set()).add(value)
    forced = {(visitor, *other) for (visitor, other), decision in overrides.items() if decision == "match"}
    decided = {(visitor, *other) for visitor, other in overrides}
    candidates = set(forced)
    visitors = {record for _, landed, _, record, _ in keys if landed == "visitor"}
    others = {(landed, record) for _, landed, _, record, _ in keys if landed != "visitor"}
    for visitor in visitors:
        for kind, record in others:
            comparable = [
                (priority, bool(ours & theirs))
                for _, priority, _, left_field, right, right_field in RULES
                if right == kind
                and (ours := values.get(("visitor", visitor, left_field)))
                and (theirs := values.get((kind, record, right_field)))
            ]
            best = min((priority for priority, _ in comparable), default=0)
            shares = any(same for priority, same in comparable if priority == best)
            pair = (visitor, kind, record)
            if (
                shares
                and pair not in decided
                and not any(one[0] == visitor or one[1:] == (kind, record) for one in forced)
            ):
                candidates.add(pair)
    of_visitor = Counter((visitor, kind == "Lead") for visitor, kind, _ in candidates)
    of_record = Counter((kind, record) for _, kind, record in candidates)
    several = {one for one in candidates if of_visitor[one[0], one[1] == "Lead"] > 1 or of_record[one[1:]] > 1}
    contacts = {visitor for visitor, kind, _ in candidates if kind != "Lead"}
    standing = {one for one in candidates if one[1] != "Lead" or one[0] not in contacts}
    return standing - several, standing & several


LONG = running(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@LONG
@given(keys=KEYS, overrides=OVERRIDES)
def test_matches_are_exactly_what_the_rules_say(warehouse: Warehouse, keys: list[Key], overrides: Overrides) -> None:
    found, conflicts = matched(warehouse, keys, overrides)
    assert (set(found), conflicts) == expected(keys, overrides)


@LONG
@given(keys=KEYS, overrides=OVERRIDES, data=st.data())
def test_the_order_of_rows_and_of_rules_changes_nothing(
    warehouse: Warehouse, keys: list[Key], overrides: Overrides, data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(keys))
    assert matched(warehouse, keys, overrides) == matched(warehouse, shuffled, overrides, order=1)


@LONG
@given(keys=KEYS, overrides=OVERRIDES, data=st.data())
def test_a_duplicate_only_ever_removes_pairs(
    warehouse: Warehouse, keys: list[Key], overrides: Overrides, data: st.DataObject
) -> None:
    before, conflicts_before = matched(warehouse, keys, overrides)
    twice = data.draw(st.sampled_from(sorted({key[1:4:2] for key in keys}) or [("Contact", "c1")]))
    copies = [(*key[:3], "copy", key[4]) for key in keys if (key[1], key[3]) == twice]
    after, conflicts_after = matched(warehouse, keys + copies, overrides)
    assert {pair for pair in after if "copy" not in pair} <= set(before)
    # A lead steps back for a copied contact, be it in conflict.
    contacts = {visitor for visitor, kind, _ in set(after) | conflicts_after if kind != "Lead"}
    assert {one for one in conflicts_before if one[1] != "Lead" or one[0] not in contacts} <= conflicts_after


@LONG
@given(keys=KEYS, overrides=OVERRIDES)
def test_a_forbidden_pair_never_appears(warehouse: Warehouse, keys: list[Key], overrides: Overrides) -> None:
    found, conflicts = matched(warehouse, keys, overrides)
    forbidden = {(visitor, *other) for (visitor, other), decision in overrides.items() if decision == "forbid"}
    assert not forbidden & (set(found) | conflicts)


@pytest.mark.parametrize(
    ("field_name", "object_name", "said"),
    [
        ("Emial", "Contact", "rule wrong: salesforce Contact has no landed field Emial"),
        ("Birthdate", "Contact", "rule wrong: salesforce Contact.Birthdate is a date"),
        ("Email", "Case", "rule wrong: salesforce Case is not among the landings"),
        ("Usage_Minutes_30d__c", "Contact", "salesforce Contact.Usage_Minutes_30d__c is written by an activation"),
    ],
)
def test_a_rule_that_cannot_work_stops_the_build_with_its_name(
    tmp_path: Path, field_name: str, object_name: str, said: str
) -> None:
    transform = project(tmp_path, [("wrong", 1, "visitor", "agent.email", object_name, field_name)])
    with duckdb.connect(transform.settings.warehouse) as connection:
        connection.execute("alter table salesforce.contact add column Usage_Minutes_30d__c double")
    with pytest.raises(TransformError, match=said):
        transform.build(lambda *_: None, *SELECTION)


@pytest.mark.parametrize("product_field", ["custom.hubspot_owner_email", "custom.HubSpot_Owner_Email"])
def test_a_field_that_we_push_to_pendo_is_no_key(tmp_path: Path, product_field: str) -> None:
    """Else what we wrote to a visitor would find the contact that it was taken from, right or wrong."""
    transform = project(tmp_path, [("proof", 1, "visitor", product_field, "Contact", "Email")])
    said = f"rule proof: pendo visitor.{product_field} is written by an activation"
    with pytest.raises(TransformError, match=re.escape(said)):
        transform.build(lambda *_: None, *SELECTION)


def test_a_field_of_pendos_that_nobody_pushes_is_a_key(tmp_path: Path) -> None:
    transform = project(tmp_path, [("theirs", 1, "visitor", "custom.owner_email", "Contact", "Email")])
    assert transform.build(lambda *_: None, *SELECTION) > 0


@pytest.mark.parametrize(
    "rule",
    [
        "hubspot,deals,dealname,salesforce,Opportunity,Name,exact",
        "hubspot,deals,amount,salesforce,Opportunity,Amount,exact",
        "hubspot,companies,id,salesforce,Opportunity,AccountId,exact",
        "pendo,account,account_id,salesforce,Opportunity,Id,exact",
    ],
)
def test_a_rule_that_would_take_one_deal_for_another_stops_the_build(dealing: Transform, rule: str) -> None:
    rules = f"{COLUMNS}\nwrong,1,{rule},Test,Test\n"
    (dealing.root / "seeds/match_rules.csv").write_text(rules)
    with pytest.raises(
        TransformError, match="rule wrong: HubSpot deals pair with Salesforce Opportunity alone, by the id"
    ):
        dealing.build(lambda *_: None, *SELECTION)


def test_a_remark_among_the_free_mail_domains_hides_no_other_domain_and_is_found(dealing: Transform) -> None:
    rule = "pendo,account,agent.domain,hubspot,companies,domain,domain"
    (dealing.root / "seeds/match_rules.csv").write_text(f"{COLUMNS}\ndomain,1,{rule},Test,Test\n")
    free_mail = dealing.root / "seeds/free_mail_domains.csv"
    test = ("--select", "free_mail_domains", "assert_free_mail_domains_are_hosts")
    with duckdb.connect(dealing.settings.warehouse) as connection:
        connection.execute("insert into hubspot.companies values ('1', 'acme.com'), ('2', 'gmx.de')")
    for wrong in ("# Germany", "ada@gmx.de", "gmx de", "gmx"):
        free_mail.write_text(f"domain\n{wrong}\nWWW.GMX.de\n")
        with pytest.raises(TransformError, match="assert_free_mail_domains_are_hosts"):
            dealing.build(lambda *_: None, *test)
    free_mail.write_text("domain\n# Germany\nWWW.GMX.de\n")
    dealing.build(lambda *_: None, *SELECTION)
    with duckdb.connect(dealing.settings.warehouse) as connection:
        register(connection)
        assert connection.execute("select record_id, key_value from identity.int_keys").fetchall() == [
            ("1", "acme.com")
        ]
    free_mail.write_text("domain\nWWW.GMX.de\nbücher.example\n")
    assert dealing.build(lambda *_: None, *test) > 0


@pytest.fixture(scope="module")
def dealing(tmp_path_factory: pytest.TempPathFactory) -> Transform:
    """A project that is parsed once, with the test of one seed; each test writes a rule of its own."""
    root = tmp_path_factory.mktemp("dealing")
    (root / "tests/models").mkdir(parents=True)
    shutil.copy(ROOT / "tests/models/assert_free_mail_domains_are_hosts.sql", root / "tests/models")
    made = project(root, RULES)
    # Parsed here and nowhere else: dbt reads a seed where it was parsed, and the tests change one later.
    shutil.rmtree(made.settings.target)
    return Transform(made.settings, root)


# What match_rates is made of, and the rates themselves, with the columns that the test reads.
RATED = {
    "int_records": "system varchar, object varchar, record_id varchar",
    "matches": "crm varchar, object varchar, product_object varchar, product_id varchar, record_id varchar",
    "match_conflicts": "crm varchar, object varchar, product_object varchar, product_id varchar, record_id varchar",
    "match_rates": "run_id varchar, run_at timestamp, crm varchar, object varchar, product_object varchar, "
    "record_count bigint, product_count bigint, matched_count bigint, conflict_record_count bigint, "
    "conflict_product_count bigint, product_percent decimal(5, 2), record_percent decimal(5, 2)",
}
Rate = tuple[str, str, str, float | None]


def tell(transform: Transform, *rates: Rate) -> None:
    """Add rates: when, of which object, and the part."""
    told = "insert into identity.match_rates (run_at, crm, object, product_percent) values (?, ?, ?, ?)"
    with duckdb.connect(transform.settings.warehouse) as connection:
        connection.executemany(told, rates)


@pytest.mark.parametrize(
    ("variables", "holds"),
    [
        ("{}", True),
        ("{match_percent_at_least: {hubspot.contacts: 60}}", True),
        ("{match_percent_at_least: {hubspot.contacts: 61}}", False),
        ("{match_percent_at_least: {hubspot.contacts: 60, salesforce.Lead: 1}}", False),
        ("{match_percent_at_least: {hubspot.contact: 1}}", False),
        ("{match_percent_may_fall_by: 10}", True),
        ("{match_percent_may_fall_by: 9}", False),
    ],
)
def test_a_threshold_that_is_crossed_stops_the_build(rated: Transform, variables: str, *, holds: bool) -> None:
    """Contacts fell from 70 to 60 percent; leads have nobody to match; a misspelt name is no threshold that holds."""
    assert passes(rated, variables) == holds


def passes(rated: Transform, variables: str) -> bool:
    try:
        rated.build(lambda *_: None, "--select", "assert_match_rates_hold", "--vars", variables)
    except TransformError as error:
        if "assert_match_rates_hold" not in str(error):
            raise
        return False
    return True


def test_a_fall_stays_one_until_somebody_accepts_it(rated: Transform) -> None:
    """The run that fell has left its rate: the build that is started again must not pass for that."""
    five = "match_percent_may_fall_by: 5"
    tell(rated, ("2026-01-03 04:00", "hubspot", "contacts", 60))
    assert not passes(rated, f"{{{five}}}")
    for moment, accepted in (("2026-01-02", True), ("2026-01-01", False), ("2026-01-03 03:00", True)):
        variables = f"{{{five}, match_percent_accepted_from: {{hubspot.contacts: '{moment}'}}}}"
        assert passes(rated, variables) == accepted
    # Of another object, or of none.
    for name in ("salesforce.Lead", "hubspot.contact"):
        assert not passes(rated, f"{{{five}, match_percent_accepted_from: {{{name}: 2026-01-02}}}}")
    tell(rated, ("2026-01-04", "hubspot", "contacts", 66))
    assert passes(rated, f"{{{five}}}"), "it has risen again"
    tell(rated, ("2026-01-04 12:00", "salesforce", "Lead", 0))
    assert not passes(rated, f"{{{five}}}"), "the newest run tells nothing of it"
    # What was accepted is no leave to fall further.
    tell(rated, ("2026-01-05", "hubspot", "contacts", 54))
    assert not passes(rated, f"{{{five}, match_percent_accepted_from: {{hubspot.contacts: 2026-01-02}}}}")


def test_an_object_whose_last_record_is_gone_has_a_rate_of_nothing(rated: Transform) -> None:
    """Every contact was archived, and then every account: no run may pass for what an earlier one had."""
    least = "{match_percent_at_least: {salesforce.Contact: 50}}"
    with duckdb.connect(rated.settings.warehouse) as connection:
        connection.execute("delete from identity.match_rates")
        connection.execute(
            "insert into identity.int_records values ('pendo', 'visitor', 'v1'), ('pendo', 'account', 'a1'), "
            "('salesforce', 'Contact', 'c1'), ('salesforce', 'Account', 'k1')"
        )
        connection.execute("insert into identity.matches values ('salesforce', 'Contact', 'visitor', 'v1', 'c1')")
        connection.execute("insert into identity.matches values ('salesforce', 'Account', 'account', 'a1', 'k1')")
    rate(rated)
    assert passes(rated, least)
    with duckdb.connect(rated.settings.warehouse) as connection:
        connection.execute("delete from identity.int_records where object = 'Contact'")
        connection.execute("delete from identity.matches where object = 'Contact'")
    rate(rated)
    assert not passes(rated, least)
    assert not passes(rated, "{match_percent_may_fall_by: 5}")
    with duckdb.connect(rated.settings.warehouse) as connection:
        connection.execute("delete from identity.int_records where system = 'salesforce'")
        connection.execute("delete from identity.matches")
    rate(rated)
    assert not passes(rated, least)
    newest = "select object, record_count, product_percent from identity.match_rates where run_at = "
    told = rows(rated, f"{newest} (select max(run_at) from identity.match_rates) order by all")
    assert told == [("Contact", 0, 0), ("Lead", 0, 0)]
    # No rule names accounts, and no record is one: the run before last has told of them last.
    assert not passes(rated, "{match_percent_at_least: {salesforce.Account: 50}}")


def rate(transform: Transform) -> None:
    kinds = ("--resource-type", "model", "--resource-type", "seed")
    transform.build(lambda *_: None, "--select", "match_rules", "match_rates", *kinds)


@pytest.fixture
def rated(rating: Transform) -> Transform:
    """The rates of two runs, and the test of them."""
    with duckdb.connect(rating.settings.warehouse) as connection:
        for table in RATED:
            connection.execute(f"delete from identity.{table}")
    tell(rating, ("2026-01-01", "hubspot", "contacts", 70), ("2026-01-02", "hubspot", "contacts", 60))
    tell(rating, ("2026-01-02", "salesforce", "Lead", None))
    return rating


@pytest.fixture(scope="module")
def rating(tmp_path_factory: pytest.TempPathFactory) -> Transform:
    """A project that is parsed once, with the test of the rates."""
    folder = tmp_path_factory.mktemp("rated")
    transform = project(folder, RULES)
    (folder / "tests/models").mkdir(parents=True)
    shutil.copy(ROOT / "tests/models/assert_match_rates_hold.sql", folder / "tests/models")
    with duckdb.connect(transform.settings.warehouse) as connection:
        for table, columns in RATED.items():
            connection.execute(f"create table identity.{table} ({columns})")
    return transform


OVERRIDE = {
    "left_system": "pendo",
    "left_object": "visitor",
    "left_id": "v1",
    "right_system": "salesforce",
    "right_object": "Contact",
    "right_id": "0035g00000AbCdE",
    "decision": "match",
    "decided_by": "RevOps",
    "reason": "The same person",
}


def decide(root: Path, **changes: str) -> None:
    """Write a decision on one pair."""
    row = OVERRIDE | changes
    (root / "seeds/match_overrides.csv").write_text(f"{','.join(row)}\n{','.join(row.values())}\n")


def test_a_decision_or_a_rule_with_an_empty_cell_stops_the_build(deciding: Transform) -> None:
    decide(deciding.root)
    deciding.build(lambda *_: None, *SEEDS)
    for missing in ("left_id", "right_object", "decision", "decided_by", "reason"):
        decide(deciding.root, **{missing: ""})
        with pytest.raises(TransformError, match="decided_match_overrides"):
            deciding.build(lambda *_: None, *SEEDS)
    decide(deciding.root)
    rules = deciding.root / "seeds/match_rules.csv"
    right = rules.read_text()
    for cells, emptied in ((",email,Test", ",,Test"), (",Test,Test", ",,Test"), (",Contact,", ",,"), (",1,", ",,")):
        rules.write_text(right.replace(cells, emptied, 1))
        with pytest.raises(TransformError, match="decided_match_rules"):
            deciding.build(lambda *_: None, *SEEDS)
    rules.write_text(right)


SEEDS = ("--select", "match_overrides", "match_rules", "--indirect-selection", "cautious")


@pytest.mark.parametrize(
    ("changes", "holds"),
    [
        ({}, True),
        ({"right_id": "0035g00000AbCdEAAV"}, True),
        ({"right_id": "0035g00000abcde"}, False),
        ({"right_object": "Contacts"}, False),
        ({"left_id": "V1"}, False),
        ({"left_object": "account"}, False),
        # Merged, and purged after it was matched.
        ({"left_id": "merged"}, True),
        ({"left_id": "purged", "decision": "forbid"}, True),
    ],
)
def test_a_decision_about_a_record_that_never_was_stops_the_build(
    deciding: Transform, changes: dict[str, str], *, holds: bool
) -> None:
    decide(deciding.root, **changes)
    select = ("--select", "match_overrides", "--resource-type", "seed")
    deciding.build(lambda *_: None, *select)
    found = ("--select", "assert_decisions_name_records")
    if holds:
        assert deciding.build(lambda *_: None, *found) == 1
    else:
        with pytest.raises(TransformError, match="assert_decisions_name_records"):
            deciding.build(lambda *_: None, *found)


@pytest.fixture(scope="module")
def deciding(tmp_path_factory: pytest.TempPathFactory) -> Transform:
    """A project that is parsed once, with the test of decisions, a visitor and a contact."""
    root = tmp_path_factory.mktemp("deciding")
    (root / "tests/models").mkdir(parents=True)
    shutil.copy(ROOT / "tests/models/assert_decisions_name_records.sql", root / "tests/models")
    transform = project(root, RULES)
    pair = "left_system varchar, left_object varchar, left_id varchar, right_system varchar, right_object varchar"
    with duckdb.connect(transform.settings.warehouse) as connection:
        connection.execute("create table identity.int_records (system varchar, object varchar, record_id varchar)")
        connection.execute(f"create table identity.match_changes ({pair}, right_id varchar)")
        connection.execute(
            "insert into identity.int_records values ('pendo', 'visitor', 'v1'), "
            "('salesforce', 'Contact', '0035g00000AbCdEAAV')"
        )
        connection.execute(
            "insert into identity.int_records__gone (system, object, record_id) values ('pendo', 'visitor', 'merged')"
        )
        connection.execute(
            "insert into identity.match_changes values ('pendo', 'visitor', 'purged', 'salesforce', 'Lead', 'l1')"
        )
    return transform


def test_a_second_match_of_one_record_stops_the_build_and_the_last_matches_stay(tmp_path: Path) -> None:
    transform = project(tmp_path, RULES)
    people = "insert into salesforce.contact (Id, Email) values ('c1', 'a@x.com'), ('c2', 'b@x.com'), ('c3', 'b@x.com')"
    with duckdb.connect(transform.settings.warehouse) as connection:
        connection.execute("insert into pendo.visitors (visitor_id, agent) values ('v1', '{\"email\": \"a@x.com\"}')")
        connection.execute("insert into pendo.visitors (visitor_id, agent) values ('v2', '{\"email\": \"b@x.com\"}')")
        connection.execute(people)
    transform.build(lambda *_: None, *SELECTION)
    found = "select product_id, record_id from identity.matches"
    assert rows(transform, found) == [("v1", "c1")]
    model = tmp_path / "models/identity/int_matches__candidates.sql"
    right = model.read_text()
    # Whoever has two is taken for somebody who has one: of the contacts, and of the visitors.
    for side, people in (
        ("left_side", "update pendo.visitors set agent = '{\"email\": \"b@x.com\"}' where visitor_id = 'v2'"),
        ("right_side", 'update pendo.visitors set agent = \'{"email": "a@x.com"}\''),
    ):
        wrong = right.replace(
            f"    group by {side}\n    having count(*) > 1", f"    group by {side}\n    having count(*) > 9"
        )
        assert wrong != right
        model.write_text(wrong)
        with duckdb.connect(transform.settings.warehouse) as connection:
            connection.execute(people)
        with pytest.raises(TransformError, match="a record has two matches: int_matches__candidates"):
            transforming(transform.settings, tmp_path).build(lambda *_: None, *SELECTION)
        assert rows(transform, found) == [("v1", "c1")]


def rows(transform: Transform, query: str) -> list[tuple[object, ...]]:
    with duckdb.connect(transform.settings.warehouse) as connection:
        return connection.execute(query).fetchall()
