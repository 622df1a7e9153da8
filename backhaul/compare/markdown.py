"""A comparison as Markdown for a comment on a pull request."""

from __future__ import annotations

from collections.abc import Iterator

from backhaul.compare import Comparison
from backhaul.compare.activations import ActivationDifference
from backhaul.compare.report import (
    ACTIVATION,
    SPREAD,
    closing,
    counts,
    decision,
    detailed,
    examples,
    headline,
    movement,
    shape,
    spread,
    told,
)
from backhaul.compare.tables import TableDifference
from backhaul.markdown import escaped, literal, table, value

# A comment has room for 65,536 characters.
_MODELS, _DETAILED, _COLUMNS, _SHOWN, _ROOM = 60, 12, 12, 3, 60_000


def markdown(found: Comparison) -> str:
    """Render a comparison. Values cannot leave their cells, mention anybody, or become markup."""
    lines = [f"### Backhaul: {escaped(headline(found))}", *_lists(found)]
    left_out = 0
    room = _ROOM - sum(map(len, lines))
    for detail in (*map(_activation, _differing(found)), *map(_model, detailed(found)[:_DETAILED])):
        text = list(detail)
        room -= sum(len(line) + 1 for line in text)
        if room < 0:
            left_out += 1
        else:
            lines += text
    left_out += max(0, len(detailed(found)) - _DETAILED)
    if left_out:
        lines += [
            "",
            f"Details of {left_out:,} more are left out; `backhaul compare --base {escaped(found.base)}` shows them.",
        ]
    if found.tables or found.activations:
        lines += [line for said in closing(found) for line in ("", escaped(said))]
    return "\n".join(lines) + "\n"


def _differing(found: Comparison) -> list[ActivationDifference]:
    return [one for one in found.activations if one.differs]


def _lists(found: Comparison) -> Iterator[str]:
    if activations := _differing(found):
        yield ""
        rows = ((literal(one.name), *counts(one)) for one in activations)
        yield from table(("Activation", *ACTIVATION), rows, numbers=len(ACTIVATION))
    guards = [line for one in activations for line in one.guards]
    if guards:
        yield ""
        yield "**Guards that trip with this change, and not without it:**"
        yield ""
        yield from (f"- {escaped(line)}" for line in guards)
    differing = [one for one in found.tables if one.differs]
    if differing:
        yield ""
        yield from table(
            ("Model", "Rows", "Added", "Removed", "Changed", "Columns"),
            (
                (
                    literal(one.name),
                    movement(one.rows_before, one.rows_after),
                    *(f"{count:,}" for count in (one.added, one.removed, one.changed)),
                    f"{sum(bool(column.changed or shape(column)) for column in one.columns):,}",
                )
                for one in differing[:_MODELS]
            ),
            numbers=5,
        )
    if len(differing) > _MODELS:
        yield ""
        yield f"and {len(differing) - _MODELS:,} more models"


def _activation(found: ActivationDifference) -> Iterator[str]:
    yield from _opened(found.name)
    if found.samples:
        samples = (
            (literal(one.record_id), literal(one.property), *map(value, (one.current, one.before, one.after)))
            for one in found.samples
        )
        yield from table(("Record", "Property", "The CRM has", "Before the change", "With the change"), samples)
    if found.decisions:
        yield ""
        yield from (f"- {one.values:,} values: {escaped(decision(one))}" for one in found.decisions[:_COLUMNS])
    yield from _CLOSED


def _model(found: TableDifference) -> Iterator[str]:
    yield from _opened(found.name)
    for word, keys, more in examples(found):
        yield f"- {word}: {', '.join(map(literal, keys))}{more}"
    yield from (
        f"- {literal(column.name)}: {escaped(shape(column) or '')}" for column in found.columns if shape(column)
    )
    changed = [column for column in found.columns if column.changed]
    columns = changed[:_COLUMNS]
    spreads = [
        (literal(column.name), f"{column.changed:,}", side, *spread(values))
        for column in columns
        for side, values in (("before", column.before), ("after", column.after))
        if values is not None
    ]
    if spreads:
        yield ""
        yield from table(("Column", "Changed", "", *SPREAD), spreads, numbers=len(SPREAD))
    movers = [
        (literal(column.name), literal(one.key), told(one.before), told(one.after), f"{one.delta:+,.10g}")
        for column in columns
        for one in column.movers[:_SHOWN]
    ]
    if movers:
        yield ""
        yield from table(("Column", "Record", "Before", "After", "By"), movers, numbers=3)
    transitions = [
        (literal(column.name), value(one.before), value(one.after), f"{one.records:,}")
        for column in columns
        for one in column.transitions[:_SHOWN]
    ]
    if transitions:
        yield ""
        yield from table(("Column", "Before", "After", "Records"), transitions, numbers=1)
    if len(changed) > len(columns):
        yield ""
        yield f"and {len(changed) - len(columns):,} more columns"
    yield from _CLOSED


def _opened(name: str) -> Iterator[str]:
    yield ""
    yield f"<details><summary>{escaped(name)}</summary>"
    yield ""


_CLOSED = ("", "</details>")
