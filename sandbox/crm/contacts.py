"""Which contacts a CRM has of the people who visit, and how it spells their addresses.

The dirt is planted here, as columns: one row a contact, in the order of their ids.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sandbox.crm.columns import CHUNK, NOBODY, rows_of
from sandbox.names import FAMILY, FREE_MAIL, GIVEN, PLACES
from sandbox.people import Account, People, deal_codes, draw_names
from sandbox.usage import Ints

# How a CRM spells the address of somebody whom it knows.
CONTACTS: Mapping[str, float] = {
    "missing": 0.0,  # the CRM does not know the person; the rest of the deck
    "plain": 0.56,
    "capitals": 0.06,
    "spaces": 0.03,
    "full_width": 0.02,
    "blank": 0.02,
    "archived": 0.02,
    "revived": 0.01,  # one archived record and a live one
    "duplicate": 0.015,
    "second_address": 0.025,  # HubSpot: the known address is an additional one
    "two_in_one": 0.008,  # HubSpot: two people's addresses on one contact
    "typo": 0.015,  # somebody mistyped the address
    "plus_alias": 0.01,  # the address with a tag, which is another address to us
    "moved": 0.015,  # the person works elsewhere now; HubSpot keeps the old address beside the new one
    "merged": 0.01,  # made of two records
}
KINDS = {name: code for code, name in enumerate(CONTACTS)}
PLAIN, CAPITALS, SPACES, FULL_WIDTH, BLANK, SECOND, TWO, TYPO, PLUS, MOVED, MERGED, LOSER, STRANGER, INBOX = range(14)
# A form, and whether the record is archived, for each record that a CRM has of a person.
_LIVE: Mapping[str, tuple[tuple[int, bool], ...]] = {
    "missing": (),
    "plain": ((PLAIN, False),),
    "capitals": ((CAPITALS, False),),
    "spaces": ((SPACES, False),),
    "full_width": ((FULL_WIDTH, False),),
    "blank": ((BLANK, False),),
    "archived": ((PLAIN, True),),
    "revived": ((PLAIN, True), (PLAIN, False)),
    # Another spelling, as it slips past a CRM's own check.
    "duplicate": ((PLAIN, False), (FULL_WIDTH, False)),
    "second_address": ((SECOND, False),),
    "two_in_one": ((TWO, False),),
    "typo": ((TYPO, False),),
    "plus_alias": ((PLUS, False),),
    "moved": ((MOVED, False),),
    "merged": ((MERGED, False),),
}
# Salesforce has one address a contact, and keeps a merge's loser in the recycle bin.
RECORDS: Mapping[str, Mapping[str, tuple[tuple[int, bool], ...]]] = {
    "hubspot": _LIVE,
    "salesforce": {
        **_LIVE,
        "second_address": ((PLAIN, False),),
        "two_in_one": ((PLAIN, False),),
        "merged": ((MERGED, False), (LOSER, True)),
    },
}
INBOXES = ("info", "sales", "support", "office")
PROSPECT_HOSTS = 50
HUBSPOT_SHARE = 0.80
SALESFORCE_SHARE = 0.65
STRANGERS: Mapping[str, int] = {"hubspot": 7, "salesforce": 9}  # one for so many people
# Of ten people known to both CRMs, of how many both have the same number, or the same address.
OWN_PHONE = 6
OWN_STREET = 5
STREET_NUMBERS = 200
INBOX_OF = 8  # one company in so many has its inbox as a contact


@dataclass(frozen=True, slots=True)
class Contacts:
    """One CRM's contacts; `archived` is whether each is in the recycle bin.

    `person` is the visitor's number; of a stranger it counts strangers, of an inbox it is the account.
    `friend` is whose address a contact has besides, or NOBODY. `given` and `family` index the names.
    """

    people: People
    accounts: tuple[Account, ...]
    person: Ints
    form: NDArray[np.int8]
    archived: NDArray[np.bool_]
    friend: Ints
    given: NDArray[np.int16]
    family: NDArray[np.int16]

    def __len__(self) -> int:
        return len(self.person)

    @property
    def known(self) -> NDArray[np.bool_]:
        """Whether each is of a visitor."""
        known: NDArray[np.bool_] = self.form < STRANGER
        return known

    @property
    def account(self) -> Ints:
        """The account that each belongs to, or NOBODY."""
        of_visitor = self.people.main[np.where(self.known, self.person, 0)]
        account: Ints = np.where(self.known, of_visitor, np.where(self.form == INBOX, self.person, NOBODY))
        return account

    @property
    def own_phone(self) -> Ints:
        """The telephone number that both CRMs have of a person, or NOBODY where each has one of its own."""
        return np.where(self.known & (_lot(self.person, 1) % 10 < OWN_PHONE), _lot(self.person, 2) % 1_000_000, NOBODY)

    @property
    def own_street(self) -> Ints:
        """The place and the number of the house that both CRMs have of a person, as one number, or NOBODY."""
        own = self.known & (_lot(self.person, 3) % 10 < OWN_STREET)
        return np.where(own, _lot(self.person, 4) % (len(PLACES) * STREET_NUMBERS), NOBODY)

    def names(self) -> Iterator[tuple[str | None, str | None]]:
        """Write everybody's given and family name; an inbox has none."""
        for form, given, family in rows_of(self.form, self.given, self.family):
            yield (None, None) if form == INBOX else (GIVEN[given][0], FAMILY[family][0])

    def addresses(self) -> Iterator[tuple[str | None, str | None]]:
        """Write everybody's address and additional addresses as the CRM has them."""
        for start in range(0, len(self), CHUNK):
            yield from self.some_addresses(np.arange(start, min(start + CHUNK, len(self))))

    def some_addresses(self, places: Ints) -> list[tuple[str | None, str | None]]:
        """Write the address and the additional addresses of the contacts at some places."""
        person, friends = self.person[places], self.friend[places]
        own = iter(self.people.addresses(person[self.form[places] < STRANGER]))
        others = iter(self.people.addresses(friends[friends >= 0]))
        return [
            self._outsider(form, person, given, family)
            if form >= STRANGER
            else _spelt(form, next(own), next(others) if friend >= 0 else None, person)
            for form, person, friend, given, family in rows_of(
                self.form[places], person, friends, self.given[places], self.family[places]
            )
        ]

    def _outsider(self, form: int, number: int, given: int, family: int) -> tuple[str, None]:
        """Write the address of somebody whom only the CRM knows."""
        if form == INBOX:
            return f"{INBOXES[number % len(INBOXES)]}@{self.accounts[number].site}", None
        return f"{GIVEN[given][1]}.{FAMILY[family][1]}.{number}@prospect{number % PROSPECT_HOSTS + 1}.example", None


def plant_contacts(rng: np.random.Generator, crm: str, people: People, accounts: tuple[Account, ...]) -> Contacts:
    """Choose whom a CRM knows and how; HubSpot keeps one contact for an address."""
    known = np.flatnonzero(~people.anonymous)
    share = {"hubspot": HUBSPOT_SHARE, "salesforce": SALESFORCE_SHARE}[crm] / sum(CONTACTS.values())
    kinds = deal_codes(rng, len(known), {kind: part * share for kind, part in CONTACTS.items()})
    friend = np.full(len(known), NOBODY)
    if crm == "hubspot":
        friend = known[rng.integers(0, len(known), len(known))]
        kinds, friend = _one_for_an_address(people, kinds, friend)
    records = RECORDS[crm]
    count = np.array([len(records[kind]) for kind in KINDS])[kinds]
    person = np.repeat(known, count)
    kind = np.repeat(kinds, count)
    place = np.arange(len(person)) - np.repeat(np.cumsum(count) - count, count)  # among the records of one person
    table = np.zeros((len(KINDS), 2, 2), np.int8)
    for name, code in KINDS.items():
        for at, (form, archived) in enumerate(records[name]):
            table[code, at] = form, archived
    strangers = len(known) // STRANGERS[crm]
    given, family = draw_names(rng, strangers)
    inboxes = _inboxes(accounts)
    nameless = np.zeros(len(inboxes), np.int16)
    outside = strangers + len(inboxes)
    return Contacts(
        people,
        accounts,
        person=np.concatenate([person, np.arange(strangers), inboxes]),
        form=np.concatenate(
            [table[kind, place, 0], np.full(strangers, STRANGER, np.int8), np.full(len(inboxes), INBOX, np.int8)]
        ),
        archived=np.concatenate([table[kind, place, 1] == 1, np.zeros(outside, bool)]),
        friend=np.concatenate([np.repeat(friend, count), np.full(outside, NOBODY)]),
        given=np.concatenate([people.given[person], given, nameless]),
        family=np.concatenate([people.family[person], family, nameless]),
    )


def _one_for_an_address(people: People, kinds: NDArray[np.int8], friend: Ints) -> tuple[NDArray[np.int8], Ints]:
    """Leave out those whose address another contact has; keep friends only for two in one."""
    kinds = kinds.copy()
    kinds[people.holder[: len(kinds)] != np.arange(len(kinds))] = KINDS["missing"]
    friends = np.full(len(kinds), NOBODY)
    taken: set[int] = set()
    for n in np.flatnonzero(kinds == KINDS["two_in_one"]).tolist():
        other = int(people.holder[friend[n]])
        if n in taken:
            continue
        if other > n and other not in taken:
            taken.add(other)
            friends[n] = other
        else:
            kinds[n] = KINDS["plain"]
    kinds[list(taken)] = KINDS["missing"]
    return kinds, friends


def _inboxes(accounts: tuple[Account, ...]) -> Ints:
    """Choose the accounts whose common inbox is a contact."""
    return np.arange(0, len(accounts), INBOX_OF)


def _spelt(form: int, address: str, other: str | None, person: int) -> tuple[str | None, str | None]:
    """Write a known person's address, and the additional ones."""
    name, _, host = address.partition("@")
    if person % 2:
        host = host.encode("idna").decode()
        address = f"{name}@{host}"
    if form in (PLAIN, LOSER):
        return address, None
    forms: dict[int, tuple[str | None, str | None]] = {
        CAPITALS: (address.title(), None),
        SPACES: (f" {address}  ", None),
        FULL_WIDTH: (f"{_full_width(name)}@{host}", None),
        BLANK: (None, None),
        SECOND: (f"private.{person}@{FREE_MAIL[0]}", address),
        TWO: (address, other),
        TYPO: (f"{name}@{_mistyped(host)}", None),
        PLUS: (f"{name}+news@{host}", None),
        MOVED: (f"{name}.{person}@newjob{person % PROSPECT_HOSTS}.example", address),
        MERGED: (address, f"old.{person}@{FREE_MAIL[1]}"),
    }
    return forms[form]


def _mistyped(host: str) -> str:
    """Swap two letters of a host's ending, or lose the last one."""
    return f"{host.removesuffix('.example')}.exmaple" if host.endswith(".example") else host[:-1]


def _lot(person: Ints, stream: int) -> Ints:
    """Give each person a number that is theirs in every CRM; nothing is drawn, so that no other draw changes."""
    mixed: Ints = (person * 2_654_435_761 + stream * 40_503_043) % 4_294_967_291
    return (mixed ^ (mixed >> 15)) * 73_244_475 % 2_147_483_647


def _full_width(text: str) -> str:
    """Write a text as a Japanese keyboard may."""
    return "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text)
