"""What an administrator sets up: flows, validation rules, duplicate rules, and fields whose history is kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from .schema import Entity, Row


class FlowFailed(Exception):
    """A flow that does not let a record be saved; the message is the one that its author wrote."""


Flow = Callable[[Row, Row | None], Mapping[str, object] | None]
"""Given a record as it is about to be saved and as it was (None if it is new), gives the fields to change."""


@dataclass(frozen=True, slots=True)
class ValidationRule:
    """A condition that no record may meet, given the record as it is about to be saved and as it was."""

    object: str
    message: str
    fails: Callable[[Row, Row | None], bool]
    field: str | None = None
    """Where the message is shown; None is the top of the page."""


@dataclass(frozen=True, slots=True)
class DuplicateRule:
    """Fields that tell two records to be the same, compared trimmed and without case, and what follows.

    `block` never lets a duplicate be saved, `alert` only one who asks for it (`allowSave=true`), `allow` anyone.
    """

    object: str
    name: str
    fields: tuple[str, ...]
    action: Literal["block", "alert", "allow"] = "alert"
    message: str = "Use one of these records?"

    def key(self, row: Row) -> tuple[str, ...] | None:
        """Give what is compared; None if a part is missing."""
        parts = tuple(str(row.get(name) or "").strip().lower() for name in self.fields)
        return parts if all(parts) else None


@dataclass(frozen=True, slots=True)
class Tracked:
    """The fields of an object whose history is kept, the object that keeps it, and its field for the record's id."""

    fields: tuple[str, ...]
    entity: Entity
    parent: str


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of an org, by object."""

    flows: dict[str, list[Flow]] = field(default_factory=dict)
    validations: dict[str, list[ValidationRule]] = field(default_factory=dict)
    duplicates: dict[str, list[DuplicateRule]] = field(default_factory=dict)
    tracked: dict[str, Tracked] = field(default_factory=dict)
