"""One org: its schema, its rows, and what each user may see of them.

Rows are dicts under the API names, kept packed: whoever reads one has a copy of the record as it was, and a change
is kept only by saving it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta

from sandbox.clock import Clock
from sandbox.packing import pack, unpack

from .errors import Refused, refused
from .ids import checksum, make_id
from .objects import OBJECTS, RECORD_TYPE_ID, person_account_field
from .queries import leaf
from .rules import Rules
from .schema import Entity, Field, Row, Schema
from .values import Reader, value_reader, write_time


def _fixed_id(short: str) -> str:
    return short + checksum(short)


ORG_ID = _fixed_id("00DSbOrg0000001")
ADMIN_ID = _fixed_id("005SbOrg0000001")
INTEGRATION_ID = _fixed_id("005SbOrg0000002")
QUEUE_ID = _fixed_id("00GSbOrg0000001")  # where the lead assignment rule sends leads


class Org:
    """The rows of one org, by object and id."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.schema = Schema(OBJECTS)
        self.changed = clock.now()  # when the schema or a permission last changed
        self._rows: dict[str, dict[str, bytes]] = {one.name: {} for one in self.schema.entities()}
        # By object and field, then by value: the one record that has it, or several.
        self._holders: dict[tuple[str, str], dict[str, str | tuple[str, ...]]] = {}
        self._grants: dict[str, tuple[frozenset[str], frozenset[str]]] = {}
        self._writable: dict[tuple[str | None, str, bool], dict[str, tuple[Field, Reader]]] = {}
        self.rules = Rules()
        self.person_accounts = False
        self._undo: list[tuple[Entity, str, Row | None]] | None = None
        self._locks: dict[str, int] = {}
        self.purged: dict[str, dict[str, str]] = {}  # by object and id: when what left the recycle bin was deleted
        self._made = 0
        self._second, self._written = clock.now().replace(microsecond=0), write_time(clock.now())
        self._plant()

    def _plant(self) -> None:
        """Make the org itself, its administrator, its API user and its lead queue."""
        stamps = self.stamps(ADMIN_ID, created=True)
        rows: dict[str, Row] = {
            ORG_ID: {
                "Name": "Backhaul Sandbox",
                "OrganizationType": "Enterprise Edition",
                "InstanceName": "LO1",
                "IsSandbox": True,
                "TimeZoneSidKey": "America/New_York",
                "DefaultLocaleSidKey": "en_US",
                "LanguageLocaleKey": "en_US",
            },
            ADMIN_ID: _user("System", "Administrator", "admin@sandbox.example"),
            INTEGRATION_ID: _user("Integration", "User", "integration@sandbox.example"),
            QUEUE_ID: {"Name": "Inbound Leads", "DeveloperName": "Inbound_Leads", "Type": "Queue"},
        }
        for record_id, values in rows.items():
            entity = self.schema.entity_of(record_id)
            if entity is not None:
                self.save(entity, {"Id": record_id, **values, **stamps})

    # rows

    def now(self) -> str:
        """Write the present moment as a stored time."""
        second = self.clock.now().replace(microsecond=0)
        if second != self._second:
            self._second, self._written = second, write_time(second)
        return self._written

    def stamps(self, user_id: str, *, created: bool = False) -> Row:
        """Give the audit fields of a write that happens now."""
        now = self.now()
        changed: Row = {"LastModifiedDate": now, "LastModifiedById": user_id, "SystemModstamp": now}
        return {"CreatedDate": now, "CreatedById": user_id, **changed} if created else changed

    def new_id(self, entity: Entity) -> str:
        """Make an id that no record has."""
        while True:
            self._made += 1
            record_id = make_id(entity.prefix, self._made)
            if record_id not in self._rows[entity.name]:
                return record_id

    def rows(self, entity: Entity) -> Iterator[Row]:
        """Give an object's rows, the deleted ones too; none may be made or dropped meanwhile, but saved they may be."""
        return map(unpack, self._rows[entity.name].values())

    def count(self, entity: Entity) -> int:
        """Count an object's rows, the deleted ones too."""
        return len(self._rows[entity.name])

    def row(self, entity: Entity, record_id: str) -> Row | None:
        """Find a row, deleted or not, by its 18-character id."""
        packed = self._rows[entity.name].get(record_id)
        return None if packed is None else unpack(packed)

    def find(self, record_id: object) -> Row | None:
        """Find a row of any object that is not deleted."""
        entity = self.schema.entity_of(record_id) if isinstance(record_id, str) else None
        row = None if entity is None else self.row(entity, str(record_id))
        return None if row is None or row.get("IsDeleted") else row

    def user_named(self, username: str) -> str | None:
        """Find an active user by the name that they log in with."""
        for row in self.rows(self.schema.known("User")):
            if str(row["Username"]).lower() == username.lower() and row.get("IsActive"):
                return str(row["Id"])
        return None

    def save(self, entity: Entity, row: Row) -> None:
        """Put a row in place of the one with its id, if there is one."""
        record_id = str(row["Id"])
        self._replace(entity, record_id, self.row(entity, record_id), row)

    def remove(self, entity: Entity, record_id: str) -> None:
        """Drop a row: of a setup object, which has no recycle bin, or out of the bin."""
        self._replace(entity, record_id, self.row(entity, record_id), None)

    def _replace(self, entity: Entity, record_id: str, old: Row | None, new: Row | None) -> None:
        if self._undo is not None:
            self._undo.append((entity, record_id, old))
        for field in self.schema.indexed(entity):
            if old is not None and new is not None and _same(old, new, field.name) and _same(old, new, "IsDeleted"):
                continue
            before, after = (None if row is None else _index_key(field, row) for row in (old, new))
            if before != after:
                self._move(entity, field, record_id, before, after)
        if new is None:
            self._rows[entity.name].pop(record_id, None)
        else:
            self._rows[entity.name][record_id] = pack(new)
        if entity.setup:
            self._grants.clear()
            self._touch()

    def _touch(self) -> None:
        """Move the time of the last change on; always by a second, since HTTP dates count those."""
        self._writable.clear()
        self.changed = max(self.clock.now(), self.changed + timedelta(seconds=1))

    def _move(self, entity: Entity, field: Field, record_id: str, before: str | None, after: str | None) -> None:
        """Take a record from one place of an index to another."""
        index = self._holders.setdefault((entity.name, field.name), {})
        if before is not None:
            others = tuple(one for one in _several(index[before]) if one != record_id)
            if others:
                index[before] = others if len(others) > 1 else others[0]
            else:
                del index[before]
        if after is not None:
            index[after] = (*_several(index[after]), record_id) if after in index else record_id

    def holders(self, entity: Entity, field: Field, value: object) -> tuple[str, ...]:
        """Find the live records with a value of a field that records are looked up by."""
        if field.type == "id":
            row = self.row(entity, str(value))
            return () if row is None or row.get("IsDeleted") else (str(value),)
        key = _index_key(field, {field.name: value})
        return () if key is None else _several(self._holders.get((entity.name, field.name), {}).get(key, ()))

    def lock(self, record_id: str, writes: int) -> None:
        """Let the next writes of a record find it locked by somebody else."""
        self._locks[record_id] = writes

    def check_lock(self, record_id: str) -> None:
        """Raise Refused with UNABLE_TO_LOCK_ROW while a record is locked."""
        left = self._locks.pop(record_id, 0)
        if left > 1:
            self._locks[record_id] = left - 1
        if left:
            message = f"unable to obtain exclusive access to this record or 1 records: {record_id}"
            raise refused("UNABLE_TO_LOCK_ROW", message, ())

    @contextmanager
    def transaction(self) -> Iterator[Callable[[], None]]:
        """Give a function that undoes what was written inside; a refusal undoes it too.

        One inside another is undone with it.
        """
        undo: list[tuple[Entity, str, Row | None]] = []
        outer = self._undo

        def roll_back() -> None:
            self._undo = None
            while undo:
                entity, record_id, before = undo.pop()
                self._replace(entity, record_id, self.row(entity, record_id), before)
            self._undo = undo

        self._undo = undo
        try:
            yield roll_back
        except Refused:
            roll_back()
            raise
        finally:
            self._undo = outer
            if outer is not None:
                outer.extend(undo)

    # schema

    def add_entity(self, entity: Entity) -> None:
        """Add an object without records."""
        self.schema.add_entity(entity)
        self._rows[entity.name] = {}
        self._touch()

    def add_record_type(self, entity: Entity, developer_name: str, label: str, *, person: bool = False) -> str:
        """Give an object one more record type and return its id; the first brings the field with it."""
        types = self.schema.known("RecordType")
        if self.schema.field(entity, RECORD_TYPE_ID.name) is None:
            self.schema.add_field(entity, RECORD_TYPE_ID)
        record_id = self.new_id(types)
        values: Row = {
            "Id": record_id,
            "Name": label,
            "DeveloperName": developer_name,
            "SobjectType": entity.name,
            "IsActive": True,
            "IsPersonType": person,
        }
        self.save(types, {**values, **self.stamps(ADMIN_ID, created=True)})
        return record_id

    def add_field(self, entity: Entity, field: Field) -> None:
        """Give an object a custom field; a checkbox is false on the records that exist."""
        if self.person_accounts and entity.name == "Contact":
            self.add_field(self.schema.known("Account"), person_account_field(field))
        self.schema.add_field(entity, field)
        if field.default is not None:
            for row in self.rows(entity):
                self.save(entity, {**row, field.name: field.default})
        self._touch()

    def remove_field(self, entity: Entity, field: Field) -> None:
        """Delete a custom field, its values and its permissions."""
        if self.person_accounts and entity.name == "Contact":
            self.remove_field(self.schema.known("Account"), person_account_field(field))
        self.schema.remove_field(entity, field.name)
        for row in self.rows(entity):
            self.save(entity, {key: value for key, value in row.items() if key != field.name})
        permissions = self.schema.entity("FieldPermissions")
        if permissions is not None:
            for row in list(self.rows(permissions)):
                if row["Field"] == f"{entity.name}.{field.name}":
                    self.remove(permissions, str(row["Id"]))
        self._holders.pop((entity.name, field.name), None)
        self._touch()

    # permissions

    def may_read(self, user_id: str | None, entity: Entity, field: Field) -> bool:
        """Whether a user sees a field; None is the org itself and sees all."""
        if user_id is None or field.granted:
            return True
        return _permission(entity, field) in self._granted(user_id)[0]

    def may_edit(self, user_id: str | None, entity: Entity, field: Field) -> bool:
        """Whether a user's permissions let a field be written."""
        if user_id is None or field.granted:
            return True
        return _permission(entity, field) in self._granted(user_id)[1]

    def writable(self, user_id: str | None, entity: Entity, *, creating: bool) -> dict[str, tuple[Field, Reader]]:
        """Give the fields that a user may set in a new record, or change in one that exists, by lower-case name."""
        key = (user_id, entity.name, creating)
        if key not in self._writable:
            self._writable[key] = {
                name: (field, value_reader(field))
                for name, field in self.schema.fields(entity).items()
                if (field.createable if creating else field.updateable) and self.may_edit(user_id, entity, field)
            }
        return self._writable[key]

    def _granted(self, user_id: str) -> tuple[frozenset[str], frozenset[str]]:
        """Give the fields that a user's permission sets let be read, and edited."""
        if user_id not in self._grants:
            held = {
                row["PermissionSetId"]
                for row in self.rows(self.schema.known("PermissionSetAssignment"))
                if row["AssigneeId"] == user_id
            }
            rows = [row for row in self.rows(self.schema.known("FieldPermissions")) if row["ParentId"] in held]
            self._grants[user_id] = (
                frozenset(str(row["Field"]) for row in rows if row["PermissionsRead"]),
                frozenset(str(row["Field"]) for row in rows if row["PermissionsEdit"]),
            )
        return self._grants[user_id]


@dataclass(frozen=True, slots=True)
class View:
    """An org as one user queries it; `prefix` is the path that record addresses start with."""

    org: Org
    user_id: str | None
    prefix: str
    deleted: bool = False
    tooling: bool = False

    def entity(self, name: str) -> Entity | None:
        """Find an object of this API."""
        found = self.org.schema.entity(name)
        return found if found is not None and found.tooling == self.tooling else None

    def need_entity(self, name: str) -> Entity:
        """Find an object named in a path; raises Refused with NOT_FOUND."""
        found = self.entity(name)
        if found is None:
            raise refused("NOT_FOUND", "The requested resource does not exist", status=404)
        return found

    def field(self, entity: Entity, name: str) -> Field | None:
        """Find a field that the user may read."""
        found = self.org.schema.field(entity, name)
        return found if found and self.org.may_read(self.user_id, entity, found) else None

    def fields(self, entity: Entity) -> list[Field]:
        """Give the fields that the user may read."""
        return [
            field for field in self.org.schema.fields(entity).values() if self.org.may_read(self.user_id, entity, field)
        ]

    def reference(self, entity: Entity, relationship: str) -> Field | None:
        """Find the readable reference field behind a relationship's name."""
        for field in self.fields(entity):
            if (field.relationship or "").lower() == relationship.lower() and field.references:
                return field
        return None

    def children(self, entity: Entity, relationship: str) -> tuple[Entity, Field] | None:
        """Find a child object and its reference field by the child relationship's name."""
        for child, field in self.org.schema.parents(entity):
            if (field.children or "").lower() == relationship.lower():
                return (child, field) if self.field(child, field.name) else None
        return None

    def rows(self, entity: Entity) -> Iterable[Row]:
        """Give an object's rows; deleted and archived ones only in `queryAll`."""
        rows = self.org.rows(entity)
        if self.deleted:
            return rows
        if entity.name == "Task":
            return (row for row in rows if not row.get("IsDeleted") and not row.get("IsArchived"))
        return (row for row in rows if not row.get("IsDeleted"))

    def lookup(self, entity: Entity, field: Field, values: Sequence[object]) -> Iterable[Row] | None:
        """Find an object's rows by values of a field; None if that would mean reading all of them."""
        if None in values or entity.name == "Task":
            return None
        if field.type == "id":
            found = (self.org.row(entity, str(value)) for value in dict.fromkeys(values))
            return [row for row in found if row is not None and (self.deleted or not row.get("IsDeleted"))]
        if self.deleted or not field.indexed:
            return None
        ids = dict.fromkeys(one for value in values for one in self.org.holders(entity, field, value))
        rows = (self.org.row(entity, one) for one in ids)
        return [row for row in rows if row is not None]

    def row(self, record_id: object) -> Row | None:
        """Find a row of any object that is not deleted."""
        return self.org.find(record_id)

    def entity_of(self, row: Row) -> Entity:
        """Find the object that a row is of; raises Refused with NOT_FOUND."""
        entity = self.org.schema.entity_of(str(row["Id"]))
        return self.need_entity("" if entity is None else entity.name)

    def attributes(self, entity: Entity, row: Row) -> dict[str, object]:
        """Say a record's type and address."""
        return {"type": entity.name, "url": f"{self.prefix}/sobjects/{entity.name}/{row['Id']}"}

    def record(self, entity: Entity, row: Row) -> Row:
        """Write a whole record as `GET /sobjects/X/id` does."""
        whole = self.attributes(entity, row)
        fields = {field.name: leaf(field)(row) for field in self.fields(entity)}
        return {"attributes": whole, **fields}

    def today(self) -> date:
        """Give the date; the API user works in UTC."""
        return self.org.clock.now().date()


def _user(first: str, last: str, email: str) -> Row:
    return {
        "Username": email,
        "FirstName": first,
        "LastName": last,
        "Name": f"{first} {last}",
        "Email": email,
        "Alias": first[:8].lower(),
        "IsActive": True,
        "UserType": "Standard",
        "TimeZoneSidKey": "GMT",
    }


def _several(ids: str | tuple[str, ...]) -> tuple[str, ...]:
    return (ids,) if isinstance(ids, str) else ids


def _same(old: Row, new: Row, name: str) -> bool:
    return old.get(name) == new.get(name)


def _permission(entity: Entity, field: Field) -> str:
    """Name the permission that shows a field; a person account's `__pc` field has the one of its contact's field."""
    if field.name.endswith("__pc"):
        return f"Contact.{field.name.removesuffix('__pc')}__c"
    return f"{entity.name}.{field.name}"


def _index_key(field: Field, row: Row) -> str | None:
    """Give the form in which a live record's value is looked up, None if it has none."""
    value = row.get(field.name)
    if value is None or row.get("IsDeleted"):
        return None
    return str(value) if field.case_sensitive else str(value).lower()
