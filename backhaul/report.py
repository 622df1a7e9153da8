"""What the commands show: tables for people, JSON for machines."""

from __future__ import annotations

import dataclasses
import datetime as dt
import errno
import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from textwrap import shorten
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from activators.apply import Run
from activators.check import Asked, Checked
from activators.plan import ActivationPlan, Plan, Sample, shown
from activators.provision import Provisioned
from activators.written import RunSummary, Write
from backhaul.logbook import SyncSummary
from loaders import Landing

# What a terminal obeys instead of showing it: a value that holds an escape sequence could else hide itself, or a link.
_OBEYED = {
    number: "\N{REPLACEMENT CHARACTER}" for number in (*range(0x20), *range(0x7F, 0xA0)) if chr(number) not in "\n\t"
}

# How the plan models' reasons read in a sentence.
REASONS = {
    "missing_property": "the CRM has no such property; run `backhaul provision`",
    "missing_definition": "the CRM has no such event; run `backhaul provision`",
    "read_only": "the property is calculated or not ours to write",
    "wrong_type": "the property has another type",
    "too_long": "longer than the property can hold",
    "too_large": "more digits before the point than the property can hold",
    "not_an_option": "not one of the property's options",
    "null_keeps": "nothing to say, and the column does not clear",
    "already_filled": "filled already, and the column only fills",
    "theirs_wins": "edited in the CRM since we last wrote it, and theirs wins",
    "written_since": "a later run wrote it; take that one back first",
    "unmatched": "no record is known of the one it happened to",
    "record_gone": "the record is not in the CRM any more",
    "edited_in_crm": "edited in the CRM since we last wrote it",
    "edited_since_landing": "edited in the CRM since it was last loaded",
    "rejected_before": "the CRM refused the same value before; change it, or plan with --retry-rejected",
    "exit_keeps": "the record left the model, and the column keeps what it has",
    "exit_clears": "the record left the model, and the column clears",
}

# Values that an undo names on a terminal.
_STAYS = 100

# How a decision that sends nothing is told of values.
DECIDED = {"hold": "held", "keep": "kept", "invalid": "invalid"}


def text(value: str, style: str = "") -> Text:
    """A vendor's words as they are: brackets are no markup, and control characters do nothing."""
    return Text(value.translate(_OBEYED), style=style)


def unwritable(error: OSError) -> str:
    """Say which file is amiss, and what to do about it."""
    full = error.errno in {errno.ENOSPC, errno.EDQUOT}
    mend = "make room, then run the same command again" if full else "see that it is there and can be written"
    return f"{error.filename or 'a file'}: {error.strerror}; {mend}"


def landings(landed: Sequence[Landing]) -> RenderableType:
    """Rows landed, a line for each vendor."""
    table = _table("Landed", "Rows:right", "Seconds:right", "Of which")
    for vendor in dict.fromkeys(item.vendor for item in landed):
        tables = [item for item in landed if item.vendor == vendor and item.rows]
        table.add_row(
            vendor,
            f"{sum(item.rows for item in tables):,}",
            f"{sum(item.seconds for item in tables):.1f}",
            text(", ".join(f"{item.table} {item.rows:,}" for item in sorted(tables, key=lambda item: -item.rows)[:4])),
        )
    notes = [f"{item.vendor}.{item.table}: {item.note}." for item in landed if item.note]
    return Group(table, *map(text, notes)) if notes else table


def provisioned(done: Sequence[Provisioned]) -> RenderableType:
    """What was created."""
    table = _table("Activation", "Created:right", "Existing:right")
    for item in done:
        table.add_row(item.activation, str(len(item.created)), str(item.existing))
    return table


def checked(found: Checked, asked: Sequence[Asked]) -> RenderableType:
    """Every mistake and every answer, a line each."""
    lines = [text(str(mistake), "red") for mistake in found.mistakes]
    lines += [text(note, "yellow") for note in found.notes]
    for item in asked:
        name = ": ".join(filter(None, (item.destination, item.activation, item.probe.what)))
        mend = item.probe.mend
        said = f"{name}: {item.probe.found}; {mend}" if mend else f"{name}: ok, {item.probe.found}"
        lines.append(text(said, "red" if mend else ""))
    if not found.mistakes:
        counted = f"{_counted(len(found.activations), 'activation')}, {_counted(found.properties, 'property')}"
        lines.append(Text(f"{counted}: nothing wrong{' offline' if asked else ''}."))
    return Group(*lines)


def checked_json(found: Checked, asked: Sequence[Asked]) -> dict[str, Any]:
    """A check for machines. Fields are added, never renamed."""
    return {
        "activations": len(found.activations),
        "properties": found.properties,
        "mistakes": [
            {**dataclasses.asdict(mistake.place), "what": mistake.what, "mend": mistake.mend}
            for mistake in found.mistakes
        ],
        "notes": list(found.notes),
        "online": [
            {
                "destination": item.destination,
                "activation": item.activation,
                "what": item.probe.what,
                "found": item.probe.found,
                "mend": item.probe.mend,
                "ok": item.probe.mend is None,
            }
            for item in asked
        ],
    }


def plan(sealed: Plan) -> RenderableType:
    """The plan as a person reviews it: counts, samples, what is held back and why, guards."""
    table = _table(
        "Activation",
        "Records:right",
        "To change:right",
        "Changes:right",
        "Held:right",
        "Kept:right",
        "Invalid:right",
        "Calls:right",
        "Of the day:right",
    )
    parts: list[RenderableType] = [table]
    for item in sealed.activations:
        table.add_row(
            item.name,
            f"{item.records:,}",
            f"{item.records_changed:,}",
            f"{item.changes:,}",
            f"{item.held:,}",
            f"{item.kept:,}",
            f"{item.invalid:,}",
            f"{item.calls:,}",
            "?" if item.quota_share is None else f"{item.quota_share:.3%}",
        )
        parts += _details(item)
    parts += [Text(f"guard: {line}", style="yellow") for line in sealed.warnings]
    said = f"{sealed.changes:,} changes" if sealed.changes else "nothing to send"
    invalid = sum(item.invalid for item in sealed.activations)
    parts.append(Text(f"Plan {sealed.plan_id}: {said}{f'; {invalid:,} values cannot be written' if invalid else ''}."))
    return Group(*parts)


def plan_json(sealed: Plan) -> dict[str, Any]:
    """The plan for machines. Fields are added, never renamed."""
    return {
        "plan_id": sealed.plan_id,
        "created_at": sealed.created_at,
        "activations": [dataclasses.asdict(item) for item in sealed.activations],
    }


def stays(kept: Iterator[tuple[str, str, Sample]]) -> RenderableType:
    """The values that an undo leaves as they are, by activation and with the reason of each; of very many the first."""
    found = [text(f"{name}  {sample}: {REASONS.get(reason, reason)}") for name, reason, sample in islice(kept, _STAYS)]
    more = sum(1 for _ in kept)
    rest = [Text(f"and {more:,} more; --json names them all")] if more else []
    return Group(Text("Left as they are:" if found else "Nothing is left as it is."), *found, *rest)


def stays_json(kept: Iterable[tuple[str, str, Sample]]) -> list[dict[str, Any]]:
    """The same for machines, all of them. Fields are added, never renamed."""
    return [{"activation": name, "reason": reason, **dataclasses.asdict(sample)} for name, reason, sample in kept]


def runs_json(summaries: Iterable[RunSummary]) -> list[dict[str, Any]]:
    """Every run for machines, the newest first. Fields are added, never renamed."""
    return [dataclasses.asdict(item) for item in summaries]


def history_json(writes: Iterable[Write]) -> list[dict[str, Any]]:
    """What was written to one record for machines: an object for each value. Fields are added, never renamed."""
    return [
        {
            "run_id": write.run_id,
            "written_at": write.result.written_at if write.result else None,
            "property": change.property,
            "before": change.before,
            "after": change.after,
            "status": write.result.status if write.result else "unknown",
            "code": write.result.code if write.result else None,
            "message": write.result.message if write.result else None,
        }
        for write in writes
        for change in write.record.changes
    ]


def run(done: Run) -> RenderableType:
    """What became of the records."""
    table = _table("Activation", "Confirmed:right", "Rejected:right", "Unknown:right", "Values:right", "Calls:right")
    parts: list[RenderableType] = [table]
    for item in done.activations:
        table.add_row(
            item.name,
            f"{item.confirmed:,}",
            f"{item.rejected:,}",
            f"{item.unknown:,}",
            f"{item.values:,}",
            f"{item.calls:,}",
        )
        if item.created:
            parts.append(Text(f"{item.name}  created {_counted(item.created, 'record')}"))
        parts += [
            text(f"{item.name}  {code}  e.g. {example}", "yellow") for code, example in sorted(item.examples.items())
        ]
    parts.append(Text(f"Run {done.run_id}."))
    return Group(*parts)


def run_json(done: Run) -> dict[str, Any]:
    """The run for machines. Fields are added, never renamed."""
    return {
        "run_id": done.run_id,
        "plan_id": done.plan_id,
        "activations": [dataclasses.asdict(item) for item in done.activations],
    }


def runs(summaries: Iterable[RunSummary]) -> RenderableType:
    """Every run in a line."""
    table = _table("Run", "Began", "Status", "Confirmed:right", "Rejected:right", "Unknown:right", "Plan")
    for item in summaries:
        began = f"{item.started_at:%Y-%m-%d %H:%M} UTC"
        counts = (f"{count:,}" for count in (item.confirmed, item.rejected, item.unknown))
        table.add_row(item.run_id, began, item.status, *counts, item.plan_id)
    return table if table.row_count else Text("No runs yet.")


def sync(done: SyncSummary) -> RenderableType:
    """What came of a sync, a line for each step."""
    table = _table("Step", "Status", "Seconds:right", "What came of it")
    for step in done.steps:
        figures = [f"{count:,} {name}" for name, count in step.figures.items() if count]
        came = step.message or ", ".join(figures) or "nothing"
        table.add_row(step.name, step.status or "died", _seconds(step.started_at, step.ended_at), text(came))
    table.columns[-1].no_wrap = False
    seconds = _seconds(done.started_at, done.ended_at)
    return Group(table, Text(f"Sync {done.sync_id}: {done.outcome or 'running'} after {seconds} seconds."))


def syncs(summaries: Iterable[SyncSummary]) -> RenderableType:
    """Every sync in a line."""
    table = _table("Sync", "Began", "Seconds:right", "Outcome", "Stopped by")
    for item in summaries:
        began = f"{item.started_at:%Y-%m-%d %H:%M} UTC"
        seconds = _seconds(item.started_at, item.ended_at)
        table.add_row(
            item.sync_id, began, seconds, item.outcome or "running", text(shorten(item.stopped_by or "", 120))
        )
    return table if table.row_count else Text("No syncs yet.")


def syncs_json(summaries: Iterable[SyncSummary]) -> list[dict[str, Any]]:
    """Every sync for machines, the newest first. Fields are added, never renamed."""
    return [dataclasses.asdict(item) for item in summaries]


def history(writes: Iterable[Write]) -> RenderableType:
    """What was written to one record, a line for each value."""
    table = _table("Run", "Written", "Property", "Before", "After", "Answer")
    for write in writes:
        result = write.result
        written = f"{result.written_at:%Y-%m-%d %H:%M:%S} UTC" if result and result.written_at else ""
        answer = f"{result.status} {result.code or ''}".strip() if result else "unknown"
        for change in write.record.changes:
            values = (text(shown(value)) for value in (change.before, change.after))
            table.add_row(write.run_id, written, change.property, *values, text(answer))
    return table if table.row_count else Text("Nothing was written to it.")


def _details(item: ActivationPlan) -> list[RenderableType]:
    if not item.samples and not item.reasons:
        return []
    told = occurrence if item.kind == "events" else str
    counts = [text(f"  {', '.join(f'{name} {count:,}' for name, count in item.occurrences.items())}")]
    samples = [text(f"  {told(sample)}") for sample in item.samples]
    reasons = [
        text(
            f"  {DECIDED[reason.decision]} {reason.values:,}: {REASONS.get(reason.reason, reason.reason)}, "
            f"as in {told(reason.sample)}"
        )
        for reason in item.reasons
    ]
    if item.creates:
        some = ", ".join(item.created_samples)
        samples.append(text(f"  creates {_counted(item.creates, 'record')} first, such as {some}"))
    return [Text(item.name, style="bold"), *(counts if item.occurrences else []), *samples, *reasons]


def occurrence(sample: Sample) -> str:
    """An occurrence as a person reads it: what happened, to whom, when, and what it carries."""
    planned = json.loads(sample.after or "{}")
    whose = planned.get("record") or planned.get("email") or "nobody known"
    carried = ", ".join(f"{name} {value}" for name, value in planned.get("properties", {}).items())
    return f"{sample.property} of {whose} at {planned.get('occurred_at')}: {carried}"


def _counted(count: int, noun: str) -> str:
    plural = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{count:,} {noun if count == 1 else plural}"


def _seconds(started_at: dt.datetime, ended_at: dt.datetime | None) -> str:
    return f"{(ended_at - started_at).total_seconds():.1f}" if ended_at else "?"


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        name, _, side = column.partition(":")
        table.add_column(name, justify="right" if side else "left", no_wrap=True)
    return table
