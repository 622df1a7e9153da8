"""Salesforce: records with their deleted ones, field definitions and limits, as they are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

import dlt
import pyarrow as pa
from dlt.extract import DltResource

from loaders.calls import Answer, Vendor
from loaders.landing import (
    BIGINT,
    BOOLEAN,
    TEXT,
    TIMESTAMP,
    Column,
    Mode,
    Reads,
    Row,
    json_text,
    resource,
    table,
    tables,
)
from loaders.patches import HINT
from loaders.salesforce.login import Login
from loaders.salesforce.objects import Object, shape_of
from loaders.salesforce.queries import DATA, Query, Shape, read
from loaders.unfinished import Read, Unfinished
from loaders.values import LoadError, LoadSettings, Refused, Wanted

# A transaction stamps its rows when it starts and shows them when it commits.
LOOK_BACK = timedelta(minutes=10)
FORMULAS_EVERY = timedelta(days=1)

FIELD_COLUMNS = (
    Column("object", TEXT, nullable=False),
    Column("name", TEXT, nullable=False),
    Column("label", TEXT),
    Column("type", TEXT),
    Column("length", BIGINT),
    Column("precision", BIGINT),
    Column("scale", BIGINT),
    Column("digits", BIGINT),
    Column("createable", BOOLEAN),
    Column("updateable", BOOLEAN),
    Column("nillable", BOOLEAN),
    Column("calculated", BOOLEAN),
    Column("restricted_picklist", BOOLEAN, "restrictedPicklist"),
    Column("external_id", BOOLEAN, "externalId"),
    Column("id_lookup", BOOLEAN, "idLookup"),
    Column("unique", BOOLEAN),
    Column("picklist_values", TEXT),
)
LIMIT_COLUMNS = (
    Column("name", TEXT, nullable=False),
    Column("max", BIGINT, "Max"),
    Column("remaining", BIGINT, "Remaining"),
)
MERGED_COLUMNS = (
    Column("object", TEXT, nullable=False),
    Column("id", TEXT, "Id", nullable=False),
    Column("master_id", TEXT, "MasterRecordId"),
    Column("merged_at", TIMESTAMP, "SystemModstamp"),
)


@dlt.source(name="salesforce", max_table_nesting=0)
def salesforce(settings: LoadSettings, wanted: Wanted, unfinished: Unfinished) -> Iterable[DltResource]:
    """Make the resources of a Salesforce load; reads the objects' descriptions at once.

    The descriptions give each column its type, and hold only the fields that the user may see.
    """
    login = Login(settings)
    org = Vendor("Salesforce", login.instance_url, login.authorise, login.judge, login.secrets)
    loaded = Load(org, Reads(f"Salesforce {login.org}", unfinished), settings.salesforce_bulk_above)
    objects = _describe(org, wanted)
    for one in objects:
        since, gone = loaded.begin(one)
        yield loaded.records(one, since, gone)
        every = wanted.salesforce_formulas.get(one.name)
        if since is not None and one.unstamped and loaded.formulas_due(one, FORMULAS_EVERY if every is None else every):
            yield loaded.formulas(one)
    yield loaded.merged_records()
    yield _fields(objects, loaded.reads)
    yield _limits(org, loaded.reads)
    yield loaded.reads.resource()


def _describe(org: Vendor, wanted: Wanted) -> tuple[Object, ...]:
    """Read the descriptions of the objects; LoadError that names every field that models read and the user cannot."""
    names = dict.fromkeys([*wanted.salesforce, *wanted.salesforce_activated])
    objects = tuple(
        shape_of(
            name,
            org.get(f"{DATA}/sobjects/{name}/describe"),
            wanted.salesforce.get(name, ()),
            wanted.salesforce_activated.get(name, ()),
        )
        for name in names
    )
    missing = [field for one in objects for field in one.missing]
    if missing:
        raise LoadError(
            f"Salesforce does not show {', '.join(missing)} to the integration user: where the fields exist, grant "
            "read access to them (field-level security) in a permission set"
        )
    return objects


@dataclass(frozen=True, slots=True)
class Load:
    """One load of an org: who answers, what was read before, and the merges that it meets."""

    org: Vendor
    reads: Reads
    bulk_above: int
    merged: list[Row] = field(default_factory=list)

    def begin(self, one: Object) -> tuple[datetime | None, dict[str, str]]:
        """Say from when an object is read, None for all of it, and what was deleted since: times by id.

        Records that have left the recycle bin are in no query, and in Salesforce's list of deletions for fifteen days.
        If that list does not go back far enough, everything is read.
        """
        start = self.reads.start(one.name, one.description.at, one.kinds) if one.cursor else None
        if start is None:
            return None, {}
        since = start - LOOK_BACK
        if not one.tells_deletions:
            return since, {}
        end = one.description.at.isoformat()
        try:
            answer = self.org.get(f"{DATA}/sobjects/{one.name}/deleted", start=since.isoformat(), end=end)
        except Refused:
            return None, {}
        return since, {row["id"]: row["deletedDate"] for row in answer.rows("deletedRecords")}

    def records(self, one: Object, since: datetime | None, gone: dict[str, str]) -> DltResource:
        """Read what changed since the last load, or everything; deleted records too."""
        mode: Mode = "full" if since is None else "incremental"

        def rows() -> Iterator[pa.Table]:
            query = Query(one.name, one.fields, one.cursor, since)
            shape = Shape(one.columns, one.unless_told, mode)
            at, found = read(self.org, query, shape, self.bulk_above, partial(self._kept, one, one.name, query))
            for some in found:
                self._note_merges(one.name, some)
                if gone:
                    for record_id in some["Id"].to_pylist():
                        gone.pop(record_id, None)
                yield some
            if gone:
                tombstones = [{"Id": key, "IsDeleted": True, "SystemModstamp": when} for key, when in gone.items()]
                yield table(tombstones, one.columns)
            self.reads.finish(one.name, at, mode, one.kinds)
            if since is None and one.unstamped:
                self.reads.finish(f"{one.name} formulas", at, "full", _kinds(one.unstamped))

        return resource(one.name.lower(), one.columns, rows, mode)

    def formulas_due(self, one: Object, every: timedelta) -> bool:
        """Whether the fields that change without a trace must be read again."""
        name, kinds = f"{one.name} formulas", _kinds(one.unstamped)
        return self.reads.start(name, one.description.at, kinds, every) is None

    def formulas(self, one: Object) -> DltResource:
        """Read the fields that change without a trace, of every record, as a patch of the records' table."""
        name, columns = f"{one.name} formulas", (one.columns[0], *one.unstamped)

        def rows() -> Iterator[pa.Table]:
            query = Query(one.name, [column.name for column in columns])
            shape, keeping = Shape(columns, {}, "full"), partial(self._kept, one, name, query)
            at, found = read(self.org, query, shape, self.bulk_above, keeping)
            yield from found
            self.reads.finish(name, at, "full", _kinds(one.unstamped))

        made = resource(f"{one.name.lower()}_formulas", columns, rows)
        return made.apply_hints(additional_table_hints={HINT: one.name.lower()})

    def merged_records(self) -> DltResource:
        """Land which records were merged into which: kept for good, as the records themselves are not."""

        def rows() -> Iterator[pa.Table]:
            yield table(self.merged, MERGED_COLUMNS)

        return resource("merged_records", MERGED_COLUMNS, rows, "incremental")

    def _kept(self, one: Object, name: str, query: Query, ask: Read) -> Iterator[Answer]:
        return self.reads.answers(name, one.description.at, query.unordered(), ask)

    def _note_merges(self, name: str, rows: pa.Table) -> None:
        if "MasterRecordId" in rows.schema.names:
            losers = rows.filter(rows["MasterRecordId"].is_valid())
            for loser in losers.select(["Id", "MasterRecordId", "SystemModstamp"]).to_pylist():
                self.merged.append({"object": name, **loser, "SystemModstamp": loser["SystemModstamp"].isoformat()})


def _kinds(columns: Sequence[Column]) -> dict[str, str]:
    return {column.name: str(column.type) for column in columns}


def _fields(objects: Sequence[Object], reads: Reads) -> DltResource:
    rows: list[Row] = [
        definition
        | {
            "object": one.name,
            "picklist_values": json_text(
                [value["value"] for value in definition.get("picklistValues") or [] if value["active"]]
            ),
        }
        for one in objects
        for definition in one.description.rows("fields")
    ]

    def land() -> Iterator[pa.Table]:
        yield from tables(rows, FIELD_COLUMNS)
        if objects:
            reads.finish("fields", min(one.description.at for one in objects), "full")

    return resource("fields", FIELD_COLUMNS, land)


def _limits(org: Vendor, reads: Reads) -> DltResource:
    def land() -> Iterator[pa.Table]:
        answer = org.get(f"{DATA}/limits")
        rows: list[Row] = [limit | {"name": name} for name, limit in answer.body.items()]
        yield from tables(rows, LIMIT_COLUMNS)
        reads.finish("limits", answer.at, "full")

    return resource("limits", LIMIT_COLUMNS, land)
