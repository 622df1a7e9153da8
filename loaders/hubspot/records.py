"""An object's records: all of them once a week, else what changed since the last load, and what is gone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import chain

import numpy as np
import pyarrow as pa
from dlt.extract import DltResource

from loaders.calls import Answer
from loaders.hubspot.account import Account, millis, next_page
from loaders.hubspot.landed import NONE, Ids, Landed, joined, without
from loaders.hubspot.reconcile import differing
from loaders.hubspot.shape import MERGED_IDS, RECORD_COLUMNS, Batch, Shape
from loaders.landing import TEXT, Column, Mode, Reads, resource
from loaders.unfinished import Read

# The search index lags behind the records by "a few moments", without a promise; clocks differ by less.
INDEX_LAG = timedelta(minutes=5)
ADDRESSES = ("email", "hs_additional_emails")


@dataclass(slots=True)
class Census:
    """How an object's records are read, and what a load finds out about them for what hangs on them.

    `start` is where an incremental read begins, `now` when the definitions were read, `memory` what
    the next load must know of this one. After the read `live` are all records that there are,
    `changed` those of them that were written since `since`, and `gone` those that were landed as
    live and are not; `addresses` holds the email addresses of every record that was read.
    """

    object: str
    mode: Mode
    start: datetime | None
    now: datetime
    memory: dict[str, str]
    with_addresses: bool
    since: datetime | None = None
    at: datetime | None = None
    live: Ids = field(default_factory=lambda: NONE)
    changed: Ids = field(default_factory=lambda: NONE)
    gone: Ids = field(default_factory=lambda: NONE)
    addresses: list[pa.Array] = field(default_factory=list)

    @property
    def read_at(self) -> datetime:
        """Tell when the read began, by HubSpot's clock."""
        if self.at is None:
            raise RuntimeError(f"the {self.object} are read before what hangs on them")
        return self.at


def records(account: Account, kinds: Mapping[str, str], census: Census, reads: Reads, landed: Landed) -> DltResource:
    """Make the resource of an object's records, whose wanted properties are of these kinds."""
    defined = [name for name, kind in kinds.items() if kind != "missing"]
    also = (MERGED_IDS, *(ADDRESSES if census.with_addresses else ()))
    columns = (*RECORD_COLUMNS, *(Column(name, TEXT) for name in kinds))
    shape = Shape(columns, tuple(dict.fromkeys((*defined, *also))))

    pages = _Pages(account, census, shape, reads)

    def read() -> Iterator[pa.Table]:
        archived = pages.listed(archived=True)
        first = next(archived)
        census.at = first.at
        found = _Found(census, landed)
        bin_pages = chain([first], archived)
        if census.start is None:
            yield from _full(shape, bin_pages, pages.listed(archived=False), found)
        else:
            yield from _incremental(pages, bin_pages, found, census.start - INDEX_LAG)
        reads.finish(census.object, first.at, census.mode, census.memory)

    return resource(census.object, shape.columns, read, census.mode)


@dataclass(frozen=True, slots=True)
class _Pages:
    """The long reads of an object's records, which go on where a load that died has stopped."""

    account: Account
    census: Census
    shape: Shape
    reads: Reads

    def listed(self, *, archived: bool) -> Iterator[Answer]:
        """List the live or the archived records."""

        def read(place: str | None) -> Iterator[tuple[Answer, str | None]]:
            for page in self.account.listed(self.census.object, self.shape.names, archived=archived, place=place):
                yield page, next_page(page.body)

        return self._kept("archived" if archived else "live", None, read)

    def changed(self, since: datetime) -> Iterator[Answer]:
        """Search the live records that were written since."""

        def read(place: str | None) -> Iterator[tuple[Answer, str | None]]:
            last = place or "0"
            for page in self.account.changed(self.census.object, self.shape.names, since, int(last)):
                last = page.rows()[-1]["id"] if page.rows() else last
                yield page, None if next_page(page.body) is None else last

        return self._kept("changed", since.isoformat(), read)

    def live_ids(self) -> Iterator[Answer]:
        """List the live records' ids alone."""

        def read(place: str | None) -> Iterator[tuple[Answer, str | None]]:
            for page in self.account.listed(self.census.object, ("hs_object_id",), archived=False, place=place):
                yield page, next_page(page.body)

        return self._kept("ids", None, read)

    def _kept(self, what: str, asked: object, read: Read) -> Iterator[Answer]:
        census = self.census
        return self.reads.answers(f"{census.object} {what}", census.now, [census.memory, self.shape.names, asked], read)


class _Found:
    """The live records that a load has come by, as they come."""

    def __init__(self, census: Census, landed: Landed) -> None:
        self._census = census
        self.landed = landed
        self.object = census.object
        # An incremental read comes by those records only that may have changed.
        since = census.since if census.mode == "full" else None
        self._since = None if since is None else millis(since - INDEX_LAG)
        self._ids: list[Ids] = []
        self._changed: list[Ids] = []
        self._merged: list[Ids] = []

    def take(self, batch: Batch) -> pa.Table:
        """Note live records, and give their rows."""
        self._ids.append(batch.ids)
        self._merged.append(batch.merged)
        self._changed.append(batch.ids if self._since is None else batch.ids[batch.written_since(self._since)])
        if self._census.with_addresses:
            self._census.addresses += [batch.values[name] for name in ADDRESSES]
        return batch.table

    @property
    def ids(self) -> Ids:
        """Give the ids so far."""
        return joined(self._ids)

    @property
    def merged(self) -> Ids:
        """Give the ids that were merged into these records."""
        return joined(self._merged)

    def settle(self, live: Ids) -> None:
        """Say which records there are at the end of the read; one that is new to the landing has changed."""
        census = self._census
        changed = joined([*self._changed, without(live, self.landed.live)])
        census.live, census.gone = live, without(self.landed.live, live)
        census.changed = np.intersect1d(changed, live, assume_unique=True)


def _full(shape: Shape, archived: Iterable[Answer], living: Iterable[Answer], found: _Found) -> Iterator[pa.Table]:
    """Read everything.

    The archived records are listed first and landed last, so that one restored in between turns up
    alive. They are held as Arrow until then.
    """
    binned = list(shape.batches(archived))
    # Also without any record a table has its columns.
    yield shape.empty()
    for batch in shape.batches(living):
        yield found.take(batch)
    live = found.ids
    for batch in binned:
        yield batch.keep(np.isin(batch.ids, live, invert=True)).table
    bin_ids = joined([batch.ids for batch in binned])
    yield shape.gone(without(found.merged, live, bin_ids))
    found.settle(live)


def _incremental(pages: _Pages, archived: Iterable[Answer], found: _Found, since: datetime) -> Iterator[pa.Table]:
    """Read what was written since, what is in the recycle bin now, and what has left it.

    What these do not tell (records deleted for good, for one) shows in the number of live records.
    """
    account, shape, name, landed = pages.account, pages.shape, found.object, found.landed
    binned: list[Batch] = []
    bin_ids: list[Ids] = []
    for batch in shape.batches(archived):
        bin_ids.append(batch.ids)
        news = batch.archived_since(millis(since)) | np.isin(batch.ids, landed.binned, invert=True)
        if news.any():
            binned.append(batch.keep(news))
    in_bin = joined(bin_ids)
    for batch in shape.batches(pages.changed(since)):
        yield found.take(batch)
    # Restoring a record need not move its modification time.
    left = without(landed.binned, in_bin, found.ids)
    for batch in shape.batches(account.read(name, shape.names, left.tolist())):
        yield found.take(batch)
    retired = without(found.merged, found.ids)
    expected = without(joined([landed.live, found.ids]), retired, without(in_bin, found.ids))
    doubtful = differing(account, name, expected, pages.live_ids)
    there: list[Ids] = []
    for batch in shape.batches(account.read(name, shape.names, doubtful.tolist())):
        there.append(batch.ids)
        fresh = batch.keep(np.isin(batch.ids, found.ids, invert=True))
        yield found.take(fresh)
    live = joined([without(expected, doubtful), *there])
    for batch in binned:
        yield batch.keep(np.isin(batch.ids, live, invert=True)).table
    vanished = without(joined([landed.live, left, retired]), live, in_bin)
    yield shape.gone(vanished)
    found.settle(live)
