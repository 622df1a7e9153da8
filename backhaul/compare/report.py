"""A comparison as a person reads it on a terminal, and for machines."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from activators.plan import ActivationPlan, shown
from backhaul.compare import Comparison
from backhaul.compare.activations import ActivationDifference, DecisionDifference
from backhaul.compare.tables import ColumnDifference, Distribution, TableDifference
from backhaul.report import DECIDED, REASONS, text

SPREAD = ("Least", "25%", "Median", "75%", "Greatest", "Mean", "Empty")
ACTIVATION = ("Records", "To change", "Changes", "Newly", "No longer", "Otherwise", "Held", "Kept", "Invalid")
# Where a model only prepares another one, its line in the list is enough for a person.
_PREPARING = ("stg_", "int_")
_NAMES = 3
_MOVERS = 3
# Beyond these a number is told by its digits alone.
_LARGE, _SMALL = 1e15, 1e-4
# What an activation's plan is told by for machines: nothing of it is sealed.
_COUNTS = (
    *("records", "records_changed", "changes", "held", "kept", "invalid", "unchanged", "left", "clears", "overwrites"),
    *("calls", "quota_share", "warnings"),
)


def comparison(found: Comparison) -> RenderableType:
    """Everything that differs: a line a model, then the columns and the largest movers, then what would be sent."""
    parts: list[RenderableType] = [Text(headline(found))]
    differing = [table for table in found.tables if table.differs]
    if differing:
        parts += ["", _models(differing)]
    for table in detailed(found):
        parts += ["", *_details(table)]
    activations = [one for one in found.activations if one.differs]
    if activations:
        parts += ["", _activations(activations)]
    for activation in activations:
        parts += _sending(activation)
    parts += ["", *map(Text, closing(found))] if found.tables or found.activations else []
    return Group(*parts)


def comparison_json(found: Comparison) -> dict[str, Any]:
    """A comparison for machines. Fields are added, never renamed."""
    return {
        "base": found.base,
        "commit": found.commit,
        "tables": [dataclasses.asdict(table) for table in found.tables],
        "activations": [
            {
                **dataclasses.asdict(one),
                "before": _counts(one.before),
                "after": _counts(one.after),
                "new_guards": one.guards,
            }
            for one in found.activations
        ],
        "in_full": found.in_full,
    }


def headline(found: Comparison) -> str:
    """What was compared."""
    if not found.tables and not found.activations:
        return f"Nothing changes: no model, macro, seed, variable or declaration differs from {found.base}."
    return (
        f"{found.base} ({found.commit[:12]}) and the working tree: {len(found.tables)} models and seeds differ or "
        "follow from what does. Both versions are built from what is landed."
    )


def closing(found: Comparison) -> Iterator[str]:
    """What else is to be known of it."""
    same = sum(not table.differs for table in found.tables)
    if same == len(found.tables):
        yield "No row of any of them differs."
    elif same:
        yield f"{same} more that follow from the change say the same as before."
    notes: dict[str, list[str]] = {}
    for table in found.tables:
        if table.differs and table.note:
            notes.setdefault(table.note, []).append(table.name)
    for note, names in notes.items():
        yield f"{', '.join(names)}: {note}."
    if found.in_full:
        yield f"Built in full, where a nightly build goes on from the last one: {', '.join(found.in_full)}."


def detailed(found: Comparison) -> list[TableDifference]:
    """The models and seeds whose columns a person looks at."""
    return [
        table
        for table in found.tables
        if not table.name.startswith(_PREPARING)
        and any([table.added_keys, table.removed_keys, *(one.changed or shape(one) for one in table.columns)])
    ]


def told(number: float | None) -> str:
    """A number as a person writes it."""
    if number is None:
        return ""
    if number and not _SMALL <= abs(number) < _LARGE:
        return f"{number:.6g}"
    return f"{number:,.4f}".rstrip("0").rstrip(".")


def movement(before: int | None, after: int | None) -> str:
    """Two counts, or one where they are the same. Nothing stands for what a version does not have."""
    texts = ["none" if number is None else f"{number:,}" for number in (before, after)]
    return texts[0] if before == after else " → ".join(texts)


def spread(values: Distribution) -> tuple[str, ...]:
    """A distribution's cells, under the heads SPREAD."""
    of = (values.least, values.p25, values.median, values.p75, values.greatest, values.mean)
    return (*map(told, of), f"{values.nulls:,}")


def shape(column: ColumnDifference) -> str | None:
    """What became of the column itself, if anything did."""
    before, after = (kind.lower() if kind else None for kind in (column.type_before, column.type_after))
    if before == after:
        return None
    if before is None:
        return f"new column, {after}"
    return f"column is gone, it was {before}" if after is None else f"{before} → {after}"


def examples(table: TableDifference) -> Iterator[tuple[str, tuple[str, ...], str]]:
    """Records that came and went: the word for it, some keys, and what stands for those that are left out."""
    for said, keys, count in (("added", table.added_keys, table.added), ("removed", table.removed_keys, table.removed)):
        if keys:
            yield said, keys[:_MOVERS], ", …" if count > _MOVERS else ""


def decision(found: DecisionDifference) -> str:
    """What becomes of values, in words."""
    before, after = (
        "not different" if name is None else _decided(name, reason)
        for name, reason in ((found.before, found.reason_before), (found.after, found.reason_after))
    )
    return f"{before} → {after}"


def counts(found: ActivationDifference) -> tuple[str, ...]:
    """An activation's cells, under the heads ACTIVATION."""
    before, after = found.before, found.after

    def of(name: str) -> str:
        return movement(getattr(before, name, None), getattr(after, name, None))

    differing = (f"{count:,}" for count in (found.newly, found.no_longer, found.otherwise))
    return (of("records"), of("records_changed"), of("changes"), *differing, of("held"), of("kept"), of("invalid"))


def _decided(name: str, reason: str | None) -> str:
    return "sent" if name == "send" else f"{DECIDED[name]}: {REASONS.get(reason or '', reason)}"


def _counts(plan: ActivationPlan | None) -> dict[str, Any] | None:
    return None if plan is None else {name: getattr(plan, name) for name in _COUNTS}


def _models(tables: Iterable[TableDifference]) -> Table:
    grid = _grid("Model", "Rows:right", "Added:right", "Removed:right", "Changed:right", "Columns")
    for table in tables:
        names = [column.name for column in table.columns if column.changed or shape(column)]
        more = f" and {len(names) - _NAMES} more" if len(names) > _NAMES else ""
        rows = movement(table.rows_before, table.rows_after)
        numbers = (f"{count:,}" for count in (table.added, table.removed, table.changed))
        grid.add_row(table.name, rows, *numbers, ", ".join(names[:_NAMES]) + more)
    return grid


def _details(table: TableDifference) -> Iterator[RenderableType]:
    key = f"  (by {', '.join(table.key)})" if table.key else ""
    yield Text.assemble((table.name, "bold"), key)
    yield from (text(f"  {said}: {', '.join(keys)}{more}") for said, keys, more in examples(table))
    for column in table.columns:
        if said := shape(column):
            yield Text(f"  {column.name}: {said}")
    numbers = [
        (column, column.before, column.after)
        for column in table.columns
        if column.before and column.after and column.changed
    ]
    if numbers:
        grid = _grid("  Column", "Changed:right", "", *(f"{head}:right" for head in SPREAD))
        for column, before, after in numbers:
            grid.add_row(f"  {column.name}", f"{column.changed:,}", "before", *spread(before))
            grid.add_row("", "", "after", *spread(after))
        yield grid
    for column in table.columns:
        yield from (
            text(f"  {column.name}: {one.key}  {told(one.before)} → {told(one.after)} ({one.delta:+,.10g})")
            for one in column.movers[:_MOVERS]
        )
        yield from (
            text(f"  {column.name}: {shown(one.before)} → {shown(one.after)}, {one.records:,} records")
            for one in column.transitions[:_MOVERS]
        )


def _activations(found: Iterable[ActivationDifference]) -> Table:
    grid = _grid("Activation", *(f"{head}:right" for head in ACTIVATION))
    for one in found:
        grid.add_row(one.name, *counts(one))
    return grid


def _sending(found: ActivationDifference) -> Iterator[RenderableType]:
    yield Text(found.name, style="bold")
    yield from (text(f"  {one}") for one in found.samples)
    yield from (Text(f"  {one.values:,} values: {decision(one)}") for one in found.decisions)
    yield from (Text(f"guard: {line}", style="yellow") for line in found.guards)


def _grid(*columns: str) -> Table:
    grid = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        name, _, side = column.partition(":")
        grid.add_column(name, justify="right" if side else "left", no_wrap=True)
    return grid
