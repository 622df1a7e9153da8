"""HubSpot: records, associations, histories, definitions, owners, subscriptions and API usage, as they are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import chain

import dlt
from dlt.extract import DltResource

from loaders.calls import Answer
from loaders.hubspot import associations, definitions, history, subscriptions
from loaders.hubspot.account import account_of
from loaders.hubspot.landed import Landed, Warehouse, read_warehouse
from loaders.hubspot.records import Census, records
from loaders.landing import Reads
from loaders.unfinished import Unfinished
from loaders.values import LoadError, LoadSettings, Wanted

__all__ = ["Warehouse", "hubspot", "read_warehouse"]

OBJECTS = ("contacts", "companies")
NEVER = timedelta.max


@dlt.source(name="hubspot", max_table_nesting=0)
def hubspot(
    settings: LoadSettings, wanted: Wanted, warehouse: Warehouse, unfinished: Unfinished
) -> Iterable[DltResource]:
    """Make the resources of a HubSpot load; reads the property definitions at once.

    The definitions decide which properties can be asked for, and whether one is new or of another
    type, which takes a full read. `warehouse` is what is landed already.
    """
    account = account_of(settings)
    reads = Reads(f"HubSpot {account.get('account-info', '/details').value('portalId')}", unfinished)
    objects = tuple(dict.fromkeys([*OBJECTS, *wanted.hubspot, *wanted.hubspot_activated]))
    defined = {name: account.get("crm/properties", f"/{name}") for name in objects}
    kinds = {name: _kinds(name, wanted, answer) for name, answer in defined.items()}
    censuses = {name: _census(name, wanted, kinds[name], defined[name].at, reads) for name in objects}
    pairs, told = wanted.hubspot_associations, wanted.hubspot_history
    ends = _landed(censuses, (one for one, _ in pairs), (other for _, other in pairs if other in censuses))
    linked_since = _since(reads, "associations", ends, associations.kinds_of(pairs), associations.READ_EVERY)
    told_since = _since(reads, "property_history", _landed(censuses, told), history.kinds_of(told), NEVER)
    since = min(filter(None, (linked_since, told_since)), default=None)
    for name, census in censuses.items():
        census.since = since
        yield records(account, kinds[name], census, reads, warehouse.records.get(name, Landed()))
    if pairs:
        yield associations.associations(account, pairs, censuses, reads, warehouse, linked_since)
    if told:
        yield history.history(account, told, censuses, reads, told_since)
    if wanted.hubspot_subscriptions:
        yield subscriptions.definitions(account, reads)
        yield subscriptions.statuses(account, censuses["contacts"], reads)
    if staged := [name for name in objects if not definitions.STAGED.isdisjoint(kinds[name])]:
        yield definitions.pipelines(account, staged, reads)
    yield definitions.properties(defined, reads)
    yield definitions.groups(account, objects, reads)
    if wanted.hubspot_events:
        yield from definitions.events(account, reads)
    yield definitions.owners(account, reads)
    yield definitions.api_usage(account, reads)
    yield reads.resource()


def _kinds(name: str, wanted: Wanted, answer: Answer) -> dict[str, str]:
    """Give each wanted property's type; one that an activation writes may be missing.

    LoadError if HubSpot lacks one that models read: their column would be null, and nobody told.
    """
    types = {one["name"]: str(one.get("type")) for one in answer.rows() if not one.get("archived")}
    activated = wanted.hubspot_activated.get(name, ())
    needed = (*wanted.hubspot.get(name, ()), *wanted.hubspot_history.get(name, ()))
    for one in needed:
        if one not in types and one not in activated:
            raise LoadError(
                f"HubSpot has no property {one} of {name}, which the project's models read: make it in HubSpot, "
                "or take its column out of the source's YAML"
            )
    return {one: types.get(one, "missing") for one in dict.fromkeys((*needed, *activated))}


def _census(name: str, wanted: Wanted, kinds: Mapping[str, str], now: datetime, reads: Reads) -> Census:
    with_addresses = name == "contacts" and wanted.hubspot_subscriptions
    # Whoever begins to want the subscriptions wants those of every contact.
    memory = {**kinds, **({"subscriptions of its addresses": "read"} if with_addresses else {})}
    start = reads.start(name, now, memory)
    return Census(name, "full" if start is None else "incremental", start, now, memory, with_addresses)


def _landed(censuses: Mapping[str, Census], *names: Iterable[str]) -> list[Census]:
    """Find the records on which something hangs. LoadError if they are not landed."""
    found = []
    for name in dict.fromkeys(chain(*names)):
        if name not in censuses:
            raise LoadError(
                f"associations or histories of {name} are wanted without {name}: declare their source table"
            )
        found.append(censuses[name])
    return found


def _since(
    reads: Reads, name: str, censuses: Sequence[Census], kinds: Mapping[str, str], every: timedelta
) -> datetime | None:
    """Say from when what hangs on records may be read incrementally; None asks for a full read.

    It must have been read whenever they were: a load in between that did not want it leaves a gap.
    """
    if not censuses:
        return None
    start = reads.start(name, min(census.now for census in censuses), kinds, every)
    starts = [census.start for census in censuses if census.start is not None]
    return None if start is None or start < min(starts, default=start) else start
