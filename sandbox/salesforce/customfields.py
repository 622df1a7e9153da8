"""Custom fields, made through the Tooling API."""

from __future__ import annotations

from collections.abc import Mapping

from .errors import Refused, not_found, refused
from .org import Org
from .saving import DEVELOPER_NAME
from .schema import Entity, Field, Row

LONGEST_NAME = 40
LONGEST_LABEL = 40
MOST_DIGITS = 18
_PLAIN = {  # metadata type: describe type, length
    "Date": ("date", 0),
    "DateTime": ("datetime", 0),
    "Email": ("email", 80),
    "Phone": ("phone", 40),
    "Url": ("url", 255),
    "TextArea": ("textarea", 255),
}
_NUMBERS = {"Number": "double", "Currency": "currency", "Percent": "percent"}
_TEXTS = {"Text": ("string", 1, 255), "LongTextArea": ("textarea", 256, 131_072)}
_PICKLISTS = {"Picklist": ("picklist", 255), "MultiselectPicklist": ("multipicklist", 4_099)}


def create_custom_field(org: Org, user_id: str, payload: Mapping[str, object]) -> str:
    """Make a custom field, hidden from every user until a permission set grants it.

    Returns the id of the CustomField; raises Refused.
    """
    full_name, metadata = payload.get("FullName"), payload.get("Metadata")
    if not isinstance(full_name, str) or not isinstance(metadata, Mapping):
        raise _missing("FullName" if not isinstance(full_name, str) else "Metadata")
    table, _, name = full_name.partition(".")
    entity = org.schema.entity(table)
    if entity is None or entity.setup:
        raise refused(
            "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
            f"Entity Enumeration Or ID: bad value for restricted picklist field: {table}",
            ("TableEnumOrId",),
        )
    developer_name = name.removesuffix("__c")
    if not name.endswith("__c") or not DEVELOPER_NAME.fullmatch(developer_name) or len(developer_name) > LONGEST_NAME:
        raise _integrity(
            f"Field Name: {name} must begin with a letter, hold only letters, digits and single "
            f"underscores, not end with one, have at most {LONGEST_NAME} characters, and end in __c"
        )
    if org.schema.field(entity, name) is not None:
        raise refused(
            "DUPLICATE_DEVELOPER_NAME",
            f"There is already a field named {developer_name} on {entity.label}.",
            ("DeveloperName",),
        )
    org.add_field(entity, _field(org, name, metadata))
    custom = org.schema.entity("CustomField")
    if custom is None:
        raise not_found()
    row: Row = {
        "Id": org.new_id(custom),
        "DeveloperName": developer_name,
        "TableEnumOrId": entity.name,
        "FullName": f"{entity.name}.{name}",
        "Metadata": dict(metadata),
        **org.stamps(user_id, created=True),
    }
    org.save(custom, row)
    return str(row["Id"])


def delete_custom_field(org: Org, custom: Entity, record_id: str) -> None:
    """Delete a custom field with all its values; raises Refused with NOT_FOUND."""
    row = org.row(custom, record_id)
    if row is None:
        raise not_found()
    entity = org.schema.entity(str(row["TableEnumOrId"]))
    field = None if entity is None else org.schema.field(entity, f"{row['DeveloperName']}__c")
    if entity is not None and field is not None:
        org.remove_field(entity, field)
    org.remove(custom, record_id)


def _field(org: Org, name: str, metadata: Mapping[str, object]) -> Field:
    """Read the definition of a field."""
    label, type_ = metadata.get("label"), metadata.get("type")
    if not isinstance(label, str) or not label:
        raise _missing("label")
    if len(label) > LONGEST_LABEL:
        raise refused(
            "STRING_TOO_LONG",
            f"Field Label: data value too large: {label} (max length={LONGEST_LABEL})",
            ("MasterLabel",),
        )
    required = metadata.get("required") is True
    unique, external = metadata.get("unique") is True, metadata.get("externalId") is True
    if (unique or external) and type_ not in ("Text", "Number", "Email"):
        raise _integrity(f"A {type_} field can be neither unique nor an external ID")
    shape = _shape(org, name, metadata)
    help_text = metadata.get("inlineHelpText")
    return Field(
        name,
        label,
        shape.type,
        shape.length,
        shape.precision,
        shape.scale,
        nillable=shape.type != "boolean" and not required,
        default=shape.default,
        defaulted=shape.type == "boolean",
        references=shape.references,
        relationship=shape.relationship,
        children=shape.children,
        values=shape.values,
        restricted=shape.restricted,
        external_id=external,
        id_lookup=external,
        unique=unique,
        case_sensitive=metadata.get("caseSensitive") is True,
        help=help_text if isinstance(help_text, str) else None,
        # A required field is everybody's; any other waits for a permission set.
        permissionable=not required,
        granted=required,
        extra="plaintextarea" if shape.type == "textarea" else None,
    )


def _shape(org: Org, name: str, metadata: Mapping[str, object]) -> Field:
    """Read what belongs to the field's type alone."""
    kind = str(metadata.get("type"))
    if kind in _PLAIN:
        type_, length = _PLAIN[kind]
        return Field(name, "", type_, length)
    if kind == "Checkbox":
        default = metadata.get("defaultValue")
        if default is None:
            raise _integrity("Must specify 'defaultValue' for a CustomField of type Checkbox")
        return Field(name, "", "boolean", default=default in (True, "true"))
    if kind in _NUMBERS:
        precision = _whole(metadata, "precision", kind, 1, MOST_DIGITS)
        scale = _whole(metadata, "scale", kind, 0, precision)
        return Field(name, "", _NUMBERS[kind], precision=precision, scale=scale)
    if kind in _TEXTS:
        type_, least, most = _TEXTS[kind]
        if kind == "LongTextArea":
            _whole(metadata, "visibleLines", kind, 2, 50)
        return Field(name, "", type_, _whole(metadata, "length", kind, least, most))
    if kind in _PICKLISTS:
        type_, length = _PICKLISTS[kind]
        values, restricted = _choices(metadata, kind)
        return Field(name, "", type_, length, values=values, restricted=restricted)
    if kind == "Lookup":
        target = org.schema.entity(str(metadata.get("referenceTo")))
        relationship = metadata.get("relationshipName")
        if target is None or not isinstance(relationship, str):
            raise _integrity("Must specify 'referenceTo' and 'relationshipName' for a Lookup")
        return Field(
            name,
            "",
            "reference",
            18,
            references=(target.name,),
            relationship=f"{name.removesuffix('__c')}__r",
            children=f"{relationship}__r",
        )
    raise refused(
        "JSON_PARSER_ERROR",
        f"Cannot deserialize instance of complexvalue from VALUE_STRING value {kind} or request "
        "may be missing a required field at [line:1, column:1]",
    )


def _choices(metadata: Mapping[str, object], kind: str) -> tuple[tuple[str, ...], bool]:
    value_set = metadata.get("valueSet")
    definition = value_set.get("valueSetDefinition") if isinstance(value_set, Mapping) else None
    listed = definition.get("value") if isinstance(definition, Mapping) else None
    if not isinstance(listed, list) or not listed or not isinstance(value_set, Mapping):
        raise _integrity(f"Must specify 'valueSet' for a CustomField of type {kind}")
    names = tuple(str(one.get("valueName") or one.get("fullName")) for one in listed if isinstance(one, Mapping))
    return names, value_set.get("restricted") is True


def _whole(metadata: Mapping[str, object], key: str, kind: str, least: int, most: int) -> int:
    value = metadata.get(key)
    if value is None:
        raise _integrity(f"Must specify '{key}' for a CustomField of type {kind}")
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise _integrity(f"{key} of a {kind} field must be from {least} to {most}, not {value}")
    return value


def _integrity(message: str) -> Refused:
    return refused("FIELD_INTEGRITY_EXCEPTION", message, ("FullName",))


def _missing(name: str) -> Refused:
    return refused("REQUIRED_FIELD_MISSING", f"Required fields are missing: [{name}]", (name,))
