"""What an activation is, once its declaration has been read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Family = Literal["string", "number", "boolean", "date", "datetime"]
# What a push is made of: properties of records that exist, or events that happened to them.
Kind = Literal["properties", "events"]

_FAMILIES: tuple[tuple[str, Family], ...] = (
    (r"varchar|text|string", "string"),
    (r"tinyint|smallint|integer|int|bigint|double|float|decimal|numeric", "number"),
    (r"boolean", "boolean"),
    (r"date", "date"),
    (r"timestamp with time zone|timestamptz|timestamp", "datetime"),
)
# Digits after the point where the type does not say.
_SCALES = {"double": 8, "float": 8, "decimal": 3, "numeric": 3}


@dataclass(frozen=True, slots=True)
class ColumnType:
    """A warehouse column's type, as far as a CRM field has to hold it. `length` is a text's, where it is named."""

    family: Family
    scale: int = 0
    precision: int = 18
    length: int | None = None

    @classmethod
    def parse(cls, data_type: str) -> ColumnType | None:
        """Read a contract's `data_type`; None when no CRM field could hold such a type."""
        text = data_type.strip().lower()
        name, _, arguments = text.partition("(")
        for pattern, family in _FAMILIES:
            if re.fullmatch(pattern, name.strip()):
                digits = re.fullmatch(r"(\d+)\s*(?:,\s*(\d+))?\s*\)", arguments)
                if family == "string":
                    return cls(family, length=int(digits[1]) if digits else None)
                if family != "number":
                    return cls(family)
                if arguments:
                    return cls(family, int(digits[2] or 0), int(digits[1])) if digits else None
                return cls(family, _SCALES.get(name.strip(), 0))
        return None


@dataclass(frozen=True, slots=True)
class Property:
    """One column of a sync model and the CRM property that it fills."""

    name: str
    column: str
    type: ColumnType
    label: str
    description: str
    # What a data test says that the column holds and nothing else; empty where none does.
    accepted: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Guards:
    """Shares (0 to 1) and a count of records past which a plan is refused until a person confirms it."""

    max_change_share: float = 0.5
    max_clear_share: float = 0.1
    max_quota_share: float = 0.5
    max_creates: int = 100


@dataclass(frozen=True, slots=True)
class Model:
    """One dbt model: its id, and the file below dbt's target folder that dbt writes whenever it builds the model."""

    id: str
    file: str
    # As SQL names its table; empty where nothing asks for it.
    relation: str = ""

    @property
    def name(self) -> str:
        """The model's own name."""
        return self.id.rpartition(".")[2]


@dataclass(frozen=True, slots=True)
class EventType:
    """One kind of event that is sent: its name and label at the destination, and the properties that it carries."""

    name: str
    label: str
    description: str
    properties: tuple[Property, ...]


@dataclass(frozen=True, slots=True)
class Activation:
    """One declared push: a sync model, the CRM object it describes, and the rules of the sending."""

    name: str
    destination: str
    object: str
    key: str
    group: str
    properties: tuple[Property, ...]
    guards: Guards
    sync_relation: str
    plan_relation: str
    path: str
    # The sync, diff and plan models, in the order of their building.
    models: tuple[Model, ...]
    # The tables through which the diff model knows what was written: built after the ledger's load, before the diff.
    written: tuple[Model, ...] = ()
    kind: Kind = "properties"
    # Of events only: what may be sent, and the property with the occurrence's own id, where the destination keeps one.
    events: tuple[EventType, ...] = ()
    external_id: str | None = None
