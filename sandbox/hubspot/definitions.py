"""What a property, a group of properties and an object type are."""

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
    plain: bool = field(init=False)
    """Whether it takes any text that is not too long."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "allowed", frozenset(option.value for option in self.options))
        closed = self.read_only or self.calculated or self.archived or self.references is not None
        is_email = self.hubspot_defined and self.name in {"email", "hs_additional_emails"}
        object.__setattr__(self, "plain", self.type == "string" and not closed and not is_email)

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

    `defaults` are the properties shown when none are asked for; of every tuple in `required` one
    must be set on create; `text` is what a search's `query` looks in; `on_create` are values that
    HubSpot fills in; `pipeline` names the properties that hold the pipeline and its stage.
    """

    name: str
    singular: str
    type_id: str
    modified: str
    defaults: tuple[str, ...]
    required: tuple[tuple[str, ...], ...]
    text: tuple[str, ...]
    properties: tuple[Property, ...]
    groups: tuple[Group, ...]
    on_create: Mapping[str, str]
    revisions: int
    has_email: bool = False
    created: str = "createdate"
    pipeline: tuple[str, str] | None = None

    @property
    def is_custom(self) -> bool:
        """Whether the account made this type itself."""
        return self.type_id.startswith("2-")

    @property
    def label(self) -> str:
        """The type's name in HubSpot's messages."""
        return self.singular.upper()
