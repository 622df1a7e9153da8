"""Salesforce's objects as the integration user sees them, and the columns that are landed of each."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from loaders.calls import Answer
from loaders.landing import BIGINT, BOOLEAN, DATE, DOUBLE, TEXT, TIMESTAMP, Column
from loaders.values import LoadError

# Numbers with a fraction are doubles in Salesforce's own API, whatever the field's precision.
TYPES = {
    "boolean": BOOLEAN,
    "int": BIGINT,
    "long": BIGINT,
    "double": DOUBLE,
    "currency": DOUBLE,
    "percent": DOUBLE,
    "date": DATE,
    "datetime": TIMESTAMP,
}
# No Bulk job reads these, so they are never landed.
COMPOUND = ("address", "location")
FILES = ("base64",)

# Every table has these columns, though not every object has the fields.
ALWAYS = {
    "Id": TEXT,
    "IsDeleted": BOOLEAN,
    "SystemModstamp": TIMESTAMP,
    "LastModifiedDate": TIMESTAMP,
    "LastModifiedById": TEXT,
    "CreatedDate": TIMESTAMP,
}
# Where the object has these, they are landed too: what became of a record, and what kind it is.
WHEN_THERE = (
    "MasterRecordId",
    "IsConverted",
    "ConvertedDate",
    "ConvertedAccountId",
    "ConvertedContactId",
    "ConvertedOpportunityId",
    "IsPersonAccount",
    "PersonContactId",
    "IsArchived",
)
# What a record says that has not the field: users are never deleted, and most orgs have no person accounts.
UNLESS_TOLD = {"IsDeleted": False, "IsPersonAccount": False}
# A change of a record moves the first of these that its object has.
CURSORS = ("SystemModstamp", "LastModifiedDate", "CreatedDate")
# Like formulas, these change without a trace in the cursor.
UNSTAMPED = ("LastActivityDate", "LastViewedDate", "LastReferencedDate")


@dataclass(frozen=True, slots=True)
class Object:
    """One object: its columns in the warehouse, and which of them are fields that can be asked for.

    `unstamped` are the fields that change without moving the cursor. `missing` are those that
    models read and the user does not see.
    """

    name: str
    description: Answer
    columns: tuple[Column, ...]
    fields: tuple[str, ...]
    unstamped: tuple[Column, ...]
    cursor: str | None
    missing: tuple[str, ...] = ()

    @property
    def kinds(self) -> dict[str, str]:
        """Say of each column what its type is, or that the user does not see it."""
        return {one.name: str(one.type) if one.name in self.fields else "missing" for one in self.columns}

    @property
    def unless_told(self) -> dict[str, object]:
        """Give the values of the columns that the object has not, and that are known all the same."""
        columns = {column.name for column in self.columns}
        return {name: value for name, value in UNLESS_TOLD.items() if name in columns and name not in self.fields}

    @property
    def tells_deletions(self) -> bool:
        """Whether Salesforce keeps a list of the object's deleted records."""
        return "IsDeleted" in self.fields and bool(self.description.value("replicateable"))


def shape_of(name: str, description: Answer, read: Sequence[str], written: Sequence[str]) -> Object:
    """Choose and type the columns of an object: those that models read and those that activations write.

    LoadError for a field that cannot be landed. One that is not shown is in `missing` if models read it, and an
    all-null column if only activations write it, as it may not be provisioned yet.
    """
    # Salesforce and the warehouse both ignore the case of names.
    described = {one["name"].casefold(): one for one in description.rows("fields")}
    there = [field for field in WHEN_THERE if field.casefold() in described]
    columns: dict[str, Column] = {}
    unstamped: dict[str, Column] = {}
    missing: list[str] = []
    for field in dict.fromkeys((*ALWAYS, *there, *read, *written)):
        known = described.get(field.casefold())
        if known:
            column = _column(name, known)
            if known.get("calculated") or column.name in UNSTAMPED:
                unstamped[column.name] = column
            columns[column.name] = column
        elif field in UNLESS_TOLD or (field in ALWAYS and field not in read):
            columns[field] = Column(field, ALWAYS.get(field, BOOLEAN))
        elif field not in read or (_of_a_person(field) and "ispersonaccount" not in described):
            columns[field] = Column(field, TEXT)
        else:
            missing.append(f"{name}.{field}")
    fields = [column for column in columns if column.casefold() in described]
    cursor = next((field for field in CURSORS if field in fields), None)
    return Object(
        name, description, tuple(columns.values()), tuple(fields), tuple(unstamped.values()), cursor, tuple(missing)
    )


def _column(name: str, known: Mapping[str, Any]) -> Column:
    field, kind = known["name"], known["type"]
    if kind in COMPOUND:
        raise LoadError(f"{name}.{field} is a compound field: ask for its parts, such as the street and the city")
    if kind in FILES:
        raise LoadError(f"{name}.{field} holds files, which are not landed: leave it out")
    return Column(field, TYPES.get(kind, TEXT), nullable=field != "Id")


def _of_a_person(field: str) -> bool:
    """Whether a field is there only in an org with person accounts."""
    return field.endswith("__pc") or re.fullmatch(r"Person[A-Z]\w*(?<!__c)", field) is not None
