"""The Salesforce org of the sandbox: what the world plants and what people do to it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sandbox.clock import Clock
from sandbox.records import SeedRecord

from .errors import Refused
from .ids import full_id
from .jobs import Jobs
from .org import ADMIN_ID, Org, View
from .queries import stored
from .schema import Entity, Row, address
from .values import write_time
from .writes import Writer, delete, full_name, update

DAILY_REQUESTS = 100_000


class SalesforceStore:
    """Salesforce's records; satisfies CrmStore.

    Seeds are planted as they are: a record that the API would refuse today may be years old.
    """

    def __init__(self, records: Iterable[SeedRecord], clock: Clock, *, daily_requests: int = DAILY_REQUESTS) -> None:
        self.clock = clock
        self.daily_requests = daily_requests
        self.org = Org(clock)
        self.jobs = Jobs(self.org)
        for record in records:
            self._plant(record)

    def _plant(self, record: SeedRecord) -> None:
        entity = self._entity(record.object)
        if full_id(record.id) != record.id or not record.id.startswith(entity.prefix):
            raise ValueError(f"{record.id} is not an 18-character id of {entity.name}")
        fields = self.org.schema.fields(entity)
        row: Row = {one.name: one.default for one in fields.values() if one.default is not None}
        for name, value in record.properties.items():
            field = fields.get(name.lower())
            if field is None:
                raise ValueError(f"{entity.name} has no field {name}")
            row[field.name] = value
        if "ownerid" in fields:
            row.setdefault("OwnerId", ADMIN_ID)
        if "isdeleted" in fields:
            row["IsDeleted"] = record.archived
        if "lastname" in fields:
            row["Name"] = full_name(row)
        created, updated = write_time(record.created_at), write_time(record.updated_at)
        stamps: Row = {
            "Id": record.id,
            "CreatedDate": created,
            "CreatedById": ADMIN_ID,
            "LastModifiedDate": updated,
            "LastModifiedById": ADMIN_ID,
            "SystemModstamp": updated,
        }
        self.org.save(entity, {**row, **stamps})

    def edit(self, object_type: str, record_id: str, properties: Mapping[str, object]) -> None:
        """Change fields as the record's owner would, in the browser.

        Raises KeyError for an unknown object, record or field, ValueError for a bad value.
        """
        entity = self._entity(object_type)
        row = self._row(entity, record_id)
        for name in properties:
            if self.org.schema.field(entity, name) is None:
                raise KeyError(f"{entity.name} has no field {name}")
        try:
            update(self._person(row), entity, str(row["Id"]), properties)
        except Refused as refusal:
            raise ValueError(str(refusal)) from refusal

    def merge(self, object_type: str, primary_id: str, secondary_id: str) -> str:
        """Merge two records: the second goes to the recycle bin and names the first as master.

        What pointed at the second points at the first from then on.
        """
        entity = self._entity(object_type)
        if not entity.mergeable:
            raise KeyError(f"{entity.name} records cannot be merged")
        winner, loser = self._row(entity, primary_id), self._row(entity, secondary_id)
        if winner["Id"] == loser["Id"]:
            raise KeyError(f"{primary_id} cannot be merged with itself")
        org, person = self.org, self._person(winner)
        stamps = org.stamps(person.stamp_id)
        for child, field in org.schema.parents(entity):
            for row in list(org.rows(child)):
                if row.get(field.name) == loser["Id"] and not row.get("IsDeleted"):
                    org.save(child, {**row, field.name: winner["Id"], **stamps})
        org.save(entity, {**self._row(entity, primary_id), **stamps})
        gone: Row = {"IsDeleted": True, "MasterRecordId": winner["Id"]}
        org.save(entity, {**loser, **stamps, **gone})
        return str(winner["Id"])

    def delete(self, object_type: str, record_id: str) -> None:
        """Move a record to the recycle bin, an account's contacts with it."""
        entity = self._entity(object_type)
        row = self._row(entity, record_id)
        if not entity.deletable:
            raise KeyError(f"{entity.name} records cannot be deleted")
        delete(self._person(row), entity, str(row["Id"]))

    def lock(self, object_type: str, record_id: str, writes: int = 1) -> None:
        """Let the next writes of a record fail, as when somebody else is saving it."""
        self.org.lock(str(self._row(self._entity(object_type), record_id)["Id"]), writes)

    def fail_bulk_job(self, after: int, message: str = "InternalServerError : Too many retries of one batch") -> None:
        """Let the next Bulk job that writes fail once it has done so many rows; what it wrote stays."""
        self.jobs.fail_next(after, message)

    def records(self, object_type: str) -> list[dict[str, object]]:
        """Give all records of an object with all their fields, deleted ones too."""
        entity = self._entity(object_type)
        view = View(self.org, None, "/services/data/v66.0", deleted=True, tooling=entity.tooling)
        return [record(view, entity, row) for row in self.org.rows(entity)]

    def _person(self, row: Row) -> Writer:
        """Write as the record's owner, or as the administrator if that is not a user."""
        owner = self.org.find(row.get("OwnerId"))
        is_user = owner is not None and str(owner["Id"]).startswith("005")
        return Writer(self.org, None, str(owner["Id"]) if owner and is_user else ADMIN_ID, assign=False)

    def _entity(self, name: str) -> Entity:
        entity = self.org.schema.entity(name)
        if entity is None:
            raise KeyError(f"Salesforce has no object {name}")
        return entity

    def _row(self, entity: Entity, record_id: str) -> Row:
        found = full_id(record_id)
        row = None if found is None else self.org.row(entity, found)
        if row is None or row.get("IsDeleted"):
            raise KeyError(f"Salesforce has no {entity.name} {record_id}")
        return row


def record(view: View, entity: Entity, row: Row) -> dict[str, object]:
    """Write a whole record as `GET /sobjects/X/id` does."""
    whole: dict[str, object] = {"attributes": view.attributes(entity, row)}
    for field in view.fields(entity):
        if field.type == "address":
            whole[field.name] = address(field.name.removesuffix("Address"), row)
        else:
            whole[field.name] = stored(field)(row)
    return whole
