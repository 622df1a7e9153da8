"""SOQL as the Salesforce sandbox reads and answers it."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from sandbox.clock import Clock
from sandbox.records import SeedRecord
from sandbox.salesforce import SalesforceStore
from sandbox.salesforce.errors import Refused
from sandbox.salesforce.ids import make_id
from sandbox.salesforce.org import INTEGRATION_ID, View
from sandbox.salesforce.queries import run
from sandbox.salesforce.soql import parse

ACME, GLOBEX = make_id("001", 1), make_id("001", 2)
ANA, BEN, CY, DEE = (make_id("003", number) for number in range(1, 5))


def _seed(kind: str, record_id: str, day: int, **properties: str | None) -> SeedRecord:
    moment = datetime(2026, 5, day, 12, 0, 30, tzinfo=UTC)
    return SeedRecord(kind, record_id, properties, moment, moment)


SEEDS = (
    _seed("Account", ACME, 1, Name="Acme", Industry="Retail"),
    _seed("Account", GLOBEX, 2, Name="Globex"),
    _seed("Contact", ANA, 10, LastName="Ames", Email="ANA@acme.example", AccountId=ACME),
    _seed("Contact", BEN, 20, LastName="O'Neil", Title="50% owner", AccountId=ACME),
    _seed("Contact", CY, 31, LastName="cyrus", Title="CEO", AccountId=GLOBEX),
    _seed("Contact", DEE, 31, LastName="Dee", Birthdate="1990-02-28"),
)


@pytest.fixture(scope="module")
def view() -> View:
    store = SalesforceStore(SEEDS, Clock(date(2026, 6, 1)))
    return View(store.org, INTEGRATION_ID, "/services/data/v66.0")


def _records(view: View, text: str) -> list[dict[str, Any]]:
    answer = run(parse(text), view)
    return [answer.render(row) for row in answer.rows]


def _names(view: View, rest: str) -> list[str]:
    return [row["LastName"] for row in _records(view, f"SELECT LastName FROM Contact {rest}")]


@pytest.mark.parametrize(
    ("where", "names"),
    [
        ("LastName = 'AMES'", ["Ames"]),
        (r"LastName = 'o\'neil'", ["O'Neil"]),
        ("LastName != 'Ames'", ["O'Neil", "cyrus", "Dee"]),
        ("Title = null", ["Ames", "Dee"]),
        ("Title = ''", ["Ames", "Dee"]),
        ("Title != NULL", ["O'Neil", "cyrus"]),
        ("Title != 'CEO'", ["Ames", "O'Neil", "Dee"]),
        ("Title <> 'CEO'", ["Ames", "O'Neil", "Dee"]),
        ("LastName > 'cyrus'", ["O'Neil", "Dee"]),
        ("LastName <= 'CYRUS'", ["Ames", "cyrus"]),
        ("LastName LIKE '%E%'", ["Ames", "O'Neil", "Dee"]),
        ("LastName LIKE 'D_e'", ["Dee"]),
        (r"Title LIKE '50\% %'", ["O'Neil"]),
        ("NOT LastName LIKE '%e%'", ["cyrus"]),
        ("LastName IN ('ames', 'DEE')", ["Ames", "Dee"]),
        ("LastName NOT IN ('ames', 'DEE')", ["O'Neil", "cyrus"]),
        ("Title NOT IN ('CEO')", ["Ames", "O'Neil", "Dee"]),
        (f"Id IN ('{ANA[:15]}', '{BEN}')", ["Ames", "O'Neil"]),
        ("Account.Name = 'acme'", ["Ames", "O'Neil"]),
        ("Account.Owner.LastName = 'Administrator'", ["Ames", "O'Neil", "cyrus"]),
        ("Contact.LastName = 'Dee'", ["Dee"]),
        ("AccountId IN (SELECT Id FROM Account WHERE Industry = 'Retail')", ["Ames", "O'Neil"]),
        ("SystemModstamp >= 2026-05-31T12:00:30Z", ["cyrus", "Dee"]),
        ("SystemModstamp > 2026-05-31T12:00:30.000+0000", []),
        ("SystemModstamp = 2026-05-31T14:00:30+02:00", ["cyrus", "Dee"]),
        ("SystemModstamp = YESTERDAY", ["cyrus", "Dee"]),
        ("SystemModstamp < YESTERDAY", ["Ames", "O'Neil"]),
        ("SystemModstamp = LAST_N_DAYS:12", ["O'Neil", "cyrus", "Dee"]),
        ("Birthdate = 1990-02-28", ["Dee"]),
        ("Birthdate < 1990-02-28", []),
        ("IsEmailBounced = false AND Email != null", ["Ames"]),
        ("(Title = 'CEO' OR LastName = 'Dee') AND (NOT AccountId = null)", ["cyrus"]),
        ("Email = 'ana@ACME.example'", ["Ames"]),
    ],
)
def test_a_condition_picks_rows(view: View, where: str, names: list[str]) -> None:
    assert _names(view, f"WHERE {where}") == names


@pytest.mark.parametrize(
    ("rest", "names"),
    [
        ("ORDER BY LastName", ["Ames", "cyrus", "Dee", "O'Neil"]),
        ("ORDER BY LastName DESC", ["O'Neil", "Dee", "cyrus", "Ames"]),
        ("ORDER BY Title, LastName", ["Ames", "Dee", "O'Neil", "cyrus"]),
        ("ORDER BY Title ASC NULLS LAST, LastName DESC", ["O'Neil", "cyrus", "Dee", "Ames"]),
        ("ORDER BY Title DESC, LastName", ["Ames", "Dee", "cyrus", "O'Neil"]),
        ("ORDER BY Title DESC NULLS LAST, LastName", ["cyrus", "O'Neil", "Ames", "Dee"]),
        ("ORDER BY SystemModstamp DESC, Id DESC LIMIT 2", ["Dee", "cyrus"]),
        ("order by LastName limit 2 offset 1", ["cyrus", "Dee"]),
        ("ORDER BY Account.Name NULLS LAST, LastName", ["Ames", "O'Neil", "cyrus", "Dee"]),
    ],
)
def test_rows_come_in_the_order_asked_for(view: View, rest: str, names: list[str]) -> None:
    assert _names(view, rest) == names


def test_a_missing_parent_is_null_and_a_present_one_an_object(view: View) -> None:
    rows = _records(view, "SELECT Account.Name, Account.Owner.Name FROM Contact ORDER BY Id")
    assert rows[0]["Account"]["attributes"]["type"] == "Account"
    assert rows[0]["Account"]["Owner"]["Name"] == "System Administrator"
    assert rows[3]["Account"] is None


def test_a_child_query_is_an_answer_of_its_own_or_null(view: View) -> None:
    rows = _records(view, "SELECT Name, (SELECT LastName FROM Contacts ORDER BY LastName LIMIT 1) FROM Account")
    assert rows[0]["Contacts"]["totalSize"] == 1
    assert rows[0]["Contacts"]["records"][0]["LastName"] == "Ames"
    assert _records(view, "SELECT (SELECT Id FROM ChildAccounts) FROM Account")[0]["ChildAccounts"] is None


def test_count_has_a_total_and_no_rows(view: View) -> None:
    answer = run(parse("select count() from Contact where AccountId != null"), view)
    assert (answer.total, list(answer.rows)) == (3, [])


def test_aggregates_are_records_of_their_own(view: View) -> None:
    attributes = {"type": "AggregateResult"}
    assert _records(view, "SELECT COUNT(Title), MIN(LastName) first, COUNT_DISTINCT(AccountId) FROM Contact") == [
        {"attributes": attributes, "expr0": 2, "first": "Ames", "expr1": 2}
    ]
    assert _records(view, "SELECT AccountId, COUNT(Id) n FROM Contact GROUP BY AccountId") == [
        {"attributes": attributes, "AccountId": ACME, "n": 2},
        {"attributes": attributes, "AccountId": GLOBEX, "n": 1},
        {"attributes": attributes, "AccountId": None, "n": 1},
    ]


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ("SELECT Id FRM Contact", "MALFORMED_QUERY", "unexpected token: 'FRM'"),
        ("SELECT Id FROM Contact WHERE", "MALFORMED_QUERY", "unexpected token: '<EOF>'"),
        ("SELECT Id FROM Contact LIMIT x", "MALFORMED_QUERY", "unexpected token: 'x'"),
        ("SELECT Id FROM Contact WHERE Id = 'a", "MALFORMED_QUERY", "unterminated string"),
        ("SELECT Id FROM Contact WHERE Id ~ 'a'", "MALFORMED_QUERY", "no viable alternative"),
        (
            "SELECT Id FROM Contact WHERE Title = 'a' AND Title = 'b' OR Title = 'c'",
            "MALFORMED_QUERY",
            "unexpected token: 'OR'",
        ),
        ("SELECT Id FROM Contact ORDER BY", "MALFORMED_QUERY", "unexpected token"),
        ("SELECT Title, COUNT(Id) FROM Contact", "MALFORMED_QUERY", "must be grouped"),
        ("SELECT Id FROM Contact -- note", "MALFORMED_QUERY", "no viable alternative"),
        ("SELECT Id FROM Contcat", "INVALID_TYPE", "sObject type 'Contcat' is not supported"),
        ("SELECT Nope FROM Contact", "INVALID_FIELD", "No such column 'Nope' on entity 'Contact'"),
        ("SELECT DoNotCall FROM Contact", "INVALID_FIELD", "No such column 'DoNotCall'"),
        ("SELECT Account.Nope FROM Contact", "INVALID_FIELD", "on entity 'Account'"),
        ("SELECT Boss.Name FROM Contact", "INVALID_FIELD", "Didn't understand relationship 'Boss'"),
        ("SELECT Id, id FROM Contact", "INVALID_FIELD", "duplicate field selected: id"),
        ("SELECT (SELECT Id FROM Friends) FROM Contact", "INVALID_TYPE", "relationship 'Friends'"),
        (
            "SELECT Id FROM Contact WHERE Description = 'x'",
            "INVALID_FIELD",
            "field 'Description' can not be filtered in a query call",
        ),
        ("SELECT Id FROM Contact ORDER BY MailingAddress", "INVALID_FIELD", "can not be sorted"),
        (
            "SELECT Id FROM Contact WHERE SystemModstamp > '2026-01-01T00:00:00Z'",
            "INVALID_FIELD",
            "must be of type dateTime and should not be enclosed in quotes",
        ),
        ("SELECT Id FROM Contact WHERE SystemModstamp > 2026-01-01", "INVALID_FIELD", "dateTime"),
        ("SELECT Id FROM Contact WHERE LastName = 5", "INVALID_FIELD", "enclosed in quotes"),
        ("SELECT Id FROM Contact WHERE IsDeleted = 'x'", "INVALID_FIELD", "must be of type boolean"),
        ("SELECT Id FROM Contact WHERE Id = 'x'", "INVALID_QUERY_FILTER_OPERATOR", "invalid ID"),
        ("SELECT Id FROM Contact OFFSET 2001", "NUMBER_OUTSIDE_VALID_RANGE", "2000"),
    ],
)
def test_a_bad_query_is_refused_with_its_code(view: View, text: str, code: str, message: str) -> None:
    with pytest.raises(Refused) as caught:
        run(parse(text), view)
    assert caught.value.problems[0].code == code
    assert message in caught.value.problems[0].message


def test_an_error_points_at_its_place(view: View) -> None:
    with pytest.raises(Refused) as caught:
        run(parse("select count() from XYZZY"), view)
    assert caught.value.problems[0].message.startswith(
        "\nselect count() from XYZZY\n                    ^\nERROR at Row:1:Column:21\n"
    )
    with pytest.raises(Refused, match="ERROR at Row:2:Column:6"):
        run(parse("SELECT Id\nFROM XYZZY"), view)


def test_a_query_has_a_greatest_length() -> None:
    with pytest.raises(Refused, match="100000 characters"):
        parse("SELECT Id FROM Contact WHERE Title = '" + "x" * 100_000 + "'")


@pytest.mark.parametrize("deleted", [False, True])
def test_ids_and_indexed_values_find_the_same_as_reading_everything(view: View, deleted: bool) -> None:  # noqa: FBT001
    whole = View(view.org, view.user_id, view.prefix, deleted)
    for where in (f"Id IN ('{CY}', '{ANA}', '{ANA}')", f"Title = 'CEO' AND Id = '{CY}'", "Email = 'ana@ACME.example'"):
        quick = {row["Id"] for row in _records(whole, f"SELECT Id FROM Contact WHERE {where}")}
        slow = {row["Id"] for row in _records(whole, f"SELECT Id FROM Contact WHERE ({where}) OR Id = null")}
        assert quick == slow != set()
    assert _records(whole, f"SELECT Id FROM Contact WHERE Id = '{make_id('003', 99)}'") == []


def test_an_id_beside_another_condition_under_or_does_not_narrow_the_rows(view: View) -> None:
    assert set(_names(view, f"WHERE Id = '{CY}' OR LastName = 'Dee'")) == {"cyrus", "Dee"}
    assert set(_names(view, f"WHERE NOT Id = '{CY}'")) == {"Ames", "O'Neil", "Dee"}
