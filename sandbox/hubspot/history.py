"""What the properties of a record were, since when, and who wrote them."""

from __future__ import annotations

from typing import NamedTuple

from sandbox.hubspot.definitions import ADMIN_USER_ID
from sandbox.packing import unpack

APP_ID = 19083857
MOST_PENDING = 32


class Source(NamedTuple):
    """Who wrote a value, as a property's history says it."""

    type: str
    id: str
    user_id: int | None = None


API = Source("INTEGRATION", str(APP_ID))
PERSON = Source("CRM_UI", f"userId:{ADMIN_USER_ID}", ADMIN_USER_ID)
IMPORT = Source("IMPORT", "1")
SUBSCRIPTIONS = Source("EMAIL", "SubscriptionStatuses")
DELETION = Source("CRM", f"userId:{ADMIN_USER_ID}", ADMIN_USER_ID)
MERGE = Source("MERGE_OBJECTS", f"userId:{ADMIN_USER_ID}", ADMIN_USER_ID)


class Revision(NamedTuple):
    """One value that a property had, since when (epoch ms), and who wrote it."""

    value: str
    at: int
    source: Source


class History:
    """Every write of one record since its first values, which are packed.

    A write is kept whole and taken apart when somebody asks, because hardly anybody does.
    """

    __slots__ = ("_at", "_first", "_known", "_source", "_writes")

    def __init__(self, first: bytes, at: int, source: Source) -> None:
        self._first = first
        self._at = at
        self._source = source
        self._known: dict[str, list[Revision]] = {}
        self._writes: list[tuple[dict[str, str], int, Source]] = []

    def add(self, changes: dict[str, str], at: int, source: Source, most: int) -> None:
        """Remember a write; of each property the last `most` values are kept."""
        self._writes.append((changes, at, source))
        if len(self._writes) > MOST_PENDING:
            names = {name for written, _, _ in self._writes for name in written}
            self._known |= {name: self.revisions(name, most) for name in names}
            self._writes.clear()

    def revisions(self, name: str, most: int) -> list[Revision]:
        """List the last `most` values of a property, oldest first; a write of the same value is none."""
        known = self._known.get(name)
        if known is None:
            value = unpack(self._first).get(name)
            known = [] if value is None else [Revision(str(value), self._at, self._source)]
        listed = list(known)
        for changes, at, source in self._writes:
            value = changes.get(name)
            if value is not None and not (listed and listed[-1].value == value):
                listed.append(Revision(value, at, source))
        return listed[-most:]
