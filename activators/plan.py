"""A sealed plan: what it says of each activation, and its changes, read from its files. Writes nothing.

A plan is a folder: `plan.json`, and for each activation `<name>.parquet`, one row per property that differs, sorted by
record: record_id, property, family, before, after, decision, reason. `plan.json` holds their digests and its own seal.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import orjson
import pyarrow.parquet as pq

from activators.activation import Guards, Kind
from activators.errors import PlanError
from activators.journal import Change, RecordChanges


@dataclass(frozen=True, slots=True)
class Sample:
    """One change as a person would write it."""

    record_id: str
    property: str
    before: str | None
    after: str | None

    def __str__(self) -> str:
        return f"{self.record_id}  {self.property}: {shown(self.before)} → {shown(self.after)}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the CRM says, at the moment, of a value that would be sent. Without a decision it is there already."""

    record_id: str
    property: str
    decision: str | None
    reason: str | None
    now: str | None


@dataclass(frozen=True, slots=True)
class Reason:
    """How many values one rule kept back, and an example."""

    decision: str
    reason: str
    values: int
    sample: Sample


@dataclass(frozen=True, slots=True)
class Quota:
    """API calls of one CRM account: for a whole day, and what was left at the last landing."""

    daily: int
    remaining: int


@dataclass(frozen=True, slots=True)
class ActivationPlan:
    """What one activation would send. Counts are of values (one property of one record) unless named otherwise."""

    name: str
    destination: str
    object: str
    records: int
    records_changed: int
    changes: int
    held: int
    kept: int
    invalid: int
    unchanged: int
    # Records that an earlier run wrote and that the sync model does not have any more.
    left: int
    clears: int
    clear_share: float
    overwrites: int
    calls: int
    quota_share: float | None
    samples: tuple[Sample, ...]
    reasons: tuple[Reason, ...]
    warnings: tuple[str, ...]
    # By property: how the CRM defined it at the landing. A refusal stands for as long as that stays the same.
    fingerprints: Mapping[str, str]
    # What the activation declares, and the day's calls that were left at the landing.
    guards: Guards
    calls_left: int | None
    # Below dbt's target folder: touched by dbt whenever it builds the sync model.
    sync_file: str
    file: str
    sha256: str
    kind: Kind = "properties"
    external_id: str | None = None
    # By event: the occurrences that would be sent.
    occurrences: Mapping[str, int] = field(default_factory=dict)
    # Records that are created first, by email, and a few of them.
    creates: int = 0
    created_samples: tuple[str, ...] = ()

    @property
    def planned(self) -> dict[str, Any]:
        """What the journal keeps of it, for the ledger."""
        kept = ("destination", "object", "records", "changes", "held", "kept", "invalid", "fingerprints")
        return {name: getattr(self, name) for name in kept}


@dataclass(frozen=True, slots=True)
class Plan:
    """A sealed plan."""

    plan_id: str
    created_at: dt.datetime
    activations: tuple[ActivationPlan, ...]
    seal: str
    folder: Path
    # By vendor: when the newest read that the warehouse has of it began, by the vendor's clock.
    landings: Mapping[str, dt.datetime] = field(default_factory=dict)
    # By run: how much of its journal the plan knows, in bytes.
    journals: Mapping[str, int] = field(default_factory=dict)

    @property
    def changes(self) -> int:
        """Values that would be sent."""
        return sum(activation.changes for activation in self.activations)

    @property
    def warnings(self) -> tuple[str, ...]:
        """The guards that this plan trips, a line each."""
        return tuple(line for activation in self.activations for line in activation.warnings)


def read_plan(folder: Path) -> Plan:
    """Open a sealed plan. Raises PlanError when it, or a file of it, is not as it was sealed."""
    try:
        header = dict(orjson.loads((folder / "plan.json").read_bytes()))
    except OSError:
        raise PlanError(f"{folder}: no such plan; run `backhaul plan`") from None
    except (TypeError, ValueError):
        raise PlanError(f"{folder}: plan.json is damaged; run `backhaul plan`") from None
    seal = header.pop("seal", None)
    if seal != seal_of(header):
        raise PlanError(f"{folder}: plan.json was changed after it was sealed; run `backhaul plan`")
    for activation in header["activations"]:
        file = folder / activation["file"]
        if not file.is_file() or digest(file) != activation["sha256"]:
            raise PlanError(f"{file}: missing, or changed after it was sealed; run `backhaul plan`")
    return Plan(
        header["plan_id"],
        dt.datetime.fromisoformat(header["created_at"]),
        tuple(_activation_plan(item) for item in header["activations"]),
        seal,
        folder,
        {vendor: dt.datetime.fromisoformat(at) for vendor, at in header["landings"].items()},
        # Plans of earlier versions do not say: they know of no run.
        header.get("journals", {}),
    )


def latest_plan(plans: Path) -> Path:
    """The newest sealed plan's folder. Raises PlanError when there is none."""
    folders = sorted(path for path in plans.glob("[0-9]*") if path.is_dir())
    if not folders:
        raise PlanError(f"{plans}: no plan yet; run `backhaul plan`")
    return folders[-1]


def read_changes(file: Path) -> Iterator[RecordChanges]:
    """What a sealed plan sends, record by record, in a few megabytes whatever the plan's size."""
    rows = (
        row
        for batch in pq.ParquetFile(file).iter_batches(batch_size=1_000)
        for row in batch.to_pylist()
        if row["decision"] == "send"
    )
    for record_id, changes in groupby(rows, key=itemgetter("record_id")):
        yield RecordChanges(
            record_id,
            tuple(Change(row["property"], row["family"], row["before"], row["after"]) for row in changes),
        )


def read_kept_back(file: Path) -> Iterator[tuple[str, Sample]]:
    """What a sealed plan does not send: why, and the value as it is and as it would be."""
    for batch in pq.ParquetFile(file).iter_batches(batch_size=10_000):
        for row in batch.to_pylist():
            if row["decision"] != "send":
                yield row["reason"], Sample(row["record_id"], row["property"], row["before"], row["after"])


def _activation_plan(item: Mapping[str, Any]) -> ActivationPlan:
    return ActivationPlan(
        **{
            **item,
            "samples": tuple(Sample(**sample) for sample in item["samples"]),
            "reasons": tuple(Reason(**{**reason, "sample": Sample(**reason["sample"])}) for reason in item["reasons"]),
            "warnings": tuple(item["warnings"]),
            "created_samples": tuple(item.get("created_samples", ())),
            "guards": Guards(**item["guards"]),
        }
    )


def seal_of(header: Mapping[str, Any]) -> str:
    """The digest that seals a plan's header."""
    return hashlib.sha256(orjson.dumps(header, option=orjson.OPT_SORT_KEYS)).hexdigest()


def digest(file: Path) -> str:
    """The digest of a plan's file."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def shown(value: str | None) -> str:
    """A value as a person reads it."""
    return "(empty)" if value in {None, ""} else str(value)
