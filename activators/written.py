"""What runs wrote, off their journals: read line by line, so that a run of any size takes little memory."""

from __future__ import annotations

import datetime as dt
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson

from activators.errors import PlanError
from activators.journal import RecordChanges, Result, read_lines, record_changes, result_of

# The last line of a journal that has ended is shorter than this, in bytes.
_LAST_LINE = 1 << 16


@dataclass(frozen=True, slots=True)
class Write:
    """What one run wrote, or tried to write, of one record."""

    run_id: str
    activation: str
    destination: str
    object: str
    record: RecordChanges
    # None while no answer is known.
    result: Result | None

    @property
    def may_stand(self) -> bool:
        """Whether the CRM may hold it: what was refused is not there, and what was never answered may be."""
        return self.result is None or self.result.status != "rejected"


@dataclass(frozen=True, slots=True)
class RunSummary:
    """One run, as its journal tells it. `status` is complete, partial, or open while it has not ended."""

    run_id: str
    plan_id: str
    started_at: dt.datetime
    status: str
    activations: tuple[str, ...]
    confirmed: int
    rejected: int
    unknown: int


def read_runs(folder: Path) -> Iterator[RunSummary]:
    """Every run, the newest first. Of one that has ended only the first line and the last are read."""
    for path in sorted(folder.glob("*.jsonl"), reverse=True):
        yield from _summary(path)


def read_run(folder: Path, run_id: str) -> RunSummary:
    """One run. Raises PlanError when there is none of that id, or it has not even begun."""
    path = folder / f"{run_id}.jsonl"
    found = next(_summary(path), None) if path.is_file() else None
    if found is None:
        raise PlanError(f"{path}: no such run; `backhaul runs` lists them")
    return found


def _summary(path: Path) -> Iterator[RunSummary]:
    """A journal in one value, or in none: a crash may have cut its first line short."""
    start = next(read_lines(path), None)
    if start is None:
        return
    end = _last_line(path)
    counts: Counter[str] = Counter()
    # An open run, and the journals of earlier versions, do not say it at their end.
    if "records" in end:
        for of_activation in end["records"].values():
            counts.update(of_activation)
    else:
        writes = read_writes(path.parent, path.stem)
        counts.update(write.result.status if write.result else "unknown" for write in writes)
    yield RunSummary(
        path.stem,
        start["plan_id"],
        dt.datetime.fromisoformat(start["started_at"]),
        end.get("status", "open"),
        tuple(start["activations"]),
        counts["confirmed"],
        counts["rejected"],
        counts["unknown"],
    )


def later_runs(folder: Path, run_id: str) -> list[str]:
    """The runs that began after one, the oldest first."""
    return sorted(path.stem for path in folder.glob("*.jsonl") if path.stem > run_id)


def read_writes(folder: Path, run_id: str, record_id: str | None = None) -> Iterator[Write]:
    """What a run wrote, each record once, with its last answer; of one record id, where it is given.

    Raises PlanError when there is no such run.
    """
    path = folder / f"{run_id}.jsonl"
    if not path.is_file():
        raise PlanError(f"{path}: no such run; `backhaul runs` lists them")
    # Records without an answer that ends the matter, by activation and id, with the batch that they were last sent in.
    open_writes: dict[tuple[str, str], tuple[int, Write]] = {}
    activation_of: dict[int, str] = {}
    for line in read_lines(path, orjson.dumps(record_id) if record_id else b""):
        if line["type"] == "intent":
            activation_of[line["batch"]] = line["activation"]
            for item in line["records"]:
                if record_id in {None, item["id"]}:
                    where = line["activation"], line["destination"], line["object"]
                    write = Write(run_id, *where, record_changes(item), None)
                    open_writes[line["activation"], item["id"]] = line["batch"], write
        elif line["type"] == "outcome":
            for item in line["results"]:
                key = activation_of.get(line["batch"], ""), item["id"]
                batch, sent = open_writes.get(key, (None, None))
                if sent is None or batch != line["batch"]:
                    continue
                answered = replace(sent, result=result_of(item))
                if item["status"] == "unknown":
                    open_writes[key] = line["batch"], answered  # a later batch may tell
                else:
                    del open_writes[key]
                    yield answered
    yield from (write for _, write in open_writes.values())


def record_history(folder: Path, activation: str, record_id: str) -> Iterator[Write]:
    """Everything that was written to one record, the newest first."""
    for path in sorted(folder.glob("*.jsonl"), reverse=True):
        yield from (write for write in read_writes(folder, path.stem, record_id) if write.activation == activation)


def _last_line(path: Path) -> Mapping[str, Any]:
    """The line that ends a run; empty while it is open."""
    with path.open("rb") as file:
        file.seek(-min(_LAST_LINE, path.stat().st_size), os.SEEK_END)
        line, newline, rest = file.read().rpartition(b"\n")
    line = line.rpartition(b"\n")[2]
    if not newline or rest or not line.startswith(b'{"type":"end"'):
        return {}
    try:
        return dict(orjson.loads(line))
    except orjson.JSONDecodeError:
        return {}
