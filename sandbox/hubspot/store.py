"""One HubSpot account: its records, its property definitions and its search index.

Not safe for threads: one event loop serves the account. Records are values; a write makes a new
one, so that the search index can go on holding the old one until its lag has passed.
"""

from __future__ import annotations

import secrets
from bisect import bisect_left, insort
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from sandbox.hubspot.consents import Consent, Consents
from sandbox.hubspot.definitions import ObjectType, Property
from sandbox.hubspot.errors import Failure, HubSpotError, InvalidValues, invalid
from sandbox.hubspot.eventlog import EventLog
from sandbox.hubspot.history import API, APP_ID, DELETION, IMPORT, MERGE, PERSON, SUBSCRIPTIONS, History, Source
from sandbox.hubspot.limits import Limiter, Limits, Now
from sandbox.hubspot.links import Kind, Links
from sandbox.hubspot.objecttypes import OBJECT_TYPES, SUBSCRIPTION_PROPERTIES, custom_type
from sandbox.hubspot.stages import facts, options, standard_pipelines
from sandbox.hubspot.tables import Record, Rule, SearchIndex, Table, UniqueKey, Values, Write, folded
from sandbox.hubspot.values import (
    LONGEST,
    InvalidValue,
    Normalised,
    furthest_stage,
    instant,
    is_backward,
    milliseconds,
    stored,
)
from sandbox.hubspot.webhooks import Webhooks
from sandbox.records import SeedRecord

MOST_IDENTITIES = 250
FIRST_ID = 70_000_000
# Seeds of these objects are no records of HubSpot's own types.
CONSENTS, SUBSCRIPTIONS_TYPE = "consents", "subscriptions"
# What a contact's worked-out values are made of.
NAMING = frozenset({"email", "firstname", "lastname"})


class HubSpotStore:
    """One HubSpot account; a CrmStore, plus what the API needs.

    `owners` are SeedRecords of object "owners" with email, firstName, lastName and userId.
    `index_lag` is in seconds. With `partial_updates`, trace ids make batch update and upsert
    answer 207 for a refused value, as they do in batch create; without, it refuses the batch. With
    `data_privacy` a change of a subscription needs its legal basis. `client_secret` signs webhooks.
    """

    def __init__(  # noqa: PLR0913 - an account has this many settings, each with a default
        self,
        records: Iterable[SeedRecord],
        clock: Now,
        *,
        owners: Iterable[SeedRecord] = (),
        index_lag: float = 1.5,
        limits: Limits | None = None,
        time_zone: str = "America/New_York",
        portal_id: int = 24601001,
        partial_updates: bool = False,
        data_privacy: bool = False,
        client_secret: str | None = None,
    ) -> None:
        self.clock = clock
        self.portal_id = portal_id
        self.time_zone = time_zone
        self.partial_updates = partial_updates
        self.limiter = Limiter(clock, limits or Limits(), time_zone)
        self.owners = {owner.id: owner for owner in owners}
        self.index_lag = round(index_lag * 1000)
        self.links = Links({kind.name: kind.singular for kind in OBJECT_TYPES})
        self.pipelines = standard_pipelines()
        self.events = EventLog(self.index_lag)
        self.consents = Consents(data_privacy)
        self.webhooks = Webhooks(portal_id, APP_ID, client_secret or secrets.token_hex(16))
        self._locked_until: dict[str, int] = {}
        self.tables: dict[str, Table] = {}
        self._type_names: dict[str, str] = {}
        self._last_id = FIRST_ID
        for kind in OBJECT_TYPES:
            self.add_type(kind, (kind.name, kind.singular, kind.type_id))
        for seed in records:
            self._plant(seed)
        for table in self.tables.values():
            table.live.sort()
            table.bin.sort()
            table.last_number = max(table.records, default=100)
            table.index.fill(table.records[number] for number in table.live)

    # What a person can do, from outside the API.

    def edit(self, object_type: str, record_id: str, properties: Mapping[str, object]) -> None:
        """Change properties as another user would in HubSpot's own pages.

        A person may set a lifecycle stage back; everything else is checked as in the API.
        Raises KeyError for an unknown record, ValueError for a value that is refused.
        """
        table, record = self._known(object_type, record_id)
        given = {name: "" if value is None else value for name, value in properties.items()}
        try:
            changes, _ = self.check(table, given, normalises=True)
            self.refuse_stage(table, record, changes)
            self.refuse_taken(table, changes, record.number, {})
        except HubSpotError as error:
            raise ValueError(error.message) from error
        self.update(table, record, changes, PERSON, self.now())

    def merge(self, object_type: str, primary_id: str, secondary_id: str) -> str:
        """Merge two records into a new one and return its id."""
        table, primary = self._known(object_type, primary_id)
        _, secondary = self._known(object_type, secondary_id)
        if primary is secondary:
            raise ValueError(f"HubSpot cannot merge {table.kind.singular} {primary_id} with itself")
        return str(self.unite(table, primary, secondary).number)

    def delete(self, object_type: str, record_id: str) -> None:
        """Move a record to the recycle bin."""
        self.archive(*self._known(object_type, record_id))

    def restore(self, object_type: str, record_id: str) -> None:
        """Take a record out of the recycle bin; its associations are gone.

        Raises KeyError if it is not there, ValueError if another record has one of its unique values now.
        """
        table = self._table(object_type)
        record = table.find_archived(record_id)
        if record is None:
            raise KeyError(f"HubSpot has no {table.kind.singular} {record_id} in its recycle bin")
        values = dict(record.values)
        clash = self.taken_by(table, values, record.number, {})
        if clash is not None:
            raise ValueError(f"{table.kind.singular} {clash[1]} has {clash[0][1]} now")
        now = self.now()
        table.bin.remove(record.number)
        insort(table.live, record.number)
        restored = Record(record.number, self._finished(table, values, now), record.created, now)
        self._put(table, None, restored, now, values)
        self._tell(table, "restore", record.number, DELETION, changeFlag="NEW")

    def records(self, object_type: str) -> list[dict[str, object]]:
        """Give the stored records, archived ones too, with every property that has a value."""
        return list(self.each(object_type))

    def each(self, object_type: str) -> Iterator[dict[str, object]]:
        """Give the same records one by one; those that are archived or gone meanwhile are left out."""
        table = self._table(object_type)
        for number in sorted(table.records):
            if record := table.records.get(number):
                yield self.read(table, record, sorted(filter(table.defined, record.values)))

    def require(self, object_type: str, name: str, *, condition: str | None = None, value: str = "") -> None:
        """Want a property filled as an admin can: on create, or whenever another has some value."""
        table = self._table(object_type)
        for one in filter(None, (name, condition)):
            if table.defined(one) is None:
                raise KeyError(f"HubSpot has no property {one} on {table.kind.name}")
        table.rules.append(Rule(name, condition, value))

    def lock(self, object_type: str, seconds: float = 2.0) -> None:
        """Refuse writes to a type's records with 423 for a while, as HubSpot does under many of them."""
        self._locked_until[self._table(object_type).kind.name] = self.now() + round(seconds * 1000)

    # What the API's endpoints are made of.

    def refuse_locked(self, table: Table) -> None:
        """Raise HubSpot's 423 while a type's records are locked."""
        if self._locked_until.get(table.kind.name, 0) > self.now():
            raise HubSpotError(423, f"{table.kind.label} objects are locked. Wait 2 seconds, then try again.", "LOCKED")

    def now(self) -> int:
        """Give the present moment in epoch milliseconds."""
        return milliseconds(self.clock.now())

    def new_id(self) -> int:
        """Give out an id for something that is no record."""
        self._last_id += 1
        return self._last_id

    def add_type(self, kind: ObjectType, aliases: Iterable[str]) -> Table:
        """Begin to keep records of a type, which paths call by any of these names."""
        table = Table(
            kind,
            {definition.name: definition for definition in kind.properties},
            {group.name: group for group in kind.groups},
            SearchIndex(self.index_lag),
        )
        table.name_unique()
        self.tables[kind.name] = table
        self._type_names |= dict.fromkeys((alias.lower() for alias in aliases), kind.name)
        self.offer_stages(table)
        return table

    def remove_type(self, table: Table) -> None:
        """Forget a type of the account's own."""
        del self.tables[table.kind.name]
        self._type_names = {alias: name for alias, name in self._type_names.items() if name != table.kind.name}

    def offer_stages(self, table: Table) -> None:
        """Let a type's pipeline and stage properties take the pipelines and stages there are now."""
        if table.kind.pipeline is None:
            return
        for name, choices in zip(table.kind.pipeline, options(self.pipelines[table.kind.name].values()), strict=True):
            table.properties[name] = replace(table.properties[name], options=choices)

    def link(  # noqa: PLR0913 - two records, each of a type, and how they are associated
        self, one: Table, number: int, other: Table, to: int, kinds: Iterable[Kind], *, adds: bool = False
    ) -> None:
        """Associate two live records."""
        kinds = tuple(kinds)
        self.links.put(one.kind.name, number, other.kind.name, to, kinds, adds=adds)
        self._tell_link(one, number, other, to, kinds, removed=False)

    def unlink(self, one: Table, number: int, other: Table, to: int, kinds: Iterable[Kind] = ()) -> None:
        """Take labels from an association, or end it."""
        if self.links.has(one.kind.name, number, other.kind.name, to):
            kinds = tuple(kinds)
            self.links.remove(one.kind.name, number, other.kind.name, to, kinds)
            self._tell_link(one, number, other, to, kinds, removed=True)

    def mirror_opt_out(self, address: str) -> None:
        """Let the contact with an address say whether it is out of all email."""
        table = self.tables["contacts"]
        number = table.taken.get(("email", address))
        if number is None:
            return
        record, value = table.records[number], "true" if address in self.consents.opted_out else "false"
        if record.values.get("hs_email_optout", "false") != value:
            self.update(table, record, {"hs_email_optout": value}, SUBSCRIPTIONS, self.now())

    def refuse_unfilled(self, table: Table, before: Record | None, changes: Mapping[str, str]) -> None:
        """Raise HubSpot's 400 if a write would leave empty what an admin wants; `before` is None on create."""
        if not table.rules:
            return
        after = {**(before.values if before else {}), **changes}
        failures = []
        for rule in table.rules:
            if after.get(rule.name):
                continue
            if rule.condition is None and before is None:
                code, message = "MISSING_REQUIRED_PROPERTY", f"A value for {rule.name} must be provided"
            elif rule.condition is not None and after.get(rule.condition, "") == rule.value:
                code = "MISSING_CONDITIONAL_REQUIRED_PROPERTY"
                message = f"{rule.name} is required because of a conditional property rule based on [{rule.condition}]"
            else:
                continue
            failures.append({"message": message, "code": code, "context": {"propertyName": [rule.name]}})
        if failures:
            raise invalid("The property values provided are invalid", errors=failures)

    def refuse_stage(self, table: Table, before: Record | None, changes: Mapping[str, str]) -> None:
        """Raise HubSpot's 400 if a record would be in a stage of another pipeline; `before` is None on create."""
        names = table.kind.pipeline
        if names is None or not (names[0] in changes or names[1] in changes):
            return
        after = {**(before.values if before else {}), **changes}
        pipeline, stage = (after.get(name, "") for name in names)
        row = self.pipelines[table.kind.name].get(pipeline)
        if stage and row is not None and stage not in row.stages:
            allowed = ", ".join(row.stages)
            raise InvalidValues(
                [
                    Failure(
                        names[1],
                        "INVALID_OPTION",
                        f"{stage} was not one of the allowed options: [{allowed}]",
                    )
                ]
            )

    def table(self, object_type: str) -> Table:
        """Find the records of a type by any of its names, or refuse as HubSpot does."""
        name = self._type_names.get(object_type.lower())
        if name is None:
            raise HubSpotError(400, f"Unable to infer object type from: {object_type}")
        return self.tables[name]

    def check(
        self, table: Table, given: Mapping[str, object], *, normalises: bool
    ) -> tuple[Values, tuple[Normalised, ...]]:
        """Give what would be stored for the given values, and the warnings.

        Raises InvalidValues for all that are refused. Writes nothing.
        """
        changes: Values = {}
        warnings: list[Normalised] = []
        failures: list[Failure] = []
        for name, raw in given.items():
            definition = table.properties.get(name)
            if definition is not None and definition.plain and type(raw) is str and len(raw) <= LONGEST:
                changes[name] = raw
                continue
            if definition is None or definition.archived:
                message = f'Property "{name}" does not exist'
                failures.append(Failure(name, "PROPERTY_DOESNT_EXIST", message))
                continue
            try:
                changes[name], warning = stored(definition, raw, self.owners, normalises=normalises)
            except InvalidValue as refusal:
                failures.append(refusal.of(name))
            else:
                if warning is not None:
                    warnings.append(warning)
        if failures:
            raise InvalidValues(failures)
        return changes, tuple(warnings)

    def taken_by(
        self,
        table: Table,
        changes: Mapping[str, str],
        number: int,
        claims: Mapping[UniqueKey, int],
    ) -> tuple[UniqueKey, int] | None:
        """Find a unique value that another record has, or claims in the same batch."""
        if table.unique.isdisjoint(changes):
            return None
        for key in table.unique_keys(changes):
            holder = claims.get(key, table.taken.get(key, number))
            if holder != number:
                return key, holder
        return None

    def refuse_taken(
        self,
        table: Table,
        changes: Mapping[str, str],
        number: int,
        claims: Mapping[UniqueKey, int],
    ) -> None:
        """Raise HubSpot's 400 if another record has one of the unique values."""
        clash = self.taken_by(table, changes, number, claims)
        if clash is not None:
            (name, value), holder = clash
            raise invalid(
                f"Cannot set PropertyValueCoordinates{{portalId={self.portal_id}, "
                f"objectTypeId=ObjectTypeId{{legacyObjectType={table.kind.label}}}, "
                f"propertyName={name}, value={value}}} on {number}. "
                f"{holder} already has that value."
            )

    def apply(self, table: Table, write: Write, now: int) -> Record:
        """Store a checked write of the API; `now` is the call's moment, in epoch milliseconds."""
        if write.is_new:
            made = self.create(table, write.number, write.changes, API, now)
            for other, to, kinds in write.links:
                self.link(table, made.number, other, to, kinds)
            return made
        record = table.records[write.number]
        changes = write.changes
        stage = changes.get("lifecyclestage")
        if stage and is_backward(record.values.get("lifecyclestage", ""), stage):
            changes = {name: v for name, v in changes.items() if name != "lifecyclestage"}
        return self.update(table, record, changes, API, now)

    def create(self, table: Table, number: int, changes: Values, source: Source, now: int) -> Record:
        """Store a new record under a number that `next_number` gave."""
        values = {name: _joined(table.properties[name], "", value) for name, value in changes.items() if value != ""}
        for name, value in table.kind.on_create.items():
            values.setdefault(name, value)
        if "website" in table.properties and "domain" in values:
            values.setdefault("website", values["domain"])
        values |= {
            "hs_object_id": str(number),
            table.kind.created: instant(now),
            "hs_object_source": source.type,
            "hs_object_source_id": source.id,
            "hs_object_source_label": source.type,
        }
        if table.kind.has_email:
            values["hs_all_contact_vids"] = str(number)
            if values.get("email") in self.consents.opted_out:
                values["hs_email_optout"] = "true"
        record = Record(number, self._finished(table, values, now), now, now)
        insort(table.live, number)
        self._put(table, None, record, now, values)
        if self.webhooks.subscriptions:
            self._tell(table, "creation", number, source, changeFlag="NEW")
            self._tell_changes(table, number, values, source)
        return record

    def update(self, table: Table, record: Record, changes: Values, source: Source, now: int) -> Record:
        """Store changed values; the modification time moves even if nothing differs."""
        before = record.values
        changes = {
            # A leading ';' may ask to append.
            name: _joined(table.properties[name], before.get(name, ""), value) if value[:1] == ";" else value
            for name, value in changes.items()
            # Clearing what was never set leaves no trace.
            if value != "" or name in before
        }
        self._remember(table, record, changes, now, source)
        values = self._finished(table, {**before, **changes}, now, changes)
        changed = Record(record.number, values, record.created, now)
        self._put(table, record, changed, now, changes)
        if self.webhooks.subscriptions:
            differing = {name: value for name, value in changes.items() if value != before.get(name)}
            self._tell_changes(table, record.number, differing, source)
        return changed

    def archive(self, table: Table, record: Record) -> None:
        """Move a live record to the recycle bin; its unique values become free."""
        now = self.now()
        self._take_out(table, record, now)
        self.links.forget(table.kind.name, record.number)
        table.records[record.number] = record.binned(now)
        insort(table.bin, record.number)
        self._tell(table, "deletion", record.number, DELETION, changeFlag="DELETED")

    def purge(self, table: Table, record: Record) -> None:
        """Delete a record for good."""
        self._take_out(table, record, self.now())
        self.links.forget(table.kind.name, record.number)
        table.history.pop(record.number, None)
        self._tell(table, "privacyDeletion", record.number, DELETION, changeFlag="DELETED")

    def unite(self, table: Table, primary: Record, secondary: Record) -> Record:
        """Merge two live records into one with a new number; the old numbers lead to it.

        The primary's values win where it has any; an email keeps its owner's other addresses;
        the lifecycle stage is the one furthest down the funnel.
        """
        pair = (primary, secondary)
        identities = [old for record in pair for old in (*_merged_ids(record), str(record.number))]
        if len(identities) > MOST_IDENTITIES:
            raise HubSpotError(414, f"Cannot have more than {MOST_IDENTITIES} identities on a profile")
        now, number = self.now(), table.next_number()
        created = min(record.created for record in pair)
        values = {
            name: value for record in (secondary, primary) for name, value in record.values.items() if value != ""
        }
        values |= {
            "hs_object_id": str(number),
            table.kind.created: instant(created),
            "hs_merged_object_ids": ";".join(identities),
        }
        stage = furthest_stage(*(record.values.get("lifecyclestage", "") for record in pair))
        if stage:
            values["lifecyclestage"] = stage
        if table.kind.has_email:
            values |= _united_contact(number, pair, identities, now)
        for record in pair:
            self._take_out(table, record, now)
        for old in identities:
            table.merged[int(old)] = number
        united = Record(number, self._finished(table, values, now), created, now)
        self.links.move(table.kind.name, primary.number, secondary.number, number)
        table.history[number] = History(united.fold(), now, MERGE)
        insort(table.live, number)
        self._put(table, None, united, now, values)
        self._tell(
            table,
            "merge",
            number,
            MERGE,
            primaryObjectId=primary.number,
            mergedObjectIds=[secondary.number],
            newObjectId=number,
            numberOfPropertiesMoved=len(values),
        )
        return united

    def read(
        self, table: Table, record: Record, names: Iterable[str], with_history: Collection[str] = ()
    ) -> dict[str, object]:
        """Give a record as the API does, with the named properties and the histories of some."""
        values = record.values
        body = self.shown(table, record, values, {name: values.get(name) for name in names})
        if with_history:
            body["propertiesWithHistory"] = {name: self._revisions(table, record, name) for name in with_history}
        return body

    def shown(
        self, table: Table, record: Record, values: Mapping[str, str], properties: Mapping[str, str | None]
    ) -> dict[str, object]:
        """Give a record, which has these values, as the API does, with these properties."""
        kind = table.kind
        body: dict[str, object] = {
            "id": str(record.number),
            "properties": properties,
            "createdAt": values[kind.created],
            "updatedAt": values[kind.modified],
            "archived": record.archived is not None,
            "url": (f"https://app.hubspot.com/contacts/{self.portal_id}/record/{kind.type_id}/{record.number}"),
        }
        if record.archived is not None:
            body["archivedAt"] = instant(record.archived)
        return body

    def _tell(self, table: Table, what: str, number: int, source: Source, **rest: object) -> None:
        """Let the app's webhooks know what happened to a record."""
        if not self.webhooks.subscriptions:
            return
        kind = table.kind
        common = {
            "objectId": number,
            "occurredAt": self.now(),
            "changeSource": source.type,
            "sourceId": source.id,
        }
        self.webhooks.tell((kind.singular, kind.type_id), what, common | rest)

    def _tell_changes(self, table: Table, number: int, values: Values, source: Source) -> None:
        for name, value in values.items():
            self._tell(table, "propertyChange", number, source, propertyName=name, propertyValue=value)

    def _tell_link(  # noqa: PLR0913
        self, one: Table, number: int, other: Table, to: int, kinds: Sequence[Kind], *, removed: bool
    ) -> None:
        if not self.webhooks.subscriptions:
            return
        for here, start, there, end in ((one, number, other, to), (other, to, one, number)):
            self._tell(
                here,
                "associationChange",
                start,
                API,
                associationType=f"{here.kind.label}_TO_{there.kind.label}",
                fromObjectId=start,
                toObjectId=end,
                associationRemoved=removed,
                isPrimaryAssociation=any(kind.label == "Primary" for kind in kinds),
            )

    def _revisions(self, table: Table, record: Record, name: str) -> list[dict[str, object]]:
        """List what a property was, newest first."""
        history = table.history.get(record.number) or _beginning(record)
        return [
            {
                "value": revision.value,
                "timestamp": instant(revision.at),
                "sourceType": revision.source.type,
                "sourceId": revision.source.id,
                **({"updatedByUserId": revision.source.user_id} if revision.source.user_id is not None else {}),
            }
            for revision in reversed(history.revisions(name, table.kind.revisions))
        ]

    @staticmethod
    def _remember(table: Table, record: Record, changes: Values, now: int, source: Source) -> None:
        """Add a write to a record's history."""
        history = table.history.get(record.number)
        if history is None:
            history = table.history[record.number] = _beginning(record)
        history.add(changes, now, source, table.kind.revisions)

    def _finished(self, table: Table, values: Values, now: int, changes: Collection[str] = NAMING) -> Values:
        """Add what HubSpot works out itself, from the values and from which of them changed."""
        values[table.kind.modified] = instant(now)
        if table.kind.has_email and not NAMING.isdisjoint(changes):
            values.update(_worked_out(values))
        if table.kind.pipeline is not None:
            pipeline, stage = (values.get(name, "") for name in table.kind.pipeline)
            row = self.pipelines[table.kind.name].get(pipeline)
            if row is not None and stage in row.stages:
                values.update(facts(table.kind.name, row.stages[stage]))
        if table.kind.name == "tickets":
            values["hs_ticket_id"] = values["hs_object_id"]
        if table.kind.name == "tasks":
            values["hs_task_is_completed"] = "1" if values.get("hs_task_status") == "COMPLETED" else "0"
            values["hs_body_preview"] = values.get("hs_task_body", "")
        return values

    def _put(self, table: Table, before: Record | None, after: Record, now: int, changes: Collection[str]) -> None:
        """Keep a record, new or changed in these properties."""
        was = {} if before is None else before.values
        if not table.unique.isdisjoint(changes):
            old, new = set(table.unique_keys(was)), set(table.unique_keys(after.values))
            self._release(table, old - new, after.number)
            table.taken.update(dict.fromkeys(new - old, after.number))
        table.keep(after, now)

    def _take_out(self, table: Table, record: Record, now: int) -> None:
        del table.records[record.number]
        table.live.pop(bisect_left(table.live, record.number))
        self._release(table, table.unique_keys(record.values), record.number)
        table.index.put(record.number, None, now)

    def _release(self, table: Table, keys: Iterable[UniqueKey], number: int) -> None:
        for key in keys:
            if table.taken.get(key) == number:
                del table.taken[key]

    def _plant(self, seed: SeedRecord) -> None:
        """Store a record of the world as it is; nothing but its properties' names is checked."""
        created, updated = milliseconds(seed.created_at), milliseconds(seed.updated_at)
        if seed.object == CONSENTS:
            for subscription, state in seed.properties.items():
                self.consents.say(seed.id, int(subscription), Consent(str(state), updated, IMPORT.type))
            return
        table = self._subscriptions() if seed.object == SUBSCRIPTIONS_TYPE else self._table(seed.object)
        if not seed.properties.keys() <= table.properties.keys():
            unknown = sorted(seed.properties.keys() - table.properties.keys())
            raise ValueError(f"{seed.object} {seed.id}: HubSpot has no property {unknown[0]}")
        number = int(seed.id)
        values = {name: str(v) for name, v in seed.properties.items() if v is not None}
        values |= {
            "hs_object_id": seed.id,
            table.kind.created: instant(created),
            "hs_object_source": IMPORT.type,
        }
        older = [old for old in values.get("hs_merged_object_ids", "").split(";") if old]
        table.merged.update((int(old), number) for old in older)
        if table.kind.has_email:
            values["hs_all_contact_vids"] = ";".join((seed.id, *older))
            if values.get("hs_email_optout") == "true":
                self.consents.opt_out(folded(values.get("email", "")), updated, IMPORT.type)
        values = self._finished(table, values, updated)
        record = Record(number, values, created, updated, updated if seed.archived else None)
        table.records[number] = record
        table.freshen(record)
        if seed.archived:
            table.bin.append(number)
            return
        table.live.append(number)
        for key in table.unique_keys(values):
            table.taken.setdefault(key, number)
        linked: set[str] = set()
        for object_type, record_id in seed.links:
            other = self._table(object_type).kind.name
            kinds = self.links.kinds(table.kind.name, other).values()
            first = () if other in linked else [kind for kind in kinds if kind.only]
            self.links.put(table.kind.name, number, other, int(record_id), first)
            linked.add(other)

    def _subscriptions(self) -> Table:
        """Give the type of their own that the world's sellers made, and make it if it is not there."""
        name = f"p{self.portal_id}_{SUBSCRIPTIONS_TYPE}"
        if name not in self.tables:
            kind = custom_type(
                type_id=f"2-{self.new_id()}",
                name=name,
                singular=SUBSCRIPTIONS_TYPE,
                display="subscription_name",
                required=("subscription_name",),
                searchable=("subscription_name", "subscription_key"),
                properties=SUBSCRIPTION_PROPERTIES,
            )
            table = self.add_type(kind, (name, f"p_{SUBSCRIPTIONS_TYPE}", kind.type_id))
            table.about["labels"] = {"singular": "Subscription", "plural": "Subscriptions"}
            for other in ("companies", "contacts", "deals"):
                partner = self.tables[other].kind
                self.links.connect(name, other, {one.name: one.singular for one in (kind, partner)})
        return self.tables[name]

    def _table(self, object_type: str) -> Table:
        name = self._type_names.get(object_type.lower())
        if name is None:
            raise KeyError(f"HubSpot has no object type {object_type}")
        return self.tables[name]

    def _known(self, object_type: str, record_id: str) -> tuple[Table, Record]:
        table = self._table(object_type)
        record = table.find(table.survivor(record_id))
        if record is None:
            raise KeyError(f"HubSpot has no live {table.kind.singular} {record_id}")
        return table, record


def _beginning(record: Record) -> History:
    """Begin the history of a record that nobody has changed."""
    made_by_api = record.values.get("hs_object_source") == API.type
    return History(record.fold(), record.created, API if made_by_api else IMPORT)


def _joined(definition: Property, before: str, after: str) -> str:
    """Add to the options that are set, if a multiple choice's value begins with ';'."""
    if not (definition.is_multiple and after.startswith(";")):
        return after
    return ";".join(dict.fromkeys(part for part in f"{before}{after}".split(";") if part))


def _worked_out(values: Mapping[str, str]) -> Values:
    email = values.get("email", "")
    name = f"{values.get('firstname', '')} {values.get('lastname', '')}".strip()
    worked_out = {"hs_full_name_or_email": name or email}
    if email:
        worked_out["hs_email_domain"] = email.strip().rpartition("@")[2]
    elif "hs_email_domain" in values:
        worked_out["hs_email_domain"] = ""
    return worked_out


def _merged_ids(record: Record) -> list[str]:
    return [old for old in record.values.get("hs_merged_object_ids", "").split(";") if old]


def _united_contact(number: int, pair: tuple[Record, Record], identities: list[str], now: int) -> Values:
    """Work out a merged contact's addresses and ids."""
    addresses = dict.fromkeys(
        address
        for record in pair
        for name in ("email", "hs_additional_emails")
        for address in record.values.get(name, "").split(";")
        if address
    )
    united = {
        "hs_all_contact_vids": ";".join((str(number), *identities)),
        "hs_calculated_merged_vids": ";".join(f"{old}:{now}" for old in identities),
    }
    if addresses:
        first, *others = addresses
        united["email"] = first
        if others:
            united["hs_additional_emails"] = ";".join(others)
    return united
