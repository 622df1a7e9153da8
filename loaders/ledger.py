"""The ledger: what every run wrote to the vendors, from the journals, and how every sync went, from its logbook."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dlt
import orjson
import pyarrow as pa
from dlt.extract import DltResource

from loaders.landing import BIGINT, BOOLEAN, TEXT, TIMESTAMP, Column, Mode, Row, resource, tables
from loaders.values import LoadError, LoadSettings

RUN_COLUMNS = (
    Column("run_id", TEXT, nullable=False),
    Column("plan_id", TEXT),
    Column("started_at", TIMESTAMP),
    Column("ended_at", TIMESTAMP),
    Column("status", TEXT),
    # How much of the journal was there: a plan sees from it whether the ledger has all of a run.
    Column("journal_bytes", BIGINT),
)
ACTIVATION_COLUMNS = (
    Column("run_id", TEXT, nullable=False),
    Column("activation", TEXT, nullable=False),
    Column("destination", TEXT),
    Column("object", TEXT),
    Column("records", BIGINT),
    Column("changes", BIGINT),
    Column("held", BIGINT),
    Column("kept", BIGINT),
    Column("invalid", BIGINT),
)
WRITE_COLUMNS = (
    Column("run_id", TEXT, nullable=False),
    Column("plan_id", TEXT),
    Column("activation", TEXT, nullable=False),
    Column("destination", TEXT),
    Column("object", TEXT),
    Column("record_id", TEXT, nullable=False),
    Column("property", TEXT, nullable=False),
    Column("before_value", TEXT),
    Column("after_value", TEXT),
    Column("status", TEXT),
    Column("code", TEXT),
    Column("message", TEXT),
    # Whether the refusal names this property. Null where it names none of the record's.
    Column("is_to_blame", BOOLEAN),
    Column("written_at", TIMESTAMP),
    Column("property_fingerprint", TEXT),
    Column("loaded_at", TIMESTAMP),
)
SYNC_COLUMNS = (
    Column("sync_id", TEXT, nullable=False),
    Column("started_at", TIMESTAMP),
    Column("ended_at", TIMESTAMP),
    Column("outcome", TEXT),
    Column("stopped_by", TEXT),
    Column("host", TEXT),
)
STEP_COLUMNS = (
    Column("sync_id", TEXT, nullable=False),
    Column("position", BIGINT, nullable=False),
    Column("step", TEXT, "name"),
    Column("started_at", TIMESTAMP),
    Column("ended_at", TIMESTAMP),
    Column("status", TEXT),
    Column("message", TEXT),
    Column("plan_id", TEXT),
    Column("run_id", TEXT),
    # VALUES and ROWS are words of SQL.
    Column("rows_landed", BIGINT, "rows"),
    *(Column(name, BIGINT) for name in ("built", "passed", "failed", "skipped")),
    *(Column(name, BIGINT) for name in ("records", "changes", "held", "kept", "invalid")),
    *(Column(name, BIGINT) for name in ("confirmed", "rejected", "unknown")),
    Column("values_confirmed", BIGINT, "values"),
    Column("calls", BIGINT),
)
UNKNOWN: Row = {"status": "unknown"}
# Eight megabytes: of five million records one in thirteen would have another's bit at the end.
HASH_BITS = 2**26


@dlt.source(name="ledger", max_table_nesting=0)
def ledger(settings: LoadSettings) -> tuple[DltResource, ...]:
    """Make the resources of a ledger load: the journals that grew since the last one."""
    sizes: dict[str, int] | None = dlt.current.source_state().get("sizes")
    # A journal that is not here any more was landed once, and stays: only a first load replaces the tables.
    mode: Mode = "full" if sizes is None else "incremental"
    files = {path: path.stat().st_size for path in sorted(settings.journal_dir.glob("*.jsonl"))}
    # What an earlier version did not land of them is read from them again.
    columns = [column.name for column in WRITE_COLUMNS]
    known = sizes if dlt.current.source_state().get("columns") == columns else None
    grown = [path for path, size in files.items() if (known or {}).get(path.name) != size]

    def read_runs() -> Iterator[pa.Table]:
        yield from tables((_run(path, files[path]) for path in grown), RUN_COLUMNS, mode)

    def read_activations() -> Iterator[pa.Table]:
        yield from tables((one for path in grown for one in _activations(path)), ACTIVATION_COLUMNS, mode)

    def read_writes() -> Iterator[pa.Table]:
        # Models go by it to find what is new, so it rises even where the clock does not.
        last = dlt.current.source_state().get("loaded_at")
        now = datetime.now(UTC)
        loaded_at = max(now, datetime.fromisoformat(last) + timedelta(microseconds=1)) if last else now
        rows = ({**write, "loaded_at": loaded_at.isoformat()} for path in grown for write in written(path))
        yield from tables(rows, WRITE_COLUMNS, mode)
        state = dlt.current.source_state()
        state["sizes"] = (sizes or {}) | {path.name: size for path, size in files.items()}
        state["loaded_at"] = loaded_at.isoformat()
        state["columns"] = columns

    return (
        resource("runs", RUN_COLUMNS, read_runs, mode),
        resource("run_activations", ACTIVATION_COLUMNS, read_activations, mode),
        resource("writes", WRITE_COLUMNS, read_writes, mode),
        *_syncs(settings.syncs_dir),
    )


def _syncs(folder: Path | None) -> Iterator[DltResource]:
    """Make the resources of the logbooks that grew since the last load, as of the journals."""
    sizes: dict[str, int] | None = dlt.current.source_state().get("sync_sizes")
    mode: Mode = "full" if sizes is None else "incremental"
    files = {path: path.stat().st_size for path in sorted(folder.glob("*.jsonl"))} if folder else {}
    grown = [path for path, size in files.items() if (sizes or {}).get(path.name) != size]

    def read_syncs() -> Iterator[pa.Table]:
        yield from tables((_sync(path) for path in grown), SYNC_COLUMNS, mode)

    def read_steps() -> Iterator[pa.Table]:
        yield from tables((step for path in grown for step in _steps(path)), STEP_COLUMNS, mode)
        dlt.current.source_state()["sync_sizes"] = (sizes or {}) | {path.name: size for path, size in files.items()}

    yield resource("syncs", SYNC_COLUMNS, read_syncs, mode)
    yield resource("sync_steps", STEP_COLUMNS, read_steps, mode)


def _sync(path: Path) -> Row:
    sync: dict[str, object] = {}
    for entry in _entries(path):
        if entry["type"] in {"sync", "end"}:
            sync |= entry
    return {**sync, "sync_id": path.stem}


def _steps(path: Path) -> Iterator[Row]:
    """List a sync's steps; one without an end was the last."""
    steps: dict[int, dict[str, object]] = {}
    for entry in _entries(path):
        if entry["type"] in {"step", "done"}:
            step = steps.setdefault(entry["position"], {"sync_id": path.stem})
            step |= {**entry.pop("figures", {}), **entry}
    yield from steps.values()


def _run(path: Path, journal_bytes: int) -> Row:
    run: dict[str, object] = {"run_id": path.stem, "journal_bytes": journal_bytes}
    for entry in _entries(path):
        if entry["type"] == "run":
            run = {**entry, **run}
        elif entry["type"] == "end":
            run |= {"ended_at": entry["ended_at"], "status": entry["status"]}
    return run


def _activations(path: Path) -> Iterator[Row]:
    """List what a run was to send: one row for each activation of its plan."""
    for entry in _entries(path):
        if entry["type"] == "run":
            # Journals of earlier versions do not say.
            for name, planned in (entry.get("planned") or {}).items():
                yield {**planned, "run_id": path.stem, "activation": name}


def written(path: Path) -> Iterator[Row]:
    """List a run's writes with their last known outcome; without one they are unknown.

    A run that went on after a crash may have sent a record again: then the last batch counts. Only batches that more
    is said of are held.
    """
    course = _course(path)
    held: dict[int, _Batch] = {}
    for number, entry in enumerate(_entries(path)):
        if entry["type"] not in {"intent", "outcome"}:
            continue
        batch = held.setdefault(entry["batch"], _Batch([], {}))
        if entry["type"] == "intent":
            batch.intents.append(entry)
        else:
            batch.outcomes.update({one["id"]: one for one in entry["results"]})
        if course.last_line[entry["batch"]] == number:
            yield from _rows(path.stem, course, held.pop(entry["batch"]))


@dataclass(frozen=True, slots=True)
class _Batch:
    """What the journal has said of a batch so far: its intents, and the last outcome of each record."""

    intents: list[Any]
    outcomes: dict[str, Row]


@dataclass(frozen=True, slots=True)
class _Course:
    """What a journal says as a whole: its plan, the last line on each batch, and the last batch of a record sent again.

    `last_batch` is by activation and record. It has all that are in two intents, and few others.
    """

    plan_id: str | None
    planned: Mapping[str, Any]
    last_line: Mapping[int, int]
    last_batch: Mapping[tuple[str, str], int]


def _course(path: Path) -> _Course:
    """Read a journal once, to know what its lines cannot tell one by one."""
    plan_id: str | None = None
    planned: dict[str, Any] = {}
    last_line: dict[int, int] = {}
    last_batch: dict[tuple[str, str], int] = {}
    # A bit for the hash of each record: to hold the records themselves would take memory as the journal grows. Whoever
    # finds the bit set may have been there before. One who was not does no harm: this is its last batch all the same.
    there = bytearray(HASH_BITS // 8)
    for number, entry in enumerate(_entries(path)):
        if entry["type"] == "run":
            plan_id, planned = entry["plan_id"], entry.get("planned") or {}
        elif entry["type"] in {"intent", "outcome"}:
            last_line[entry["batch"]] = number
        if entry["type"] == "intent":
            for one in entry["records"]:
                record = (entry["activation"], one["id"])
                byte, bit = divmod(hash(record) % HASH_BITS, 8)
                if there[byte] & 1 << bit:
                    last_batch[record] = entry["batch"]
                there[byte] |= 1 << bit
    return _Course(plan_id, planned, last_line, last_batch)


def _rows(run_id: str, course: _Course, batch: _Batch) -> Iterator[Row]:
    """List the writes of a batch, but those of records that a later one has sent again."""
    for intent in batch.intents:
        fingerprints = course.planned.get(intent["activation"], {}).get("fingerprints", {})
        for record in intent["records"]:
            if course.last_batch.get((intent["activation"], record["id"]), intent["batch"]) != intent["batch"]:
                continue
            outcome = batch.outcomes.get(record["id"], UNKNOWN)
            # Salesforce does not mind the case of a name.
            said: Any = outcome.get("to_blame", ())
            named = {name.lower() for name in said}
            named &= {change["property"].lower() for change in record["changes"]}
            for change in record["changes"]:
                yield {
                    "run_id": run_id,
                    "plan_id": course.plan_id,
                    "activation": intent["activation"],
                    "destination": intent["destination"],
                    "object": intent["object"],
                    "record_id": record["id"],
                    "property": change["property"],
                    "before_value": change["before"],
                    "after_value": change["after"],
                    "status": outcome["status"],
                    "code": outcome.get("code"),
                    "message": outcome.get("message"),
                    "is_to_blame": change["property"].lower() in named if named else None,
                    "written_at": outcome.get("written_at"),
                    "property_fingerprint": fingerprints.get(change["property"]),
                }


def _entries(path: Path) -> Iterator[Any]:
    """Read a journal's entries; a last line that a crash cut short is no entry.

    LoadError if another line is broken: then the journal is not what was written.
    """
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if not line.endswith(b"\n"):
                return
            try:
                yield orjson.loads(line)
            except orjson.JSONDecodeError as error:
                raise LoadError(f"line {number} of {path} is not JSON: restore the journal from a backup") from error
