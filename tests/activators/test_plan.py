"""A sealed plan is what was reviewed: counted rightly, guarded, and refused once anything about it has changed."""

from __future__ import annotations

import datetime as dt
import os
import resource
from pathlib import Path
from typing import Any

import duckdb
import orjson
import pytest

from activators.activation import Guards, Model
from activators.apply import refuse_overtaken, refuse_stale
from activators.builds import refuse_behind, refuse_unbuilt
from activators.errors import PlanError
from activators.journal import Change, History, Journal, RecordChanges, Result, journal_sizes
from activators.plan import latest_plan, read_changes, read_plan
from activators.sealing import seal_plan
from activators.warehouse import open_warehouse
from backhaul import steps
from backhaul.settings import Settings
from loaders import LoadSettings, Wanted, load
from tests.activators.conftest import NOW, Seal, activation

HUBSPOT = activation("hubspot")
DAYS_CHANGE = Change("usage_days", "number", None, "5")
ROWS: list[tuple[Any, ...]] = [
    ("1", "usage_days", None, "5"),
    ("1", "usage_note", "old", None),
    ("2", "usage_days", "4", "6"),
    ("2", "usage_note", "mine", "ours", "hold", "edited_in_crm"),
    ("3", "usage_note", "there", None, "keep", "null_keeps"),
    ("4", "usage_days", "1", "2", "invalid", "read_only"),
]


def test_every_value_is_counted_once(seal: Seal) -> None:
    (item,) = seal(HUBSPOT, ROWS, records=10).activations
    assert (item.records, item.records_changed, item.changes) == (10, 2, 3)
    assert (item.held, item.kept, item.invalid) == (1, 1, 1)
    assert item.unchanged == 10 * 2 - 6
    assert (item.clears, item.overwrites) == (1, 2)
    assert [(reason.decision, reason.reason, reason.values) for reason in item.reasons] == [
        ("hold", "edited_in_crm", 1),
        ("invalid", "read_only", 1),
        ("keep", "null_keeps", 1),
    ]


@pytest.mark.parametrize(
    ("destination", "changed", "calls"),
    [("hubspot", 0, 0), ("hubspot", 100, 1), ("hubspot", 101, 2), ("salesforce", 201, 2)],
)
def test_calls_are_counted_by_the_destinations_batches(seal: Seal, destination: str, changed: int, calls: int) -> None:
    declared = activation(destination)
    rows = [(str(n), declared.properties[0].name, None, "1") for n in range(changed)]
    (item,) = seal(declared, rows, calls=1000).activations
    assert (item.calls, item.quota_share) == (calls, calls / 1000)


def test_only_what_is_to_be_sent_is_read_back_record_by_record(seal: Seal) -> None:
    plan = seal(HUBSPOT, ROWS)
    assert list(read_changes(plan.folder / plan.activations[0].file)) == [
        RecordChanges("1", (Change("usage_days", "number", None, "5"), Change("usage_note", "string", "old", None))),
        RecordChanges("2", (Change("usage_days", "number", "4", "6"),)),
    ]


def test_a_plan_reads_back_as_it_was_sealed(seal: Seal) -> None:
    plan = seal(HUBSPOT, ROWS)
    assert read_plan(plan.folder) == plan
    assert latest_plan(plan.folder.parent) == plan.folder


def test_only_its_owner_can_read_a_plan(seal: Seal) -> None:
    plan = seal(HUBSPOT, ROWS)
    assert {path.stat().st_mode & 0o077 for path in plan.folder.iterdir()} == {0}


@pytest.mark.parametrize(("room", "file"), [(100, "hubspot_contacts.parquet"), (3_000, "plan.json")])
def test_without_room_for_a_plan_nothing_is_left_of_it(seal: Seal, tmp_path: Path, room: int, file: str) -> None:
    declared = activation("hubspot")
    # A file of the changes is packed, and the samples in plan.json are not.
    whole = seal(declared, [("1", "usage_note", "old", "x" * 4_000)])
    assert (
        (whole.folder / "hubspot_contacts.parquet").stat().st_size < 3_000 < (whole.folder / "plan.json").stat().st_size
    )
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, before[1]))
    try:
        with pytest.raises(PlanError) as refused:
            seal_plan([declared], tmp_path / "warehouse.duckdb", tmp_path / "plans", NOW)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert str(refused.value).endswith(f"{file}: cannot be written (File too large); make room")
    assert list((tmp_path / "plans").iterdir()) == [whole.folder]


@pytest.mark.parametrize("file", ["plan.json", "hubspot_contacts.parquet"])
def test_a_plan_that_was_touched_is_refused(seal: Seal, file: str) -> None:
    plan = seal(HUBSPOT, ROWS)
    path = plan.folder / file
    path.write_bytes(path.read_bytes().replace(b"3", b"4"))
    with pytest.raises(PlanError, match="changed after it was sealed"):
        read_plan(plan.folder)


def test_a_plan_with_a_missing_file_is_refused(seal: Seal) -> None:
    plan = seal(HUBSPOT, ROWS)
    (plan.folder / plan.activations[0].file).unlink()
    with pytest.raises(PlanError, match="missing"):
        read_plan(plan.folder)


def test_a_seal_cannot_be_made_up_from_the_counts_alone(seal: Seal) -> None:
    plan = seal(HUBSPOT, ROWS)
    header = orjson.loads((plan.folder / "plan.json").read_bytes())
    header["activations"][0]["sha256"] = "0" * 64
    (plan.folder / "plan.json").write_bytes(orjson.dumps(header))
    with pytest.raises(PlanError, match="changed after it was sealed"):
        read_plan(plan.folder)


def test_filling_what_is_empty_trips_no_guard(seal: Seal) -> None:
    assert seal(HUBSPOT, [(str(n), "usage_days", None, "5") for n in range(10)]).warnings == ()


def test_replacing_the_values_of_too_many_records_trips_a_guard(seal: Seal) -> None:
    rows = [(str(n), "usage_days", "4", "5") for n in range(6)]
    assert seal(HUBSPOT, rows, records=12).warnings == ()
    (warning,) = seal(HUBSPOT, rows, records=11).warnings
    assert warning == (
        "hubspot_contacts: 6 of 11 records would lose a value that they have (more than max_change_share 50%)"
    )


def test_clearing_too_many_values_trips_a_guard(seal: Seal) -> None:
    declared = activation("hubspot", guards=Guards(max_change_share=1.0))
    rows = [(str(n), "usage_days", "4", None) for n in range(5)]
    spread = [*rows[:3], *((str(n), "usage_note", "x", None) for n in range(3))]
    assert seal(declared, rows, records=50).warnings == ()
    assert seal(declared, spread, records=30).warnings == ()
    (warning,) = seal(declared, rows, records=40).warnings
    assert warning == (
        "hubspot_contacts: one property would be cleared on 12% of the records (more than max_clear_share 10%)"
    )


def test_spending_too_much_of_the_day_trips_a_guard(seal: Seal) -> None:
    (warning,) = seal(HUBSPOT, [("1", "usage_days", None, "5")], calls=1).warnings
    assert warning == "hubspot_contacts: 100% of the day's calls (more than max_quota_share 50%)"


def test_needing_more_calls_than_are_left_trips_a_guard(seal: Seal) -> None:
    (warning,) = seal(HUBSPOT, [("1", "usage_days", None, "5")], left=0).warnings
    assert warning == "hubspot_contacts: 1 calls, and 0 were left of the day's at the last landing"


def test_a_column_of_another_type_than_its_property_stops_the_plan(seal: Seal, tmp_path: Path) -> None:
    seal(HUBSPOT, [])
    with duckdb.connect(str(tmp_path / "warehouse.duckdb")) as connection:
        connection.execute(
            "insert into plans.int_crm_properties values ('hubspot', 'contacts', 'usage_days', 'bool', 'f')"
        )
        connection.execute(
            "insert into plans.plan_contacts "
            "values ('1', 'usage_days', 'number', null, '5', 'invalid', 'wrong_type', false)"
        )
    before = sorted((tmp_path / "plans").iterdir())
    with pytest.raises(PlanError) as caught:
        seal_plan([HUBSPOT], tmp_path / "warehouse.duckdb", tmp_path / "plans", NOW)
    assert str(caught.value) == (
        "models/activations/sync_contacts.yml: exposure hubspot_contacts: column days: holds a number, but hubspot has "
        "property usage_days as bool; map another property or cast the column"
    )
    assert sorted((tmp_path / "plans").iterdir()) == before


def test_models_that_are_not_built_are_named(tmp_path: Path) -> None:
    warehouse = tmp_path / "warehouse.duckdb"
    duckdb.connect(str(warehouse)).close()
    with pytest.raises(PlanError, match="is not in the warehouse; run `dbt build`"):
        seal_plan([HUBSPOT], warehouse, tmp_path / "plans", NOW)
    assert not (tmp_path / "plans").exists()


def test_a_missing_warehouse_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="no such warehouse; run `backhaul load`"):
        open_warehouse(tmp_path / "warehouse.duckdb")
    assert list(tmp_path.iterdir()) == []


def test_a_plan_that_was_applied_is_refused(seal: Seal, tmp_path: Path) -> None:
    plan = seal(HUBSPOT, ROWS)
    history = History("run-1", 1, ended=True)
    with pytest.raises(PlanError, match="was applied already, by run run-1"):
        refuse_stale(plan, history, tmp_path)


def test_a_plan_that_was_interrupted_is_not_refused(seal: Seal, tmp_path: Path) -> None:
    refuse_stale(seal(HUBSPOT, ROWS), History("run-1", 1, ended=False), tmp_path)


def test_an_older_plan_is_refused_once_there_is_a_newer_one(seal: Seal, tmp_path: Path) -> None:
    older = seal(HUBSPOT, ROWS)
    newer = seal_plan([HUBSPOT], tmp_path / "warehouse.duckdb", tmp_path / "plans", NOW + dt.timedelta(seconds=1))
    refuse_stale(newer, None, tmp_path)
    with pytest.raises(PlanError, match=f"is not the newest; apply {newer.plan_id}"):
        refuse_stale(older, None, tmp_path)


def journal_of(folder: Path, plan_id: str, run: str, *activations: str) -> Journal:
    return Journal.begin(folder / "journal", run, plan_id, NOW, activations)


def intend(journal: Journal) -> None:
    journal.intent("hubspot_contacts", "hubspot", "contacts", [RecordChanges("1", (DAYS_CHANGE,))])


def test_a_plan_is_refused_once_another_run_writes_more_than_it_knows(seal: Seal, tmp_path: Path) -> None:
    under_way = journal_of(tmp_path, "older", "run-1", "another", "hubspot_contacts")
    intend(under_way)
    known = journal_sizes(tmp_path / "journal")
    seal(HUBSPOT, ROWS)
    plan = seal_plan(
        [HUBSPOT], tmp_path / "warehouse.duckdb", tmp_path / "plans", NOW + dt.timedelta(seconds=1), journals=known
    )
    assert read_plan(plan.folder) == plan
    # Its own run may go on, and others' write what they like.
    intend(journal_of(tmp_path, plan.plan_id, "run-2", "hubspot_contacts"))
    others = journal_of(tmp_path, "older", "run-3", "another")
    others.intent("another", "hubspot", "contacts", [RecordChanges("1", (DAYS_CHANGE,))])
    refuse_overtaken(plan, tmp_path / "journal")
    # The plan was made while a job was pending: no record is sent any more, and one is answered.
    under_way.outcome(1, [Result("1", "confirmed", NOW)])
    with pytest.raises(PlanError, match=f"plan {plan.plan_id} does not know all that run run-1 wrote"):
        refuse_overtaken(plan, tmp_path / "journal")


def test_apply_looks_for_other_runs_when_it_holds_the_lock(seal: Seal, tmp_path: Path) -> None:
    """A run that began after the plan was sealed, and ended before the apply, has the newest word."""
    plan = seal(HUBSPOT, ROWS)
    settings = Settings(
        _env_file=None, BACKHAUL_STATE=tmp_path, DBT_TARGET_PATH=tmp_path, HUBSPOT_BASE_URL="http://127.0.0.1:1"
    )
    other = journal_of(tmp_path, "older", "run-1", "hubspot_contacts")
    intend(other)
    other.end(NOW, "complete", {})
    with pytest.raises(PlanError, match=f"plan {plan.plan_id} does not know all that run run-1 wrote; run `backhaul"):
        steps.apply(settings, plan, lambda *_: None)
    assert [path.name for path in (tmp_path / "journal").iterdir()] == ["run-1.jsonl"]


def touch(target: Path, name: str, seconds: float) -> None:
    """As dbt leaves word of a build: it writes what it runs."""
    file = target / "run" / "b" / f"{name}.sql"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch()
    at = (NOW + dt.timedelta(seconds=seconds)).timestamp()
    os.utime(file, (at, at))


def test_a_plan_older_than_its_sync_model_is_refused(seal: Seal, tmp_path: Path) -> None:
    plan = seal(HUBSPOT, ROWS)
    refuse_stale(plan, None, tmp_path)
    touch(tmp_path, "sync_contacts", -1)
    touch(tmp_path, "another", 1)
    refuse_stale(plan, None, tmp_path)
    touch(tmp_path, "sync_contacts", 1)
    with pytest.raises(PlanError, match="is older than sync_contacts, built since; run `backhaul plan`"):
        refuse_stale(plan, None, tmp_path)


def built(target: Path, sync: float = -30, diff: float = -20, plan: float = -10) -> None:
    for name, seconds in (("sync", sync), ("diff", diff), ("plan", plan)):
        touch(target, f"{name}_contacts", seconds)


def refuse(target: Path, *failed: tuple[str, str]) -> None:
    results = {"results": [{"unique_id": f"model.b.{name}", "status": status} for name, status in failed]}
    refuse_unbuilt([HUBSPOT], target, results)


def test_models_that_follow_from_each_other_can_be_planned(tmp_path: Path) -> None:
    built(tmp_path)
    refuse(tmp_path, ("sync_contacts", "success"), ("another", "error"))


def test_a_model_that_was_never_built_is_named(tmp_path: Path) -> None:
    touch(tmp_path, "sync_contacts", -30)
    with pytest.raises(PlanError, match="exposure hubspot_contacts: dbt has not built diff_contacts here"):
        refuse(tmp_path)


def test_a_sync_model_that_moved_on_alone_stops_the_plan(tmp_path: Path) -> None:
    """So it is when a test on the sync model failed: what follows from it is skipped."""
    built(tmp_path, sync=-5)
    with pytest.raises(PlanError, match="diff_contacts is older than sync_contacts; run `dbt build`"):
        refuse(tmp_path)


@pytest.mark.parametrize(("name", "status"), [("sync_contacts", "error"), ("plan_contacts", "skipped")])
def test_a_failed_build_stops_the_plan(tmp_path: Path, name: str, status: str) -> None:
    built(tmp_path)
    with pytest.raises(PlanError, match=f"the last build of {name} ended in {status}"):
        refuse(tmp_path, (name, status))


class Written:
    """A warehouse, journals in it as the ledger, and the tables through which a diff model knows the ledger."""

    tables = ("int_writes__latest", "int_records__written", "int_writes__rejected")

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.settings = LoadSettings(folder / "warehouse.duckdb", folder / "dlt", folder / "journal")
        self.activation = activation(
            "hubspot",
            written=tuple(Model(f"model.b.{name}", f"run/b/{name}.sql", f'"audit"."{name}"') for name in self.tables),
        )
        with duckdb.connect(str(self.settings.warehouse)) as connection:
            connection.execute("create schema audit; create table audit.int_writes__rejected (run_id varchar)")
            for name in self.tables[:2]:
                connection.execute(f"create table audit.{name} (loaded_at timestamp)")

    def begin(self, run: str, activations: list[str], *, sends: bool = True) -> Journal:
        journal = Journal.begin(self.settings.journal_dir, run, "plan", NOW, activations)
        for name in activations if sends else ():
            journal.intent(name, "hubspot", "contacts", [RecordChanges("1", (DAYS_CHANGE,))])
        return journal

    def load(self) -> None:
        load(["ledger"], self.settings, Wanted(), lambda *_: None)

    def build(self, *names: str, seconds: float = 60.0) -> None:
        """As dbt leaves it, so long after now; without names all, in their order."""
        since = (dt.datetime.now(dt.UTC) - NOW).total_seconds() + seconds
        for at, name in enumerate(names or (*self.tables, "sync_contacts", "diff_contacts", "plan_contacts")):
            touch(self.folder, name, since + at)
            if name in self.tables[:2]:
                with duckdb.connect(str(self.settings.warehouse)) as connection:
                    connection.execute(f"create or replace table audit.{name} as select loaded_at from ledger.writes")

    def refuse(self) -> None:
        sizes = journal_sizes(self.settings.journal_dir)
        refuse_behind([self.activation], self.settings.warehouse, self.folder, self.settings.journal_dir, sizes)


@pytest.fixture
def written(tmp_path: Path) -> Written:
    return Written(tmp_path)


def test_what_a_run_has_written_is_not_planned_again_before_the_ledger_and_the_models_know_it(written: Written) -> None:
    built(written.folder)
    written.refuse()  # nothing was ever written
    open_run = written.begin("run-1", ["another", "hubspot_contacts"])
    with pytest.raises(PlanError, match="all that run run-1 wrote; run `backhaul load ledger` and `dbt build`"):
        written.refuse()
    written.load()
    # The models' files say that they were built before.
    with pytest.raises(PlanError, match="was built before the ledger was loaded; run `dbt build`"):
        written.refuse()
    written.build()
    written.refuse()
    # The run goes on, and a build in between knows only half of it.
    open_run.outcome(1, [])
    open_run.close()
    written.build(seconds=120)
    with pytest.raises(PlanError, match="all that run run-1 wrote"):
        written.refuse()
    written.load()
    written.refuse()
    # Others' records, and a run that has sent nothing: if it does so yet, apply refuses the plan.
    written.begin("run-2", ["another"]).close()
    written.begin("run-3", ["hubspot_contacts"], sends=False).close()
    written.refuse()


def test_a_build_of_the_diff_alone_does_not_know_what_was_written(written: Written) -> None:
    """A diff reads the ledger through other tables; with those of yesterday everything would be sent again."""
    journal = written.begin("run-1", ["hubspot_contacts"])
    journal.outcome(1, [Result("1", "confirmed", NOW)])
    journal.close()
    written.load()
    following = ("sync_contacts", "diff_contacts", "plan_contacts")
    for number, name in enumerate(written.tables):
        written.build(*following)
        with pytest.raises(PlanError, match=f"{name} was built before the ledger was loaded; run `dbt build`"):
            written.refuse()
        # It is built now, and the diff is not.
        written.build(name, seconds=90 + number)
        with pytest.raises(PlanError, match=f"diff_contacts is older than {name}; run `dbt build`"):
            written.refuse()
        written.build(*written.tables[: number + 1])
    written.build()
    written.refuse()


def test_a_table_whose_build_failed_does_not_know_what_was_written(written: Written) -> None:
    journal = written.begin("run-1", ["hubspot_contacts"])
    journal.outcome(1, [Result("1", "confirmed", NOW)])
    journal.close()
    written.load()
    written.build()
    with duckdb.connect(str(written.settings.warehouse)) as connection:
        connection.execute("update audit.int_records__written set loaded_at = loaded_at - interval 1 microsecond")
    with pytest.raises(PlanError, match="int_records__written lacks writes that the ledger has; run `dbt build`"):
        written.refuse()


def test_rows_of_a_property_that_is_not_declared_any_more_stop_the_plan(seal: Seal) -> None:
    fewer = activation("hubspot", properties=HUBSPOT.properties[1:])
    with pytest.raises(PlanError, match="still has property usage_days, which no column declares; run `dbt build`"):
        seal(HUBSPOT, ROWS, declared=fewer)
