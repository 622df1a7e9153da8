"""The objects of the org and their fields, with the types, lengths and flags that `describe` tells.

Another object is another entry of OBJECTS.
"""

from __future__ import annotations

from dataclasses import replace

from .schema import Entity, Field


def _fixed(field: Field) -> Field:
    """Make a field one that only the org itself writes."""
    defaulted = not field.nillable and not field.name_field
    return replace(field, createable=False, updateable=False, permissionable=False, defaulted=defaulted)


def _id(label: str) -> Field:
    return _fixed(Field("Id", f"{label} ID", "id", 18, nillable=False, id_lookup=True))


def _moment(name: str, label: str) -> Field:
    return _fixed(Field(name, label, "datetime", nillable=False))


def _mark(name: str, label: str, *, default: bool = False) -> Field:
    """Make a checkbox that only the org itself sets."""
    return _fixed(Field(name, label, "boolean", nillable=False, default=default))


def _flag(name: str, label: str, *, default: bool = False) -> Field:
    """Make a checkbox."""
    return Field(name, label, "boolean", nillable=False, default=default, defaulted=True)


def _hidden(field: Field) -> Field:
    """Leave a field to permission sets: the users' profile does not show it."""
    return replace(field, granted=False)


def _core(field: Field) -> Field:
    """Make a field part of every user's page, so that no permission hides it."""
    return replace(field, permissionable=False)


def _reference(name: str, label: str, *to: str, children: str | None = None) -> Field:
    relationship = name.removesuffix("Id")
    return Field(name, label, "reference", 18, references=to, relationship=relationship, children=children)


def _owner(*to: str) -> Field:
    return replace(_core(_reference("OwnerId", "Owner ID", *to)), nillable=False, defaulted=True)


def _parent(name: str, label: str, to: str, *, children: str) -> Field:
    """Make a reference that is set once and takes its record along when the parent is deleted."""
    reference = _reference(name, label, to, children=children)
    return replace(reference, updateable=False, nillable=False, cascade_delete=True)


def _choices(text: str) -> tuple[str, ...]:
    return tuple(text.split(";"))


_STAMPS = (
    _moment("CreatedDate", "Created Date"),
    _fixed(replace(_reference("CreatedById", "Created By ID", "User"), nillable=False)),
    _moment("LastModifiedDate", "Last Modified Date"),
    _fixed(replace(_reference("LastModifiedById", "Last Modified By ID", "User"), nillable=False)),
    _moment("SystemModstamp", "System Modstamp"),
)


def _life(label: str, entity: str) -> tuple[Field, ...]:
    """Make what every record that can be deleted and merged has."""
    master = _fixed(_reference("MasterRecordId", "Master Record ID", entity))
    return (_id(label), _mark("IsDeleted", "Deleted"), master)


def _person(salutations: str = "Mr.;Ms.;Mrs.;Dr.;Prof.") -> tuple[Field, ...]:
    """Make a person's name: its parts are written, the whole is put together by the org."""
    parts = (
        Field("LastName", "Last Name", "string", 80, nillable=False),
        Field("FirstName", "First Name", "string", 40),
        Field("Salutation", "Salutation", "picklist", 40, values=_choices(salutations)),
    )
    whole = Field("Name", "Full Name", "string", 121, nillable=False, name_field=True, extra="personname")
    return (*(replace(_core(part), compound="Name", extra="personname") for part in parts), _fixed(whole))


_ACCURACY = _choices("Address;NearAddress;Block;Street;ExtendedZip;Zip;Neighborhood;City;County;State;Unknown")


def _address(prefix: str) -> tuple[Field, ...]:
    """Make an address: its parts are written, the whole is put together by the org."""
    whole, label = f"{prefix}Address", f"{prefix} ".lstrip()
    parts = (
        Field("Street", "Street", "textarea", 255, extra="plaintextarea"),
        Field("City", "City", "string", 40),
        Field("State", "State/Province", "string", 80),
        Field("PostalCode", "Zip/Postal Code", "string", 20),
        Field("Country", "Country", "string", 80),
        Field("Latitude", "Latitude", "double", precision=18, scale=15),
        Field("Longitude", "Longitude", "double", precision=18, scale=15),
        Field("GeocodeAccuracy", "Geocode Accuracy", "picklist", 40, values=_ACCURACY, restricted=True),
    )
    return (
        *(replace(part, name=prefix + part.name, label=label + part.label, compound=whole) for part in parts),
        Field(whole, f"{label}Address", "address", createable=False, updateable=False),
    )


_SOURCES = _choices("Web;Phone Inquiry;Partner Referral;Purchased List;Other")
_RATINGS = _choices("Hot;Warm;Cold")
_OWNERSHIPS = _choices("Public;Private;Subsidiary;Other")
_ACCOUNT_TYPES = _choices(
    "Prospect;Customer - Direct;Customer - Channel;Channel Partner / Reseller;Installation Partner;"
    "Technology Partner;Other"
)
_LEAD_STATES = _choices("Open - Not Contacted;Working - Contacted;Closed - Converted;Closed - Not Converted")
_INDUSTRIES = _choices(
    "Agriculture;Apparel;Banking;Biotechnology;Chemicals;Communications;Construction;Consulting;Education;"
    "Electronics;Energy;Engineering;Entertainment;Environmental;Finance;Food & Beverage;Government;Healthcare;"
    "Hospitality;Insurance;Machinery;Manufacturing;Media;Not For Profit;Recreation;Retail;Shipping;Technology;"
    "Telecommunications;Transportation;Utilities;Other"
)

_ACCOUNT = Entity(
    "Account",
    "Account",
    "Accounts",
    "001",
    (
        *_life("Account", "Account"),
        _core(Field("Name", "Account Name", "string", 255, nillable=False, name_field=True)),
        Field("Type", "Account Type", "picklist", 40, values=_ACCOUNT_TYPES),
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
        Field("Ownership", "Ownership", "picklist", 40, values=_OWNERSHIPS),
        Field("TickerSymbol", "Ticker Symbol", "string", 20),
        Field("Description", "Account Description", "textarea", 32_000, extra="plaintextarea"),
        Field("Rating", "Account Rating", "picklist", 40, values=_RATINGS),
        Field("Site", "Account Site", "string", 80),
        _owner("User"),
        *_STAMPS,
        _fixed(Field("LastActivityDate", "Last Activity", "date")),
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
        *_life("Contact", "Contact"),
        replace(_reference("AccountId", "Account ID", "Account", children="Contacts"), cascade_delete=True),
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
        _hidden(_flag("HasOptedOutOfEmail", "Email Opt Out")),
        _hidden(_flag("HasOptedOutOfFax", "Fax Opt Out")),
        _hidden(_flag("DoNotCall", "Do Not Call")),
        *_STAMPS,
        _fixed(Field("LastActivityDate", "Last Activity", "date")),
        _core(Field("EmailBouncedReason", "Email Bounced Reason", "string", 255)),
        _core(Field("EmailBouncedDate", "Email Bounced Date", "datetime")),
        _mark("IsEmailBounced", "Is Email Bounced"),
    ),
    mergeable=True,
)

_STATUS = Field("Status", "Status", "picklist", 255, nillable=False, default=_LEAD_STATES[0], defaulted=True)
_LEAD = Entity(
    "Lead",
    "Lead",
    "Leads",
    "00Q",
    (
        *_life("Lead", "Lead"),
        *_person("Mr.;Ms.;Mrs.;Dr.;Prof.;Mx."),
        Field("Title", "Title", "string", 128),
        _core(Field("Company", "Company", "string", 255, nillable=False)),
        *_address(""),
        Field("Phone", "Phone", "phone", 40),
        Field("MobilePhone", "Mobile Phone", "phone", 40),
        Field("Fax", "Fax", "phone", 40),
        Field("Email", "Email", "email", 80, id_lookup=True),
        Field("Website", "Website", "url", 255),
        Field("Description", "Description", "textarea", 32_000, extra="plaintextarea"),
        Field("LeadSource", "Lead Source", "picklist", 255, values=_SOURCES),
        _core(replace(_STATUS, values=_LEAD_STATES)),
        Field("Industry", "Industry", "picklist", 255, values=_INDUSTRIES),
        Field("Rating", "Rating", "picklist", 255, values=_RATINGS),
        Field("AnnualRevenue", "Annual Revenue", "currency", precision=18),
        Field("NumberOfEmployees", "Employees", "int", digits=8),
        _owner("Group", "User"),
        _hidden(_flag("HasOptedOutOfEmail", "Email Opt Out")),
        _hidden(_flag("DoNotCall", "Do Not Call")),
        _core(replace(_flag("IsConverted", "Converted"), updateable=False)),
        _fixed(Field("ConvertedDate", "Converted Date", "date")),
        _fixed(_reference("ConvertedAccountId", "Converted Account ID", "Account")),
        _fixed(_reference("ConvertedContactId", "Converted Contact ID", "Contact")),
        _fixed(_reference("ConvertedOpportunityId", "Converted Opportunity ID", "Opportunity")),
        *_STAMPS,
        _fixed(Field("LastActivityDate", "Last Activity", "date")),
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
        _core(Field("Username", "Username", "string", 80, nillable=False, unique=True, id_lookup=True)),
        *_person(),
        Field("CompanyName", "Company Name", "string", 80),
        Field("Department", "Department", "string", 80),
        Field("Title", "Title", "string", 80),
        _core(Field("Email", "Email", "email", 128, nillable=False, id_lookup=True)),
        Field("Phone", "Phone", "phone", 40),
        Field("Alias", "Alias", "string", 8),
        _core(_flag("IsActive", "Active", default=True)),
        Field("TimeZoneSidKey", "Time Zone", "picklist", 40),
        _fixed(Field("UserType", "User Type", "picklist", 40)),
        Field("FederationIdentifier", "SAML Federation ID", "string", 512),
        _reference("ManagerId", "Manager ID", "User"),
        *_STAMPS,
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
        _core(Field("Name", "Name", "string", 40, nillable=False, name_field=True)),
        _core(Field("DeveloperName", "Developer Name", "string", 80)),
        _core(Field("Type", "Type", "picklist", 40, values=_choices("Regular;Queue"), restricted=True)),
        *_STAMPS,
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
        _fixed(Field("Name", "Name", "string", 80, nillable=False, name_field=True)),
        _fixed(Field("OrganizationType", "Edition", "picklist", 40)),
        _fixed(Field("InstanceName", "Instance Name", "string", 5)),
        _mark("IsSandbox", "Is Sandbox"),
        _fixed(Field("TimeZoneSidKey", "Time Zone", "picklist", 40)),
        _fixed(Field("DefaultLocaleSidKey", "Locale", "picklist", 40)),
        _fixed(Field("LanguageLocaleKey", "Language", "picklist", 40)),
        *_STAMPS,
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
        _core(Field("Name", "Permission Set Name", "string", 80, nillable=False, name_field=True, unique=True)),
        _core(Field("Label", "Permission Set Label", "string", 80, nillable=False)),
        _core(Field("Description", "Description", "string", 255)),
        _mark("IsOwnedByProfile", "Is Owned By Profile"),
        _mark("IsCustom", "Custom", default=True),
        *_STAMPS,
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
        _core(_parent("PermissionSetId", "PermissionSet ID", "PermissionSet", children="Assignments")),
        _core(_parent("AssigneeId", "Assignee ID", "User", children="PermissionSetAssignments")),
        _moment("SystemModstamp", "System Modstamp"),
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
        _core(_parent("ParentId", "Parent ID", "PermissionSet", children="FieldPerms")),
        _core(Field("SobjectType", "sObject Type Name", "picklist", 40, updateable=False, nillable=False)),
        _core(Field("Field", "Field Name", "picklist", 255, updateable=False, nillable=False)),
        _core(_flag("PermissionsEdit", "Edit Field")),
        _core(_flag("PermissionsRead", "Read Field")),
        _moment("SystemModstamp", "System Modstamp"),
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
        *_STAMPS,
    ),
    setup=True,
    tooling=True,
)

_STAGES = _choices(
    "Prospecting;Qualification;Needs Analysis;Value Proposition;Id. Decision Makers;Perception Analysis;"
    "Proposal/Price Quote;Negotiation/Review;Closed Won;Closed Lost"
)
_FORECASTS = _choices("Omitted;Pipeline;BestCase;MostLikely;Forecast;Closed")
_FORECAST_NAMES = _choices("Omitted;Pipeline;Best Case;Commit;Closed")
_OPPORTUNITY_TYPES = _choices(
    "Existing Customer - Upgrade;Existing Customer - Replacement;Existing Customer - Downgrade;New Customer"
)
_ROLES = _choices(
    "Business User;Decision Maker;Economic Buyer;Economic Decision Maker;Evaluator;Executive Sponsor;Influencer;"
    "Technical Buyer;Other"
)

_OPPORTUNITY = Entity(
    "Opportunity",
    "Opportunity",
    "Opportunities",
    "006",
    (
        _id("Opportunity"),
        _mark("IsDeleted", "Deleted"),
        replace(_reference("AccountId", "Account ID", "Account", children="Opportunities"), cascade_delete=True),
        _flag("IsPrivate", "Private"),
        _core(Field("Name", "Name", "string", 120, nillable=False, name_field=True, id_lookup=True)),
        Field("Description", "Description", "textarea", 32_000, extra="plaintextarea"),
        _core(Field("StageName", "Stage", "picklist", 255, nillable=False, values=_STAGES)),
        Field("Amount", "Amount", "currency", precision=18, scale=2),
        Field("Probability", "Probability (%)", "percent", precision=3, defaulted=True),
        replace(
            Field("ExpectedRevenue", "Expected Amount", "currency", precision=18, scale=2),
            createable=False,
            updateable=False,
        ),
        Field("TotalOpportunityQuantity", "Quantity", "double", precision=18, scale=2),
        _core(Field("CloseDate", "Close Date", "date", nillable=False)),
        Field("Type", "Opportunity Type", "picklist", 255, values=_OPPORTUNITY_TYPES),
        Field("NextStep", "Next Step", "string", 255),
        Field("LeadSource", "Lead Source", "picklist", 255, values=_SOURCES),
        _mark("IsClosed", "Closed"),
        _mark("IsWon", "Won"),
        _fixed(
            Field(
                "ForecastCategory",
                "Forecast Category",
                "picklist",
                40,
                nillable=False,
                values=_FORECASTS,
                restricted=True,
            )
        ),
        _core(
            Field(
                "ForecastCategoryName",
                "Forecast Category",
                "picklist",
                255,
                values=_FORECAST_NAMES,
                restricted=True,
                defaulted=True,
            )
        ),
        _reference("CampaignId", "Campaign ID", "Campaign", children="Opportunities"),
        _owner("User"),
        *_STAMPS,
        _fixed(Field("LastActivityDate", "Last Activity", "date")),
        _fixed(Field("FiscalQuarter", "Fiscal Quarter", "int", digits=8, compound="Fiscal")),
        _fixed(Field("FiscalYear", "Fiscal Year", "int", digits=8, compound="Fiscal")),
        _fixed(Field("Fiscal", "Fiscal Period", "string", 6)),
        # Given once, it makes the primary contact role; no path leads through it.
        replace(_core(_reference("ContactId", "Contact ID", "Contact")), updateable=False, relationship=None),
    ),
)

_CONTACT_ROLE = Entity(
    "OpportunityContactRole",
    "Opportunity Contact Role",
    "Opportunity Contact Role",
    "00K",
    (
        _id("Contact Role"),
        _core(_parent("OpportunityId", "Opportunity ID", "Opportunity", children="OpportunityContactRoles")),
        replace(
            _core(_reference("ContactId", "Contact ID", "Contact", children="OpportunityContactRoles")),
            nillable=False,
            cascade_delete=True,
        ),
        _core(Field("Role", "Role", "picklist", 40, values=_ROLES)),
        _core(_flag("IsPrimary", "Primary")),
        *_STAMPS,
        _mark("IsDeleted", "Deleted"),
    ),
)

_TASK_STATES = _choices("Not Started;In Progress;Completed;Waiting on someone else;Deferred")
_TASK = Entity(
    "Task",
    "Task",
    "Tasks",
    "00T",
    (
        _id("Activity"),
        _reference("WhoId", "Name ID", "Contact", "Lead", children="Tasks"),
        _reference("WhatId", "Related To ID", "Account", "Asset", "Campaign", "Opportunity", children="Tasks"),
        Field("Subject", "Subject", "combobox", 255),
        Field("ActivityDate", "Due Date Only", "date"),
        _core(
            Field(
                "Status",
                "Status",
                "picklist",
                255,
                nillable=False,
                default=_TASK_STATES[0],
                defaulted=True,
                values=_TASK_STATES,
            )
        ),
        _core(
            Field(
                "Priority",
                "Priority",
                "picklist",
                255,
                nillable=False,
                default="Normal",
                defaulted=True,
                values=_choices("High;Normal;Low"),
            )
        ),
        _mark("IsHighPriority", "High Priority"),
        _owner("User"),
        Field("Description", "Description", "textarea", 32_000, extra="plaintextarea"),
        _mark("IsDeleted", "Deleted"),
        _fixed(_reference("AccountId", "Account ID", "Account")),
        _mark("IsClosed", "Closed"),
        *_STAMPS,
        _mark("IsArchived", "Archived"),
        _core(Field("TaskSubtype", "Task Subtype", "picklist", 40, default="Task", values=_choices("Task;Call;Email"))),
        _fixed(Field("CompletedDateTime", "Completed Date/Time", "datetime")),
    ),
)

_ASSET = Entity(
    "Asset",
    "Asset",
    "Assets",
    "02i",
    (
        _id("Asset"),
        replace(_reference("ContactId", "Contact ID", "Contact", children="Assets"), cascade_delete=True),
        replace(_reference("AccountId", "Account ID", "Account", children="Assets"), cascade_delete=True),
        _reference("ParentId", "Parent Asset ID", "Asset", children="ChildAssets"),
        _flag("IsCompetitorProduct", "Competitor Asset"),
        *_STAMPS,
        _mark("IsDeleted", "Deleted"),
        _core(Field("Name", "Asset Name", "string", 255, nillable=False, name_field=True)),
        Field("SerialNumber", "Serial Number", "string", 80),
        Field("InstallDate", "Install Date", "date"),
        Field("PurchaseDate", "Purchase Date", "date"),
        Field("UsageEndDate", "Usage End Date", "date"),
        Field("Status", "Status", "picklist", 40, values=_choices("Shipped;Installed;Registered;Obsolete;Purchased")),
        Field("Price", "Price", "currency", precision=18),
        Field("Quantity", "Quantity", "double", precision=18, scale=2),
        Field("Description", "Description", "textarea", 32_000, extra="plaintextarea"),
        _owner("User"),
    ),
)

_CAMPAIGN = Entity(
    "Campaign",
    "Campaign",
    "Campaigns",
    "701",
    (
        _id("Campaign"),
        _mark("IsDeleted", "Deleted"),
        _core(Field("Name", "Name", "string", 80, nillable=False, name_field=True)),
        _reference("ParentId", "Parent Campaign ID", "Campaign", children="ChildCampaigns"),
        Field("Type", "Type", "picklist", 40, values=_choices("Conference;Webinar;Advertisement;Email;Other")),
        Field("Status", "Status", "picklist", 40, values=_choices("Planned;In Progress;Completed;Aborted")),
        Field("StartDate", "Start Date", "date"),
        Field("EndDate", "End Date", "date"),
        _flag("IsActive", "Active"),
        Field("Description", "Description", "textarea", 32_000, extra="plaintextarea"),
        _owner("User"),
        *_STAMPS,
    ),
)

_RECORD_TYPE = Entity(
    "RecordType",
    "Record Type",
    "Record Types",
    "012",
    (
        _id("Record Type"),
        _fixed(Field("Name", "Name", "string", 80, nillable=False, name_field=True)),
        _fixed(Field("DeveloperName", "Record Type Name", "string", 80, nillable=False)),
        _fixed(Field("Description", "Description", "string", 255)),
        _fixed(Field("SobjectType", "SObject Type Name", "picklist", 40, nillable=False)),
        _mark("IsActive", "Active", default=True),
        _mark("IsPersonType", "Is Person Type"),
        *_STAMPS,
    ),
    createable=False,
    updateable=False,
    deletable=False,
    setup=True,
)

IS_PERSON_ACCOUNT = _mark("IsPersonAccount", "Is Person Account")
PERSON_CONTACT_ID = _fixed(
    Field("PersonContactId", "Contact ID", "reference", 18, references=("Contact",), relationship="PersonContact")
)
RECORD_TYPE_ID = _core(_reference("RecordTypeId", "Record Type ID", "RecordType"))


def custom_object(name: str, label: str, plural: str, prefix: str) -> Entity:
    """Make an object as an administrator does, with a text for its name."""
    own = Field("Name", f"{label} Name", "string", 80, name_field=True, id_lookup=True, defaulted=True)
    fields = (_id("Record"), _owner("Group", "User"), _mark("IsDeleted", "Deleted"), _core(own), *_STAMPS)
    return Entity(name, label, plural, prefix, fields)


def _subscription() -> Entity:
    """Make the object that the world's sellers made for what companies pay for."""
    made = custom_object("Subscription__c", "Subscription", "Subscriptions", "a00")
    account = replace(
        _reference("Account__c", "Account", "Account", children="Subscriptions__r"), relationship="Account__r"
    )
    fields = (
        Field("Subscription_Key__c", "Subscription Key", "string", 40, external_id=True, id_lookup=True, unique=True),
        account,
        Field("Plan__c", "Plan", "string", 40),
        Field("Seats__c", "Seats", "double", precision=18),
        Field("Renews_On__c", "Renews On", "date"),
    )
    return replace(made, fields=(*made.fields, *fields))


SUBSCRIPTION = _subscription()


def person_account_field(field: Field) -> Field:
    """Give what a person account shows of a custom field of contacts."""
    name = f"{field.name.removesuffix('__c')}__pc"
    relationship = None if field.relationship is None else field.relationship.removesuffix("__r") + "__pr"
    bare = replace(field, name=name, relationship=relationship, children=None)
    return replace(bare, id_lookup=False, external_id=False, unique=False)


HISTORY_PREFIX = "017"


def history_object(entity: Entity) -> Entity:
    """Make the object that holds the history of another one's fields."""
    custom = entity.name.endswith("__c")
    name = entity.name.removesuffix("__c") + "__History" if custom else f"{entity.name}History"
    name = "OpportunityFieldHistory" if entity.name == "Opportunity" else name
    parent = _fixed(_reference("ParentId" if custom else f"{entity.name}Id", f"{entity.label} ID", entity.name))
    fields = (
        _id("History"),
        _mark("IsDeleted", "Deleted"),
        replace(parent, children="Histories", cascade_delete=True),
        *_STAMPS[1:2],
        _STAMPS[0],
        _fixed(Field("Field", "Changed Field", "picklist", 255)),
        _fixed(Field("OldValue", "Old Value", "anyType")),
        _fixed(Field("NewValue", "New Value", "anyType")),
    )
    label = f"{entity.label} History"
    return Entity(name, label, label, HISTORY_PREFIX, fields, createable=False, updateable=False, deletable=False)


OBJECTS = (
    _ACCOUNT,
    _CONTACT,
    _LEAD,
    _OPPORTUNITY,
    _CONTACT_ROLE,
    _TASK,
    _ASSET,
    _CAMPAIGN,
    _USER,
    _GROUP,
    _RECORD_TYPE,
    _ORGANIZATION,
    _PERMISSION_SET,
    _ASSIGNMENT,
    _FIELD_PERMISSIONS,
    _CUSTOM_FIELD,
)
