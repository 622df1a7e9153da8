"""Who must match whom, worked out in the plainest way from the records that the CRMs hold now.

Nothing here is shared with the product. What every metric must be is in sandbox.metrics.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import date

import numpy as np

from sandbox.metrics import metrics
from sandbox.names import FREE_MAIL
from sandbox.records import CrmStore
from sandbox.world import World

__all__ = ["matches", "metrics"]

# (CRM, contact object, its address fields, company object)
CRMS = (
    ("hubspot", "contacts", ("email", "hs_additional_emails"), "companies"),
    ("salesforce", "Contact", ("Email",), "Account"),
)
# The company's field for the product's account id, and for its domain.
COMPANY_FIELDS = {
    "hubspot": ("product_account_id", "domain"),
    "salesforce": ("Product_Account_Id__c", "Website"),
}


def matches(world: World, as_of: date, stores: Mapping[str, CrmStore]) -> dict[str, object]:
    """Pair visitors and accounts with the CRM records that there are now.

    A pair that nothing else touches is a match; every other group of candidates is a conflict.
    """
    found: list[dict[str, object]] = []
    conflicts: list[dict[str, object]] = []
    emails, accounts, domains = _visitors_by_email(world, as_of), _own(world), _domains(world)
    for crm, contacts, fields, companies in CRMS:
        people = [
            (product_id, record_id)
            for record_id, record in _live(stores[crm], contacts)
            for email in _emails(record, fields)
            for product_id in emails.get(email, ())
        ]
        firms = [
            (product_id, record_id)
            for record_id, record in _live(stores[crm], companies)
            for product_id in _company_candidates(record, COMPANY_FIELDS[crm], accounts, domains)
        ]
        contacts_of = {product_id for product_id, _ in people}
        # A converted lead is the contact that it became, and whoever is a contact is that.
        leads = (
            [
                (product_id, record_id)
                for record_id, record in _live(stores[crm], "Lead")
                if not record["IsConverted"]
                for email in _emails(record, fields)
                for product_id in emails.get(email, ())
                if product_id not in contacts_of
            ]
            if crm == "salesforce"
            else []
        )
        for object_type, product_object, edges in (
            (contacts, "visitor", people),
            (companies, "account", firms),
            ("Lead", "visitor", leads),
        ):
            for products, records in _groups(edges):
                common = {"crm": crm, "object": object_type, "product_object": product_object}
                if len(products) == len(records) == 1:
                    pair = {"product_id": products[0], "record_id": records[0]}
                    found.append({**common, **pair})
                else:
                    conflicts.append({**common, "product_ids": products, "record_ids": records})
    return {"matches": found, "conflicts": conflicts}


def _live(store: CrmStore, object_type: str) -> Iterator[tuple[str, Mapping[str, object]]]:
    """Give the id and the fields of every record that is not in the recycle bin."""
    for record in store.each(object_type):
        if record.get("archived") or record.get("IsDeleted"):
            continue
        properties = record.get("properties", record)
        if isinstance(properties, Mapping):
            yield str(record.get("id") or record["Id"]), properties


def _visitors_by_email(world: World, as_of: date) -> Mapping[str, list[str]]:
    people: dict[str, list[str]] = defaultdict(list)
    visitors = world.visitors
    counted = np.flatnonzero(visitors.known(as_of) & ~visitors.anonymous & ~visitors.excluded)
    for visitor_id, given in zip(visitors.ids(counted), visitors.emails(counted), strict=True):
        email = given or (visitor_id if "@" in visitor_id else None)
        if email and _normal(email):
            people[_normal(email)].append(visitor_id)
    return people


def _emails(record: Mapping[str, object], fields: Iterable[str]) -> set[str]:
    texts = [text for name in fields for text in str(record.get(name) or "").split(";")]
    return {_normal(text) for text in texts if _normal(text)}


def _normal(email: str) -> str:
    name, at, host = unicodedata.normalize("NFKC", email).strip().lower().rpartition("@")
    return f"{name}{at}{host.encode('idna').decode()}"


def _own(world: World) -> set[str]:
    return {account.id for account in world.accounts}


def _domains(world: World) -> Mapping[str, list[str]]:
    firms: dict[str, list[str]] = defaultdict(list)
    for account in world.accounts:
        if domain := _domain(account.domain):
            firms[domain].append(account.id)
    return firms


def _domain(text: object) -> str | None:
    """Reduce a web address to its domain; anybody's domain is nobody's."""
    host = str(text or "").strip().lower()
    host = re.split(r"[/?#:]", host.split("://", 1)[-1], maxsplit=1)[0].removeprefix("www.").rstrip(".")
    return None if not host or host in FREE_MAIL else host.encode("idna").decode()


def _company_candidates(
    record: Mapping[str, object],
    fields: tuple[str, str],
    accounts: set[str],
    domains: Mapping[str, list[str]],
) -> list[str]:
    own, domain = str(record.get(fields[0]) or "").strip(), _domain(record.get(fields[1]))
    if own:
        return [own] if own in accounts else []
    return domains.get(domain, []) if domain else []


def _groups(edges: Iterable[tuple[str, str]]) -> list[tuple[list[str], list[str]]]:
    """Split candidate pairs into groups that share no member."""
    neighbours: dict[tuple[str, str], set[tuple[str, str]]] = defaultdict(set)
    for product_id, record_id in edges:
        neighbours["product", product_id].add(("record", record_id))
        neighbours["record", record_id].add(("product", product_id))
    groups: list[tuple[list[str], list[str]]] = []
    placed: set[tuple[str, str]] = set()
    for node in sorted(neighbours):
        if node in placed:
            continue
        group, waiting = {node}, [node]
        while waiting:
            fresh = neighbours[waiting.pop()] - group
            group |= fresh
            waiting.extend(fresh)
        placed |= group
        groups.append(
            (
                sorted(name for side, name in group if side == "product"),
                sorted(name for side, name in group if side == "record"),
            )
        )
    return groups
