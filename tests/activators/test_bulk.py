"""Salesforce's Bulk jobs: chosen by count, every row accounted for, nothing sent twice whatever happens to a job."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import stamina

from activators.destinations import write_calls
from activators.errors import RefusedAlike, VendorError
from activators.journal import Change, RecordChanges
from activators.salesforce import Salesforce, bulk
from sandbox.server import Sandbox
from tests.activators.conftest import Crm, Seal, journaled, number, provisioned, send

INGEST = r"/jobs/ingest"


@pytest.fixture(scope="module")
def crm_of_module(sandbox: Sandbox) -> Iterator[Crm]:
    with provisioned(sandbox, "salesforce") as crm:
        yield crm


@pytest.fixture
def crm(crm_of_module: Crm) -> Crm:
    crm_of_module.reset()
    return crm_of_module


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Jobs above ten records, with no wait between two looks at them; a first batch of four."""
    monkeypatch.setattr(bulk, "ABOVE", 10)
    monkeypatch.setattr(bulk, "_FIRST_WAIT", 0.0)
    monkeypatch.setattr("activators.salesforce.RECORDS_PER_CALL", 4)
    with stamina.set_testing(True, attempts=3):
        yield


def jobs_of(crm: Crm) -> list[dict[str, Any]]:
    """The calls that made a job."""
    return [item for item in crm.requests("/jobs/ingest") if item["method"] == "POST"]


def results(folder: Path) -> dict[str, dict[str, Any]]:
    """The last result of each record."""
    return {item["id"]: item for line in journaled(folder) if line["type"] == "outcome" for item in line["results"]}


@pytest.mark.parametrize("count", [10, 11])
def test_many_records_go_by_a_job_and_few_by_batches(crm: Crm, seal: Seal, tmp_path: Path, count: int) -> None:
    records = crm.ids[:count]
    plan = seal(crm.activation, [(record, crm.days, None, "61") for record in records])
    (item,) = send(crm, plan, tmp_path / "journal").activations
    assert (item.confirmed, len(jobs_of(crm))) == (count, int(count > 10))
    stored = crm.everything()
    assert {number(stored[record][crm.days]) for record in records} == {61}
    assert {line["type"] for line in journaled(tmp_path / "journal")} == {
        "run",
        "intent",
        "outcome",
        "end",
        *(["job"] if count > 10 else []),
    }


def test_a_job_writes_what_differs_clears_what_is_cleared_and_leaves_the_rest_alone(
    crm: Crm, seal: Seal, tmp_path: Path
) -> None:
    records = crm.ids[20:40]
    for record in records:
        crm.edit(record, **{crm.days: 7, crm.note: "old"})
    both, cleared, note = records[4:8], records[8:12], records[12:]
    rows = [(record, crm.days, "7", "8") for record in (*records[:4], *both)]
    rows += [(record, crm.note, "old", 'two\nlines, "quoted"; ü') for record in (*both, *note)]
    rows += [(record, crm.days, "7", None) for record in cleared]
    (item,) = send(crm, seal(crm.activation, rows), tmp_path / "journal").activations
    assert (item.confirmed, item.values) == (20, len(rows))
    stored = crm.everything()
    assert [(number(stored[record][crm.days]), stored[record][crm.note]) for record in both] == [
        (8, 'two\nlines, "quoted"; ü')
    ] * 4
    assert [(stored[record][crm.days], stored[record][crm.note]) for record in cleared] == [(None, "old")] * 4
    assert [number(stored[record][crm.days]) for record in note] == [7] * 8


def test_a_text_that_a_cell_cannot_hold_goes_by_a_batch(crm: Crm, seal: Seal, tmp_path: Path) -> None:
    """`#N/A` would clear, and one cell that is too long would fail the whole job."""
    records = crm.ids[40:60]
    rows = [(record, crm.days, None, "9") for record in records[:-2]]
    rows += [(records[-2], crm.note, None, "#N/A"), (records[-1], crm.note, None, "x" * 40_000)]
    (item,) = send(crm, seal(crm.activation, rows), tmp_path / "journal").activations
    assert (item.confirmed, item.rejected, item.unknown) == (19, 1, 0)
    assert crm.stored(records[-2])[crm.note] == "#N/A"
    assert results(tmp_path / "journal")[records[-1]]["code"] == "STRING_TOO_LONG"


def test_rows_that_a_job_refuses_are_named_with_the_vendors_own_words(crm: Crm, seal: Seal, tmp_path: Path) -> None:
    records, gone = crm.ids[60:80], "003000000000ZZZAA2"
    rows = [(record, crm.days, None, "10") for record in (*records, gone)]
    rows.append((crm.ids[80], crm.note, None, "x" * 300))
    (item,) = send(crm, seal(crm.activation, rows), tmp_path / "journal").activations
    assert (item.confirmed, item.rejected, item.unknown) == (20, 2, 0)
    assert results(tmp_path / "journal")[crm.ids[80]]["code"] == "STRING_TOO_LONG"
    assert "data value too large" in results(tmp_path / "journal")[crm.ids[80]]["message"]
    assert results(tmp_path / "journal")[crm.ids[80]]["to_blame"] == [crm.note]
    assert "to_blame" not in results(tmp_path / "journal")[gone]


def test_verify_reads_the_rows_of_a_job_before_it_is_made(crm: Crm, seal: Seal, tmp_path: Path) -> None:
    records = crm.ids[240:260]
    for record in records:
        crm.edit(record, **{crm.days: 4})
    plan = seal(crm.activation, [(record, crm.days, "4", "5") for record in records])
    # One of the first batch, one of the job; and one in the job that says already what is planned.
    crm.edit(records[1], **{crm.days: 77})
    crm.edit(records[15], **{crm.days: 78})
    crm.edit(records[16], **{crm.days: 5})
    crm.reset()
    (item,) = send(crm, plan, tmp_path / "journal", verify=True).activations
    assert (item.confirmed, item.rejected, item.unknown) == (18, 2, 0)
    assert len(jobs_of(crm)) == 1
    stored = crm.everything()
    assert [number(stored[records[at]][crm.days]) for at in (1, 15)] == [77, 78]
    assert {number(stored[record][crm.days]) for at, record in enumerate(records) if at not in {1, 15}} == {5}
    # What a person typed is no write of ours, and cannot be undone as one.
    intents = (line for line in journaled(tmp_path / "journal") if line["type"] == "intent")
    sent = {record["id"] for intent in intents for record in intent["records"]}
    assert records[16] not in sent


def test_rows_that_a_job_found_locked_are_read_back_and_sent_again(crm: Crm, seal: Seal, tmp_path: Path) -> None:
    records = crm.ids[100:120]
    for record in records[10:13]:
        crm.act("lock_record", object="Contact", id=record)
    plan = seal(crm.activation, [(record, crm.days, None, "11") for record in records])
    (item,) = send(crm, plan, tmp_path / "journal").activations
    assert (item.confirmed, item.rejected, item.unknown, len(jobs_of(crm))) == (20, 0, 0, 1)
    stored = crm.everything()
    assert {number(stored[record][crm.days]) for record in records} == {11}


@pytest.mark.parametrize("after", [0, 5, 25])
def test_what_a_failed_job_did_not_try_is_sent_again(crm: Crm, seal: Seal, tmp_path: Path, after: int) -> None:
    records = crm.ids[120:164]
    crm.act("fail_bulk_job", after=after)
    now = crm.everything()
    plan = seal(crm.activation, [(record, crm.days, now[record][crm.days], str(12 + after)) for record in records])
    (item,) = send(crm, plan, tmp_path / "journal").activations
    assert (item.confirmed, item.rejected, item.unknown) == (44, 0, 0)
    # What is left is more than ten records in the first two cases, of which a second job is worth its calls.
    assert len(jobs_of(crm)) == (2 if 40 - after > 10 else 1)
    again = {
        record["id"]
        for line in journaled(tmp_path / "journal")[-3:]
        if line["type"] == "intent"
        for record in line["records"]
    }
    assert len(again) <= 40 - after


def test_a_job_that_is_refused_for_what_is_in_it_stops_the_run(crm: Crm, seal: Seal, tmp_path: Path) -> None:
    """A field that the user may not see fails a job as a whole; its rows are refused, and not sent over and over."""
    records = crm.ids[200:240]
    hidden = crm.activation.properties[1]
    rows: list[tuple[Any, ...]] = [(record, crm.days, None, "13") for record in records[:4]]
    rows += [(record, hidden.name, None, "x") for record in records[4:]]
    plan = seal(crm.activation, rows)
    crm.fault(path=INGEST, method="GET", kind="answer", status=200, body=_failed("InvalidBatch : Field name not found"))
    crm.fault(path="Results", method="GET", status=200, body='"sf__Id","sf__Error",Id\n', times=2)
    (item,) = send(crm, plan, tmp_path / "journal").activations
    assert (item.confirmed, item.rejected, item.unknown, len(jobs_of(crm))) == (4, 36, 0, 1)
    assert item.examples["InvalidBatch"].endswith("Field name not found")


def _failed(message: str) -> dict[str, Any]:
    return {"state": "Failed", "errorMessage": message, "createdDate": "2026-03-20T09:00:00.000+0000"}


def test_a_model_that_is_wrong_everywhere_is_found_out_before_any_job(
    crm: Crm, seal: Seal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("activators.salesforce.RECORDS_PER_CALL", 30)
    plan = seal(crm.activation, [(record, crm.note, None, "x" * 300) for record in crm.ids[240:300]])
    with pytest.raises(RefusedAlike, match=r"30 of the last 30 records were refused alike \(STRING_TOO_LONG"):
        send(crm, plan, tmp_path / "journal")
    assert jobs_of(crm) == []
    (item,) = send(crm, plan, tmp_path / "journal", keep_going=True).activations
    assert (item.confirmed, item.rejected) == (0, 60)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/jobs/ingest$"),
        ("PUT", "/batches$"),
        ("PATCH", r"/jobs/ingest/\w+$"),
        ("GET", r"/jobs/ingest/\w+$"),
        ("GET", "successfulResults"),
        ("GET", "failedResults"),
    ],
)
@pytest.mark.parametrize("after", [False, True])
def test_a_lost_answer_about_a_job_loses_no_row(  # noqa: PLR0913  the fault's circumstances
    crm: Crm, seal: Seal, tmp_path: Path, *, method: str, path: str, after: bool
) -> None:
    records = crm.ids[300:330]
    value = str(20 + 2 * len(method) + after + len(path))
    now = crm.everything()
    plan = seal(crm.activation, [(record, crm.days, now[record][crm.days], value) for record in records])
    crm.fault(method=method, path=path, kind="dropped", after=after)
    (item,) = send(crm, plan, tmp_path / "journal").activations
    assert (item.confirmed, item.rejected, item.unknown) == (30, 0, 0)
    stored = crm.everything()
    assert {number(stored[record][crm.days]) for record in records} == {number(value)}


def test_a_job_that_never_ends_is_aborted_and_the_same_command_sends_what_it_left(
    crm: Crm, seal: Seal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = crm.ids[330:360]
    now = crm.everything()
    plan = seal(crm.activation, [(record, crm.days, now[record][crm.days], "73") for record in records])
    monkeypatch.setattr(bulk, "LONGEST_JOB", 0.0)
    running = {"state": "InProgress", "createdDate": "2026-03-20T09:00:00.000+0000"}
    crm.fault(path=INGEST, method="GET", kind="answer", status=200, body=running, times=1)
    with pytest.raises(
        VendorError, match=r"job \w+ is still InProgress after 0.0 hours and was told to abort; look at"
    ):
        send(crm, plan, tmp_path / "journal")
    assert [line["type"] for line in journaled(tmp_path / "journal")] == ["run", "intent", "outcome", "intent", "job"]
    asked = [call for call in crm.requests("") if call["method"] == "PATCH" and "/jobs/ingest/" in call["path"]]
    assert len(asked) == 2  # it is to begin, and to end
    monkeypatch.setattr(bulk, "LONGEST_JOB", 60.0)
    (item,) = send(crm, plan, tmp_path / "journal").activations
    assert (item.confirmed, item.rejected, item.unknown) == (30, 0, 0)
    stored = crm.everything()
    assert {number(stored[record][crm.days]) for record in records} == {73}


def test_a_cut_result_is_no_result(crm: Crm, seal: Seal, tmp_path: Path) -> None:
    """The rows that the answer does not name are read back: they are there."""
    records = crm.ids[330:360]
    plan = seal(crm.activation, [(record, crm.days, None, "71") for record in records])
    crm.fault(method="GET", path="successfulResults", kind="malformed", how="cut", after=True)
    (item,) = send(crm, plan, tmp_path / "journal").activations
    assert (item.confirmed, len(jobs_of(crm))) == (30, 1)
    assert {"READ_BACK", None} == {result["code"] for result in results(tmp_path / "journal").values()}


def test_records_are_cut_into_jobs_by_rows_and_by_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "ROWS_PER_JOB", 3)
    monkeypatch.setattr(bulk, "BYTES_PER_JOB", 1_000)
    short, long = (Change("Note__c", "string", None, text) for text in ("x", "x" * 400))
    jobs = Salesforce.connect(httpx.AsyncClient(), "nobody", "nothing").jobs
    records = [RecordChanges(str(at), (long if at in {4, 5} else short,)) for at in range(8)]
    assert [[int(record.record_id) for record in part] for part in jobs.cut(records)] == [[0, 1, 2], [3, 4], [5, 6, 7]]


def test_a_job_costs_few_calls_and_the_plan_says_how_many(crm: Crm, seal: Seal, tmp_path: Path) -> None:
    plan = seal(crm.activation, [(record, crm.days, None, "72") for record in crm.ids[:300]])
    (item,) = send(crm, plan, tmp_path / "journal").activations
    assert len(jobs_of(crm)) == 1
    assert 7 <= item.calls <= write_calls("salesforce", 300) <= 9
