"""Occurrences of events arrive once each, whatever happens on the way."""

from __future__ import annotations

import asyncio
import datetime as dt
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import httpx
import orjson
import pytest
from rich.console import Console

from activators.activation import Activation, ColumnType, EventType, Guards, Property
from activators.destinations import connect
from activators.errors import DeclarationError, PlanError, VendorError
from activators.plan import Plan, read_plan
from activators.provision import Provisioned, provision
from activators.sealing import seal_tables
from activators.undo import plan_undo
from backhaul import report
from backhaul.review import review
from sandbox.hubspot.limits import Limits
from sandbox.server import Sandbox, serving
from tests.activators.conftest import NOW, Crm, activation, send
from tests.activators.test_crashes import SURELY_PAST_THE_END, pipes, warm_driver

MARK = Property("mark", "mark", ColumnType("string"), "Mark", "Which occurrence it is.")
TIMES = Property("times", "times", ColumnType("number"), "Times", "How often.")
SEEN = EventType("report_seen", "Report seen", "Somebody saw a report.", (MARK, TIMES))
BEGUN = EventType("trial_begun", "Trial begun", "A trial began.", (MARK,))
DAY = "2026-03-09T16:00:00Z"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    # Each kill is a run of its own, and many runs in ten seconds are more calls than an account takes.
    limits = Limits(burst=5_000, events=50_000)
    with serving(seed=5, visitors=60, as_of=dt.date(2026, 3, 20), hubspot_limits=limits) as running:
        yield running


@pytest.fixture
def crm(sandbox: Sandbox) -> Iterator[Crm]:
    """HubSpot, and an activation that sends two events to its contacts."""
    declared = activation(
        "hubspot",
        name="hubspot_events",
        object="events",
        properties=(MARK, TIMES),
        kind="events",
        events=(SEEN, BEGUN),
    )
    with httpx.Client(base_url=sandbox.urls["control"], timeout=60) as control:
        stored = control.get("/records/hubspot/contacts").json()
        found = Crm(sandbox, declared, tuple(sorted(one["id"] for one in stored if not one["archived"])), control)
        found.reset()
        yield found


def provisioned(crm: Crm, declared: Activation | None = None) -> Provisioned:
    async def create() -> tuple[Provisioned, ...]:
        async with connect([crm.activation.destination], crm.credentials()) as destinations:
            return await provision([declared or crm.activation], destinations)

    (done,) = asyncio.run(create())
    return done


def occurrence(record: str, event: str = "report_seen", **values: object) -> tuple[str, str, str]:
    """A new occurrence, marked with its own id: id, event, and what is sent."""
    own = str(uuid.uuid4())
    payload = {"record": record, "email": None, "occurred_at": DAY, "properties": {"mark": own, **values}}
    return own, event, orjson.dumps(payload).decode()


def sealed(declared: Activation, rows: Sequence[tuple[str, str, str]], folder: Path) -> Plan:
    with duckdb.connect() as connection:
        connection.execute(
            """
            create schema plans;
            create schema activations;
            create schema hubspot;
            create table hubspot.reads as select timestamptz '2026-03-20 00:00:00+00' as read_at;
            create table plans.int_crm_quotas (crm varchar, daily_calls bigint, remaining_calls bigint);
            create table plans.int_crm_properties (crm varchar, object varchar, property varchar, fingerprint varchar);
            create table plans.plan_contacts (
                record_id varchar, property varchar, desired_value varchar,
                current_value varchar, family varchar default 'event', decision varchar default 'send',
                reason varchar default 'happened', has_left boolean default false
            );
            """
        )
        connection.executemany(
            "insert into plans.plan_contacts (record_id, property, desired_value) values (?, ?, ?)", list(rows)
        )
        connection.execute("create table activations.sync_contacts as select record_id from plans.plan_contacts")
        return seal_tables(connection, [declared], folder / "plans", NOW)


def recorded(crm: Crm, event: str = "report_seen") -> list[dict[str, Any]]:
    """Every occurrence of an event that HubSpot shows, once it shows what it took."""
    crm._control.post("/advance", json={"days": 1}).raise_for_status()  # noqa: SLF001  the sandbox's clock
    credentials = crm.credentials()
    found: list[dict[str, Any]] = []
    with httpx.Client(
        base_url=credentials["HUBSPOT_BASE_URL"],
        headers={"Authorization": f"Bearer {credentials['HUBSPOT_ACCESS_TOKEN']}"},
        timeout=60,
    ) as http:
        definitions = http.get("/events/2026-09/event-definitions").raise_for_status().json()["results"]
        (name,) = (one["fullyQualifiedName"] for one in definitions if one["name"] == event)
        params = {"eventType": name, "limit": "1000"}
        while True:
            body = http.get("/events/event-occurrences/2026-09", params=params).raise_for_status().json()
            found += body["results"]
            if "paging" not in body:
                return found
            params["after"] = body["paging"]["next"]["after"]


def marks(crm: Crm) -> Counter[str]:
    return Counter(one["properties"]["mark"] for one in recorded(crm))


def test_definitions_are_created_with_their_properties_and_only_once(crm: Crm) -> None:
    assert provisioned(crm).created == ("report_seen", "trial_begun")
    again = provisioned(crm)
    assert (again.created, again.existing) == ((), 2)


def test_a_property_that_an_event_lacks_is_added_and_one_of_another_type_is_refused(crm: Crm) -> None:
    provisioned(crm)
    place = Property("place", "place", ColumnType("string"), "Place", "Where.")
    wider = EventType("trial_begun", "Trial begun", "A trial began.", (MARK, place))
    declared = activation("hubspot", name="hubspot_events", object="events", kind="events", events=(wider,))
    assert provisioned(crm, declared).created == ("trial_begun.place",)
    assert provisioned(crm, declared).created == ()
    counted = Property("times", "times", ColumnType("datetime"), "Times", "A moment.")
    other = EventType("report_seen", "Report seen", "", (counted,))
    declared = activation("hubspot", name="hubspot_events", object="events", kind="events", events=(other,))
    with pytest.raises(DeclarationError, match="column times: is a datetime, but HubSpot's event report_seen has prop"):
        provisioned(crm, declared)


def test_occurrences_go_in_batches_of_500_to_their_contacts_with_every_value(crm: Crm, tmp_path: Path) -> None:
    provisioned(crm)
    before = len(recorded(crm))
    rows = [occurrence(crm.ids[n % 7], times=n) for n in range(1_001)]
    plan = sealed(crm.activation, rows, tmp_path)
    run = send(crm, plan, tmp_path / "journal")
    # The definitions, and three batches.
    assert plan.activations[0].calls == run.activations[0].calls == 4
    assert (run.activations[0].confirmed, run.complete) == (1_001, True)
    assert len(crm.requests("/send/batch")) == 3
    wanted = {own for own, _, _ in rows}
    found = {one["properties"]["mark"]: one for one in recorded(crm) if one["properties"]["mark"] in wanted}
    assert len(found) == 1_001
    assert len(recorded(crm)) == before + 1_001
    for n, (own, _, _) in enumerate(rows):
        assert found[own]["objectId"] == crm.ids[n % 7]
        assert float(found[own]["properties"]["times"]) == n
        assert found[own]["occurredAt"].startswith("2026-03-09T16:00:00")


def test_a_plan_that_is_sent_again_changes_nothing(crm: Crm, tmp_path: Path) -> None:
    """Whatever the ledger has lost, HubSpot knows each occurrence by its own id."""
    provisioned(crm)
    rows = [occurrence(crm.ids[0]) for _ in range(5)]
    for attempt in ("one", "two"):
        plan = sealed(crm.activation, rows, tmp_path / attempt)
        assert send(crm, plan, tmp_path / attempt / "journal").complete
    found = marks(crm)
    assert [found[own] for own, _, _ in rows] == [1] * 5


def test_one_that_hubspot_cannot_hold_is_refused_alone(crm: Crm, tmp_path: Path) -> None:
    provisioned(crm)
    rows = [occurrence(crm.ids[0]) for _ in range(30)]
    own, event, _ = rows[17]
    payload = {"record": crm.ids[0], "email": None, "occurred_at": DAY, "properties": {"mark": "x" * 257}}
    rows[17] = own, event, orjson.dumps(payload).decode()
    run = send(crm, sealed(crm.activation, rows, tmp_path), tmp_path / "journal")
    assert (run.activations[0].confirmed, run.activations[0].rejected) == (29, 1)
    assert "longer than 256 characters" in next(iter(run.activations[0].examples.values()))
    found = marks(crm)
    assert [found[one] for one, _, _ in rows] == [1] * 17 + [0] + [1] * 12


def test_an_event_without_a_definition_stops_the_run_before_anything_is_sent(crm: Crm, tmp_path: Path) -> None:
    provisioned(crm)
    unknown = EventType("never_made", "Never made", "", (MARK,))
    declared = activation("hubspot", name="hubspot_events", object="events", kind="events", events=(unknown,))
    rows = [occurrence(crm.ids[0], "never_made")]
    with pytest.raises(VendorError, match="HubSpot has no definition of event never_made: gone since"):
        send(crm, sealed(declared, rows, tmp_path), tmp_path / "journal")
    assert crm.requests("/send/batch") == []


def test_a_property_that_has_gone_stops_the_run_as_hubspot_would_forget_its_value(crm: Crm, tmp_path: Path) -> None:
    provisioned(crm)
    rows = [occurrence(crm.ids[0]), occurrence(crm.ids[0], place="here")]
    with pytest.raises(VendorError, match="HubSpot's event report_seen has no property place: gone since"):
        send(crm, sealed(crm.activation, rows, tmp_path), tmp_path / "journal")
    assert crm.requests("/send/batch") == []


def test_an_answer_that_is_lost_is_asked_for_again_and_nothing_is_doubled(crm: Crm, tmp_path: Path) -> None:
    provisioned(crm)
    rows = [occurrence(crm.ids[0]) for _ in range(5)]
    crm.fault(kind="dropped", path="/send/batch", after=True)
    assert send(crm, sealed(crm.activation, rows, tmp_path), tmp_path / "journal").complete
    assert len(crm.requests("/send/batch")) == 2
    found = marks(crm)
    assert [found[own] for own, _, _ in rows] == [1] * 5


def test_events_cannot_be_taken_back(crm: Crm, tmp_path: Path) -> None:
    provisioned(crm)
    send(crm, sealed(crm.activation, [occurrence(crm.ids[0])], tmp_path), tmp_path / "journal")

    async def undo() -> Plan:
        async with connect(["hubspot"], crm.credentials()) as destinations:
            return await plan_undo("run-1", [crm.activation], destinations, tmp_path / "journal", tmp_path / "undone")

    with pytest.raises(PlanError, match=r"run run-1 sent events only \(hubspot_events\), and an event cannot be taken"):
        asyncio.run(undo())


def test_killed_at_any_step_each_occurrence_is_recorded_exactly_once(
    crm: Crm, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    provisioned(crm)
    every: list[str] = []
    told_of: set[str] = set()
    before = contacts(crm)
    steps = 0
    with warm_driver() as driver:
        for steps in range(1, SURELY_PAST_THE_END):
            folder = tmp_path / str(steps)
            # The stranger's goes first or last or between, as its id falls.
            rows = [*(occurrence(crm.ids[n]) for n in range(4)), unknown_occurrence(f"step{steps}@killed.example")]
            every += [own for own, _, _ in rows]
            task = {
                "plan": str(sealed(crm.activation, rows, folder).folder),
                "journal": str(folder / "journal"),
                "wire": str(tmp_path / "wire.jsonl"),
                "by_jobs": False,
                "credentials": dict(crm.credentials()),
            }
            killed = run(driver, {**task, "run_id": "run-1", "kill_at": steps})
            if not killed:
                break
            # A run that was killed before it had said what it is left an empty file; no run has its name again.
            assert not run(driver, {**task, "run_id": "run-2", "kill_at": None})
            written = [line for file in (folder / "journal").glob("*.jsonl") for line in lines(file)]
            assert "end" in {line["type"] for line in written}
            # Whoever was made is told of once, whichever attempt did it.
            results = [one for line in written if line["type"] == "outcome" for one in line["results"]]
            (told,) = (one["message"] for one in results if one["code"] == "RECORD_CREATED")
            assert told.endswith(f"was created for step{steps}@killed.example")
            told_of.add(told.split()[1])
    record_property("told", f"events: killed at each of {steps - 1} steps")
    # Before, in and after each line of the journal (the run, three intents, three outcomes, the end), and before and
    # after each call (the definitions, the stranger's contact, three batches).
    assert steps - 1 >= 8 * 3 + 5 * 2
    found = marks(crm)
    assert [found[own] for own in every] == [1] * len(every)
    made = contacts(crm).keys() - before.keys()
    assert len(made) == steps
    assert told_of < made


def run(driver: Any, task: dict[str, Any]) -> bool:
    to, back = pipes(driver)
    to.write(orjson.dumps(task) + b"\n")
    to.flush()
    ended = orjson.loads(back.readline())
    assert ended["killed"] or ended["code"] == 0, ended
    return bool(ended["killed"])


def lines(file: Path) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in file.read_bytes().splitlines() if line.endswith(b"}")]


OBJECT = "Product_Event__c"
OF_SALESFORCE = (
    Property("Occurrence_Id__c", "occurrence_id", ColumnType("string", length=36), "Occurrence", "Its own id."),
    Property("Event__c", "event_name", ColumnType("string"), "Event", "Which event."),
    Property("Contact_Id__c", "record_id", ColumnType("string"), "Contact", "Whose it is."),
    Property("Occurred_At__c", "occurred_at", ColumnType("datetime"), "Occurred at", "When."),
    Property("Times__c", "times", ColumnType("number"), "Times", "How often."),
)


@pytest.fixture
def salesforce(sandbox: Sandbox) -> Iterator[Crm]:
    """Salesforce, and the same declaration for a custom object of it."""
    event = EventType("report_seen", "Report seen", "Somebody saw a report.", OF_SALESFORCE[-1:])
    declared = activation(
        "salesforce",
        name="salesforce_events",
        object=OBJECT,
        properties=OF_SALESFORCE,
        kind="events",
        events=(event,),
        external_id="Occurrence_Id__c",
    )
    with httpx.Client(base_url=sandbox.urls["control"], timeout=60) as control:
        yield Crm(sandbox, declared, (), control)


def test_in_salesforce_an_occurrence_is_a_record_with_its_own_id(salesforce: Crm, tmp_path: Path) -> None:
    with pytest.raises(
        DeclarationError, match=r"Salesforce has no object Product_Event__c, or hides it .*; make it in"
    ):
        provisioned(salesforce)
    made = {"name": OBJECT, "label": "Product event", "plural": "Product events"}
    salesforce._control.post("/do/salesforce/add_object", json=made).raise_for_status()  # noqa: SLF001  `act` has a name
    assert provisioned(salesforce).created == tuple(item.name for item in OF_SALESFORCE)
    assert provisioned(salesforce).created == ()
    rows = []
    for n in range(401):
        own = str(uuid.uuid4())
        said = {"Event__c": "report_seen", "Contact_Id__c": f"003{n}", "Occurred_At__c": DAY, "Times__c": n}
        rows.append(
            (own, "report_seen", orjson.dumps({"record": f"003{n}", "occurred_at": DAY, "properties": said}).decode())
        )
    # A plan that is sent again finds its own records.
    for attempt in ("one", "two"):
        plan = sealed(salesforce.activation, rows, tmp_path / attempt)
        assert plan.activations[0].calls == 3
        run = send(salesforce, plan, tmp_path / attempt / "journal")
        assert run.activations[0].confirmed == 401
    held = {one["Occurrence_Id__c"]: one for one in salesforce.everything().values()}
    assert len(salesforce.everything()) == len(held) == 401
    for n, (own, _, _) in enumerate(rows):
        assert (held[own]["Contact_Id__c"], held[own]["Times__c"]) == (f"003{n}", n)
        assert str(held[own]["Occurred_At__c"]).startswith("2026-03-09T16:00:00")


def contacts(crm: Crm) -> dict[str, dict[str, Any]]:
    """HubSpot's contacts: values by property, by id."""
    found = crm._control.get("/records/hubspot/contacts").json()  # noqa: SLF001  the sandbox's own store
    return {one["id"]: one["properties"] for one in found}


def unknown_occurrence(email: str) -> tuple[str, str, str]:
    own = str(uuid.uuid4())
    payload = {"record": None, "email": email, "occurred_at": DAY, "properties": {"mark": own}}
    return own, "report_seen", orjson.dumps(payload).decode()


def test_a_plan_counts_each_event_and_shows_whose_when_and_who_is_created(crm: Crm, tmp_path: Path) -> None:
    rows = [occurrence(crm.ids[0], times=7) for _ in range(2)] + [occurrence(crm.ids[1], "trial_begun")]
    rows.append(unknown_occurrence("new\x1b[8m@stranger.example"))
    (own, *_), *_ = sorted(row for row in rows if row[1] == "report_seen")
    plan = sealed(crm.activation, rows, tmp_path)
    assert plan.activations[0].occurrences == {"report_seen": 3, "trial_begun": 1}
    console = Console(width=250)
    with console.capture() as shown:
        console.print(report.plan(read_plan(plan.folder)))
    lines = [line.rstrip() for line in shown.get().splitlines()]
    assert "  report_seen 3, trial_begun 1" in lines
    assert f"  trial_begun of {crm.ids[1]} at {DAY}: mark {rows[2][0]}" in lines
    (sample,) = (line for line in lines if line.startswith("  report_seen of "))
    assert f"at {DAY}: mark {own}" in sample
    # An address comes from the product, and a terminal obeys what it could hold.
    assert "  creates 1 record first, such as new\N{REPLACEMENT CHARACTER}[8m@stranger.example" in lines


@pytest.mark.parametrize(("most", "told"), [(3, []), (2, ["3 records would be created (more than max_creates 2)"])])
def test_more_new_contacts_than_declared_wait_for_a_person(
    crm: Crm, tmp_path: Path, most: int, told: list[str]
) -> None:
    # Somebody to whom two things happened is one contact.
    rows = [unknown_occurrence(f"{name}@stranger.example") for name in ("ann", "ann", "bo", "cy")]
    declared = replace(crm.activation, guards=Guards(max_creates=most))
    plan = sealed(declared, [*rows, *(occurrence(crm.ids[0]) for _ in range(5))], tmp_path)
    assert [line.removeprefix("hubspot_events: ") for line in plan.warnings] == told
    assert read_plan(plan.folder).warnings == plan.warnings
    (reviewed,) = review(plan, 1)
    (guard,) = (guard for guard in reviewed.guards if guard.what == "records that are created")
    assert (guard.here, guard.limit, guard.tripped) == ("3", str(most), bool(told))


def test_a_contact_is_created_first_and_once_for_an_unknown_visitor(crm: Crm, tmp_path: Path) -> None:
    provisioned(crm)
    before = contacts(crm)
    rows = [unknown_occurrence("new@stranger.example") for _ in range(3)] + [occurrence(crm.ids[0])]
    known = next(values["email"] for values in before.values() if values.get("email"))
    rows.append(unknown_occurrence(known.lower()))
    plan = sealed(crm.activation, rows, tmp_path)
    (item,) = plan.activations
    assert (item.creates, set(item.created_samples)) == (2, {"new@stranger.example", known.lower()})
    run = send(crm, plan, tmp_path / "journal")
    # The definitions, the contacts, the occurrences.
    assert item.calls == run.activations[0].calls == 3
    assert (run.activations[0].confirmed, run.activations[0].created) == (5, 1)
    after = contacts(crm)
    (made,) = after.keys() - before.keys()
    assert after[made]["email"] == "new@stranger.example"
    owners = {one["properties"]["mark"]: one["objectId"] for one in recorded(crm)}
    assert [owners[own] for own, _, _ in rows[:3]] == [made] * 3
    assert after[owners[rows[4][0]]]["email"] == known
    told = [
        line for file in (tmp_path / "journal").glob("*.jsonl") for line in lines(file) if line["type"] == "outcome"
    ]
    codes = [one["code"] for line in told for one in line["results"] if one["code"]]
    assert codes == ["RECORD_CREATED"]
    # Sent once more: nobody is made again.
    again = sealed(crm.activation, [unknown_occurrence("new@stranger.example")], tmp_path / "again")
    assert send(crm, again, tmp_path / "again" / "journal").activations[0].created == 0
    assert contacts(crm).keys() == after.keys()


def test_an_address_that_hubspot_refuses_stops_only_its_own_events(crm: Crm, tmp_path: Path) -> None:
    provisioned(crm)
    rows = [unknown_occurrence("no address"), unknown_occurrence("second@stranger.example"), occurrence(crm.ids[0])]
    run = send(crm, sealed(crm.activation, rows, tmp_path), tmp_path / "journal")
    assert (run.activations[0].confirmed, run.activations[0].rejected, run.activations[0].created) == (2, 1, 1)
    assert any("no address" in one for one in run.activations[0].examples.values())
    found = marks(crm)
    assert [found[own] for own, _, _ in rows] == [0, 1, 1]
