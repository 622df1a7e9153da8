"""What a CRM must have been told of product events, by the world's own minutes and the sandbox's own matches."""

from __future__ import annotations

import csv
import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

from sandbox.metrics import used_daily
from sandbox.world import World
from tests.conftest import AS_OF, ROOT, Loop

# Record, event, moment in UTC, count, minutes where the event carries them, and account.
Occurrence = tuple[str, str, str, float, float | None, str | None]


def sent_events() -> list[dict[str, str]]:
    """The rows of the seed that chooses events."""
    with (ROOT / "seeds" / "sent_events.csv").open(newline="") as lines:
        return list(csv.DictReader(lines))


def true_occurrences(loop: Loop, world: World, crm: str, object_type: str) -> list[Occurrence]:
    """Every occurrence of the closed days before AS_OF of those who have a record. `world` is the loop's."""
    truth: Any = loop.ask("/truth/matches")
    records = {
        one["product_id"]: one["record_id"]
        for one in truth["matches"]
        if (one["crm"], one["object"]) == (crm, object_type)
    }
    chosen = {(row["kind"].removesuffix("_type"), row["tagged_id"]): row for row in sent_events()}
    closed = [AS_OF - dt.timedelta(days=ago) for ago in range(10, 40)]
    wanted: list[Occurrence] = []
    for (visitor, account, kind, thing, day), (minutes, events) in used_daily(world, AS_OF, closed).items():
        event = chosen.get((kind, thing))
        if event is not None and visitor in records:
            noon = dt.datetime.combine(day, dt.time(12), ZoneInfo("America/New_York")).astimezone(dt.UTC)
            spent = float(minutes) if "minutes" in event["properties"].split() else None
            moment = noon.isoformat()[:19]
            wanted.append((records[visitor], event["event_name"], moment, float(events), spent, account))
    return wanted
