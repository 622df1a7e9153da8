"""Pendo: visitors, accounts, daily usage, guides with their polls and answers, and what the apps hold, as they are."""

from __future__ import annotations

from collections.abc import Iterable

import dlt
from dlt.extract import DltResource

from loaders.landing import Reads
from loaders.pendo.events import USAGE, poll_events, usage_events
from loaders.pendo.objects import accounts, guides, metadata_fields, polls, used_things, visitors
from loaders.pendo.subscription import connect
from loaders.unfinished import Unfinished
from loaders.values import LoadSettings, Wanted

__all__ = ["pendo"]


@dlt.source(name="pendo", max_table_nesting=0)
def pendo(settings: LoadSettings, wanted: Wanted, unfinished: Unfinished) -> Iterable[DltResource]:
    """Make the resources of a Pendo load, for the tables that are wanted; checks the key at once."""
    subscription = connect(settings)
    now = subscription.verify().at
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
    yield from (one for one in resources if wanted.pendo is None or one.name in wanted.pendo)
    yield reads.resource()
