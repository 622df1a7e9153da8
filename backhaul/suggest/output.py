"""Where suggestions go: a table in the warehouse, rows for the seed, and the screen."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
from rich.console import Group, RenderableType
from rich.table import Table

from activators.warehouse import open_warehouse
from backhaul.report import text
from backhaul.suggest import Evidence, Suggestion, Suggestions

# The columns of seeds/match_overrides.csv.
SEED = (
    "left_system",
    "left_object",
    "left_id",
    "right_system",
    "right_object",
    "right_id",
    "decision",
    "decided_by",
    "reason",
)
_COLUMNS = pa.schema(
    [
        *((name, pa.string()) for name in ("left_system", "left_object", "left_id", "left_name")),
        *((name, pa.string()) for name in ("right_system", "right_object", "right_id", "right_name")),
        *((name, pa.float64()) for name in ("probability", "probability_alone", "weight", "weight_before")),
        *((name, pa.int32()) for name in ("left_candidates", "right_candidates")),
        ("evidence", pa.string()),
        ("settings_id", pa.string()),
        ("made_at", pa.timestamp("us", tz="UTC")),
    ]
)
_LEAST_SHOWN_WEIGHT = 0.05


def write(warehouse: Path, made: Suggestions) -> None:
    """Put the suggestions in place of the last ones: schema `suggestions`, both tables or neither.

    dbt knows nothing of them, so it neither reads nor drops them. PlanError where another process holds the warehouse.
    """
    rows = [
        {
            **asdict(one),
            "evidence": orjson.dumps([asdict(item) for item in one.evidence]).decode(),
            "made_at": made.made_at,
        }
        for one in made.found
    ]
    found = pa.Table.from_pylist(rows, _COLUMNS)
    used = pa.table(
        {
            "settings_id": pa.array(list(made.settings), pa.string()),
            "settings": pa.array(list(made.settings.values()), pa.string()),
        }
    )
    with open_warehouse(warehouse, read_only=False) as connection:
        connection.register("found", found)
        connection.register("used", used)
        connection.begin()
        connection.execute("create schema if not exists suggestions")
        connection.execute(
            "create or replace table suggestions.match_suggestions as "
            "select * replace (cast(evidence as json) as evidence) from found"
        )
        connection.execute(
            "create or replace table suggestions.suggestion_settings as "
            "select * replace (cast(settings as json) as settings) from used"
        )
        connection.commit()


def write_rows(path: Path, found: Sequence[Suggestion]) -> None:
    """Write rows as the seed has them. Who decided and why is a person's to fill in: until then dbt refuses the row."""
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.DictWriter(file, SEED, lineterminator="\n")
        rows.writeheader()
        for one in found:
            pair = {name: getattr(one, name) for name in SEED[:6]}
            rows.writerow({**pair, "decision": "match", "decided_by": "", "reason": ""})


def shown(found: Sequence[Suggestion], limit: int) -> RenderableType:
    """Show the likeliest: both records, and what speaks for and against them."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("Probability", justify="right")
    for header in ("One", "Other", "Why"):
        table.add_column(header, overflow="fold")
    for one in found[:limit]:
        why = [_told(item) for item in one.evidence if abs(item.weight) >= _LEAST_SHOWN_WEIGHT]
        if one.candidates > 1:
            why.insert(0, f"ambiguous: {one.candidates} candidates")
        table.add_row(
            f"{one.probability:.2f}",
            text(_record(one.left_system, one.left_object, one.left_id, one.left_name)),
            text(_record(one.right_system, one.right_object, one.right_id, one.right_name)),
            text("\n".join(why)),
        )
    rest = len(found) - limit
    return Group(table, text(f"{rest:,} more are in suggestions.match_suggestions.")) if rest > 0 else table


def _record(system: str, name: str, record_id: str, called: str | None) -> str:
    return f"{system} {name} {record_id}\n{called or '(no name)'}"


def _told(item: Evidence) -> str:
    return f"{item.comparison}: {item.level} ({item.weight:+.1f})"


def as_json(made: Suggestions, found: Sequence[Suggestion]) -> dict[str, Any]:
    """Give what was found for machines."""
    return {"made_at": made.made_at, "open_records": made.open_records, "suggestions": [asdict(one) for one in found]}
