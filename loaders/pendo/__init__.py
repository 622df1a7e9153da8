"""Pendo: visitors, accounts, daily usage, guides with their polls and answers, and what the apps hold, as they are."""

from __future__ import annotations

from collections.abc import Iterable

import dlt
import duckdb
from dlt.extract import DltResource

from loaders.landing import Reads
from loaders.pendo.events import USAGE, LandedDays, landed_tables, poll_events, unnoted_days, usage_events
from loaders.pendo.objects import accounts, guides, metadata_fields, polls, used_things, visitors
from loaders.pendo.subscription import Subscription, connect
from loaders.unfinished import Unfinished
from loaders.values import LoadError, LoadSettings, Wanted

__all__ = ["LandedDays", "landed_ids", "pendo", "unnoted_days"]

# Pendo gives each of what people make in a subscription an id that no other subscription has.
IDS = {
    "guides": "guide_id",
    "polls": "guide_id",
    "pages": "page_id",
    "features": "feature_id",
    "track_types": "track_type_id",
}
KINDS = ("guide", "page", "feature", "tracktype")


@dlt.source(name="pendo", max_table_nesting=0)
def pendo(
    settings: LoadSettings, wanted: Wanted, landed: frozenset[str], days: LandedDays, unfinished: Unfinished
) -> Iterable[DltResource]:
    """Make the resources of a Pendo load, for the tables that are wanted; checks the key at once.

    `landed` are the ids of the guides, pages, features and track types that are in the warehouse, and `days` takes
    down the days of usage.
    """
    subscription = connect(settings)
    now = subscription.verify().at
    if not settings.same_subscription:
        _refuse_another(subscription, landed)
    reads = Reads(unfinished=unfinished, asked_as=subscription.asked_as)
    resources = (
        visitors(subscription, now, reads),
        accounts(subscription, now, reads),
        metadata_fields(subscription, reads),
        *(usage_events(subscription, usage, now, reads) for usage in USAGE),
        poll_events(subscription, now, reads),
        guides(subscription, reads),
        polls(subscription, reads),
        used_things(subscription, "page", "pages", "page_id", reads),
        used_things(subscription, "feature", "features", "feature_id", reads),
        used_things(subscription, "tracktype", "track_types", "track_type_id", reads),
    )
    usage = {one.table for one in USAGE}
    for one in resources:
        if wanted.pendo is None or one.name in wanted.pendo:
            yield days.noting(one) if one.name in usage else one
    yield days.resource()
    yield reads.resource()


def landed_ids(warehouse: duckdb.DuckDBPyConnection) -> frozenset[str]:
    """Read off the warehouse which guides, pages, features and track types are landed."""
    return frozenset(
        one
        for name in IDS.keys() & landed_tables(warehouse)
        for (one,) in warehouse.execute(f"select {IDS[name]} from pendo.{name}").fetchall()  # noqa: S608 names of our own
    )


def _refuse_another(subscription: Subscription, landed: frozenset[str]) -> None:
    """Raise LoadError if the warehouse holds the rows of another subscription, as far as can be known.

    The same key is of the same one, and so is a new key that finds anything there that is landed.
    """
    before = dlt.current.source_state().get("asked_as")
    if before == subscription.asked_as or (before is None and not landed):
        return
    if landed.isdisjoint(one.get("id") for kind in KINDS for one in subscription.listed(kind).body):
        raise LoadError(
            "this warehouse holds rows that another Pendo key has read, and of its guides, pages, features and track "
            "types PENDO_INTEGRATION_KEY finds none: set another BACKHAUL_WAREHOUSE; if it is a new key of the same "
            "subscription, run `backhaul load pendo --same-subscription` once"
        )
