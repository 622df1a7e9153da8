"""The columns and cells of an upload, and how a Bulk job writes why a row failed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .bulkcsv import UnfitCsv
from .errors import Refused, Unreadable, refused
from .org import Org, View
from .schema import NUMBERS, Entity, Field
from .values import read_value

_TRUTHS = {"1": "true", "0": "false"}
_XSD = {"int": "int", "boolean": "boolean", "date": "date", "datetime": "dateTime"}  # any other is a double

CellReader = Callable[[str], tuple[str, object]]


def check_columns(view: View, entity: Entity, operation: str, key: Field | None, columns: Sequence[str]) -> None:
    """Raise UnfitCsv if a column is no field that the user sees, or one that is needed is missing."""
    names = [name.lower() for name in columns]
    for name in columns:
        if names.count(name.lower()) > 1 or not _known(view, entity, name):
            raise UnfitCsv(f"InvalidBatch : Field name not found : {name}")
    needed = key.name if key is not None else "" if operation == "insert" else "Id"
    if needed and needed.lower() not in names:
        raise UnfitCsv(f"InvalidBatch : Field name not found : {needed}")
    if operation == "delete" and names != ["id"]:
        raise UnfitCsv("InvalidBatch : A delete job takes the Id column alone")


def _known(view: View, entity: Entity, name: str) -> bool:
    if "." not in name:
        return view.field(entity, name) is not None
    kind, relationship, foreign = _foreign_name(name)
    reference = view.reference(entity, relationship)
    if reference is None or (kind and kind not in reference.references):
        return False
    target = view.entity(kind or reference.references[0])
    key = None if target is None else view.field(target, foreign)
    return key is not None and key.id_lookup


def _foreign_name(name: str) -> tuple[str, str, str]:
    """Split `Lead:Who.Email` into the object (may be empty), the relationship and the field."""
    path, _, foreign = name.rpartition(".")
    kind, _, relationship = path.rpartition(":")
    return kind, relationship, foreign


def cell_readers(org: Org, entity: Entity, names: Sequence[str]) -> list[CellReader]:
    """Make a reader for each column: what it adds to a row's payload."""
    return [_cell_reader(org, entity, name, at) for at, name in enumerate(names)]


def _cell_reader(org: Org, entity: Entity, name: str, at: int) -> CellReader:
    if "." in name:
        kind, relationship, foreign = _foreign_name(name)
        reference = View(org, None, "").reference(entity, relationship)
        attributes = {"attributes": {"type": kind}} if kind else {}
        cleared = reference.name if reference else relationship

        def read_foreign(cell: str) -> tuple[str, object]:
            return (cleared, None) if cell == "#N/A" else (relationship, {**attributes, foreign: cell})

        return read_foreign
    found = org.schema.field(entity, name)
    typed = found is not None and found.type in NUMBERS | {"boolean", "date", "datetime"}

    def read(cell: str) -> tuple[str, object]:
        if cell == "#N/A":
            return name, None
        if not typed or found is None:
            return name, cell
        value = _TRUTHS.get(cell, cell) if found.type == "boolean" else cell
        try:
            return name, read_value(found, value if value == value.strip() else [value])
        except Unreadable:
            message = (
                f"Failed to deserialize field at col {at}. Due to, '{cell}' is not a valid value for the type "
                f"xsd:{_XSD.get(found.type, 'double')}"
            )
            raise refused("INVALID_FIELD", message, (found.name,)) from None

    return read


def payload(readers: Sequence[CellReader], cells: Sequence[str]) -> dict[str, object]:
    """Make a row's payload: an empty cell leaves its field alone."""
    return dict(read(cell) for read, cell in zip(readers, cells, strict=True) if cell)


def failure(refusal: Refused) -> str:
    """Write a row's refusal as one cell."""
    one = refusal.problems[0]
    code, message = (
        ("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
        if one.code == "NOT_FOUND"
        else (one.code, one.message)
    )
    fields = ",".join(one.fields or ())
    return f"{code}:{message}:{fields} --" if fields else f"{code}:{message}:--"
