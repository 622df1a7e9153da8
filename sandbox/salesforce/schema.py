"""What an object and a field are, and the schema that an org is made of."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

Row = dict[str, object]

NUMBERS = frozenset({"double", "currency", "percent", "int"})
LONG_TEXT = 255  # a textarea above this cannot be filtered, sorted or grouped


@dataclass(frozen=True, slots=True)
class Field:
    """One field of an object; the flags are those of the org, before any user's permissions."""

    name: str
    label: str
    type: str
    length: int = 0
    precision: int = 0
    scale: int = 0
    digits: int = 0
    createable: bool = True
    updateable: bool = True
    nillable: bool = True
    default: object = None
    defaulted: bool = False
    references: tuple[str, ...] = ()
    relationship: str | None = None
    children: str | None = None
    cascade_delete: bool = False
    values: tuple[str, ...] = ()
    restricted: bool = False
    external_id: bool = False
    id_lookup: bool = False
    unique: bool = False
    case_sensitive: bool = False
    name_field: bool = False
    compound: str | None = None
    extra: str | None = None
    help: str | None = None
    permissionable: bool = True
    granted: bool = True
    """Whether the users' profile shows the field; if not, only a permission set does."""
    formula: Callable[[Row], object] | None = None
    """What the value is computed with when it is read; nothing is kept, and nothing is bumped when it changes."""

    @property
    def custom(self) -> bool:
        """Whether an administrator made it."""
        return self.name.endswith(("__c", "__pc"))

    def reader(self) -> Callable[[Row], object]:
        """Make a reader of the value: the one kept in the row, or the one that the formula gives now."""
        if self.formula is not None:
            return self.formula
        name = self.name
        return lambda row: row.get(name)

    @property
    def indexed(self) -> bool:
        """Whether records are looked up by it."""
        return (self.unique or self.id_lookup) and self.type != "id"

    @property
    def long_text(self) -> bool:
        """Whether it is text too long to filter by."""
        return self.type == "textarea" and self.length > LONG_TEXT

    @property
    def filterable(self) -> bool:
        """Whether it may stand in WHERE."""
        return not self.long_text and self.type != "complexvalue"

    @property
    def sortable(self) -> bool:
        """Whether it may stand in ORDER BY."""
        return self.filterable and self.type not in ("address", "multipicklist")

    @property
    def groupable(self) -> bool:
        """Whether it may stand in GROUP BY."""
        return self.sortable and self.type not in ("double", "currency", "percent", "datetime")


@dataclass(frozen=True, slots=True)
class Entity:
    """One object; `setup` objects have no recycle bin, `tooling` ones live in the Tooling API."""

    name: str
    label: str
    plural: str
    prefix: str
    fields: tuple[Field, ...] = field(repr=False)
    createable: bool = True
    updateable: bool = True
    deletable: bool = True
    mergeable: bool = False
    setup: bool = False
    tooling: bool = False


class Schema:
    """The objects of one org; custom fields come and go, names compare without case."""

    def __init__(self, entities: Iterable[Entity]) -> None:
        self._entities = {entity.name.lower(): entity for entity in entities}
        self._prefixes = {entity.prefix: entity for entity in self._entities.values()}
        self._fields = {
            entity.name: {one.name.lower(): one for one in entity.fields} for entity in self._entities.values()
        }
        self._indexed = {name: self._find_indexed(name) for name in self._fields}
        self._required: dict[str, tuple[str, ...]] = {}
        self._defaults: dict[str, Row] = {}

    def _find_indexed(self, name: str) -> tuple[Field, ...]:
        return tuple(field for field in self._fields[name].values() if field.indexed)

    def indexed(self, entity: Entity) -> tuple[Field, ...]:
        """Give the fields that records are looked up by, their id aside."""
        return self._indexed[entity.name]

    def required(self, entity: Entity) -> tuple[str, ...]:
        """Give the fields that a new record must have, and no record may lose."""
        if entity.name not in self._required:
            self._required[entity.name] = tuple(
                field.name
                for field in self._fields[entity.name].values()
                if not field.nillable and field.createable and field.type != "boolean"
            )
        return self._required[entity.name]

    def defaults(self, entity: Entity) -> Row:
        """Give the values that a new record has unless others are given, as a dict of the caller's own."""
        if entity.name not in self._defaults:
            fields = self._fields[entity.name].values()
            self._defaults[entity.name] = {one.name: one.default for one in fields if one.default is not None}
        return dict(self._defaults[entity.name])

    def entities(self) -> list[Entity]:
        """Give every object in alphabetical order."""
        return [self._entities[name] for name in sorted(self._entities)]

    def entity(self, name: str) -> Entity | None:
        """Find an object by its name."""
        return self._entities.get(name.lower())

    def known(self, name: str) -> Entity:
        """Give an object that is there; raises KeyError."""
        return self._entities[name.lower()]

    def entity_of(self, record_id: str) -> Entity | None:
        """Find the object that an id belongs to."""
        return self._prefixes.get(record_id[:3])

    def fields(self, entity: Entity) -> dict[str, Field]:
        """Give an object's fields by lower-case name; read-only for the caller."""
        return self._fields[entity.name]

    def field(self, entity: Entity, name: str) -> Field | None:
        """Find a field by its name."""
        return self._fields[entity.name].get(name.lower())

    def add_field(self, entity: Entity, new: Field) -> None:
        """Put a field at the end of an object."""
        self._fields[entity.name][new.name.lower()] = new
        self._indexed[entity.name] = self._find_indexed(entity.name)
        self._required.pop(entity.name, None)
        self._defaults.pop(entity.name, None)

    def add_entity(self, entity: Entity) -> None:
        """Add an object."""
        self._entities[entity.name.lower()] = entity
        self._prefixes.setdefault(entity.prefix, entity)
        self._fields[entity.name] = {one.name.lower(): one for one in entity.fields}
        self._indexed[entity.name] = self._find_indexed(entity.name)
        self._required.pop(entity.name, None)
        self._defaults.pop(entity.name, None)

    def remove_field(self, entity: Entity, name: str) -> None:
        """Take a field away."""
        del self._fields[entity.name][name.lower()]
        self._indexed[entity.name] = self._find_indexed(entity.name)
        self._required.pop(entity.name, None)
        self._defaults.pop(entity.name, None)

    def parents(self, entity: Entity) -> list[tuple[Entity, Field]]:
        """Give the (child object, field) pairs that point at an object."""
        return [
            (child, one)
            for child in self.entities()
            for one in self._fields[child.name].values()
            if entity.name in one.references
        ]


def address(prefix: str, row: Row) -> dict[str, object] | None:
    """Make the compound value of an address from its parts; None if all are empty."""
    parts = {
        part[0].lower() + part[1:]: row.get(prefix + part)
        for part in ("City", "Country", "GeocodeAccuracy", "Latitude", "Longitude", "PostalCode", "State", "Street")
    }
    return parts if any(value is not None for value in parts.values()) else None
