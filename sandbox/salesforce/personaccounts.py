"""Person accounts: accounts that are people, each with a contact that mirrors it.

The contact twin is there for queries and references; it is written through its account alone. A custom field of
contacts shows on accounts with the ending `__pc`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from .errors import refused
from .objects import IS_PERSON_ACCOUNT, PERSON_CONTACT_ID, RECORD_TYPE_ID
from .org import ADMIN_ID, Org
from .schema import Entity, Field, Row

PERSON_TYPE = "PersonAccount"
# Contact fields that an account shows under its own name with `Person` before it.
_MIRRORED = (
    "Email", "Title", "Department", "AssistantName", "AssistantPhone", "MobilePhone", "HomePhone", "OtherPhone",
    "LeadSource", "Birthdate", "HasOptedOutOfEmail", "HasOptedOutOfFax", "DoNotCall", "EmailBouncedReason",
    "EmailBouncedDate",
)  # fmt: skip
_SHARED = ("FirstName", "LastName", "Salutation", "Phone", "Fax", "Description", "OwnerId")


def enable(org: Org) -> None:
    """Switch person accounts on; they cannot be switched off."""
    account, contact = org.schema.known("Account"), org.schema.known("Contact")
    contact_fields = org.schema.fields(contact)
    for part in ("LastName", "FirstName", "Salutation"):
        field = contact_fields[part.lower()]
        org.schema.add_field(account, replace(field, nillable=True, extra="switchablepersonname"))
    name = replace(org.schema.fields(account)["name"], nillable=True, compound="Name", extra="switchablepersonname")
    org.schema.add_field(account, name)
    for field in list(contact_fields.values()):
        compound = field.compound or field.name
        if field.name in _MIRRORED or compound in ("MailingAddress", "OtherAddress"):
            org.schema.add_field(account, _mirrored(field))
    org.schema.add_field(account, PERSON_CONTACT_ID)
    for entity in (account, contact):
        org.schema.add_field(entity, IS_PERSON_ACCOUNT)
    org.schema.add_field(account, RECORD_TYPE_ID)
    org.add_record_type(account, PERSON_TYPE, "Person Account", person=True)
    org.person_accounts = True


def _mirrored(field: Field) -> Field:
    compound = None if field.compound is None else f"Person{field.compound}"
    length = 80 if field.name == "Title" else field.length
    return replace(field, name=f"Person{field.name}", compound=compound, id_lookup=False, length=length)


def is_person(row: Row) -> bool:
    """Whether an account is a person."""
    return row.get("IsPersonAccount") is True


def name_of(row: Row) -> str:
    """Put a person's name together from its parts."""
    return " ".join(str(row[part]) for part in ("FirstName", "LastName") if row.get(part))


def check_account(org: Org, row: Row, before: Row | None, written: Iterable[str]) -> None:
    """Say whether a new account is a person; raises Refused for fields of the other kind."""
    if not org.person_accounts:
        return
    chosen = org.find(row.get("RecordTypeId"))
    by_type = chosen is not None and chosen.get("IsPersonType") is True
    person = is_person(before) if before is not None else by_type or row.get("LastName") is not None
    if person and chosen is not None and not by_type:
        raise refused(
            "INVALID_PERSON_ACCOUNT_OPERATION", "Person accounts keep a person record type", ("RecordTypeId",)
        )
    if before is not None and by_type and not person:
        raise refused("INVALID_PERSON_ACCOUNT_OPERATION", "A business account does not become a person", ())
    row["IsPersonAccount"] = person
    wrong = [name for name in written if (name == "Name" if person else _of_person(name)) and row.get(name) is not None]
    if wrong:
        raise refused(
            "INVALID_FIELD_FOR_INSERT_UPDATE",
            f"Unable to create/update fields: {', '.join(wrong)}. Please check the security settings of this field and "
            "verify that it is read/write for your profile or permission set.",
            tuple(wrong),
        )
    needed = "LastName" if person else "Name"
    if row.get(needed) is None:
        raise refused("REQUIRED_FIELD_MISSING", f"Required fields are missing: [{needed}]", (needed,))
    if person and row.get("RecordTypeId") is None:
        row["RecordTypeId"] = next(
            (one["Id"] for one in org.rows(org.schema.known("RecordType")) if one["IsPersonType"]), None
        )


def _of_person(name: str) -> bool:
    return name in ("FirstName", "LastName", "Salutation") or name.startswith("Person") or name.endswith("__pc")


def check_contact(org: Org, row: Row, before: Row | None) -> None:
    """Raise Refused for a write to a person's twin, or for a contact that would belong to a person."""
    if not org.person_accounts:
        return
    if before is not None and is_person(before):
        raise refused("INVALID_PERSON_ACCOUNT_OPERATION", "a person's contact is changed through its account", ())
    account = org.find(row.get("AccountId"))
    if account is not None and is_person(account):
        raise refused("INVALID_PERSON_ACCOUNT_OPERATION", "a person account has no other contacts", ("AccountId",))


def mirror(org: Org, account: Entity, row: Row) -> None:
    """Bring the twin of a person account up to date, or make it; nothing for any other record."""
    if account.name != "Account" or not is_person(row):
        return
    contact = org.schema.known("Contact")
    twin_id = row.get("PersonContactId")
    twin = None if twin_id is None else org.row(contact, str(twin_id))
    if twin is None:
        twin = {"Id": org.new_id(contact), "CreatedById": ADMIN_ID}
        row = {**row, "PersonContactId": twin["Id"]}
        org.save(account, row)
    values: Row = {"AccountId": row["Id"], "IsPersonAccount": True, "Name": row["Name"]}
    for field in org.schema.fields(contact).values():
        source = _source(field)
        if source is not None:
            values[field.name] = row.get(source)
    stamps = ("CreatedDate", "CreatedById", "LastModifiedDate", "LastModifiedById", "SystemModstamp", "IsDeleted")
    org.save(contact, {**twin, **values, **{name: row.get(name) for name in stamps}})


def _source(field: Field) -> str | None:
    """Say which field of the account a field of its twin follows."""
    if field.custom:
        return f"{field.name.removesuffix('__c')}__pc" if field.formula is None else None
    if field.name in _SHARED:
        return field.name
    followed = field.name in _MIRRORED or field.compound in ("MailingAddress", "OtherAddress")
    return f"Person{field.name}" if followed else None
