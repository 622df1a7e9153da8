"""Communication preferences: the kinds of email there are, and what each contact's address has said to them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import partial

import pyarrow as pa
from dlt.extract import DltResource

from loaders.calls import Answer
from loaders.hubspot.account import Account, Record, batches
from loaders.hubspot.records import Census
from loaders.landing import BOOLEAN, TEXT, TIMESTAMP, Column, Reads, Row, resource, tables
from loaders.values import LoadError, Refused

READ_BATCH = 100
# HubSpot keeps statuses of addresses without a contact, too; this one is nobody's for good (RFC 2606).
IN_ORDER = "nobody@example.com"

DEFINITION_COLUMNS = (
    Column("id", TEXT, nullable=False),
    Column("name", TEXT),
    Column("description", TEXT),
    Column("purpose", TEXT),
    Column("method", TEXT, "communicationMethod"),
    Column("is_active", BOOLEAN, "isActive"),
    Column("is_default", BOOLEAN, "isDefault"),
    Column("is_internal", BOOLEAN, "isInternal"),
    Column("business_unit_id", TEXT, "businessUnitId"),
)
STATUS_COLUMNS = (
    Column("email", TEXT, nullable=False),
    Column("subscription_id", TEXT, "subscriptionId", nullable=False),
    Column("status", TEXT),
    Column("source", TEXT),
    Column("legal_basis", TEXT, "legalBasis"),
    Column("legal_basis_explanation", TEXT, "legalBasisExplanation"),
    Column("set_at", TIMESTAMP, "timestamp"),
)


def definitions(account: Account, reads: Reads) -> DltResource:
    """Make the resource of the kinds of email."""

    def read() -> Iterator[pa.Table]:
        answer = account.get("communication-preferences", "/definitions")
        yield from tables(answer.rows(), DEFINITION_COLUMNS)
        reads.finish("subscriptions", answer.at, "full")

    return resource("subscriptions", DEFINITION_COLUMNS, read)


def statuses(account: Account, contacts: Census, reads: Reads) -> DltResource:
    """Make the resource of the statuses, of the addresses of those contacts that were read.

    HubSpot keeps statuses by address, not by contact; a contact that says so was written.
    """
    refused: list[int] = []

    def rows() -> Iterator[Row]:
        listed = addresses(contacts.addresses)
        read = partial(_answers, account, listed, contacts.read_at)
        asking = [contacts.read_at.isoformat(), listed]
        for answer in reads.answers("subscription statuses", contacts.now, asking, read):
            refused.append(answer.value("refused"))
            for result in answer.rows():
                for status in result["statuses"]:
                    yield {**status, "email": result["subscriberIdString"]}

    def read() -> Iterator[pa.Table]:
        for some in tables(rows(), STATUS_COLUMNS, contacts.mode, 20_000):
            note = f"addresses of contacts that HubSpot takes for none: {sum(refused)}" if any(refused) else ""
            yield some.replace_schema_metadata({"note": note})
        reads.finish("subscription_statuses", contacts.read_at, contacts.mode)

    return resource("subscription_statuses", STATUS_COLUMNS, read, contacts.mode)


def addresses(values: Sequence[pa.Array]) -> list[str]:
    """List the addresses in properties, each once; additional ones stand with semicolons between."""
    listed = (
        one.strip().lower() for array in values for text in array.drop_null().to_pylist() for one in text.split(";")
    )
    return list(dict.fromkeys(one for one in listed if "@" in one))


def _answers(account: Account, listed: Sequence[str], at: datetime, place: str | None) -> Iterator[tuple[Answer, str]]:
    """Ask for the statuses of addresses, of those behind a place on: the last address of a batch.

    LoadError if HubSpot refuses not this or that address, but all.
    """
    begin = listed.index(place) + 1 if place in listed else 0
    checked = False
    for some in batches(listed[begin:], READ_BATCH):
        try:
            found = _asked(account, some)
        except Refused as refusal:
            if not checked:
                _check(account, refusal)
                checked = True
            found = _halved(account, some)
        yield Answer({"results": found, "refused": len(some) - len(found)}, at), some[-1]


def _asked(account: Account, some: Sequence[str]) -> list[Record]:
    path = "/statuses/batch/read?channel=EMAIL"
    return account.post("communication-preferences", path, {"inputs": list(some)}).rows()


def _check(account: Account, refusal: Refused) -> None:
    try:
        _asked(account, [IN_ORDER])
    except Refused:
        raise LoadError(
            f"HubSpot tells what no address has subscribed to ({refusal}): see to what it says, or take "
            "subscription_statuses out of the sources' YAML"
        ) from refusal


def _halved(account: Account, some: Sequence[str]) -> list[Record]:
    """Ask for fewer at a time: an address that HubSpot takes for none must not sink the others."""
    if len(some) == 1:
        return []
    found: list[Record] = []
    half = len(some) // 2
    for part in (some[:half], some[half:]):
        try:
            found += _asked(account, part)
        except Refused:
            found += _halved(account, part)
    return found
