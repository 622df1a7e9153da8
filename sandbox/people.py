"""Who lives in the world: customer accounts, their people, and the people's habits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from sandbox.names import COMPANY, FAMILY, FREE_MAIL, GIVEN, ROLES, TRADE
from sandbox.usage import Habits, Ints, midnight

HISTORY_DAYS = 400
DAY_MS = 86_400_000
NEVER = 10_000_000  # an ordinal after every date
ANONYMOUS = "_PENDO_T_"

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


def deal(rng: np.random.Generator, count: int, shares: Mapping[str, float]) -> list[str]:
    """Shuffle a deck of kinds: each its share and at least one; the first kind takes the rest."""
    rest, *others = shares
    deck = [kind for kind in others for _ in range(max(1, round(shares[kind] * count)))]
    deck = [*deck, *[rest] * (count - len(deck))][:count]
    return [deck[k] for k in rng.permutation(count)]


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
        plan = ("free", "team", "enterprise")[n % 3]
        made.append(Account(f"{slug}-{n:04d}", name, domain, site, plan))
    return tuple(made)


def make_people(
    rng: np.random.Generator,
    accounts: tuple[Account, ...],
    count: int,
    origin: date,
    zone: ZoneInfo,
) -> tuple[tuple[Visitor, ...], Habits]:
    """Make `count` visitors, then a few who will join later, then a few anonymous ones."""
    later = max(1, count // 20)
    anonymous = max(1, count // 20)
    total = count + later + anonymous
    habits = _habits(rng, len(accounts), (count, later, anonymous), origin)

    start = origin.toordinal() - HISTORY_DAYS
    start_ms = midnight(origin - timedelta(days=HISTORY_DAYS), zone)
    kinds = deal(rng, count, KINDS) + ["email"] * (total - count)
    given = rng.integers(0, len(GIVEN), total)
    family = rng.integers(0, len(FAMILY), total)
    role = rng.integers(0, len(ROLES), total)
    past = rng.random((total, 2))
    taken: set[str] = set()
    people: list[Visitor] = []
    for n, kind in enumerate(kinds):
        main = int(habits.account[n])
        site = accounts[main].site if main >= 0 else "freelance.example"
        if kind == "free_mail":
            site = FREE_MAIL[n % len(FREE_MAIL)]
        first_name, first_latin = GIVEN[given[n]]
        last_name, last_latin = FAMILY[family[n]]
        address = f"{first_latin}.{last_latin}@{site}"
        if address in taken:
            address = f"{first_latin}.{last_latin}{n}@{site}"
        taken.add(address)

        visitor_id, email = address, address
        if kind in ("opaque", "blank", "shared"):
            visitor_id = f"u-{10_000 + n}"
        if kind == "capitals":
            email = f" {address.title()} "
        if kind == "shared" and people:
            email = address = people[-1].address
        joined = int(habits.joined[n])
        hidden = n >= count + later
        people.append(
            Visitor(
                id=f"{ANONYMOUS}{n:06d}" if hidden else visitor_id,
                email=None if hidden or kind in ("bare", "blank") else email,
                address=address,
                given=first_name,
                family=last_name,
                role=ROLES[role[n]],
                accounts=tuple(int(a) for a in (main, habits.other[n]) if a >= 0),
                anonymous=hidden,
                excluded=kind == "excluded",
                joined=None if joined == NEVER else date.fromordinal(joined),
                earlier=_earlier(joined - start, int(habits.left[n]) - start, start_ms, past[n]),
            )
        )
    return tuple(people), habits


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


def _earlier(joined: int, left: int, start_ms: int, luck: np.typing.NDArray[np.float64]) -> tuple[int, int] | None:
    """Place the first and last activity of somebody who came before the history (days from it)."""
    if joined >= 0:
        return None
    first = start_ms + joined * DAY_MS + int(luck[0] * DAY_MS)
    until = start_ms + min(left, 0) * DAY_MS
    return first, first + int((until - first) * luck[1])
