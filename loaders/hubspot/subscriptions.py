"""Communication preferences: the kinds of email there are, and what each contact's address has said to them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa
from dlt.extract import DltResource

from loaders.hubspot.account import Account, batches
from loaders.hubspot.records import Census
from loaders.landing import BOOLEAN, TEXT, TIMESTAMP, Column, Reads, Row, resource, tables
from loaders.values import Refused

READ_BATCH = 100

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

    def rows() -> Iterator[Row]:
        for some in batches(addresses(contacts.addresses), READ_BATCH):
            yield from _read(account, some)

    def read() -> Iterator[pa.Table]:
        yield from tables(rows(), STATUS_COLUMNS, contacts.mode, 20_000)
        reads.finish("subscription_statuses", contacts.read_at, contacts.mode)

    return resource("subscription_statuses", STATUS_COLUMNS, read, contacts.mode)


def addresses(values: Sequence[pa.Array]) -> list[str]:
    """List the addresses in properties, each once; additional ones stand with semicolons between."""
    listed = (
        one.strip().lower() for array in values for text in array.drop_null().to_pylist() for one in text.split(";")
    )
    return list(dict.fromkeys(one for one in listed if "@" in one))


def _read(account: Account, some: Sequence[str]) -> Iterator[Row]:
    """Read the statuses of some addresses; one that HubSpot takes for none must not sink the others."""
    try:
        answer = account.post("communication-preferences", "/statuses/batch/read?channel=EMAIL", {"inputs": list(some)})
    except Refused:
        if len(some) > 1:
            half = len(some) // 2
            yield from _read(account, some[:half])
            yield from _read(account, some[half:])
        return
    for result in answer.rows():
        for status in result["statuses"]:
            yield {**status, "email": result["subscriberIdString"]}
