"""A Salesforce org behind real HTTP, with a clock that tests move: anything may happen in it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

import duckdb
from starlette.types import ASGIApp, Receive, Scope, Send

from loaders import Wanted
from sandbox.clock import Clock
from sandbox.records import SeedRecord
from sandbox.salesforce import SalesforceStore, salesforce_app
from sandbox.salesforce.ids import make_id
from sandbox.salesforce.org import ADMIN_ID
from sandbox.salesforce.saving import Writer
from sandbox.salesforce.schema import Field
from sandbox.salesforce.writes import create
from tests.loaders.convergence import Calls, Hands, State

if TYPE_CHECKING:
    from tests.sandbox.hubspot_fixtures import Switch

CLIENT, SECRET = "client", "s3cret"
LONG_AGO = datetime(2026, 1, 5, 8, 30, 15, tzinfo=UTC)
FIELDS = {
    "Contact": ("LastName", "Title", "AccountId", "Worth__c"),
    "Account": ("Name", "Industry"),
    "Lead": ("LastName", "Company", "Title"),
    "Opportunity": ("Name", "StageName", "AccountId"),
}
TEXTS = {"Contact": "Title", "Account": "Industry", "Lead": "Title", "Opportunity": "NextStep"}
OBJECTS = tuple(FIELDS)
MERGEABLE = ("Contact", "Account", "Lead")
# What the landing says of every object that has them, wanted or not.
FATE = ("MasterRecordId", "IsConverted", "ConvertedAccountId", "ConvertedContactId", "ConvertedOpportunityId")
# As many contacts as are read by REST.
BULK_ABOVE = 12
Row = dict[str, Any]


class Salesforce:
    """A Salesforce org to which anything may happen."""

    vendor = "salesforce"
    EVENTS = (
        "create",
        "edit",
        "clear",
        "move",
        "merge",
        "delete",
        "restore",
        "purge",
        "convert",
        "a formula changes",
        "a session ends",
        "let time pass",
        "one call fails",
    )
    wanted = Wanted(salesforce=FIELDS)

    def __init__(self, switch: Switch, url: str, people: int = 15) -> None:
        self.clock = Hands()
        seeds = [
            *(seed("Account", "001", n, Name=f"Firm {n}") for n in range(1, 6)),
            *(
                seed("Contact", "003", n, LastName=f"P{n}", AccountId=make_id("001", 1 + n % 5))
                for n in range(1, people + 1)
            ),
            *(seed("Lead", "00Q", n, LastName=f"L{n}", Company="Acme", Status="New") for n in range(1, 9)),
        ]
        self.store = SalesforceStore(seeds, cast("Clock", self.clock))
        self.worth = 1.0
        formula = Field("Worth__c", "Worth", "double", precision=18, scale=2)
        self.store.add_formula("Contact", formula, lambda row: self.worth * len(str(row["LastName"])))
        app = small_pages(salesforce_app(self.store, CLIENT, SECRET, url))
        switch.app = self.calls = Calls(app, before=self.begin_call)
        self.made = 0
        self.session_ends_at: int | None = None
        self.is_new_session = False

    def begin_call(self, path: str) -> None:
        """End the sessions before a call when it is time, but no session that was not used yet."""
        if path.endswith("/token"):
            self.is_new_session = True
            return
        if self.session_ends_at is not None and self.calls.count >= self.session_ends_at and not self.is_new_session:
            self.session_ends_at = None
            self.store.end_sessions()
            self.clock.at += timedelta(seconds=1)
        self.is_new_session = False

    def happen(self, event: str, one: int, other: int) -> None:  # noqa: C901 - a dozen things happen
        """Let one of EVENTS happen, to the records that two numbers choose."""
        name = OBJECTS[one % len(OBJECTS)]
        # A converted lead is read-only.
        live = [row for row in self.rows(name) if not row["IsDeleted"] and not row.get("IsConverted")]
        chosen = live[other % len(live)]["Id"] if live else None
        match event:
            case "create":
                self.create(name)
            case "edit" | "clear" if chosen:
                text = f"text{other % 3}" if event == "edit" else None
                self.store.edit(name, chosen, {TEXTS[name]: text})
            case "move" if name in ("Contact", "Opportunity") and chosen:
                homes = [row["Id"] for row in self.rows("Account") if not row["IsDeleted"]]
                self.store.edit(name, chosen, {"AccountId": homes[one % len(homes)] if homes else None})
            case "merge" if name in MERGEABLE and len(live) > 1 and chosen:
                self.store.merge(name, chosen, live[(other + 1) % len(live)]["Id"])
            case "delete" if chosen:
                self.store.delete(name, chosen)
            case "restore" | "purge":
                self.from_bin(event, name, other)
            case "convert" if name == "Lead" and chosen:
                self.store.convert_lead(chosen, opportunity=other % 2 == 0)
            case "a formula changes":
                self.worth = float(one)
            case "a session ends":
                self.session_ends_at = self.calls.count + one % 12
            case "let time pass":
                # The list of deletions goes back fifteen days.
                self.clock.at += timedelta(days=other % 20) if one % 3 == 0 else timedelta(seconds=other % 400)
            case "one call fails":
                self.calls.fail_once(one % 20)

    def from_bin(self, event: str, name: str, other: int) -> None:
        """Take a record out of the recycle bin, back to life or for good; a merged one is gone for good only."""
        binned = [row for row in self.rows(name) if row["IsDeleted"]]
        if event == "restore":
            binned = [row for row in binned if not row.get("MasterRecordId")]
        if binned:
            (self.store.restore if event == "restore" else self.store.purge)(name, binned[other % len(binned)]["Id"])

    def create(self, name: str) -> None:
        self.made += 1
        values = {
            "Contact": {"LastName": f"New {self.made}"},
            "Account": {"Name": f"New {self.made}"},
            "Lead": {"LastName": f"New {self.made}", "Company": "Acme"},
            "Opportunity": {"Name": f"Deal {self.made}", "StageName": "Prospecting", "CloseDate": "2027-01-01"},
        }
        person = Writer(self.store.org, None, ADMIN_ID, assign=False, allow_duplicates=True)
        create(person, self.store.org.schema.known(name), values[name])

    def rows(self, name: str) -> list[Row]:
        return self.store.records(name)

    def settle(self) -> None:
        """Let a day pass: formulas are read again, and the list of deletions tells those of the last minute."""
        self.session_ends_at = None
        self.clock.at += timedelta(days=1)

    def truth(self) -> State:
        rows = {name: self.rows(name) for name in OBJECTS}
        return {
            "records": {(name, *told(name, row)) for name in OBJECTS for row in rows[name]},
            "merges that are missing": set(),
            "gone but there": set(),
        }

    def landed(self, warehouse: duckdb.DuckDBPyConnection) -> State:
        there = {name: {row["Id"]: row for row in self.rows(name)} for name in OBJECTS}
        found: dict[str, list[Row]] = {}
        for name in OBJECTS:
            table = warehouse.sql(f"select * from salesforce.{name.lower()}").to_arrow_table()
            found[name] = table.to_pylist()
            assert len({row["Id"] for row in found[name]}) == len(found[name])
        merged = warehouse.execute("select object, id, master_id from salesforce.merged_records").fetchall()
        assert len({(name, loser) for name, loser, _ in merged}) == len(merged)
        return {
            "records": {
                (name, *told(name, row)) for name in OBJECTS for row in found[name] if row["Id"] in there[name]
            },
            # The landing may know more merges than Salesforce still tells.
            "merges that are missing": {
                (name, row["Id"], row["MasterRecordId"])
                for name in OBJECTS
                for row in there[name].values()
                if row.get("MasterRecordId")
            }
            - set(merged),
            # What left the recycle bin may stay in the landing, as deleted.
            "gone but there": {
                (name, row["Id"])
                for name in OBJECTS
                for row in found[name]
                if row["Id"] not in there[name] and not row["IsDeleted"]
            },
        }


def small_pages(app: ASGIApp) -> ASGIApp:
    """Give an org that answers with as few records a call as Salesforce ever does."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        headers = [*scope["headers"], (b"sforce-query-options", b"batchSize=200")]
        await app({**scope, "headers": headers}, receive, send)

    return answer


def seed(name: str, prefix: str, number: int, **values: object) -> SeedRecord:
    return SeedRecord(name, make_id(prefix, number), values, LONG_AGO, LONG_AGO)


def told(name: str, row: Row) -> tuple[object, ...]:
    """Give what a record says, landed or not, in one form."""
    modified = row["SystemModstamp"]
    if isinstance(modified, str):
        modified = datetime.fromisoformat(modified)
    return (row["Id"], row["IsDeleted"], modified, *(row.get(field) for field in (*FIELDS[name], *FATE)))
