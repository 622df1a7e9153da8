"""The object types that every HubSpot account has, and their properties.

Another type of HubSpot's is one more entry in OBJECT_TYPES. The properties are a plausible subset
of HubSpot's own, under their real names, types and field types.
"""

from __future__ import annotations

from sandbox.hubspot.definitions import Group, ObjectType, Option, Property


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
    required=(("email", "firstname", "lastname"),),
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
    required=(("name", "domain"),),
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


def _owner(group: str) -> Property:
    return Property(
        "hubspot_owner_id",
        "Owner",
        "enumeration",
        "select",
        group,
        description="The owner of the record, by owner id.",
        references="OWNER",
        hubspot_defined=True,
    )


def _own(group: str, created: str) -> tuple[Property, ...]:
    """Make the properties that HubSpot keeps on every record of the newer types."""
    return _read_only(
        group,
        (created, "Create date", "datetime", "date"),
        ("hs_lastmodifieddate", "Last modified date", "datetime", "date"),
        ("hs_object_id", "Record ID", "number", "number"),
        ("hs_merged_object_ids", "Merged record IDs", "enumeration", "checkbox"),
        ("hs_object_source", "Record source", "string", "text"),
        ("hs_object_source_id", "Record source ID", "string", "text"),
        ("hs_object_source_label", "Record source detail", "string", "text"),
    )


def _chosen(group: str, name: str, label: str, field_type: str, *values: str) -> Property:
    return Property(
        name,
        label,
        "enumeration",
        field_type,
        group,
        options=_options(*values),
        hubspot_defined=True,
        form_field=True,
    )


DEALS = ObjectType(
    name="deals",
    singular="deal",
    type_id="0-3",
    modified="hs_lastmodifieddate",
    defaults=(
        "amount",
        "closedate",
        "createdate",
        "dealname",
        "dealstage",
        "hs_lastmodifieddate",
        "hs_object_id",
        "pipeline",
    ),
    required=(("dealname",), ("dealstage",), ("pipeline",)),
    text=("dealname", "description", "dealtype"),
    properties=(
        *_defined(
            "dealinformation",
            ("dealname", "Deal Name", "string", "text"),
            ("amount", "Amount", "number", "number"),
            ("closedate", "Close Date", "datetime", "date"),
            ("description", "Deal Description", "string", "textarea"),
            ("closed_won_reason", "Closed Won Reason", "string", "textarea"),
            ("closed_lost_reason", "Closed Lost Reason", "string", "textarea"),
            ("deal_currency_code", "Currency", "string", "text"),
        ),
        _chosen("dealinformation", "dealtype", "Deal Type", "radio", "newbusiness", "existingbusiness"),
        _chosen("dealinformation", "hs_priority", "Priority", "select", "low", "medium", "high"),
        # Their options are the account's pipelines and the stages of all of them.
        _chosen("dealinformation", "pipeline", "Pipeline", "select"),
        _chosen("dealinformation", "dealstage", "Deal Stage", "radio"),
        _owner("dealinformation"),
        *_own("dealinformation", "createdate"),
        *_read_only(
            "dealinformation",
            ("hs_is_closed", "Is Deal Closed?", "bool", "calculation_equation"),
            ("hs_is_closed_won", "Is Closed Won", "bool", "calculation_equation"),
            ("hs_deal_stage_probability", "Deal probability", "number", "number"),
        ),
    ),
    groups=(Group("dealinformation", "Deal information", 0), Group("deal_activity", "Deal activity", 1)),
    on_create={},
    revisions=20,
    pipeline=("pipeline", "dealstage"),
)

TICKETS = ObjectType(
    name="tickets",
    singular="ticket",
    type_id="0-5",
    modified="hs_lastmodifieddate",
    defaults=(
        "content",
        "createdate",
        "hs_lastmodifieddate",
        "hs_object_id",
        "hs_pipeline",
        "hs_pipeline_stage",
        "hs_ticket_category",
        "hs_ticket_priority",
        "subject",
    ),
    required=(("subject",), ("hs_pipeline",), ("hs_pipeline_stage",)),
    text=("subject", "content", "hs_ticket_category", "hs_ticket_id"),
    properties=(
        *_defined(
            "ticketinformation",
            ("subject", "Ticket name", "string", "text"),
            ("content", "Ticket description", "string", "textarea"),
            ("hs_resolution", "Resolution", "string", "text"),
        ),
        _chosen("ticketinformation", "hs_ticket_priority", "Priority", "select", "LOW", "MEDIUM", "HIGH", "URGENT"),
        _chosen(
            "ticketinformation",
            "hs_ticket_category",
            "Category",
            "checkbox",
            "PRODUCT_ISSUE",
            "BILLING_ISSUE",
            "FEATURE_REQUEST",
            "GENERAL_INQUIRY",
        ),
        _chosen("ticketinformation", "source_type", "Source", "select", "CHAT", "EMAIL", "FORM", "PHONE"),
        _chosen("ticketinformation", "hs_pipeline", "Pipeline", "select"),
        _chosen("ticketinformation", "hs_pipeline_stage", "Ticket status", "select"),
        _owner("ticketinformation"),
        *_own("ticketinformation", "createdate"),
        *_read_only(
            "ticketinformation",
            ("hs_ticket_id", "Ticket ID", "number", "number"),
            ("hs_is_closed", "Is closed", "bool", "calculation_equation"),
        ),
    ),
    groups=(Group("ticketinformation", "Ticket information", 0), Group("ticket_activity", "Ticket activity", 1)),
    on_create={},
    revisions=20,
    pipeline=("hs_pipeline", "hs_pipeline_stage"),
)

TASKS = ObjectType(
    name="tasks",
    singular="task",
    type_id="0-27",
    modified="hs_lastmodifieddate",
    defaults=("hs_createdate", "hs_lastmodifieddate", "hs_object_id"),
    required=(("hs_timestamp",),),
    text=("hs_task_subject", "hs_task_body"),
    properties=(
        *_defined(
            "task",
            ("hs_timestamp", "Due date", "datetime", "date"),
            ("hs_task_subject", "Task title", "string", "text"),
            ("hs_task_body", "Notes", "string", "html"),
        ),
        _chosen(
            "task",
            "hs_task_status",
            "Task status",
            "select",
            "NOT_STARTED",
            "IN_PROGRESS",
            "WAITING",
            "COMPLETED",
            "DEFERRED",
        ),
        _chosen("task", "hs_task_priority", "Priority", "select", "NONE", "LOW", "MEDIUM", "HIGH"),
        _chosen("task", "hs_task_type", "Task type", "select", "EMAIL", "CALL", "TODO"),
        _owner("task"),
        *_own("task", "hs_createdate"),
        *_read_only(
            "task",
            ("hs_task_family", "Task family", "string", "text"),
            ("hs_task_for_object_type", "For object type", "string", "text"),
            ("hs_task_is_completed", "Is completed", "number", "number"),
            ("hs_body_preview", "Body preview", "string", "text"),
        ),
    ),
    groups=(Group("task", "Task information", 0),),
    on_create={
        "hs_task_family": "SALES",
        "hs_task_for_object_type": "OWNER",
        "hs_task_priority": "NONE",
        "hs_task_status": "NOT_STARTED",
        "hs_task_type": "TODO",
    },
    revisions=20,
    created="hs_createdate",
)

OBJECT_TYPES = (CONTACTS, COMPANIES, DEALS, TICKETS, TASKS)
# What the world's sellers made a type of their own for.
SUBSCRIPTION_PROPERTIES = tuple(
    Property(
        name,
        label,
        kind,
        field_type,
        "subscriptions_information",
        unique=name == "subscription_key",
        created_at="2025-02-03T10:15:00Z",
        updated_at="2025-02-03T10:15:00Z",
    )
    for name, label, kind, field_type in (
        ("subscription_name", "Subscription name", "string", "text"),
        ("subscription_key", "Subscription key", "string", "text"),
        ("plan", "Plan", "string", "text"),
        ("seats", "Seats", "number", "number"),
        ("renews_on", "Renews on", "date", "date"),
    )
)


def custom_type(  # noqa: PLR0913 - what an account says of its own type
    *,
    type_id: str,
    name: str,
    singular: str,
    display: str,
    required: tuple[str, ...],
    searchable: tuple[str, ...],
    properties: tuple[Property, ...],
) -> ObjectType:
    """Make an account's own type, `p123_rental` of `name` rental, with what HubSpot adds to each."""
    group = f"{singular}_information"
    return ObjectType(
        name=name,
        singular=singular,
        type_id=type_id,
        modified="hs_lastmodifieddate",
        defaults=tuple(sorted({"hs_createdate", "hs_lastmodifieddate", "hs_object_id", display})),
        required=tuple((one,) for one in required),
        text=searchable,
        properties=(*properties, _owner(group), *_own(group, "hs_createdate")),
        groups=(Group(group, f"{singular.capitalize()} information", 0),),
        on_create={},
        revisions=20,
        created="hs_createdate",
    )
