"""What `describe` says of objects and fields, filtered to what the user may see."""

from __future__ import annotations

from .org import View
from .schema import NUMBERS, Entity, Field

_SOAP = {
    "boolean": "xsd:boolean",
    "int": "xsd:int",
    "double": "xsd:double",
    "currency": "xsd:double",
    "percent": "xsd:double",
    "date": "xsd:date",
    "datetime": "xsd:dateTime",
    "id": "tns:ID",
    "reference": "tns:ID",
    "address": "urn:address",
}
_MASTER_TYPE = "012000000000000AAA"
_LIST_ENTRY = (
    "activateable",
    "associateEntityType",
    "associateParentEntity",
    "createable",
    "custom",
    "customSetting",
    "deepCloneable",
    "deletable",
    "deprecatedAndHidden",
    "feedEnabled",
    "hasSubtypes",
    "isInterface",
    "isSubtype",
    "keyPrefix",
    "label",
    "labelPlural",
    "layoutable",
    "mergeable",
    "mruEnabled",
    "name",
    "queryable",
    "replicateable",
    "retrieveable",
    "searchable",
    "triggerable",
    "undeletable",
    "updateable",
    "urls",
)


def describe_org(view: View) -> dict[str, object]:
    """List the objects."""
    listed = []
    for entity in view.org.schema.entities():
        if not entity.tooling:
            whole = _entity(view, entity)
            listed.append({key: whole[key] for key in _LIST_ENTRY})
    return {"encoding": "UTF-8", "maxBatchSize": 200, "sobjects": listed}


def outline(view: View, entity: Entity) -> dict[str, object]:
    """Give an object's entry of the list, and the records last used (none here)."""
    whole = _entity(view, entity)
    return {"objectDescribe": {key: whole[key] for key in _LIST_ENTRY}, "recentItems": []}


def describe(view: View, entity: Entity) -> dict[str, object]:
    """Describe an object with the fields that the user may see."""
    can_write = entity.createable or entity.updateable
    return {
        "actionOverrides": [],
        "childRelationships": [
            {
                "cascadeDelete": field.cascade_delete,
                "childSObject": child.name,
                "deprecatedAndHidden": False,
                "field": field.name,
                "junctionIdListNames": [],
                "junctionReferenceTo": [],
                "relationshipName": field.children,
                "restrictedDelete": False,
            }
            for child, field in view.org.schema.parents(entity)
            if view.field(child, field.name)
        ],
        "compactLayoutable": not entity.setup,
        "defaultImplementation": None,
        "extendedBy": None,
        "extendsInterfaces": None,
        "implementedBy": None,
        "implementsInterfaces": None,
        "fields": [describe_field(view, entity, field, can_write) for field in view.fields(entity)],
        "listviewable": None,
        "lookupLayoutable": None,
        "namedLayoutInfos": [],
        "networkScopeFieldName": None,
        "recordTypeInfos": _record_types(view, entity),
        "searchLayoutable": not entity.setup,
        "sobjectDescribeOption": "FULL",
        "supportedScopes": [{"label": f"All {entity.plural.lower()}", "name": "everything"}],
        **_entity(view, entity),
    }


def _record_types(view: View, entity: Entity) -> list[dict[str, object]]:
    """List an object's record types, the master last; it is the default where there is no other."""
    types = view.org.schema.known("RecordType")
    own = [row for row in view.org.rows(types) if row["SobjectType"] == entity.name]
    listed = [(row["Id"], row["DeveloperName"], row["Name"], row["IsActive"]) for row in own]
    return [
        {
            "active": active,
            "available": True,
            "defaultRecordTypeMapping": at == 0,
            "developerName": developer_name,
            "master": record_type_id == _MASTER_TYPE,
            "name": name,
            "recordTypeId": record_type_id,
            "urls": {"layout": f"{view.prefix}/sobjects/{entity.name}/describe/layouts/{record_type_id}"},
        }
        for at, (record_type_id, developer_name, name, active) in enumerate(
            [*listed, (_MASTER_TYPE, "Master", "Master", True)]
        )
    ]


def _entity(view: View, entity: Entity) -> dict[str, object]:
    address = f"{view.prefix}/sobjects/{entity.name}"
    return {
        "activateable": False,
        "associateEntityType": None,
        "associateParentEntity": None,
        "createable": entity.createable,
        "custom": entity.name.endswith("__c"),
        "customSetting": False,
        "deepCloneable": False,
        "deletable": entity.deletable,
        "deprecatedAndHidden": False,
        "feedEnabled": not entity.setup,
        "hasSubtypes": False,
        "isInterface": False,
        "isSubtype": False,
        "keyPrefix": entity.prefix,
        "label": entity.label,
        "labelPlural": entity.plural,
        "layoutable": not entity.setup,
        "mergeable": entity.mergeable,
        "mruEnabled": not entity.setup,
        "name": entity.name,
        "queryable": True,
        "replicateable": not entity.setup,
        "retrieveable": True,
        "searchable": not entity.setup,
        "triggerable": not entity.setup,
        "undeletable": not entity.setup,
        "updateable": entity.updateable,
        "urls": {"sobject": address, "describe": f"{address}/describe", "rowTemplate": f"{address}/{{ID}}"},
    }


def describe_field(view: View, entity: Entity, field: Field, can_write: bool) -> dict[str, object]:  # noqa: FBT001
    """Describe a field as one user may use it."""
    may_edit = can_write and view.org.may_edit(view.user_id, entity, field)
    textual = field.type not in NUMBERS | {"boolean", "date", "datetime", "address", "id"}
    is_id = field.type in ("id", "reference")
    return {
        "aggregatable": field.filterable and field.type not in ("boolean", "address"),
        "aiPredictionField": False,
        "autoNumber": False,
        "byteLength": field.length if is_id else field.length * 3 if textual else 0,
        "calculated": field.formula is not None,
        "calculatedFormula": None,
        "cascadeDelete": False,
        "caseSensitive": field.case_sensitive,
        "compoundFieldName": field.compound,
        "controllerName": None,
        "createable": field.createable and may_edit,
        "custom": field.custom,
        "defaultValue": field.default if field.defaulted else None,
        "defaultValueFormula": None,
        "defaultedOnCreate": field.defaulted,
        "dependentPicklist": False,
        "deprecatedAndHidden": False,
        "digits": field.digits,
        "displayLocationInDecimal": False,
        "encrypted": False,
        "externalId": field.external_id,
        "extraTypeInfo": field.extra,
        "filterable": field.filterable,
        "filteredLookupInfo": None,
        "formulaTreatNullNumberAsZero": False,
        "groupable": field.groupable,
        "highScaleNumber": False,
        "htmlFormatted": False,
        "idLookup": field.id_lookup,
        "inlineHelpText": field.help,
        "label": field.label,
        "length": field.length,
        "mask": None,
        "maskType": None,
        "name": field.name,
        "nameField": field.name_field,
        "namePointing": len(field.references) > 1,
        "nillable": field.nillable,
        "permissionable": field.permissionable,
        "picklistValues": [
            {"active": True, "defaultValue": value == field.default, "label": value, "validFor": None, "value": value}
            for value in field.values
        ],
        "polymorphicForeignKey": len(field.references) > 1,
        "precision": field.precision,
        "queryByDistance": field.type == "address",
        "referenceTargetField": None,
        "referenceTo": list(field.references),
        "relationshipName": field.relationship,
        "relationshipOrder": None,
        "restrictedDelete": False,
        "restrictedPicklist": field.restricted,
        "scale": field.scale,
        "searchPrefilterable": False,
        "soapType": _SOAP.get(field.type, "xsd:string"),
        "sortable": field.sortable,
        "type": field.type,
        "unique": field.unique,
        "updateable": field.updateable and may_edit,
        "writeRequiresMasterRead": False,
    }
