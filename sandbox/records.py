"""What the world, the CRM stores and the control API agree on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

Value = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class SeedRecord:
    """One CRM record as the world plants it, under the vendor's own names and types.

    HubSpot ids are numeric strings and its values are strings or None; Salesforce ids are the
    18-character form with the object's prefix. `archived` is HubSpot's archived and Salesforce's
    IsDeleted. `links` are the records that HubSpot has it associated with, planted before it: object
    and id; the first company is the primary one.
    """

    object: str
    id: str
    properties: Mapping[str, Value]
    created_at: datetime
    updated_at: datetime
    archived: bool = False
    links: tuple[tuple[str, str], ...] = ()


class CrmStore(Protocol):
    """What a person can do to a CRM, from outside its API.

    An unknown object type or record raises KeyError with a message, a value that the CRM does not
    take ValueError.
    """

    def edit(self, object_type: str, record_id: str, properties: Mapping[str, object]) -> None:
        """Change properties as another user would in the vendor's own pages."""

    def merge(self, object_type: str, primary_id: str, secondary_id: str) -> str:
        """Merge two records and return the id that survives."""

    def delete(self, object_type: str, record_id: str) -> None:
        """Move a record to the recycle bin."""

    def records(self, object_type: str) -> list[dict[str, object]]:
        """Give the stored records, archived ones too, in the vendor's shape."""

    def each(self, object_type: str) -> Iterator[dict[str, object]]:
        """Give the same records one by one, for whoever has no room for all."""
