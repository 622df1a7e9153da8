"""Visitors and accounts with their metadata, by the page: rows are made for those alone that an answer has."""

from __future__ import annotations

import re
import zlib
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from sandbox.names import FAMILY, GIVEN, ROLES
from sandbox.pendo.expressions import Row, compile_expression
from sandbox.pendo.metadata import Metadata, Values, without
from sandbox.pendo.visits import Visits, as_fields
from sandbox.product import AGENTS, APPS, BROWSERS
from sandbox.usage import Ints
from sandbox.world import World

CHUNK = 2_000


class Ids:
    """The ids of all visitors or all accounts, by number and in order."""

    def __init__(self, ids: Sequence[str]) -> None:
        self.texts: NDArray[np.object_] = np.array([*ids, ""], object)  # -1 finds ""
        self._count = len(ids)

    @cached_property
    def order(self) -> Ints:
        """Numbers in the order of their ids."""
        texts = self.texts.tolist()
        return np.array(sorted(range(self._count), key=texts.__getitem__), np.int64)

    @cached_property
    def rank(self) -> Ints:
        """The place of each number in that order."""
        rank = np.empty(self._count, np.int64)
        rank[self.order] = np.arange(self._count)
        return rank

    def number(self, text: str) -> int | None:
        """Find whose id it is."""
        at = bisect_left(self.order, text, key=self.texts.__getitem__)
        if at < self._count and self.texts[self.order[at]] == text:
            return int(self.order[at])
        return None


@dataclass(frozen=True, slots=True)
class Listing:
    """Some visitors or accounts by number, and how rows are made of them."""

    key: str
    ids: Ids
    numbers: Ints
    identified: NDArray[np.bool_]
    rows: Callable[[Ints], Iterator[Row]]

    def narrowed(self, steps: Sequence[object]) -> tuple[Listing, Sequence[object]]:
        """Do the first steps of a pipeline, as far as they need the id alone; give the others back."""
        listing = self
        for at, step in enumerate(steps):
            numbers = listing._after(step)
            if numbers is None:
                return listing, steps[at:]
            listing = replace(listing, numbers=numbers)
        return listing, ()

    def _after(self, step: object) -> Ints | None:
        numbers = self.numbers
        match step:
            case {"identified": self.key}:
                return numbers[self.identified[numbers]]
            case {"sort": [self.key]}:
                return numbers[np.argsort(self.ids.rank[numbers])]
            case {"limit": int(count)} if type(count) is int and count >= 0:
                return numbers[:count]
            case {"filter": str(text)}:
                compared = re.fullmatch(rf"""\s*{self.key}\s*>\s*("(?:[^"\\]|\\.)*")\s*""", text)
                if compared is not None:
                    last = compile_expression(compared[1])({})
                    later: Ints = numbers[(self.ids.texts[numbers] > last).astype(bool)]
                    return later
        return None

    def __iter__(self) -> Iterator[Row]:
        for start in range(0, len(self.numbers), CHUNK):
            yield from self.rows(self.numbers[start : start + CHUNK])


def visitor_rows(world: World, visits: Visits, metadata: Metadata, numbers: Ints, imported: int) -> Iterator[Row]:
    """Make visitors' rows; whoever was never seen was last updated when they were `imported` (ms)."""
    people, habits = world.visitors, world.habits
    columns = (people.given, people.family, people.role, people.main, people.other, habits.agent)
    plain = zip(numbers.tolist(), *(column[numbers].tolist() for column in columns), strict=True)
    texts = zip(people.ids(numbers), people.emails(numbers), strict=True)
    for (n, given, family, role, main, other, agent), (visitor, email) in zip(plain, texts, strict=True):
        homes = [world.accounts[account].id for account in (main, other) if account >= 0]
        seen = as_fields(visits.visitor, n)
        names = without(
            (("email", email), ("full_name", f"{GIVEN[given][0]} {FAMILY[family][0]}"), ("role", ROLES[role]))
        )
        groups: dict[str, Values] = {
            "agent": {} if people.anonymous[n] else names,
            "auto": {
                **({"accountid": homes[0], "accountids": homes} if homes else {}),
                **seen,
                "id": visitor,
                "idhash": zlib.crc32(visitor.encode()),
                "lastbrowsername": BROWSERS[agent][0],
                "lastoperatingsystem": BROWSERS[agent][1],
                "lastupdated": seen.get("lastvisit", imported),
                "lastuseragent": AGENTS[agent],
            },
            "custom": {},
            "pendo": {"donotprocess": True} if people.excluded[n] else {},
        }
        for app, app_id in enumerate(APPS):
            if span := as_fields(visits.app, len(APPS) * n + app):
                groups[f"auto_{app_id}".replace("-", "_")] = dict(span)
        yield {"visitorId": visitor, "metadata": metadata.overlaid("visitor", visitor, groups)}


def account_rows(world: World, visits: Visits, metadata: Metadata, numbers: Ints, imported: int) -> Iterator[Row]:
    """Make accounts' rows."""
    for n in numbers.tolist():
        account = world.accounts[n]
        seen = as_fields(visits.account, n)
        groups: dict[str, Values] = {
            "agent": without((("name", account.name), ("domain", account.domain), ("plan", account.plan))),
            "auto": {
                **seen,
                "id": account.id,
                "idhash": zlib.crc32(account.id.encode()),
                "lastupdated": seen.get("lastvisit", imported),
            },
            "custom": {},
            "pendo": {},
        }
        yield {"accountId": account.id, "metadata": metadata.overlaid("account", account.id, groups)}
