"""Which companies a CRM has of the product's accounts, and how it names their keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from sandbox.crm.columns import NOBODY
from sandbox.names import FREE_MAIL
from sandbox.people import Account, deal
from sandbox.usage import Ints

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
    "merged": 0.02,  # made of two records
    "missing": 0.08,
}


@dataclass(frozen=True, slots=True)
class Company:
    """One company; `account` is NOBODY for a prospect."""

    name: str
    domain: str | None
    product_id: str | None
    account: int = NOBODY
    archived: bool = False
    merged: bool = False


def plant_companies(rng: np.random.Generator, accounts: tuple[Account, ...]) -> tuple[Company, ...]:
    """Choose the companies that a CRM has: the accounts' first, then prospects."""
    made: list[Company] = []
    sites: set[str] = set()
    for number, (kind, account) in enumerate(zip(deal(rng, len(accounts), COMPANIES), accounts, strict=True)):
        # As DNS has it, whatever script the product has it in.
        site, own = account.site.encode("idna").decode(), account.id
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
            Company(account.name, domain, product_id, number, form == "archived", form == "merged")
            for domain, product_id in records.get(form, [(site, own)])
        )
    made.extend(
        Company(f"Prospect {n}", f"prospect{n}.example", None) for n in range(1, max(1, len(accounts) // 7) + 1)
    )
    return tuple(made)


def first_of_account(companies: tuple[Company, ...], accounts: int) -> Ints:
    """Give the place of each account's first live company, or NOBODY."""
    first = np.full(accounts, NOBODY)
    for place, company in reversed(list(enumerate(companies))):
        if company.account >= 0 and not company.archived:
            first[company.account] = place
    return first
