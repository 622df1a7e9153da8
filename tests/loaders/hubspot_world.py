"""A HubSpot account behind real HTTP, with a clock that tests move: anything may happen in it."""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import duckdb
import httpx

from loaders import Wanted
from sandbox.hubspot import HubSpotStore, hubspot_app
from tests.loaders.convergence import PERSON, Calls, Hands, State
from tests.sandbox.hubspot_account import NO_LIMITS, OWNERS, TOKEN, company, contact

if TYPE_CHECKING:
    from tests.sandbox.hubspot_fixtures import Switch

OBJECTS = ("contacts", "companies", "deals")
TEXTS = {"contacts": "jobtitle", "companies": "domain", "deals": "dealname"}
NAMES = {"contacts": ("email", "jobtitle"), "companies": ("name", "domain"), "deals": ("dealname", "dealstage")}
NO_ADDRESS = "not an@address"
PAIRS = (("contacts", "companies"), ("deals", "contacts"))


class HubSpot:
    """A HubSpot account to which anything may happen."""

    vendor = "hubspot"
    EVENTS = (
        "create",
        "edit",
        "clear",
        "merge",
        "archive",
        "delete for good",
        "restore",
        "associate",
        "part",
        "opt out",
        "let time pass",
        "one call fails",
    )
    wanted = Wanted(
        hubspot=NAMES,
        hubspot_associations=PAIRS,
        hubspot_history={"contacts": ("jobtitle",), "deals": ("dealname",)},
        hubspot_subscriptions=True,
    )

    def __init__(self, switch: Switch, client: httpx.Client, people: int = 29) -> None:
        self.clock = Hands()
        numbers = range(101, 101 + people)
        contacts = [contact(number, f"p{number}@x.example", archived=number % 7 == 0) for number in numbers]
        firms = [company(number, domain=f"c{number}.example") for number in range(101, 112)]
        self.store = HubSpotStore(
            [contact(100, NO_ADDRESS), *contacts, *firms], self.clock, owners=OWNERS, limits=NO_LIMITS, index_lag=20
        )
        switch.app = self.calls = Calls(hubspot_app(self.store, TOKEN))
        self.client = client
        self.made = 0
        self.unseen = False

    def person(self, method: str, path: str, **content: Any) -> httpx.Response:
        """Do something as a person, by the API."""
        answer = self.client.request(method, path, headers=PERSON, **content)
        assert answer.is_success, answer.text
        return answer

    def happen(self, event: str, one: int, other: int) -> None:  # noqa: C901 - a dozen things happen
        """Let one of EVENTS happen, to the records that two numbers choose."""
        match event:
            case "create":
                self.create(one)
            case "edit" | "clear":
                text = f"text{other % 3}" if event == "edit" else None
                self.on_live(one, other, lambda name, record: self.store.edit(name, record, {TEXTS[name]: text}))
            case "merge":
                self.merge(one, other)
            case "archive":
                self.on_live(one, other, self.store.delete)
            case "delete for good":
                path = "/crm/objects/2026-09/contacts/gdpr-delete"
                self.on_live(0, other, lambda _, record: self.person("POST", path, json={"objectId": record}))
            case "restore":
                self.restore(one, other)
            case "associate":
                self.link("PUT", one, other)
            case "part":
                self.link("DELETE", one, other)
            case "opt out":
                statuses = "/communication-preferences/2026-09/statuses"
                self.person("POST", f"{statuses}/p{101 + other % 28}@x.example/unsubscribe-all?channel=EMAIL")
            case "let time pass":
                self.clock.at += timedelta(days=other % 5) if one % 3 == 0 else timedelta(seconds=other % 40)
            case _:
                self.calls.fail_once(one % 20)

    def on_live(self, one: int, other: int, do: Callable[[str, str], object]) -> None:
        name = OBJECTS[one % len(OBJECTS)]
        if live := self.live(name):
            do(name, live[other % len(live)])

    def live(self, name: str) -> list[str]:
        return [str(number) for number in self.store.tables[name].live]

    def create(self, one: int) -> None:
        name = OBJECTS[one % len(OBJECTS)]
        self.made += 1
        values = {
            "contacts": {"email": f"new{self.made}@x.example", "jobtitle": "Chef"},
            "companies": {"name": f"New {self.made}"},
            "deals": {"dealname": f"Deal {self.made}", "pipeline": "default", "dealstage": "appointmentscheduled"},
        }
        self.person("POST", f"/crm/objects/2026-09/{name}", json={"properties": values[name]})

    def merge(self, one: int, other: int) -> None:
        name = OBJECTS[one % len(OBJECTS)]
        if len(live := self.live(name)) > 1:
            self.store.merge(name, live[other % len(live)], live[(other + 1) % len(live)])

    def restore(self, one: int, other: int) -> None:
        """Take a record out of the recycle bin, as a person can; its modification time stays."""
        table = self.store.tables[OBJECTS[one % len(OBJECTS)]]
        if table.bin:
            number = table.bin.pop(other % len(table.bin))
            old = table.records[number]
            table.records[number] = type(old)(number, old.values, old.created, old.updated)
            insort(table.live, number)
            # Search keeps records in the order of their modification: all that waits is seen now, and put in order.
            table.index.at(self.store.now() + 60_000)
            table.index.fill(table.records[one] for one in table.live)
            if address := old.values.get("email"):
                table.taken.setdefault(("email", address.lower()), number)

    def link(self, method: str, one: int, other: int) -> None:
        start, stop = PAIRS[one % len(PAIRS)]
        here, there = self.live(start), self.live(stop)
        if here and there:
            plain = "/default" if method == "PUT" else ""
            ends = f"{here[one % len(here)]}/associations{plain}/{stop}/{there[other % len(there)]}"
            self.person(method, f"/crm/objects/2026-09/{start}/{ends}")
            # Neither record's modification time has moved.
            self.unseen = True

    def settle(self) -> None:
        self.clock.at += timedelta(days=1) if self.unseen else timedelta(minutes=1)

    def truth(self) -> State:
        stored = {name: self.store.records(name) for name in OBJECTS}
        return {
            "records": {
                (name, one["id"], one["archived"], *(one["properties"].get(column) for column in NAMES[name]))
                for name, records in stored.items()
                for one in records
            },
            "associations": {
                (one, start, other, str(stop), kind.type_id)
                for one, other in PAIRS
                for start in self.live(one)
                for stop, kinds in self.store.links.of(one, int(start), other)
                for kind in kinds
            },
            "statuses": {
                (email, str(number), self.store.consents.of(email, number).state)
                for one in stored["contacts"]
                if not one["archived"] and one["properties"]["email"] != NO_ADDRESS
                for email in (one["properties"]["email"],)
                for number in self.store.consents.subscriptions
            },
            "history that is missing": set(),
            "gone but there": set(),
        }

    def told(self, name: str, columns: Sequence[str]) -> list[dict[str, Any]]:
        query = {"limit": "50", "propertiesWithHistory": ",".join(columns)}
        results: list[dict[str, Any]] = []
        while True:
            answer = self.person("GET", f"/crm/objects/2026-09/{name}", params=query).json()
            results += answer["results"]
            if "paging" not in answer:
                return results
            query["after"] = answer["paging"]["next"]["after"]

    def landed(self, warehouse: duckdb.DuckDBPyConnection) -> State:
        def ask(sql: str) -> list[tuple[Any, ...]]:
            rows = warehouse.execute(sql).fetchall()
            assert len(set(rows)) == len(rows), sql
            return rows

        # An archived record without a time of it was merged away or deleted for good.
        records = {
            (name, *row)
            for name in OBJECTS
            for row in ask(
                f"select id, archived, {', '.join(NAMES[name])} from hubspot.{name} "
                "where not archived or archived_at is not null"
            )
        }
        gone = {
            (name, record)
            for name in OBJECTS
            for (record,) in ask(f"select id from hubspot.{name} where archived and archived_at is null")
        }
        live = "select email from hubspot.contacts where not archived"
        history = set(ask("select object, id, property, value, set_at from hubspot.property_history"))
        shown = {
            (name, one["id"], column, revision["value"], datetime.fromisoformat(revision["timestamp"]))
            for name, columns in self.wanted.hubspot_history.items()
            for one in self.told(name, columns)
            for column, revisions in one["propertiesWithHistory"].items()
            for revision in revisions
        }
        return {
            "records": records,
            "associations": set(
                ask("select from_object, from_id, to_object, to_id, type_id from hubspot.associations")
            ),
            "statuses": set(
                ask(f"select email, subscription_id, status from hubspot.subscription_statuses where email in ({live})")
            ),
            # The landing may know more than HubSpot still tells, and of records that are gone.
            "history that is missing": shown - history,
            "gone but there": gone & {(name, one["id"]) for name in OBJECTS for one in self.store.records(name)},
        }
