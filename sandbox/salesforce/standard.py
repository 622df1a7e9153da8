"""What the platform itself does to standard objects when they are saved."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date

from .errors import refused
from .org import Org
from .personaccounts import name_of
from .schema import Entity, Row

# Stage: probability in percent, closed, won, forecast category and its name.
_STAGES = {
    "Prospecting": (10, False, False, "Pipeline", "Pipeline"),
    "Qualification": (10, False, False, "Pipeline", "Pipeline"),
    "Needs Analysis": (20, False, False, "Pipeline", "Pipeline"),
    "Value Proposition": (50, False, False, "Pipeline", "Pipeline"),
    "Id. Decision Makers": (60, False, False, "Pipeline", "Pipeline"),
    "Perception Analysis": (70, False, False, "Pipeline", "Pipeline"),
    "Proposal/Price Quote": (75, False, False, "BestCase", "Best Case"),
    "Negotiation/Review": (90, False, False, "Forecast", "Commit"),
    "Closed Won": (100, True, True, "Closed", "Closed"),
    "Closed Lost": (0, True, False, "Omitted", "Omitted"),
}
_UNKNOWN_STAGE = (0, False, False, "Pipeline", "Pipeline")


def settle(org: Org, entity: Entity, row: Row, before: Row | None, written: Collection[str]) -> None:
    """Fill in what follows from other fields of a record about to be saved."""
    if "LastName" in written or "FirstName" in written:
        row["Name"] = name_of(row)
    elif entity.name.endswith("__c") and row.get("Name") is None:
        row["Name"] = row["Id"]
    if entity.name == "Opportunity":
        _settle_opportunity(row, before, frozenset(written))
    elif entity.name == "Task":
        _settle_task(org, row)


def check(entity: Entity, row: Row) -> None:
    """Raise Refused for a record that cannot be, whoever makes it."""
    if entity.name == "Asset" and row.get("AccountId") is None and row.get("ContactId") is None:
        message = "Every asset needs an account, a contact, or both."
        raise refused("FIELD_INTEGRITY_EXCEPTION", message, ("AccountId", "ContactId"))


def _settle_opportunity(row: Row, before: Row | None, written: frozenset[str]) -> None:
    probability, row["IsClosed"], row["IsWon"], category, category_name = _STAGES.get(
        str(row.get("StageName")), _UNKNOWN_STAGE
    )
    moved = before is None or before.get("StageName") != row.get("StageName")
    if moved and (row.get("Probability") is None or "Probability" not in written):
        row["Probability"] = float(probability)
    if moved and "ForecastCategoryName" not in written:
        row["ForecastCategory"], row["ForecastCategoryName"] = category, category_name
    amount, chance = row.get("Amount"), row.get("Probability")
    if isinstance(amount, (int, float)) and isinstance(chance, (int, float)):
        row["ExpectedRevenue"] = round(amount * chance / 100, 2)
    else:
        row["ExpectedRevenue"] = None
    closes = date.fromisoformat(str(row["CloseDate"]))
    row["FiscalYear"], row["FiscalQuarter"] = closes.year, (closes.month + 2) // 3
    row["Fiscal"] = f"{row['FiscalYear']} {row['FiscalQuarter']}"


def _settle_task(org: Org, row: Row) -> None:
    row["IsClosed"] = row.get("Status") == "Completed"
    row["IsHighPriority"] = row.get("Priority") == "High"
    row["CompletedDateTime"] = (row.get("CompletedDateTime") or org.now()) if row["IsClosed"] else None
    what = str(row.get("WhatId") or "")
    related = what if what.startswith("001") else None
    if related is None:
        for key in ("WhatId", "WhoId"):
            parent = org.find(row.get(key))
            related = related or (None if parent is None else str(parent.get("AccountId") or "") or None)
    row["AccountId"] = related


def follow(org: Org, entity: Entity, row: Row, before: Row | None, stamp_id: str) -> None:
    """Write the other records that follow from one just saved."""
    if entity.name == "Opportunity" and before is None and row.get("ContactId") is not None:
        role = org.schema.known("OpportunityContactRole")
        values = {"OpportunityId": row["Id"], "ContactId": row["ContactId"], "IsPrimary": True, "IsDeleted": False}
        org.save(role, {"Id": org.new_id(role), **values, **org.stamps(stamp_id, created=True)})
    if entity.name == "OpportunityContactRole" and row.get("IsPrimary"):
        for other in org.rows(entity):
            if other["OpportunityId"] == row["OpportunityId"] and other["Id"] != row["Id"] and other["IsPrimary"]:
                org.save(entity, {**other, "IsPrimary": False, **org.stamps(stamp_id)})
