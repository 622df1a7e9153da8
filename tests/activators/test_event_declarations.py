"""Every mistake in a declaration of events is one line that says where, and how to mend it."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import duckdb
import pytest

from activators.check import check
from activators.declarations import read_activations
from activators.errors import DeclarationError
from tests.activators.test_declarations import Manifest, column, following

SEED = """kind,tagged_id,event_name,label,description,properties,decided_by
page,p1,report_seen,Report seen,Somebody saw a report,times place,RevOps
page,p2,report_seen,Report seen,Somebody saw a report,times place,RevOps
feature,f1,trial_begun,Trial begun,A trial began,,RevOps
"""


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    """As much of dbt's manifest as the reader reads, and a seed's file."""
    own = {name: column(name, "varchar", {}) for name in ("event_name", "record_id", "email")}
    sync: dict[str, Any] = {
        "unique_id": "model.p.sync_hubspot__events",
        "resource_type": "model",
        "name": "sync_hubspot__events",
        "package_name": "p",
        "alias": "sync_hubspot__events",
        "schema": "activations",
        "original_file_path": "models/sync.sql",
        "patch_path": "p://models/sync.yml",
        "config": {"contract": {"enforced": True}},
        "constraints": [],
        "columns": own
        | {
            "occurrence_id": column("occurrence_id", "varchar", {}, "not_null", "primary_key"),
            "occurred_at": column("occurred_at", "timestamp with time zone", {}),
            "times": column("times", "bigint", {"property": "times", "label": "Times"}),
            "place": column("place", "varchar", {"property": "place", "label": "Place"}),
        },
        "depends_on": {"nodes": []},
    }
    seed = {
        "unique_id": "seed.p.sent_events",
        "resource_type": "seed",
        "name": "sent_events",
        "root_path": str(tmp_path),
        "original_file_path": "sent_events.csv",
    }
    meta = {
        "destination": "hubspot",
        "object": "events",
        "key": "occurrence_id",
        "kind": "events",
        "events": "sent_events",
    }
    exposure = {
        "name": "hubspot_events",
        "original_file_path": "models/sync.yml",
        "depends_on": {"nodes": [sync["unique_id"]]},
        "config": {"meta": {"activation": meta}},
    }
    (tmp_path / "sent_events.csv").write_text(SEED)
    nodes = [sync, following("diff", sync), following("plan", sync), seed]
    return {
        "nodes": {node["unique_id"]: node for node in nodes},
        "exposures": {"exposure.p.hubspot_events": exposure},
        "sources": {},
    }


def declared(manifest: Manifest) -> dict[str, Any]:
    found: dict[str, Any] = manifest["exposures"]["exposure.p.hubspot_events"]["config"]["meta"]["activation"]
    return found


def mistakes(manifest: Manifest) -> list[str]:
    with pytest.raises(DeclarationError) as raised:
        read_activations(manifest)
    return str(raised.value).splitlines()


def test_events_and_what_they_carry_are_read_off_the_seed(manifest: Manifest) -> None:
    (found,) = read_activations(manifest)
    assert (found.kind, found.external_id) == ("events", None)
    assert [(one.name, one.label, [item.name for item in one.properties]) for one in found.events] == [
        ("report_seen", "Report seen", ["times", "place"]),
        ("trial_begun", "Trial begun", []),
    ]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("page,p3,Seen,Seen,,,x", "line 5: event Seen: cannot have this name; a name of a HubSpot event is up to 50"),
        (f"page,p3,{'x' * 51},Seen,,,x", "cannot have this name; a name of a HubSpot event is up to 50"),
        ("page,p3,,Seen,,,x", "line 5: event (none): cannot have this name"),
        ("page,p3,seen,,,,x", "event seen: has a label of 0 characters; give it 1 to 100"),
        (
            "page,p3,seen,Seen,,tmes,x",
            "no column tmes of the model has a meta.property; correct it; columns that can be",
        ),
        ("page,p3,seen,Seen,,email,x", "no column email of the model has a meta.property"),
        ("page,p3,seen,Seen,,times times,x", "event seen: names times twice; keep one"),
        (
            "page,p3,report_seen,Other,Somebody saw a report,times place,x",
            "another line says otherwise of it; give both",
        ),
    ],
)
def test_a_wrong_row_of_the_seed_is_one_line(manifest: Manifest, tmp_path: Path, row: str, said: str) -> None:
    (tmp_path / "sent_events.csv").write_text(SEED + row + "\n")
    (line,) = mistakes(manifest)
    assert line.startswith("models/sync.yml: exposure hubspot_events: sent_events.csv: line 5")
    assert said in line


def test_more_properties_than_hubspot_keeps_are_refused(manifest: Manifest, tmp_path: Path) -> None:
    names = [f"c{n}" for n in range(51)]
    for name in names:
        manifest["nodes"]["model.p.sync_hubspot__events"]["columns"][name] = column(
            name, "integer", {"property": name, "label": name}
        )
    (tmp_path / "sent_events.csv").write_text(SEED + f"page,p3,seen,Seen,,{' '.join(names)},x\n")
    (line,) = mistakes(manifest)
    assert line.endswith("event seen: has 51 properties; keep 50 at most")


def test_a_wrong_declaration_is_one_line(manifest: Manifest, tmp_path: Path) -> None:
    sync = "model.p.sync_hubspot__events"
    for change, said in (
        (
            lambda one: declared(one).update(events="sent_event"),
            "no seed is called sent_event; known seeds: sent_events",
        ),
        (lambda one: declared(one).pop("events"), "meta.activation.events: missing; name the seed"),
        (lambda one: one["nodes"][sync]["columns"].pop("occurred_at"), "a model of events has no column occurred_at"),
        (lambda one: declared(one).update(destination="pendo"), "Pendo takes no events; declare kind: properties"),
        (
            lambda one: declared(one).update(destination="salesforce"),
            "key occurrence_id has no meta.property; name the",
        ),
        (
            lambda one: one["nodes"][sync]["columns"]["event_name"]["config"].update(
                meta={"property": "event", "label": "Event"}
            ),
            "column event_name is no property of an event in HubSpot; drop its meta",
        ),
        (
            lambda one: one["nodes"][sync]["columns"]["times"]["config"]["meta"].update(on_null="clear"),
            "meta.on_null: unknown key",
        ),
    ):
        wrong = copy.deepcopy(manifest)
        change(wrong)
        assert any(said in line for line in mistakes(wrong)), (said, mistakes(wrong))
    guarded = copy.deepcopy(manifest)
    declared(guarded).update(guards={"max_creates": 5})
    (line,) = mistakes(guarded)
    assert line.endswith("guards.max_creates: nobody is created; drop it, or declare create_contacts: true")
    declared(guarded).update(create_contacts=True)
    (found,) = read_activations(guarded)
    assert found.guards.max_creates == 5
    (tmp_path / "sent_events.csv").write_text("event_name,label\n")
    assert "sent_events.csv: no column description, properties; add it to the seed" in mistakes(manifest)[0]


def test_only_events_are_chosen_by_a_seed_and_create_contacts(manifest: Manifest) -> None:
    declared(manifest).update(kind="properties", create_contacts=True)
    assert any(
        "only an activation of kind events has events, or creates contacts" in line for line in mistakes(manifest)
    )


def landing(path: Path, *rows: tuple[str, str | None, str | None, str | None]) -> Path:
    """A warehouse with what was landed of HubSpot's events: event, property, type, family."""
    with duckdb.connect(str(path)) as connection:
        connection.execute(
            """
            create schema plans;
            create table plans.int_crm_properties as
            select
                'hubspot' as crm, 'contacts' as object, 'email' as property, 'string' as type, 'string' as family,
                null as options, false as is_read_only, null::integer as max_length, null::integer as integer_digits,
                null::integer as fraction_digits, null as group_name;
            create table plans.int_crm_events
                (crm varchar, event varchar, property varchar, type varchar, family varchar);
            insert into plans.int_crm_events values ('other', 'trial_begun', null, null, null);
            """
        )
        for row in rows:
            connection.execute("insert into plans.int_crm_events values ('hubspot', ?, ?, ?, ?)", row)
    return path


def test_what_hubspot_lacks_of_events_is_told_offline(manifest: Manifest, tmp_path: Path) -> None:
    seen = [("report_seen", "times", "string", "string"), ("report_seen", "place", "string", "string")]
    right = check(manifest, landing(tmp_path / "right.duckdb", *seen, ("trial_begun", None, None, None)))
    assert (right.mistakes, right.notes) == ((), ())
    wrong = check(manifest, landing(tmp_path / "wrong.duckdb", ("report_seen", "times", "datetime", "datetime")))
    where, mend = "models/sync.yml: exposure hubspot_events: ", "map another property or cast the column"
    assert [str(one) for one in wrong.mistakes] == [
        f"{where}column times: is a number, but HubSpot's event report_seen has property times as datetime; {mend}",
        f"{where}column place: HubSpot's event report_seen has no property place; run `backhaul provision`",
        f"{where}HubSpot has no event trial_begun; run `backhaul provision`",
    ]


def test_a_landing_of_before_events_were_landed_is_told(manifest: Manifest, tmp_path: Path) -> None:
    warehouse = landing(tmp_path / "old.duckdb")
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute("drop table plans.int_crm_events")
    found = check(manifest, warehouse)
    assert found.mistakes == ()
    (note,) = found.notes
    assert note.startswith("hubspot_events: no landed definitions of events")
    assert note.endswith("; run `backhaul load` and `dbt build`")
