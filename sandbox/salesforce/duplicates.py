"""Duplicate rules: what they find, and how it is told."""

from __future__ import annotations

from .errors import Problem, Refused
from .org import Org, View
from .rules import DuplicateRule
from .schema import Entity, Row

_PREFIX = "/services/data/v66.0"


def check_duplicates(  # noqa: PLR0913
    org: Org,
    entity: Entity,
    rule: DuplicateRule,
    row: Row,
    before: Row | None,
    *,
    allowed: bool,
    detailed: bool,
) -> None:
    """Raise Refused with DUPLICATES_DETECTED if a rule does not let a record be saved."""
    key = rule.key(row)
    alert = rule.action == "alert"
    if key is None or rule.action == "allow" or (alert and allowed) or (before is not None and rule.key(before) == key):
        return
    found = [
        one for one in org.rows(entity) if one["Id"] != row["Id"] and not one.get("IsDeleted") and rule.key(one) == key
    ]
    if found:
        told = _result(View(org, None, _PREFIX), entity, rule, found, detailed=detailed)
        raise Refused([Problem("DUPLICATES_DETECTED", rule.message, (), told)])


def _result(view: View, entity: Entity, rule: DuplicateRule, found: list[Row], *, detailed: bool) -> dict[str, object]:
    records = [
        view.record(entity, one) if detailed else {"attributes": view.attributes(entity, one), "Id": one["Id"]}
        for one in found
    ]
    matches = [
        {"additionalInformation": [], "fieldDiffs": [], "matchConfidence": 100.0, "record": record}
        for record in records
    ]
    return {
        "allowSave": rule.action == "alert",
        "duplicateRule": rule.name,
        "duplicateRuleEntityType": entity.name,
        "errorMessage": rule.message,
        "matchResults": [
            {
                "entityType": entity.name,
                "errors": [],
                "matchEngine": "ExactMatchEngine",
                "matchRecords": matches,
                "rule": rule.name,
                "size": len(matches),
                "success": True,
            }
        ],
    }
