"""What the CRMs say about the world's people and companies: mostly right, never quite."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import numpy as np

from sandbox.clock import START
from sandbox.names import FAMILY, FREE_MAIL, GIVEN, INDUSTRIES, TITLES
from sandbox.people import Account, Visitor, deal
from sandbox.records import SeedRecord, Value

BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
CHECKSUM = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
STAGES = ("subscriber", "lead", "opportunity", "customer", "evangelist")
SALESPEOPLE = 8
DRIFT_A_DAY = 3

# How a CRM spells the address of somebody whom it knows.
CONTACTS: Mapping[str, float] = {
    "missing": 0.0,  # the CRM does not know the person; the rest of the deck
    "plain": 0.58,
    "capitals": 0.06,
    "spaces": 0.03,
    "full_width": 0.02,
    "blank": 0.02,
    "archived": 0.02,
    "revived": 0.01,  # one archived record and a live one
    "duplicate": 0.015,
    "second_address": 0.025,  # HubSpot: the known address is an additional one
    "two_in_one": 0.008,  # HubSpot: two people's addresses on one contact
}
HUBSPOT_SHARE = 0.80
SALESFORCE_SHARE = 0.65
COMPANIES: Mapping[str, float] = {
    "id": 0.0,  # the product's account id and the domain; the rest of the deck
    "id_only": 0.05,
    "id_spaces": 0.05,
    "id_capitals": 0.03,  # never matches: ids are compared with their case
    "domain": 0.12,
    "address_bar": 0.06,  # the domain with scheme, www and path
    "free_mail": 0.04,
    "duplicate": 0.05,
    "archived": 0.03,
    "missing": 0.08,
}


@dataclass(frozen=True, slots=True)
class Edit:
    """A change that somebody makes in a CRM's own pages."""

    vendor: str
    object: str
    id: str
    properties: Mapping[str, Value]


def salesforce_id(prefix: str, number: int) -> str:
    """Write a Salesforce id: prefix, instance, number, and the three-letter case checksum."""
    digits = ""
    for _ in range(7):
        number, digit = divmod(number, 62)
        digits = BASE62[digit] + digits
    short = f"{prefix}5g000{digits}"
    tail = "".join(
        CHECKSUM[sum(1 << k for k, letter in enumerate(short[at : at + 5]) if letter.isupper())] for at in (0, 5, 10)
    )
    return short + tail


def plant_salespeople(
    origin: date,
) -> tuple[tuple[SeedRecord, ...], tuple[SeedRecord, ...]]:
    """Make the salespeople, as HubSpot owners and as Salesforce users; the last one has left."""
    born = datetime.combine(origin, START) - timedelta(days=1200)
    owners, users = [], []
    for n in range(SALESPEOPLE):
        given, family = GIVEN[n * 5][1].title(), FAMILY[n * 7][1].title()
        email = f"{given}.{family}@seller.example".lower()
        gone = n == SALESPEOPLE - 1
        owners.append(
            SeedRecord(
                object="owners",
                id=str(71_000_001 + n * 37),
                properties={
                    "email": email,
                    "firstName": given,
                    "lastName": family,
                    "userId": 5_400_001 + n,
                },
                created_at=born,
                updated_at=born,
                archived=gone,
            )
        )
        users.append(
            SeedRecord(
                object="User",
                id=salesforce_id("005", 10 + n),
                properties={
                    "Username": email,
                    "Email": email,
                    "FirstName": given,
                    "LastName": family,
                    "Alias": f"{given[0]}{family[:6]}".lower(),
                    "IsActive": not gone,
                },
                created_at=born,
                updated_at=born,
            )
        )
    return tuple(owners), tuple(users)


def plant_hubspot(
    seed: int,
    origin: date,
    accounts: Sequence[Account],
    people: Sequence[Visitor],
    owners: Sequence[SeedRecord],
) -> tuple[SeedRecord, ...]:
    """Make HubSpot's companies and contacts."""
    rng = np.random.default_rng([seed, 1])

    def owner() -> str | None:
        pick = int(rng.integers(0, len(owners) + 2))
        return owners[pick].id if pick < len(owners) else None

    def company(name: str, domain: str | None, product_id: str | None) -> dict[str, Value]:
        return {
            "name": name,
            "domain": domain,
            "product_account_id": product_id,
            "hubspot_owner_id": owner(),
        }

    def contact(visitor: Visitor, email: str | None, others: str | None, company: str) -> dict[str, Value]:
        return {
            "email": email,
            "hs_additional_emails": others,
            "firstname": visitor.given,
            "lastname": visitor.family,
            "jobtitle": _pick(rng, (*TITLES, None)),
            "phone": _phone(rng),
            "lifecyclestage": _pick(rng, STAGES),
            "hubspot_owner_id": owner(),
            "company": company,
        }

    companies = _companies(rng, accounts, company)
    contacts: list[tuple[dict[str, Value], bool]] = []
    known = [v for v in people if not v.anonymous]
    taken: set[str] = set()  # HubSpot keeps one contact for an address
    for kind, visitor in zip(_known(rng, len(known), HUBSPOT_SHARE), known, strict=True):
        if visitor.address in taken:
            continue
        taken.add(visitor.address)
        firm = accounts[visitor.accounts[0]].name if visitor.accounts else "Freelance"
        friend = known[int(rng.integers(0, len(known)))]
        if kind == "second_address":
            first = f"private.{len(contacts)}@{FREE_MAIL[0]}"
            contacts.append((contact(visitor, first, visitor.address, firm), False))
        elif kind == "two_in_one" and friend.address not in taken:
            taken.add(friend.address)
            contacts.append((contact(visitor, visitor.address, friend.address, firm), False))
        else:
            contacts.extend(
                (contact(visitor, email, None, firm), archived) for email, archived in _spellings(kind, visitor.address)
            )
    contacts.extend(
        (contact(stranger, stranger.address, None, "Elsewhere"), False) for stranger in _strangers(rng, len(known) // 7)
    )
    return (
        *_dated(rng, origin, "companies", companies, lambda n: str(21_000_000_001 + n * 613)),
        *_dated(rng, origin, "contacts", contacts, lambda n: str(100_000_000_151 + n * 7919)),
    )


def plant_salesforce(
    seed: int,
    origin: date,
    accounts: Sequence[Account],
    people: Sequence[Visitor],
    users: Sequence[SeedRecord],
) -> tuple[SeedRecord, ...]:
    """Make Salesforce's accounts, contacts and leads."""
    rng = np.random.default_rng([seed, 2])

    def owner() -> str:
        return users[int(rng.integers(0, len(users)))].id

    def account(name: str, domain: str | None, product_id: str | None) -> dict[str, Value]:
        website = domain if domain is None or "/" in domain else f"https://www.{domain}"
        return {
            "Name": name,
            "Website": website,
            "Product_Account_Id__c": product_id,
            "Industry": _pick(rng, (*INDUSTRIES, None)),
            "OwnerId": owner(),
        }

    def person(visitor: Visitor, email: str | None) -> dict[str, Value]:
        return {
            "FirstName": visitor.given,
            "LastName": visitor.family,
            "Email": email,
            "Title": _pick(rng, (*TITLES, None)),
            "Phone": _phone(rng),
            "OwnerId": owner(),
        }

    firms = _dated(
        rng,
        origin,
        "Account",
        _companies(rng, accounts, account),
        lambda n: salesforce_id("001", 4000 + n * 17),
    )
    firm_ids: dict[Value, str] = {firm.properties["Name"]: firm.id for firm in reversed(firms) if not firm.archived}
    contacts: list[tuple[dict[str, Value], bool]] = []
    known = [v for v in people if not v.anonymous]
    for kind, visitor in zip(_known(rng, len(known), SALESFORCE_SHARE), known, strict=True):
        firm = accounts[visitor.accounts[0]].name if visitor.accounts else None
        contacts.extend(
            ({**person(visitor, email), "AccountId": firm_ids.get(firm)}, archived)
            for email, archived in _spellings(kind, visitor.address)
        )
    contacts.extend(
        ({**person(stranger, stranger.address), "AccountId": None}, False)
        for stranger in _strangers(rng, len(known) // 9)
    )
    leads = [
        ({**person(stranger, stranger.address), "Company": "Prospect Inc."}, False)
        for stranger in _strangers(rng, max(1, len(known) // 20))
    ]
    return (
        *firms,
        *_dated(rng, origin, "Contact", contacts, lambda n: salesforce_id("003", 9000 + n * 29)),
        *_dated(rng, origin, "Lead", leads, lambda n: salesforce_id("00Q", 700 + n * 3)),
    )


def drift(seed: int, day: date, hubspot: Sequence[SeedRecord], salesforce: Sequence[SeedRecord]) -> tuple[Edit, ...]:
    """Choose a few contacts whose title or phone a salesperson changes on a day."""
    rng = np.random.default_rng([seed, 3, day.toordinal()])
    edits: list[Edit] = []
    for vendor, kind, records, title, phone in (
        ("hubspot", "contacts", hubspot, "jobtitle", "phone"),
        ("salesforce", "Contact", salesforce, "Title", "Phone"),
    ):
        live = [r for r in records if r.object == kind and not r.archived]
        for k in rng.choice(len(live), min(DRIFT_A_DAY, len(live)), replace=False):
            values: tuple[dict[str, Value], ...] = (
                {title: _pick(rng, TITLES)},
                {phone: _phone(rng)},
            )
            edits.append(Edit(vendor, kind, live[k].id, values[int(rng.integers(0, 2))]))
    return tuple(edits)


def _known(rng: np.random.Generator, count: int, share: float) -> list[str]:
    """Deal how a CRM knows each person, so that about `share` of them have a record."""
    scale = share / sum(CONTACTS.values())
    return deal(rng, count, {kind: part * scale for kind, part in CONTACTS.items()})


def _spellings(kind: str, address: str) -> list[tuple[str | None, bool]]:
    """Write the address as each of a person's records has it, and whether it is archived."""
    records: dict[str, list[tuple[str | None, bool]]] = {
        "missing": [],
        "capitals": [(address.title(), False)],
        "spaces": [(f" {address}  ", False)],
        "full_width": [(_full_width(address), False)],
        "blank": [(None, False)],
        "archived": [(address, True)],
        "revived": [(address, True), (address, False)],
        # Another spelling, as it slips past a CRM's own check.
        "duplicate": [(address, False), (_full_width(address), False)],
    }
    return records.get(kind, [(address, False)])


def _full_width(text: str) -> str:
    """Write the name before the at-sign as a Japanese keyboard may."""
    name, at, host = text.partition("@")
    return "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in name) + at + host


def _companies(
    rng: np.random.Generator,
    accounts: Sequence[Account],
    make: Callable[[str, str | None, str | None], dict[str, Value]],
) -> list[tuple[dict[str, Value], bool]]:
    """Make the companies of a CRM; `make` takes name, domain and the product's account id."""
    made: list[tuple[dict[str, Value], bool]] = []
    sites: set[str] = set()
    for kind, account in zip(deal(rng, len(accounts), COMPANIES), accounts, strict=True):
        site, own = account.site, account.id
        # A daughter company is known by its parent's domain alone, which is then nobody's.
        form = "domain" if site in sites else kind
        sites.add(site)
        records: dict[str, list[tuple[str | None, str | None]]] = {
            "id_only": [(None, own)],
            "id_spaces": [(site, f" {own} ")],
            "id_capitals": [(site, own.upper())],
            "domain": [(site, None)],
            "address_bar": [(f"https://www.{site.title()}/about-us", None)],
            "free_mail": [(FREE_MAIL[len(made) % len(FREE_MAIL)], None)],
            "duplicate": [(site, own), (None, own)],
            "missing": [],
        }
        made.extend(
            (make(account.name, domain, product_id), form == "archived")
            for domain, product_id in records.get(form, [(site, own)])
        )
    made.extend(
        (make(f"Prospect {n}", f"prospect{n}.example", None), False) for n in range(1, max(1, len(accounts) // 7) + 1)
    )
    return made


def _strangers(rng: np.random.Generator, count: int) -> list[Visitor]:
    """Make people whom only a CRM knows."""
    return [
        Visitor(
            id="",
            email=None,
            address=f"{given[1]}.{family[1]}.{n}@prospect{n % 50 + 1}.example",
            given=given[0],
            family=family[0],
            role="",
            accounts=(),
            anonymous=True,
            excluded=False,
            joined=None,
            earlier=None,
        )
        for n in range(count)
        for given in (GIVEN[int(rng.integers(0, len(GIVEN)))],)
        for family in (FAMILY[int(rng.integers(0, len(FAMILY)))],)
    ]


def _dated(
    rng: np.random.Generator,
    origin: date,
    kind: str,
    records: Sequence[tuple[dict[str, Value], bool]],
    name: Callable[[int], str],
) -> tuple[SeedRecord, ...]:
    """Give records their ids and their past, up to an hour before the world begins."""
    end = datetime.combine(origin, START) - timedelta(hours=1)
    ages = rng.uniform(1, 900, len(records))
    touched = rng.random(len(records))
    return tuple(
        SeedRecord(
            object=kind,
            id=name(n),
            properties=properties,
            created_at=_seconds(end - timedelta(days=ages[n])),
            updated_at=_seconds(end - timedelta(days=ages[n] * touched[n])),
            archived=archived,
        )
        for n, (properties, archived) in enumerate(records)
    )


def _seconds(moment: datetime) -> datetime:
    return moment.replace(microsecond=0)


def _pick(rng: np.random.Generator, options: Sequence[str | None]) -> str | None:
    return options[int(rng.integers(0, len(options)))]


def _phone(rng: np.random.Generator) -> str:
    return f"+1 555 01{int(rng.integers(0, 100)):02d} {int(rng.integers(0, 10_000)):04d}"
