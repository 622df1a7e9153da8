"""The ledger is what the journals say, whatever a crash did to them."""

from __future__ import annotations

import datetime as dt
import tracemalloc
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import orjson
import pytest
from hypothesis import example, given
from hypothesis import settings as few
from hypothesis import strategies as st

from loaders import LoadError, LoadSettings, Wanted, load
from loaders import ledger as journals

RUN = {"type": "run", "run_id": "r1", "plan_id": "p1", "started_at": "2026-11-21T09:00:00+00:00"}
END = {"type": "end", "ended_at": "2026-11-21T09:05:00Z", "status": "done"}


@pytest.fixture
def settings(tmp_path: Path) -> LoadSettings:
    return LoadSettings(tmp_path / "warehouse.duckdb", tmp_path / "pipelines", tmp_path / "journal")


@pytest.fixture
def ledger(settings: LoadSettings) -> Callable[[str], list[tuple[object, ...]]]:
    """Load the ledger, then ask the warehouse."""

    def ask(sql: str) -> list[tuple[object, ...]]:
        load(["ledger"], settings, Wanted(), lambda *_: None)
        with duckdb.connect(settings.warehouse) as warehouse:
            return warehouse.execute(sql).fetchall()

    return ask


def write(settings: LoadSettings, *entries: object, run_id: str = "r1", torn: bytes = b"") -> None:
    settings.journal_dir.mkdir(exist_ok=True)
    lines = b"".join(orjson.dumps(entry) + b"\n" for entry in entries)
    (settings.journal_dir / f"{run_id}.jsonl").write_bytes(lines + torn)


def intent(batch: int, *record_ids: str, after: str | None = "5") -> object:
    return {
        "type": "intent",
        "batch": batch,
        "activation": "hubspot_contacts",
        "destination": "hubspot",
        "object": "contacts",
        "records": [
            {"id": record_id, "changes": [{"property": "usage_minutes", "before": None, "after": after}]}
            for record_id in record_ids
        ],
    }


def outcome(batch: int, status: str, *record_ids: str, code: str | None = None) -> object:
    at = "2026-11-21T09:01:00.250Z" if status == "confirmed" else None
    results = [
        {"id": record_id, "status": status, "code": code, "message": None, "written_at": at} for record_id in record_ids
    ]
    return {"type": "outcome", "batch": batch, "results": results}


def test_no_journal_makes_an_empty_ledger(ledger: Callable[[str], list[tuple[object, ...]]]) -> None:
    assert ledger("from ledger.runs") == []
    assert ledger("select run_id, written_at from ledger.writes") == []


def test_writes_carry_their_outcome(settings: LoadSettings, ledger: Callable[[str], list[tuple[object, ...]]]) -> None:
    write(
        settings, RUN, intent(1, "1", "2"), outcome(1, "confirmed", "1"), outcome(1, "rejected", "2", code="BAD"), END
    )
    assert ledger(
        "select plan_id, record_id, before_value, after_value, status, code, written_at::varchar "
        "from ledger.writes order by record_id"
    ) == [
        ("p1", "1", None, "5", "confirmed", None, "2026-11-21 09:01:00.25+00"),
        ("p1", "2", None, "5", "rejected", "BAD", None),
    ]
    assert ledger("select run_id, plan_id, ended_at - started_at = interval 5 minutes, status from ledger.runs") == [
        ("r1", "p1", True, "done")
    ]


def test_a_refusal_blames_the_property_that_it_names(
    settings: LoadSettings, ledger: Callable[[str], list[tuple[object, ...]]]
) -> None:
    sent: Any = intent(1, "named", "elsewhere", "silent")
    for record in sent["records"]:
        record["changes"].append({"property": "usage_days", "before": None, "after": "1"})
    said: Any = outcome(1, "rejected", "named", "elsewhere", "silent", code="BAD")
    said["results"][0]["to_blame"] = ["Usage_Minutes"]
    # A rule that looks at a field which was not sent says nothing of those that were.
    said["results"][1]["to_blame"] = ["email"]
    write(settings, RUN, sent, said, END)
    found = ledger("select record_id, property, is_to_blame from ledger.writes order by all")
    assert found == [
        ("elsewhere", "usage_days", None),
        ("elsewhere", "usage_minutes", None),
        ("named", "usage_days", False),
        ("named", "usage_minutes", True),
        ("silent", "usage_days", None),
        ("silent", "usage_minutes", None),
    ]


def test_what_an_earlier_version_did_not_land_is_read_again(
    settings: LoadSettings, ledger: Callable[[str], list[tuple[object, ...]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    planned = {"hubspot_contacts": {"fingerprints": {"usage_minutes": "as it was"}}}
    write(settings, RUN | {"planned": planned}, intent(1, "1"), outcome(1, "confirmed", "1"), END)
    fewer = tuple(column for column in journals.WRITE_COLUMNS if column.name != "property_fingerprint")
    with monkeypatch.context() as earlier:
        earlier.setattr(journals, "WRITE_COLUMNS", fewer)
        assert len(ledger("from ledger.writes")[0]) == len(fewer)
    assert ledger("select property_fingerprint, status from ledger.writes") == [("as it was", "confirmed")]


def test_an_intent_without_an_outcome_is_unknown_and_its_run_never_ended(
    settings: LoadSettings, ledger: Callable[[str], list[tuple[object, ...]]]
) -> None:
    write(settings, RUN, intent(1, "1"), torn=b'{"type":"outcome","batch":1,"resu')
    assert ledger("select record_id, status from ledger.writes") == [("1", "unknown")]
    assert ledger("select ended_at, status from ledger.runs") == [(None, None)]


def test_the_last_outcome_counts(settings: LoadSettings, ledger: Callable[[str], list[tuple[object, ...]]]) -> None:
    write(settings, RUN, intent(1, "1"), outcome(1, "unknown", "1"), outcome(1, "confirmed", "1"))
    assert ledger("select status from ledger.writes") == [("confirmed",)]


def test_a_record_sent_again_after_a_crash_is_one_write(
    settings: LoadSettings, ledger: Callable[[str], list[tuple[object, ...]]]
) -> None:
    write(settings, RUN, intent(1, "1", "2"), intent(2, "2"), outcome(2, "confirmed", "2"))
    assert ledger("select record_id, status from ledger.writes order by 1") == [("1", "unknown"), ("2", "confirmed")]


def test_a_journal_that_grew_is_read_again_and_the_others_are_not(
    settings: LoadSettings, ledger: Callable[[str], list[tuple[object, ...]]]
) -> None:
    write(settings, RUN, intent(1, "1"))
    write(settings, RUN | {"run_id": "r0"}, intent(1, "9"), outcome(1, "confirmed", "9"), END, run_id="r0")
    assert ledger("select count(*) from ledger.writes") == [(2,)]
    write(settings, RUN, intent(1, "1"), outcome(1, "confirmed", "1"), END)
    landings = load(["ledger"], settings, Wanted(), lambda *_: None)
    rows = {landing.table: landing.rows for landing in landings}
    assert rows == {"runs": 1, "run_activations": 0, "writes": 1, "syncs": 0, "sync_steps": 0}
    assert ledger("select run_id, record_id, status from ledger.writes order by 1") == [
        ("r0", "9", "confirmed"),
        ("r1", "1", "confirmed"),
    ]
    assert ledger("select run_id from ledger.runs where ended_at is not null order by 1") == [("r0",), ("r1",)]


def test_a_broken_line_inside_a_journal_is_an_error(settings: LoadSettings) -> None:
    settings.journal_dir.mkdir()
    (settings.journal_dir / "r1.jsonl").write_bytes(orjson.dumps(RUN) + b"\n{broken\n")
    with pytest.raises(LoadError, match=r"line 2 of .*r1\.jsonl"):
        load(["ledger"], settings, Wanted(), lambda *_: None)


def test_what_was_planned_is_landed_with_the_run_and_each_write_knows_its_property(
    settings: LoadSettings, ledger: Callable[[str], list[tuple[object, ...]]]
) -> None:
    counts = {"destination": "hubspot", "object": "contacts", "records": 5, "held": 1, "kept": 3, "invalid": 4}
    planned = {
        "hubspot_contacts": {**counts, "changes": 2, "fingerprints": {"usage_minutes": "abc"}},
        "hubspot_companies": {**counts, "changes": 0},
    }
    write(settings, RUN | {"planned": planned}, intent(1, "1"), END)
    assert ledger(
        "select activation, records, changes, held, kept, invalid from ledger.run_activations order by 1"
    ) == [
        ("hubspot_companies", 5, 0, 1, 3, 4),
        ("hubspot_contacts", 5, 2, 1, 3, 4),
    ]
    assert ledger("select distinct property, property_fingerprint from ledger.writes") == [("usage_minutes", "abc")]


def test_journals_that_are_gone_stay_in_the_ledger(
    settings: LoadSettings, ledger: Callable[[str], list[tuple[object, ...]]]
) -> None:
    write(settings, RUN, intent(1, "1"), outcome(1, "confirmed", "1"), END)
    count = "select (select count(*) from ledger.writes), (select count(*) from ledger.runs)"
    assert ledger(count) == [(1, 1)]
    (settings.journal_dir / "r1.jsonl").unlink()
    # The load after the one that found the folder empty, too.
    assert [ledger(count), ledger(count)] == [[(1, 1)], [(1, 1)]]
    write(settings, RUN | {"run_id": "r2"}, intent(1, "2"), END, run_id="r2")
    assert ledger(count) == [(2, 2)]


def test_logbooks_of_syncs_are_landed_as_they_grow(
    settings: LoadSettings, ledger: Callable[[str], list[tuple[object, ...]]]
) -> None:
    # A warehouse from before there were syncs.
    ledger("select 1")
    folder = settings.journal_dir.parent / "syncs"
    settings = replace(settings, syncs_dir=folder)
    folder.mkdir()
    logbook = folder / "s1.jsonl"
    begun = [
        {"type": "sync", "sync_id": "s1", "started_at": "2026-11-21T03:00:00Z", "host": "h", "pid": 1},
        {"type": "step", "position": 1, "name": "load pendo", "started_at": "2026-11-21T03:00:01Z"},
    ]
    done = {"type": "done", "position": 1, "ended_at": "2026-11-21T03:00:05Z", "status": "complete", "message": None}
    done |= {"plan_id": None, "run_id": None, "figures": {"rows": 7, "values": 3}}
    end = {"type": "end", "ended_at": "2026-11-21T03:00:06Z", "outcome": "partial", "stopped_by": "load pendo: x"}

    def landed(*entries: object) -> list[tuple[object, ...]]:
        logbook.write_bytes(b"".join(orjson.dumps(entry) + b"\n" for entry in entries) + b'{"type":"end"')
        load(["ledger"], settings, Wanted(), lambda *_: None)
        with duckdb.connect(settings.warehouse) as warehouse:
            return warehouse.execute(
                "select outcome, stopped_by, syncs.ended_at is null, position, step, status, rows_landed, "
                "values_confirmed, calls, epoch(sync_steps.ended_at - sync_steps.started_at) "
                "from ledger.syncs left join ledger.sync_steps using (sync_id)"
            ).fetchall()

    assert landed(*begun) == [(None, None, True, 1, "load pendo", None, None, None, None, None)]
    assert landed(*begun, done, end) == [
        ("partial", "load pendo: x", False, 1, "load pendo", "complete", 7, 3, None, 4.0)
    ]


def test_what_is_landed_later_is_marked_later_even_when_the_clock_stands_still(
    settings: LoadSettings, ledger: Callable[[str], list[tuple[object, ...]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stopped(dt.datetime):
        @classmethod
        def now(cls, tz: dt.tzinfo | None = None) -> dt.datetime:
            return dt.datetime(2026, 11, 21, 9, tzinfo=tz)

    monkeypatch.setattr("loaders.ledger.datetime", Stopped)
    write(settings, RUN, intent(1, "1"), END)
    ledger("select 1")
    write(settings, RUN | {"run_id": "r2"}, intent(1, "2"), END, run_id="r2")
    assert ledger("select count(distinct loaded_at), max(loaded_at) > min(loaded_at) from ledger.writes") == [(2, True)]


ENTRIES = st.lists(
    st.one_of(
        st.builds(
            lambda batch, ids: intent(batch, *sorted(ids), after=str(batch)),
            st.integers(1, 6),
            st.sets(st.sampled_from("abcdef"), max_size=4),
        ),
        st.builds(
            lambda batch, status, ids: outcome(batch, status, *sorted(ids)),
            st.integers(1, 6),
            st.sampled_from(("confirmed", "rejected", "unknown")),
            st.sets(st.sampled_from("abcdef"), max_size=4),
        ),
    ),
    max_size=20,
)


def told(entries: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str, str]]:
    """Give each record's last value and status, from all of a journal at once."""
    intents = [entry for entry in entries if entry["type"] == "intent"]
    last = {one["id"]: entry["batch"] for entry in intents for one in entry["records"]}
    known = {
        (entry["batch"], one["id"]): one["status"]
        for entry in entries
        if entry["type"] == "outcome"
        for one in entry["results"]
    }
    for entry in intents:
        for one in entry["records"]:
            if last[one["id"]] == entry["batch"]:
                yield one["id"], str(entry["batch"]), known.get((entry["batch"], one["id"]), "unknown")


@pytest.mark.parametrize("bits", [8, journals.HASH_BITS], ids=["every record has another's bit", "few have"])
@few(max_examples=150, deadline=None, derandomize=True)
@example(
    entries=[
        intent(1, "a", "b", after="1"),
        intent(2, "b", after="2"),
        outcome(2, "confirmed", "b"),
        outcome(1, "rejected", "a", "b"),
    ]
)
@given(entries=ENTRIES)
def test_writes_are_what_all_of_a_journal_tells_in_whatever_order(
    tmp_path_factory: pytest.TempPathFactory, bits: int, entries: list[Mapping[str, Any]]
) -> None:
    path = tmp_path_factory.mktemp("some") / "r1.jsonl"
    path.write_bytes(b"".join(orjson.dumps(entry) + b"\n" for entry in (RUN, *entries, END)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(journals, "HASH_BITS", bits)
        found = [(row["record_id"], row["after_value"], row["status"]) for row in journals.written(path)]
    assert sorted(map(str, found)) == sorted(map(str, told(entries)))


def test_a_journal_four_times_as_long_takes_no_more_memory(tmp_path: Path) -> None:
    def peak(batches: int) -> int:
        path = tmp_path / "r1.jsonl"
        with path.open("wb") as file:
            file.write(orjson.dumps(RUN) + b"\n")
            for batch in range(batches):
                ids = [str(100 * batch + one) for one in range(100)]
                file.write(orjson.dumps(intent(batch, *ids)) + b"\n")
                file.write(orjson.dumps(outcome(batch, "confirmed", *ids)) + b"\n")
        tracemalloc.start()
        try:
            assert sum(row["status"] == "confirmed" for row in journals.written(path)) == 100 * batches
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    # 15,000 records more: they would take ten megabytes if they were held.
    assert peak(200) - peak(50) < 2**19
