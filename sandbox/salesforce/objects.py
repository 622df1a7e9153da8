"""The objects of the org and their fields, with the types, lengths and flags that `describe` tells.

Another object is another entry of OBJECTS.
"""

from __future__ import annotations

from dataclasses import replace

from .schema import Entity, Field

def _fixed(field: Field) -> Field:
    """Make a field one that only the org itself writes."""
    return replace(
        field,
        createable=False,
        updateable=False,
        permissionable=False,
        defaulted=not field.nillable and not field.name_field,
    )


def _moment(name: str, label: str) -> Field:
    return _fixed(Field(name, label, "datetime", nillable=False))


def _link(name: str, label: str, to: str, *, nillable: bool = True) -> Field:
    """Make a reference that only the org itself writes."""
    relationship = name.removesuffix("Id")
    return _fixed(
        Field(name, label, "reference", 18, nillable=nillable, references=(to,), relationship=relationship)
    )


def _required(name: str, label: str, length: int, *, type_: str = "string") -> Field:
    return Field(name, label, type_, length, nillable=False, permissionable=False)


def _reference(name: str, label: str, *to: str, children: str | None = None, cascade_delete: bool = False) -> Field:
    return Field(
        name,
        label,
        "reference",
        18,
        references=to,
        relationship=name.removesuffix("Id"),
        children=children,
        cascade_delete=cascade_delete,
    )


def _owner(*to: str) -> Field:
    return Field(
        "OwnerId",
        "Owner ID",
        "reference",
        18,
        nillable=False,
        defaulted=True,
        references=to,
        relationship="Owner",
        permissionable=False,
    )


def _flag(name: str, label: str, *, granted: bool = True, permissionable: bool = True) -> Field:
    return Field(
        name,
        label,
        "boolean",
        nillable=False,
        default=False,
        defaulted=True,
        permissionable=permissionable,
        granted=granted,
    )


def _id(label: str) -> Field:
    return _fixed("Id", f"{label} ID", "id", 18, nillable=False, id_lookup=True)


_DELETED = _fixed("IsDeleted", "Deleted", "boolean", nillable=False, default=False)


def _stamps() -> tuple[Field, ...]:
    """Say who made and last changed a record, and when."""
    user = ("User",)
    return (
        _fixed("CreatedDate", "Created Date", "datetime", nillable=False),
        _fixed(
            "CreatedById", "Created By ID", "reference", 18, nillable=False, references=user, relationship="CreatedBy"
        ),
        _fixed("LastModifiedDate", "Last Modified Date", "datetime", nillable=False),
        _fixed(
            "LastModifiedById",
            "Last Modified By ID",
            "reference",
            18,
            nillable=False,
            references=user,
            relationship="LastModifiedBy",
        ),
        _fixed("SystemModstamp", "System Modstamp", "datetime", nillable=False),
    )


def _master(entity: str) -> Field:
    return _fixed(
        "MasterRecordId", "Master Record ID", "reference", 18, references=(entity,), relationship="MasterRecord"
    )


def _person(salutations: tuple[str, ...] = ("Mr.", "Ms.", "Mrs.", "Dr.", "Prof.")) -> list[Field]:
    """Make a person's name: its parts are written, the whole is put together by the org."""

    def part(label: str, type_: str, length: int, *, nillable: bool = True, values: tuple[str, ...] = ()) -> Field:
        return Field(
            label.replace(" ", ""),
            label,
            type_,
            length,
            nillable=nillable,
            values=values,
            compound="Name",
            extra="personname",
            permissionable=False,
        )

    return [
        part("Last Name", "string", 80, nillable=False),
        part("First Name", "string", 40),
        part("Salutation", "picklist", 40, values=salutations),
        _fixed("Name", "Full Name", "string", 121, nillable=False, name_field=True, extra="personname"),
    ]


_ACCURACY = (
    "Address",
    "NearAddress",
    "Block",
    "Street",
    "ExtendedZip",
    "Zip",
    "Neighborhood",
    "City",
    "County",
    "State",
    "Unknown",
)


def _address(prefix: str) -> tuple[Field, ...]:
    whole, label = f"{prefix}Address", f"{prefix} ".lstrip()
    return (
        Field(f"{prefix}Street", f"{label}Street", "textarea", 255, compound=whole, extra="plaintextarea"),
        Field(f"{prefix}City", f"{label}City", "string", 40, compound=whole),
        Field(f"{prefix}State", f"{label}State/Province", "string", 80, compound=whole),
        Field(f"{prefix}PostalCode", f"{label}Zip/Postal Code", "string", 20, compound=whole),
        Field(f"{prefix}Country", f"{label}Country", "string", 80, compound=whole),
        Field(f"{prefix}Latitude", f"{label}Latitude", "double", precision=18, scale=15, compound=whole),
        Field(f"{prefix}Longitude", f"{label}Longitude", "double", precision=18, scale=15, compound=whole),
        Field(
            f"{prefix}GeocodeAccuracy",
            f"{label}Geocode Accuracy",
            "picklist",
            40,
            values=_ACCURACY,
            restricted=True,
            compound=whole,
        ),
        Field(whole, f"{label}Address", "address", createable=False, updateable=False),
    )


_INDUSTRIES = (
    "Agriculture",
    "Apparel",
    "Banking",
    "Biotechnology",
    "Chemicals",
    "Communications",
    "Construction",
    "Consulting",
    "Education",
    "Electronics",
    "Energy",
    "Engineering",
    "Entertainment",
    "Environmental",
    "Finance",
    "Food & Beverage",
    "Government",
    "Healthcare",
    "Hospitality",
    "Insurance",
    "Machinery",
    "Manufacturing",
    "Media",
    "Not For Profit",
    "Recreation",
    "Retail",
    "Shipping",
    "Technology",
    "Telecommunications",
    "Transportation",
    "Utilities",
    "Other",
)
_SOURCES = ("Web", "Phone Inquiry", "Partner Referral", "Purchased List", "Other")
_RATINGS = ("Hot", "Warm", "Cold")

_ACCOUNT = Entity(
    "Account",
    "Account",
    "Accounts",
    "001",
    (
        _id("Account"),
        _DELETED,
        _master("Account"),
        Field("Name", "Account Name", "string", 255, nillable=False, name_field=True, permissionable=False),
        Field(
            "Type",
            "Account Type",
            "picklist",
            40,
            values=(
                "Prospect",
                "Customer - Direct",
                "Customer - Channel",
                "Channel Partner / Reseller",
                "Installation Partner",
                "Technology Partner",
                "Other",
            ),
        ),
        _reference("ParentId", "Parent Account ID", "Account", children="ChildAccounts"),
        *_address("Billing"),
        *_address("Shipping"),
        Field("Phone", "Account Phone", "phone", 40),
        Field("Fax", "Account Fax", "phone", 40),
        Field("AccountNumber", "Account Number", "string", 40),
        Field("Website", "Website", "url", 255),
        Field("Sic", "SIC Code", "string", 20),
        Field("Industry", "Industry", "picklist", 40, values=_INDUSTRIES),
        Field("AnnualRevenue", "Annual Revenue", "currency", precision=18),
        Field("NumberOfEmployees", "Employees", "int", digits=8),
        Field("Ownership", "Ownership", "picklist", 40, values=("Public", "Private", "Subsidiary", "Other")),
        Field("TickerSymbol", "Ticker Symbol", "string", 20),
        Field("Description", "Account Description", "textarea", 32_000, extra="plaintextarea"),
        Field("Rating", "Account Rating", "picklist", 40, values=_RATINGS),
        Field("Site", "Account Site", "string", 80),
        _owner("User"),
        *_stamps(),
        _fixed("LastActivityDate", "Last Activity", "date"),
        Field("AccountSource", "Account Source", "picklist", 40, values=_SOURCES),
        # The vendor's own integrations match accounts by an id that the product hands out.
        Field("Product_Account_Id__c", "Product Account Id", "string", 255, external_id=True, id_lookup=True),
    ),
    mergeable=True,
)

_CONTACT = Entity(
    "Contact",
    "Contact",
    "Contacts",
    "003",
    (
        _id("Contact"),
        _DELETED,
        _master("Contact"),
        _reference("AccountId", "Account ID", "Account", children="Contacts", cascade_delete=True),
        *_person(),
        *_address("Other"),
        *_address("Mailing"),
        Field("Phone", "Business Phone", "phone", 40),
        Field("Fax", "Business Fax", "phone", 40),
        Field("MobilePhone", "Mobile Phone", "phone", 40),
        Field("HomePhone", "Home Phone", "phone", 40),
        Field("OtherPhone", "Other Phone", "phone", 40),
        Field("AssistantPhone", "Asst. Phone", "phone", 40),
        _reference("ReportsToId", "Reports To ID", "Contact"),
        Field("Email", "Email", "email", 80, id_lookup=True),
        Field("Title", "Title", "string", 128),
        Field("Department", "Department", "string", 80),
        Field("AssistantName", "Assistant's Name", "string", 40),
        Field("LeadSource", "Lead Source", "picklist", 255, values=_SOURCES),
        Field("Birthdate", "Birthdate", "date"),
        Field("Description", "Contact Description", "textarea", 32_000, extra="plaintextarea"),
        _owner("User"),
        _flag("HasOptedOutOfEmail", "Email Opt Out", granted=False),
        _flag("HasOptedOutOfFax", "Fax Opt Out", granted=False),
        _flag("DoNotCall", "Do Not Call", granted=False),
        *_stamps(),
        _fixed("LastActivityDate", "Last Activity", "date"),
        Field("EmailBouncedReason", "Email Bounced Reason", "string", 255, permissionable=False),
        Field("EmailBouncedDate", "Email Bounced Date", "datetime", permissionable=False),
        _fixed("IsEmailBounced", "Is Email Bounced", "boolean", nillable=False, default=False),
    ),
    mergeable=True,
)

_LEAD = Entity(
    "Lead",
    "Lead",
    "Leads",
    "00Q",
    (
        _id("Lead"),
        _DELETED,
        _master("Lead"),
        *_person(("Mr.", "Ms.", "Mrs.", "Dr.", "Prof.", "Mx.")),
        Field("Title", "Title", "string", 128),
        _required("Company", "Company", 255),
        *_address(""),
        Field("Phone", "Phone", "phone", 40),
        Field("MobilePhone", "Mobile Phone", "phone", 40),
        Field("Fax", "Fax", "phone", 40),
        Field("Email", "Email", "email", 80, id_lookup=True),
        Field("Website", "Website", "url", 255),
        Field("Description", "Description", "textarea", 32_000, extra="plaintextarea"),
        Field("LeadSource", "Lead Source", "picklist", 255, values=_SOURCES),
        Field(
            "Status",
            "Status",
            "picklist",
            255,
            nillable=False,
            default="Open - Not Contacted",
            defaulted=True,
            values=("Open - Not Contacted", "Working - Contacted", "Closed - Converted", "Closed - Not Converted"),
            permissionable=False,
        ),
        Field("Industry", "Industry", "picklist", 255, values=_INDUSTRIES),
        Field("Rating", "Rating", "picklist", 255, values=_RATINGS),
        Field("AnnualRevenue", "Annual Revenue", "currency", precision=18),
        Field("NumberOfEmployees", "Employees", "int", digits=8),
        _owner("Group", "User"),
        _flag("HasOptedOutOfEmail", "Email Opt Out", granted=False),
        _flag("DoNotCall", "Do Not Call", granted=False),
        Field(
            "IsConverted",
            "Converted",
            "boolean",
            updateable=False,
            nillable=False,
            default=False,
            defaulted=True,
            permissionable=False,
        ),
        _fixed("ConvertedDate", "Converted Date", "date"),
        _fixed(
            "ConvertedAccountId",
            "Converted Account ID",
            "reference",
            18,
            references=("Account",),
            relationship="ConvertedAccount",
        ),
        _fixed(
            "ConvertedContactId",
            "Converted Contact ID",
            "reference",
            18,
            references=("Contact",),
            relationship="ConvertedContact",
        ),
        *_stamps(),
        _fixed("LastActivityDate", "Last Activity", "date"),
    ),
    mergeable=True,
)

_USER = Entity(
    "User",
    "User",
    "Users",
    "005",
    (
        _id("User"),
        Field("Username", "Username", "string", 80, nillable=False, unique=True, id_lookup=True),
        *_person(),
        Field("CompanyName", "Company Name", "string", 80),
        Field("Department", "Department", "string", 80),
        Field("Title", "Title", "string", 80),
        Field("Email", "Email", "email", 128, nillable=False, id_lookup=True),
        Field("Phone", "Phone", "phone", 40),
        Field("Alias", "Alias", "string", 8),
        Field("IsActive", "Active", "boolean", nillable=False, default=True, defaulted=True),
        Field("TimeZoneSidKey", "Time Zone", "picklist", 40),
        Field("UserType", "User Type", "picklist", 40, createable=False, updateable=False),
        Field("FederationIdentifier", "SAML Federation ID", "string", 512),
        _reference("ManagerId", "Manager ID", "User"),
        *_stamps(),
    ),
    deletable=False,  # users are only ever made inactive
    setup=True,
)

_GROUP = Entity(
    "Group",
    "Group",
    "Groups",
    "00G",
    (
        _id("Group"),
        Field("Name", "Name", "string", 40, nillable=False, name_field=True),
        Field("DeveloperName", "Developer Name", "string", 80),
        Field("Type", "Type", "picklist", 40, values=("Regular", "Queue"), restricted=True),
        *_stamps(),
    ),
    setup=True,
)

_ORGANIZATION = Entity(
    "Organization",
    "Organization",
    "Organizations",
    "00D",
    (
        _id("Organization"),
        _fixed("Name", "Name", "string", 80, nillable=False, name_field=True),
        _fixed("OrganizationType", "Edition", "picklist", 40),
        _fixed("InstanceName", "Instance Name", "string", 5),
        _fixed("IsSandbox", "Is Sandbox", "boolean", nillable=False, default=False),
        _fixed("TimeZoneSidKey", "Time Zone", "picklist", 40),
        _fixed("DefaultLocaleSidKey", "Locale", "picklist", 40),
        _fixed("LanguageLocaleKey", "Language", "picklist", 40),
        *_stamps(),
    ),
    createable=False,
    updateable=False,
    deletable=False,
    setup=True,
)

_PERMISSION_SET = Entity(
    "PermissionSet",
    "Permission Set",
    "Permission Sets",
    "0PS",
    (
        _id("PermissionSet"),
        Field(
            "Name",
            "Permission Set Name",
            "string",
            80,
            nillable=False,
            name_field=True,
            unique=True,
            permissionable=False,
        ),
        _required("Label", "Permission Set Label", 80),
        Field("Description", "Description", "string", 255),
        _fixed("IsOwnedByProfile", "Is Owned By Profile", "boolean", nillable=False, default=False),
        _fixed("IsCustom", "Custom", "boolean", nillable=False, default=True),
        *_stamps(),
    ),
    setup=True,
)

_ASSIGNMENT = Entity(
    "PermissionSetAssignment",
    "Permission Set Assignment",
    "Permission Set Assignments",
    "0Pa",
    (
        _id("Assignment"),
        Field(
            "PermissionSetId",
            "PermissionSet ID",
            "reference",
            18,
            updateable=False,
            nillable=False,
            references=("PermissionSet",),
            relationship="PermissionSet",
            children="Assignments",
            cascade_delete=True,
        ),
        Field(
            "AssigneeId",
            "Assignee ID",
            "reference",
            18,
            updateable=False,
            nillable=False,
            references=("User",),
            relationship="Assignee",
            children="PermissionSetAssignments",
        ),
        _fixed("SystemModstamp", "System Modstamp", "datetime", nillable=False),
    ),
    updateable=False,
    setup=True,
)

_FIELD_PERMISSIONS = Entity(
    "FieldPermissions",
    "Field Permissions",
    "Field Permissions",
    "01k",
    (
        _id("Field Permissions"),
        Field(
            "ParentId",
            "Parent ID",
            "reference",
            18,
            updateable=False,
            nillable=False,
            references=("PermissionSet",),
            relationship="Parent",
            children="FieldPerms",
            cascade_delete=True,
        ),
        Field("SobjectType", "sObject Type Name", "picklist", 40, updateable=False, nillable=False),
        Field("Field", "Field Name", "picklist", 255, updateable=False, nillable=False),
        _flag("PermissionsEdit", "Edit Field", permissionable=False),
        _flag("PermissionsRead", "Read Field", permissionable=False),
        _fixed("SystemModstamp", "System Modstamp", "datetime", nillable=False),
    ),
    setup=True,
)

_CUSTOM_FIELD = Entity(
    "CustomField",
    "Custom Field",
    "Custom Fields",
    "00N",
    (
        _id("Custom Field"),
        Field("DeveloperName", "Custom Field Name", "string", 40),
        Field("TableEnumOrId", "Entity Enumeration Or ID", "picklist", 40),
        Field("FullName", "Full Name", "string", 255),
        Field("Metadata", "Metadata", "complexvalue"),
        *_stamps(),
    ),
    setup=True,
    tooling=True,
)

OBJECTS = (
    _ACCOUNT,
    _CONTACT,
    _LEAD,
    _USER,
    _GROUP,
    _ORGANIZATION,
    _PERMISSION_SET,
    _ASSIGNMENT,
    _FIELD_PERMISSIONS,
    _CUSTOM_FIELD,
)
