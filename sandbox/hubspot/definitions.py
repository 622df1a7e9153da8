"""Object types and the properties that every HubSpot account has on them.

Another object type is one more entry in OBJECT_TYPES. The properties are a plausible subset of
HubSpot's own, under their real names, types and field types.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

DEFINED_AT = "2020-06-30T15:57:36.876Z"
ADMIN_USER_ID = 61526374
FIELD_TYPES: Mapping[str, frozenset[str]] = {
    "bool": frozenset({"booleancheckbox", "calculation_equation"}),
    "enumeration": frozenset({"booleancheckbox", "checkbox", "radio", "select", "calculation_equation"}),
    "date": frozenset({"date"}),
    "datetime": frozenset({"date"}),
    "string": frozenset({"text", "textarea", "html", "file", "phonenumber", "calculation_equation"}),
    "number": frozenset({"number", "calculation_equation"}),
}


@dataclass(frozen=True, slots=True)
class Option:
    """One allowed value of an enumeration."""

    label: str
    value: str
    display_order: int = -1
    hidden: bool = False
    description: str | None = None

    def shown(self) -> dict[str, object]:
        """Give the option as the API does."""
        body: dict[str, object] = {
            "label": self.label,
            "value": self.value,
            "displayOrder": self.display_order,
            "hidden": self.hidden,
        }
        return body if self.description is None else {**body, "description": self.description}


@dataclass(frozen=True, slots=True)
class Property:
    """The definition of one property of one object type."""

    name: str
    label: str
    type: str
    field_type: str
    group: str
    description: str = ""
    options: tuple[Option, ...] = ()
    display_order: int = -1
    calculated: bool = False
    read_only: bool = False
    references: str | None = None
    unique: bool = False
    hidden: bool = False
    form_field: bool = False
    hubspot_defined: bool = False
    archived: bool = False
    created_at: str = DEFINED_AT
    updated_at: str = DEFINED_AT
    data_sensitivity: str = "non_sensitive"
    hints: Mapping[str, object] = field(default_factory=dict)
    allowed: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "allowed", frozenset(option.value for option in self.options))

    @property
    def is_multiple(self) -> bool:
        """Say whether a value is a ';'-separated list of options."""
        return self.type == "enumeration" and self.field_type == "checkbox"

    def shown(self) -> dict[str, object]:
        """Give the definition as the API does."""
        body: dict[str, object] = {
            "updatedAt": self.updated_at,
            "createdAt": self.created_at,
            "name": self.name,
            "label": self.label,
            "type": self.type,
            "fieldType": self.field_type,
            "description": self.description,
            "groupName": self.group,
            "options": [option.shown() for option in self.options],
            "displayOrder": self.display_order,
            "calculated": self.calculated,
            "externalOptions": self.references is not None,
            "archived": self.archived,
            "hasUniqueValue": self.unique,
            "hidden": self.hidden,
            "modificationMetadata": {
                "archivable": not self.hubspot_defined,
                "readOnlyDefinition": self.hubspot_defined,
                "readOnlyValue": self.read_only,
            },
            "formField": self.form_field,
            "dataSensitivity": self.data_sensitivity,
            **self.hints,
        }
        if self.references is not None:
            body["referencedObjectType"] = self.references
        if self.hubspot_defined:
            body["hubspotDefined"] = True
        else:
            body["createdUserId"] = body["updatedUserId"] = str(ADMIN_USER_ID)
        return body


@dataclass(frozen=True, slots=True)
class Group:
    """A heading that properties are listed under."""

    name: str
    label: str
    display_order: int = -1

    def shown(self) -> dict[str, object]:
        """Give the group as the API does."""
        return {
            "name": self.name,
            "label": self.label,
            "displayOrder": self.display_order,
            "archived": False,
        }


@dataclass(frozen=True, slots=True)
class ObjectType:
    """What is particular to one type of record.

    `defaults` are the properties shown when none are asked for; one of `required` must be set on
    create; `text` is what a search's `query` looks in; `on_create` are values HubSpot fills in.
    """

    name: str
    singular: str
    type_id: str
    modified: str
    defaults: tuple[str, ...]
    required: tuple[str, ...]
    text: tuple[str, ...]
    properties: tuple[Property, ...]
    groups: tuple[Group, ...]
    on_create: Mapping[str, str]
    revisions: int
    has_email: bool = False

    @property
    def label(self) -> str:
        """The type's name in HubSpot's messages."""
        return self.singular.upper()


def _options(*values: str) -> tuple[Option, ...]:
    return tuple(Option(value.replace("_", " ").capitalize(), value, order) for order, value in enumerate(values))


YES_NO = (Option("Yes", "true", 0), Option("No", "false", 1))
LIFECYCLE_STAGES = (
    "subscriber",
    "lead",
    "marketingqualifiedlead",
    "salesqualifiedlead",
    "opportunity",
    "customer",
    "evangelist",
    "other",
)


def _defined(group: str, *rows: tuple[str, str, str, str]) -> tuple[Property, ...]:
    """Make HubSpot's own properties from (name, label, type, field type)."""
    return tuple(
        Property(
            name,
            label,
            kind,
            field_type,
            group,
            options=YES_NO if kind == "bool" else (),
            hubspot_defined=True,
            form_field=True,
        )
        for name, label, kind, field_type in rows
    )


def _read_only(group: str, *rows: tuple[str, str, str, str]) -> tuple[Property, ...]:
    return tuple(
        Property(
            name,
            label,
            kind,
            field_type,
            group,
            options=YES_NO if kind == "bool" else (),
            hubspot_defined=True,
            read_only=True,
            calculated=field_type == "calculation_equation",
        )
        for name, label, kind, field_type in rows
    )


def _shared(group: str, modified: str, pipeline: str) -> tuple[Property, ...]:
    """Make the properties that contacts and companies both have."""
    return (
        *_defined(
            group,
            ("phone", "Phone Number", "string", "phonenumber"),
            ("website", "Website URL", "string", "text"),
            ("address", "Street Address", "string", "text"),
            ("city", "City", "string", "text"),
            ("state", "State/Region", "string", "text"),
            ("zip", "Postal Code", "string", "text"),
            ("country", "Country/Region", "string", "text"),
            ("closedate", "Close Date", "datetime", "date"),
        ),
        *_read_only(
            group,
            ("createdate", "Create Date", "datetime", "date"),
            (modified, "Last Modified Date", "datetime", "date"),
            ("hs_object_id", "Record ID", "number", "number"),
            ("hs_merged_object_ids", "Merged record IDs", "enumeration", "checkbox"),
            ("hs_object_source", "Record creation source", "string", "text"),
            ("hs_object_source_id", "Record creation source ID", "string", "text"),
            ("hs_object_source_label", "Record source", "string", "text"),
            ("num_notes", "Number of Sales Activities", "number", "number"),
            ("notes_last_contacted", "Last Contacted", "datetime", "date"),
        ),
        Property(
            "lifecyclestage",
            "Lifecycle Stage",
            "enumeration",
            "radio",
            group,
            options=_options(*LIFECYCLE_STAGES),
            hubspot_defined=True,
            form_field=True,
        ),
        Property(
            "hs_lead_status",
            "Lead Status",
            "enumeration",
            "radio",
            group,
            options=_options(
                "NEW",
                "OPEN",
                "IN_PROGRESS",
                "OPEN_DEAL",
                "UNQUALIFIED",
                "ATTEMPTED_TO_CONTACT",
                "CONNECTED",
                "BAD_TIMING",
            ),
            hubspot_defined=True,
            form_field=True,
        ),
        Property(
            "hubspot_owner_id",
            "Owner",
            "enumeration",
            "select",
            group,
            description="The owner of the record, by owner id.",
            references="OWNER",
            hubspot_defined=True,
        ),
        Property(
            "hs_pipeline",
            "Pipeline",
            "enumeration",
            "select",
            group,
            options=(Option("Lifecycle Stage Pipeline", pipeline, 0),),
            hubspot_defined=True,
            hidden=True,
        ),
    )


CONTACTS = ObjectType(
    name="contacts",
    singular="contact",
    type_id="0-1",
    modified="lastmodifieddate",
    defaults=("createdate", "email", "firstname", "hs_object_id", "lastmodifieddate", "lastname"),
    required=("email", "firstname", "lastname"),
    text=(
        "firstname",
        "lastname",
        "email",
        "phone",
        "hs_additional_emails",
        "fax",
        "mobilephone",
        "company",
    ),
    properties=(
        *_defined(
            "contactinformation",
            ("email", "Email", "string", "text"),
            ("firstname", "First Name", "string", "text"),
            ("lastname", "Last Name", "string", "text"),
            ("hs_additional_emails", "Additional email addresses", "string", "text"),
            ("jobtitle", "Job Title", "string", "text"),
            ("company", "Company Name", "string", "text"),
            ("mobilephone", "Mobile Phone Number", "string", "phonenumber"),
            ("fax", "Fax Number", "string", "phonenumber"),
            ("annualrevenue", "Annual Revenue", "string", "text"),
        ),
        *_read_only(
            "contactinformation",
            ("hs_email_domain", "Email Domain", "string", "text"),
            ("hs_full_name_or_email", "Full name or email", "string", "calculation_equation"),
            ("hs_all_contact_vids", "All vids for a contact", "enumeration", "checkbox"),
            ("hs_calculated_merged_vids", "Merged vids with timestamps", "string", "text"),
            ("hs_is_contact", "Is a contact", "bool", "booleancheckbox"),
            ("hs_is_unworked", "Contact unworked", "bool", "booleancheckbox"),
            ("hs_email_optout", "Unsubscribed from all email", "bool", "booleancheckbox"),
            ("associatedcompanyid", "Primary Associated Company ID", "number", "number"),
        ),
        *_shared("contactinformation", "lastmodifieddate", "contacts-lifecycle-pipeline"),
    ),
    groups=(
        Group("contactinformation", "Contact information", 0),
        Group("contact_activity", "Contact activity", 1),
        Group("sales_properties", "Sales properties", 2),
    ),
    on_create={
        "hs_is_contact": "true",
        "hs_is_unworked": "true",
        "hs_pipeline": "contacts-lifecycle-pipeline",
        "lifecyclestage": "lead",
    },
    revisions=45,
    has_email=True,
)

COMPANIES = ObjectType(
    name="companies",
    singular="company",
    type_id="0-2",
    modified="hs_lastmodifieddate",
    defaults=("createdate", "domain", "hs_lastmodifieddate", "hs_object_id", "name"),
    required=("name", "domain"),
    text=("name", "domain", "website", "phone"),
    properties=(
        *_defined(
            "companyinformation",
            ("name", "Company name", "string", "text"),
            ("domain", "Company Domain Name", "string", "text"),
            ("description", "Description", "string", "textarea"),
            ("numberofemployees", "Number of Employees", "number", "number"),
            ("annualrevenue", "Annual Revenue", "number", "number"),
            ("founded_year", "Year Founded", "string", "text"),
        ),
        *_read_only(
            "companyinformation",
            ("num_associated_contacts", "Number of Associated Contacts", "number", "number"),
        ),
        Property(
            "industry",
            "Industry",
            "enumeration",
            "select",
            "companyinformation",
            options=_options(
                "ACCOUNTING",
                "BANKING",
                "COMPUTER_SOFTWARE",
                "EDUCATION_MANAGEMENT",
                "FINANCIAL_SERVICES",
                "HOSPITAL_HEALTH_CARE",
                "INFORMATION_TECHNOLOGY_AND_SERVICES",
                "INSURANCE",
                "INTERNET",
                "LOGISTICS_AND_SUPPLY_CHAIN",
                "MACHINERY",
                "RETAIL",
                "TELECOMMUNICATIONS",
            ),
            hubspot_defined=True,
            form_field=True,
        ),
        *_shared("companyinformation", "hs_lastmodifieddate", "companies-lifecycle-pipeline"),
        # The one custom property: the world's companies carry the product's account id in it.
        Property(
            "product_account_id",
            "Product account id",
            "string",
            "text",
            "companyinformation",
            description="The account's id in the product.",
            created_at="2025-02-03T10:15:00Z",
            updated_at="2025-02-03T10:15:00Z",
        ),
    ),
    groups=(
        Group("companyinformation", "Company information", 0),
        Group("company_activity", "Company activity", 1),
    ),
    on_create={"hs_pipeline": "companies-lifecycle-pipeline", "lifecyclestage": "lead"},
    revisions=20,
)

OBJECT_TYPES = (CONTACTS, COMPANIES)
TYPE_NAMES: Mapping[str, str] = {
    alias: kind.name for kind in OBJECT_TYPES for alias in (kind.name, kind.singular, kind.type_id)
}
