"""The logbook of a sync: what it began, what came of each step, and how it ended, each line flushed to disk.

One file a sync, one JSON object a line: `sync`, then for each step a `step` and a `done`, at last `end`. A sync that
was killed lacks its last lines; the next one adds the `end`. The loaders land these files with the ledger; their shape
is an interface. No setting is in them, and of customers' values only what a message quotes.
"""

from __future__ import annotations

import datetime as dt
import os
import secrets
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Literal, Self

import orjson

from activators.errors import ActivationError

Status = Literal["complete", "partial", "skipped", "failed", "stopped"]
Outcome = Literal["complete", "partial", "failed", "stopped", "died"]


class SyncHeld(ActivationError):
    """Another sync is running. Nothing was done."""


@dataclass(slots=True)
class Step:
    """One step while it is on its way: it says itself what came of it. A figure is a count of what it is named for."""

    position: int
    name: str
    status: Status = "complete"
    message: str | None = None
    plan_id: str | None = None
    run_id: str | None = None
    figures: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StepSummary:
    """One step of a sync. Without an end it is on its way, or its sync died in it."""

    position: int
    name: str
    started_at: dt.datetime
    ended_at: dt.datetime | None = None
    status: str | None = None
    message: str | None = None
    plan_id: str | None = None
    run_id: str | None = None
    figures: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SyncSummary:
    """One sync. Without an outcome it is on its way, or it died and no later one has said so yet."""

    sync_id: str
    started_at: dt.datetime
    host: str
    pid: int
    ended_at: dt.datetime | None
    outcome: str | None
    stopped_by: str | None
    steps: tuple[StepSummary, ...]


@dataclass(slots=True)
class Logbook:
    """An open logbook. Every line is on disk when the call returns."""

    path: Path
    sync_id: str
    _file: BinaryIO = field(repr=False)
    _steps: int = 0

    @classmethod
    def begin(cls, folder: Path) -> Self:
        """Start the logbook of a new sync."""
        now = _now()
        sync_id = f"{now:%Y%m%dT%H%M%S.%fZ}-{secrets.token_hex(3)}"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = folder / f"{sync_id}.jsonl"
        file = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
        logbook = cls(path, sync_id, file)
        logbook._write(
            {"type": "sync", "sync_id": sync_id, "started_at": now, "host": socket.gethostname(), "pid": os.getpid()}
        )
        return logbook

    @contextmanager
    def step(self, name: str) -> Iterator[Step]:
        """Note that a step begins, and when the block is left, what came of it."""
        self._steps += 1
        step = Step(self._steps, name)
        self._write({"type": "step", "position": step.position, "name": name, "started_at": _now()})
        try:
            yield step
        finally:
            self._write(
                {
                    "type": "done",
                    "position": step.position,
                    "ended_at": _now(),
                    "status": step.status,
                    "message": step.message,
                    "plan_id": step.plan_id,
                    "run_id": step.run_id,
                    "figures": step.figures,
                }
            )

    def end(self, outcome: Outcome, stopped_by: str | None = None) -> None:
        """Say how the sync ended, and close the file."""
        self._write({"type": "end", "ended_at": _now(), "outcome": outcome, "stopped_by": stopped_by})
        self._file.close()

    def _write(self, line: Mapping[str, Any]) -> None:
        try:
            self._file.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_UTC_Z))
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(self.path)) from None


def read_sync(path: Path) -> SyncSummary | None:
    """What a logbook says, or None when not even its first line was written. A torn last line is no line."""
    sync: dict[str, Any] | None = None
    end: dict[str, Any] = {}
    steps: dict[int, dict[str, Any]] = {}
    for line in path.read_bytes().splitlines(keepends=True):
        if not line.endswith(b"\n"):
            break
        entry = dict(orjson.loads(line))
        match entry.pop("type"):
            case "sync":
                sync = entry
            case "step" | "done":
                steps.setdefault(entry["position"], {}).update(entry)
            case "end":
                end = entry
    if sync is None:
        return None
    return SyncSummary(
        sync_id=sync["sync_id"],
        started_at=dt.datetime.fromisoformat(sync["started_at"]),
        host=sync["host"],
        pid=sync["pid"],
        ended_at=_time(end.get("ended_at")),
        outcome=end.get("outcome"),
        stopped_by=end.get("stopped_by"),
        steps=tuple(_step(entry) for entry in steps.values()),
    )


def read_syncs(folder: Path) -> Iterator[SyncSummary]:
    """Every sync, the newest first. Writes nothing."""
    for path in sorted(folder.glob("*.jsonl"), reverse=True):
        summary = read_sync(path)
        if summary is not None:
            yield summary


def end_the_dead(folder: Path) -> None:
    """Say of every sync that has no end that it died, and in which step. Only for whoever holds the syncs' lock."""
    for path in sorted(folder.glob("*.jsonl")):
        summary = read_sync(path)
        if summary is None:
            # It was killed before its first line was whole, and so before it did anything.
            path.unlink()
        elif summary.outcome is None:
            with path.open("r+b") as file:
                whole = sum(len(line) for line in file if line.endswith(b"\n"))
                file.seek(whole)
                file.truncate()
                Logbook(path, summary.sync_id, file).end("died", _death(summary))


def _death(summary: SyncSummary) -> str:
    if not summary.steps:
        return "died before its first step"
    last = summary.steps[-1]
    return f"died {'in' if last.ended_at is None else 'after'} step {last.name}"


def _step(entry: dict[str, Any]) -> StepSummary:
    times = {name: _time(entry.get(name)) for name in ("started_at", "ended_at")}
    return StepSummary(**{**entry, **times})


def _time(text: str | None) -> dt.datetime | None:
    return dt.datetime.fromisoformat(text) if text else None


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
