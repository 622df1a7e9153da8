"""Lead conversion, which no REST call does."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

from .saving import Writer
from .schema import Row
from .writes import create

_CONVERTED = "Closed - Converted"
_TO_CONTACT = (
    "FirstName", "LastName", "Salutation", "Title", "Email", "Phone", "MobilePhone", "Fax", "Description", "LeadSource",
)  # fmt: skip
_TO_ACCOUNT = {"Company": "Name", "Website": "Website", "Phone": "Phone", "Industry": "Industry"}
_OPEN_FOR = timedelta(days=90)


@dataclass(frozen=True, slots=True)
class Conversion:
    """What became of a lead."""

    account_id: str
    contact_id: str
    opportunity_id: str | None


def convert(
    writer: Writer, lead: Row, account_id: str | None, contact_id: str | None, *, opportunity: bool
) -> Conversion:
    """Convert a lead; raises Refused, and then has changed nothing."""
    org = writer.org
    maker = replace(writer, allow_duplicates=True)
    owner: Row = {"OwnerId": writer.stamp_id}
    with org.transaction():
        if account_id is None:
            values = {name: lead[source] for source, name in _TO_ACCOUNT.items() if lead.get(source)}
            account_id = create(maker, org.schema.known("Account"), {**owner, **values})
        if contact_id is None:
            values = {name: lead[name] for name in _TO_CONTACT if lead.get(name)}
            contact_id = create(maker, org.schema.known("Contact"), {**owner, **values, "AccountId": account_id})
        opportunity_id = None
        if opportunity:
            closes = (org.clock.now() + _OPEN_FOR).date().isoformat()
            values = {"Name": lead["Company"], "StageName": "Prospecting", "CloseDate": closes}
            references = {"AccountId": account_id, "ContactId": contact_id}
            opportunity_id = create(maker, org.schema.known("Opportunity"), {**owner, **values, **references})
        result: Row = {
            "IsConverted": True,
            "Status": _CONVERTED,
            "ConvertedDate": org.clock.now().date().isoformat(),
            "ConvertedAccountId": account_id,
            "ConvertedContactId": contact_id,
            "ConvertedOpportunityId": opportunity_id,
        }
        org.save(org.schema.known("Lead"), {**lead, **result, **org.stamps(writer.stamp_id)})
    return Conversion(account_id, contact_id, opportunity_id)
