"""Who lives in the world: customer accounts, their people, and the people's habits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import overload
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from sandbox.names import (
    COMMON_FAMILY,
    COMMON_GIVEN,
    COMPANY,
    FAMILY,
    FREE_MAIL,
    GIVEN,
    LANGUAGES,
    ROLES,
    TRADE,
)
from sandbox.usage import Habits, Ints, midnight

HISTORY_DAYS = 400
DAY_MS = 86_400_000
NEVER = 10_000_000  # an ordinal after every date
ANONYMOUS = "_PENDO_T_"
RARE_NAMES = 0.06  # share of people
CHUNK = 8192  # visitors made at once by whoever walks through all of them
FREELANCE = "freelance.example"

KINDS: Mapping[str, float] = {
    "email": 0.0,  # known by an email address in lower case; the rest of the deck
    "capitals": 0.01,  # likewise, but the metadata has the address in capitals and spaces
    "bare": 0.03,  # likewise, but the metadata has no address
    "free_mail": 0.04,
    "opaque": 0.08,  # known by a number; the address is in the metadata
    "blank": 0.01,  # known by a number; no address anywhere
    "shared": 0.008,  # known by a number; the address is somebody else's too
    "excluded": 0.012,  # asked not to be processed
}
LIVES: Mapping[str, float] = {
    "during": 0.0,  # came within the history; the rest of the deck
    "before": 0.55,  # came before the history begins
    "gone": 0.02,  # came and left before the history begins
    "unused": 0.03,  # imported, never seen
}
_KINDS = {name: code for code, name in enumerate(KINDS)}


@dataclass(frozen=True, slots=True)
class Account:
    """A customer; `domain` is what the product's metadata says, as somebody once typed it."""

    id: str
    name: str
    domain: str | None
    site: str
    plan: str


@dataclass(frozen=True, slots=True)
class Visitor:
    """A person who uses the product.

    `email` is what Pendo's metadata says, `address` what the person would say. `accounts` are
    indexes, the main one first. `joined` is the first day with activity, None for a visitor who was
    imported and never seen; `earlier` is the first and last ms of activity before the history.
    """

    id: str
    email: str | None
    address: str
    given: str
    family: str
    role: str
    accounts: tuple[int, ...]
    anonymous: bool
    excluded: bool
    joined: date | None
    earlier: tuple[int, int] | None

    @property
    def full_name(self) -> str:
        """The name as the person writes it."""
        return f"{self.given} {self.family}"


class People(Sequence[Visitor]):
    """Everybody who visits, kept as columns; a visitor is made when somebody asks for one.

    The columns are arrays by visitor number: `given`, `family` and `role` index names.GIVEN,
    names.FAMILY and names.ROLES; `main` and `other` are accounts, -1 for none; `joined` is the ordinal
    of the first day with activity, NEVER for none; `first` and `last` are the ms of the first and the
    last activity before the history, -1 for none; `holder` is the visitor whose address it is, mostly
    oneself.
    """

    def __init__(  # noqa: PLR0913 - a column each
        self,
        accounts: Sequence[Account],
        *,
        kinds: NDArray[np.int8],
        anonymous: NDArray[np.bool_],
        given: NDArray[np.int16],
        family: NDArray[np.int16],
        role: NDArray[np.int8],
        main: Ints,
        other: Ints,
        joined: Ints,
        first: Ints,
        last: Ints,
    ) -> None:
        self._accounts = accounts
        self._kinds = kinds
        self.anonymous = anonymous
        self.excluded: NDArray[np.bool_] = kinds == _KINDS["excluded"]
        self.given, self.family, self.role = given, family, role
        self.main, self.other = main, other
        self.joined, self.first, self.last = joined, first, last
        self._opaque = np.isin(kinds, [_KINDS["opaque"], _KINDS["blank"], _KINDS["shared"]])
        self._hidden = np.isin(kinds, [_KINDS["bare"], _KINDS["blank"]]) | anonymous
        # Whose address somebody has: one's own, or that of the one before who shares it.
        holder = np.arange(len(kinds))
        shares = kinds == _KINDS["shared"]
        shares[:1] = False
        holder[shares] = 0
        self.holder: Ints = np.maximum.accumulate(holder)
        self._hosts, self._host = self._found_hosts()
        self._numbered = self._found_namesakes()

    def _found_hosts(self) -> tuple[list[str], NDArray[np.int32]]:
        """List the hosts of addresses, and say which one each visitor's is at."""
        hosts: dict[str, int] = {host: at for at, host in enumerate((*FREE_MAIL, FREELANCE))}
        of_account = np.array([hosts.setdefault(account.site, len(hosts)) for account in self._accounts])
        host = np.where(self.main >= 0, of_account[self.main], hosts[FREELANCE])
        public = np.arange(len(self)) % len(FREE_MAIL)
        host = np.where(self._kinds == _KINDS["free_mail"], public, host)
        return list(hosts), host.astype(np.int32)

    def _found_namesakes(self) -> NDArray[np.bool_]:
        """Find those who come after a namesake at the same host: their addresses have a number."""
        names = (self._host.astype(np.int64) * len(GIVEN) + self.given) * len(FAMILY) + self.family
        numbered = np.ones(len(self), bool)
        numbered[np.unique(names, return_index=True)[1]] = False
        return numbered

    def __len__(self) -> int:
        return len(self._kinds)

    @overload
    def __getitem__(self, index: int) -> Visitor: ...
    @overload
    def __getitem__(self, index: slice) -> list[Visitor]: ...
    def __getitem__(self, index: int | slice) -> Visitor | list[Visitor]:
        if isinstance(index, slice):
            return self._made(np.arange(*index.indices(len(self))))
        return self._made(np.array([range(len(self))[index]]))[0]

    def __iter__(self) -> Iterator[Visitor]:
        for start in range(0, len(self), CHUNK):
            yield from self[start : start + CHUNK]

    def ids(self, numbers: Ints | None = None) -> list[str]:
        """Give the ids of some visitors, or of all in their order."""
        numbers = self._all(numbers)
        return [
            f"{ANONYMOUS}{n:06d}" if anonymous else f"u-{10_000 + n}" if opaque else address
            for n, anonymous, opaque, address in zip(
                numbers.tolist(),
                self.anonymous[numbers].tolist(),
                self._opaque[numbers].tolist(),
                self._own_addresses(numbers),
                strict=True,
            )
        ]

    def emails(self, numbers: Ints | None = None) -> list[str | None]:
        """Give the addresses that Pendo's metadata has, spelt as they are there."""
        numbers = self._all(numbers)
        capitals = self._kinds[numbers] == _KINDS["capitals"]
        return [
            None if hidden else f" {address.title()} " if capital else address
            for hidden, capital, address in zip(
                self._hidden[numbers].tolist(), capitals.tolist(), self.addresses(numbers), strict=True
            )
        ]

    def addresses(self, numbers: Ints | None = None) -> list[str]:
        """Give the addresses that the people would say."""
        return self._own_addresses(self.holder[self._all(numbers)])

    def known(self, as_of: date) -> NDArray[np.bool_]:
        """Tell of each visitor whether Pendo lists them on the morning of a day."""
        known: NDArray[np.bool_] = (self.joined == NEVER) | (self.joined < as_of.toordinal())
        return known

    def _all(self, numbers: Ints | None) -> Ints:
        return np.arange(len(self)) if numbers is None else numbers

    def _own_addresses(self, numbers: Ints) -> list[str]:
        return [
            f"{GIVEN[given][1]}.{FAMILY[family][1]}{n if numbered else ''}@{self._hosts[host]}"
            for n, given, family, numbered, host in zip(
                numbers.tolist(),
                self.given[numbers].tolist(),
                self.family[numbers].tolist(),
                self._numbered[numbers].tolist(),
                self._host[numbers].tolist(),
                strict=True,
            )
        ]

    def _made(self, numbers: Ints) -> list[Visitor]:
        columns = (
            self.given,
            self.family,
            self.role,
            self.main,
            self.other,
            self.anonymous,
            self.excluded,
            self.joined,
            self.first,
            self.last,
        )
        texts = (self.ids(numbers), self.emails(numbers), self.addresses(numbers))
        return [
            Visitor(
                id=visitor_id,
                email=email,
                address=address,
                given=GIVEN[given][0],
                family=FAMILY[family][0],
                role=ROLES[role],
                accounts=tuple(account for account in (main, other) if account >= 0),
                anonymous=anonymous,
                excluded=excluded,
                joined=None if joined == NEVER else date.fromordinal(joined),
                earlier=None if first < 0 else (first, last),
            )
            for (visitor_id, email, address), (
                given,
                family,
                role,
                main,
                other,
                anonymous,
                excluded,
                joined,
                first,
                last,
            ) in zip(
                zip(*texts, strict=True),
                zip(*(column[numbers].tolist() for column in columns), strict=True),
                strict=True,
            )
        ]


def deal(rng: np.random.Generator, count: int, shares: Mapping[str, float]) -> list[str]:
    """Shuffle a deck of kinds: each its share and at least one; the first kind takes the rest."""
    kinds = list(shares)
    return [kinds[code] for code in deal_codes(rng, count, shares).tolist()]


def deal_codes(rng: np.random.Generator, count: int, shares: Mapping[str, float]) -> NDArray[np.int8]:
    """Shuffle a deck as `deal` does; a kind is given by its place in `shares`."""
    _, *others = shares
    sizes = [max(1, round(shares[kind] * count)) for kind in others]
    deck = np.zeros(max(count, sum(sizes)), np.int8)
    deck[: sum(sizes)] = np.repeat(np.arange(1, len(shares)), sizes)
    shuffled: NDArray[np.int8] = deck[:count][rng.permutation(count)]
    return shuffled


def make_accounts(rng: np.random.Generator, count: int) -> tuple[Account, ...]:
    """Make customers, a few of whom no domain tells apart."""
    order = rng.permutation(len(COMPANY) * len(TRADE))
    made: list[Account] = []
    for n in range(count):
        company, trade = divmod(int(order[n % len(order)]), len(TRADE))
        name = f"{COMPANY[company]} {TRADE[trade]}"
        if n >= len(order):
            name = f"{name} {n // len(order) + 1}"
        slug = name.lower().replace(" ", "-")
        site = f"{slug}.example"
        domain: str | None = site
        match n % 30:
            case 7:
                domain = None
            case 13:
                domain = FREE_MAIL[n % len(FREE_MAIL)]
            case 19:
                domain = site = made[n - 1].site  # a daughter company under its parent's domain
            case 23:
                domain = f"WWW.{slug.title()}.Example."
            case 28:
                domain = site = f"bücher-{site}"
        plan = ("free", "team", "enterprise")[n % 3]
        made.append(Account(f"{slug}-{n:04d}", name, domain, site, plan))
    return tuple(made)


def make_people(
    rng: np.random.Generator,
    accounts: tuple[Account, ...],
    count: int,
    origin: date,
    zone: ZoneInfo,
) -> tuple[People, Habits]:
    """Make `count` visitors, then a few who will join later, then a few anonymous ones."""
    later = max(1, count // 20)
    anonymous = max(1, count // 20)
    total = count + later + anonymous
    habits = _habits(rng, len(accounts), (count, later, anonymous), origin)

    kinds = np.full(total, _KINDS["email"], np.int8)
    kinds[:count] = deal_codes(rng, count, KINDS)
    given, family = draw_names(rng, total)
    role = rng.integers(0, len(ROLES), total).astype(np.int8)
    start = origin.toordinal() - HISTORY_DAYS
    start_ms = midnight(origin - timedelta(days=HISTORY_DAYS), zone)
    first, last = _earlier(habits.joined - start, habits.left - start, start_ms, rng.random((total, 2)))
    people = People(
        accounts,
        kinds=kinds,
        anonymous=np.arange(total) >= count + later,
        given=given,
        family=family,
        role=role,
        main=habits.account,
        other=habits.other,
        joined=habits.joined,
        first=first,
        last=last,
    )
    return people, habits


def draw_names(rng: np.random.Generator, count: int) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
    """Draw given and family names; a few people have both from one of the rarer languages."""
    given = rng.integers(0, COMMON_GIVEN, count).astype(np.int16)
    family = rng.integers(0, COMMON_FAMILY, count).astype(np.int16)
    (aside,) = rng.spawn(1)  # so that whoever has a common name has the one that they always had
    rare = np.flatnonzero(aside.random(count) < RARE_NAMES)
    language = aside.integers(0, len(LANGUAGES), len(rare))
    for column, names, place in ((given, GIVEN, 0), (family, FAMILY, 1)):
        first = np.array([names.index(both[place][0]) for both in LANGUAGES])
        size = np.array([len(both[place]) for both in LANGUAGES])
        column[rare] = first[language] + aside.integers(0, size[language])
    return given, family


def _habits(rng: np.random.Generator, accounts: int, counts: tuple[int, int, int], origin: date) -> Habits:
    count, later, anonymous = counts
    total = sum(counts)
    today = origin.toordinal()
    start = today - HISTORY_DAYS
    lives = np.array(deal(rng, count, LIVES) + ["later"] * later + ["during"] * anonymous)
    joined = today - rng.integers(1, HISTORY_DAYS + 1, total)
    early = np.isin(lives, ("before", "gone"))
    joined = np.where(early, start - rng.integers(90, 700, total), joined)
    joined = np.where(lives == "later", today + rng.integers(0, 180, total), joined)
    joined = np.where(lives == "unused", NEVER, joined)
    churned = rng.random(total) < 0.28  # noqa: PLR2004
    left = np.maximum(joined, start) + rng.integers(1, HISTORY_DAYS + 120, total)
    left = np.where(churned, left, NEVER)
    left = np.where(lives == "gone", joined + 60, left)

    eager = rng.random(total)
    rate = np.select(
        [eager < 0.12, eager < 0.6],  # noqa: PLR2004
        [rng.uniform(0.6, 0.92, total), rng.uniform(0.12, 0.5, total)],
        rng.uniform(0.005, 0.08, total),
    )
    # Big customers and small ones.
    main = (accounts * rng.random(total) ** 1.4).astype(np.int64)
    main = np.where(rng.random(total) < 0.01, -1, main)  # noqa: PLR2004
    other = np.where(rng.random(total) < 0.06, rng.integers(0, accounts, total), -1)  # noqa: PLR2004
    main[count + later :] = -1  # nobody knows who an anonymous visitor works for
    other = np.where((main < 0) | (other == main), -1, other)
    usual: Ints = rng.integers(0, 4, total)
    return Habits(
        rate=rate,
        growth=rng.normal(0, 0.5, total),
        hour=np.where(rng.random(total) < 0.93, rng.normal(13, 2, total), 22.5),  # noqa: PLR2004
        depth=rng.gamma(2, 5, total),
        second_app=np.where(rng.random(total) < 0.5, 0, rng.uniform(0, 0.6, total)),  # noqa: PLR2004
        mood=rng.normal(7.8, 1.8, total),
        joined=joined,
        left=left,
        account=main,
        other=other,
        agent=usual,
        phone=rng.integers(4, 6, total),
    )


def _earlier(joined: Ints, left: Ints, start_ms: int, luck: NDArray[np.float64]) -> tuple[Ints, Ints]:
    """Place the first and last activity of those who came before the history (days from it), or -1."""
    first = start_ms + joined * DAY_MS + (luck[:, 0] * DAY_MS).astype(np.int64)
    until = start_ms + np.minimum(left, 0) * DAY_MS
    last = first + ((until - first) * luck[:, 1]).astype(np.int64)
    came = joined < 0
    return np.where(came, first, -1), np.where(came, last, -1)
