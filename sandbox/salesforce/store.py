"""The Salesforce org of the sandbox: what the world plants and what people do to it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime

from sandbox.clock import Clock
from sandbox.records import SeedRecord

from .conversion import Conversion, convert
from .errors import Refused
from .ids import full_id
from .jobs import Jobs
from .objects import SUBSCRIPTION, custom_object, history_object
from .org import ADMIN_ID, Org, View
from .personaccounts import enable, is_person, mirror
from .rules import DuplicateRule, Flow, Tracked, ValidationRule
from .saving import Writer
from .schema import Entity, Field, Row
from .standard import settle
from .values import write_time
from .writes import delete, update

DAILY_REQUESTS = 100_000
MOST_TRACKED = 20


class SalesforceStore:
    """Salesforce's records; satisfies CrmStore.

    Seeds are planted as they are: a record that the API would refuse today may be years old.
    """

    def __init__(
        self,
        records: Iterable[SeedRecord],
        clock: Clock,
        *,
        daily_requests: int = DAILY_REQUESTS,
        person_accounts: bool = False,
    ) -> None:
        self.clock = clock
        self.daily_requests = daily_requests
        self.sessions_ended: datetime | None = None
        self.org = Org(clock)
        self.jobs = Jobs(self.org)
        if person_accounts:
            enable(self.org)
        self._shapes: set[tuple[str, ...]] = set()  # objects with fields that planted records were found to fit
        for record in records:
            self._plant(record)

    def _plant(self, record: SeedRecord) -> None:
        if record.object == SUBSCRIPTION.name and self.org.schema.entity(SUBSCRIPTION.name) is None:
            self.org.add_entity(SUBSCRIPTION)
        entity = self._entity(record.object)
        if full_id(record.id) != record.id or not record.id.startswith(entity.prefix):
            raise ValueError(f"{record.id} is not an 18-character id of {entity.name}")
        fields = self.org.schema.fields(entity)
        shape = (entity.name, *record.properties)
        if shape not in self._shapes:
            unknown = [name for name in record.properties if name.lower() not in fields]
            if unknown:
                raise ValueError(f"{entity.name} has no field {unknown[0]}")
            self._shapes.add(shape)
        given = {name: value for name, value in record.properties.items() if value is not None}
        row: Row = self.org.schema.defaults(entity) | given
        if "ownerid" in fields:
            row.setdefault("OwnerId", ADMIN_ID)
        if "isdeleted" in fields:
            row["IsDeleted"] = record.archived
        if entity.name == "Account" and self.org.person_accounts:
            row["IsPersonAccount"] = row.get("LastName") is not None
        created, updated = write_time(record.created_at), write_time(record.updated_at)
        stamps: Row = {
            "Id": record.id,
            "CreatedDate": created,
            "CreatedById": ADMIN_ID,
            "LastModifiedDate": updated,
            "LastModifiedById": ADMIN_ID,
            "SystemModstamp": updated,
        }
        row |= stamps
        settle(self.org, entity, row, None, row.keys())
        self.org.save(entity, row)
        mirror(self.org, entity, row)

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
        if is_person(winner) or is_person(loser):
            raise KeyError("person accounts and their contacts cannot be merged here")
        org, person = self.org, self._person(winner)
        stamps = org.stamps(person.stamp_id)
        for child, field in org.schema.parents(entity):
            for row in org.rows(child):
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

    def restore(self, object_type: str, record_id: str) -> None:
        """Take a record out of the recycle bin, and with it what was deleted along with it.

        Raises KeyError if it is not there, or lost a merge.
        """
        entity, found = self._entity(object_type), full_id(record_id)
        row = None if found is None else self.org.row(entity, found)
        if row is None or not row.get("IsDeleted") or row.get("MasterRecordId") is not None:
            raise KeyError(f"Salesforce has no {entity.name} {record_id} in its recycle bin")
        person = self._person(row)
        self.org.save(entity, {**row, **self.org.stamps(person.stamp_id), "IsDeleted": False})
        for child, field in self.org.schema.parents(entity):
            if field.cascade_delete and not child.setup:
                along = (
                    one["Id"]
                    for one in self.org.rows(child)
                    if one.get("IsDeleted")
                    and one.get(field.name) == row["Id"]
                    and one["SystemModstamp"] == row["SystemModstamp"]
                    and one.get("MasterRecordId") is None
                )
                for one in list(along):
                    self.restore(child.name, str(one))

    def purge(self, object_type: str, record_id: str) -> None:
        """Delete a record in the recycle bin for good: only the list of deletions still has it, for fifteen days.

        Raises KeyError if it is not there.
        """
        entity, found = self._entity(object_type), full_id(record_id)
        row = None if found is None else self.org.row(entity, found)
        if row is None or not row.get("IsDeleted"):
            raise KeyError(f"Salesforce has no {entity.name} {record_id} in its recycle bin")
        self.org.remove(entity, str(row["Id"]))
        self.org.purged.setdefault(entity.name, {})[str(row["Id"])] = str(row["SystemModstamp"])

    def lock(self, object_type: str, record_id: str, writes: int = 1) -> None:
        """Let the next writes of a record fail, as when somebody else is saving it."""
        self.org.lock(str(self._row(self._entity(object_type), record_id)["Id"]), writes)

    def end_sessions(self) -> None:
        """End every session that was opened until now; a new login works."""
        self.sessions_ended = self.clock.now()

    # what an administrator sets up

    def add_object(self, name: str, label: str, plural: str) -> None:
        """Make a custom object; its name ends in `__c`."""
        if not name.endswith("__c") or self.org.schema.entity(name) is not None:
            raise ValueError(f"{name} cannot be the name of a new custom object")
        number = sum(entity.name.endswith("__c") for entity in self.org.schema.entities())
        self.org.add_entity(custom_object(name, label, plural, f"a{number:02}"))

    def add_record_type(self, object_type: str, developer_name: str, label: str) -> str:
        """Give an object one more record type and return its id."""
        return self.org.add_record_type(self._entity(object_type), developer_name, label)

    def add_formula(self, object_type: str, field: Field, compute: Callable[[Row], object]) -> None:
        """Give an object a formula field, visible to all; it is computed when it is read, and bumps nothing."""
        read_only = replace(field, createable=False, updateable=False, formula=compute)
        self.org.add_field(self._entity(object_type), read_only)

    def add_validation_rule(self, rule: ValidationRule) -> None:
        """Refuse records that a rule says are wrong."""
        self.org.rules.validations.setdefault(self._entity(rule.object).name, []).append(rule)

    def add_duplicate_rule(self, rule: DuplicateRule) -> None:
        """Look for duplicates among the records of an object."""
        self.org.rules.duplicates.setdefault(self._entity(rule.object).name, []).append(rule)

    def add_flow(self, object_type: str, flow: Flow) -> None:
        """Run a flow before every save of an object's records, those that change nothing too."""
        self.org.rules.flows.setdefault(self._entity(object_type).name, []).append(flow)

    def track_history(self, object_type: str, *fields: str) -> None:
        """Keep the history of up to 20 fields of an object in an object of its own."""
        entity = self._entity(object_type)
        known = self.org.schema.fields(entity)
        if len(fields) > MOST_TRACKED or any(name.lower() not in known for name in fields):
            raise ValueError(f"{entity.name}: {MOST_TRACKED} fields at most, and none that it does not have")
        history = history_object(entity)
        self.org.add_entity(history)
        names = tuple(known[name.lower()].name for name in fields)
        self.org.rules.tracked[entity.name] = Tracked(names, history, history.fields[2].name)

    # what people and systems do beside the REST API

    def convert_lead(
        self, lead_id: str, *, account_id: str | None = None, contact_id: str | None = None, opportunity: bool = False
    ) -> Conversion:
        """Make an account, a contact and perhaps an opportunity of a lead, or take ones that exist.

        Raises KeyError for a lead that is not there or was converted, ValueError for records that a rule refuses.
        """
        lead = self._row(self._entity("Lead"), lead_id)
        if lead.get("IsConverted"):
            raise KeyError(f"lead {lead_id} is converted already")
        try:
            return convert(self._person(lead), lead, account_id, contact_id, opportunity=opportunity)
        except Refused as refusal:
            raise ValueError(str(refusal)) from refusal

    def archive_task(self, task_id: str) -> None:
        """Archive a task, as the platform does with old ones: only `queryAll` shows it from then on."""
        task = self._entity("Task")
        self.org.save(task, {**self._row(task, task_id), "IsArchived": True})

    def fail_bulk_job(self, after: int, message: str = "InternalServerError : Too many retries of one batch") -> None:
        """Let the next Bulk job that writes fail once it has done so many rows; what it wrote stays."""
        self.jobs.fail_next(after, message)

    def records(self, object_type: str) -> list[dict[str, object]]:
        """Give all records of an object with all their fields, deleted ones too."""
        return list(self.each(object_type))

    def each(self, object_type: str) -> Iterator[dict[str, object]]:
        """Give the same records one by one; none may be made meanwhile."""
        entity = self._entity(object_type)
        view = View(self.org, None, "/services/data/v66.0", deleted=True, tooling=entity.tooling)
        for row in self.org.rows(entity):
            yield view.record(entity, row)

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
