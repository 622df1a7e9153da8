"""Product usage from files, for teams whose events come from another tool: the same tables as Pendo's.

Events are summed to days by DuckDB. A day is replaced whole: a file that is new, or has changed, replaces the days that
it holds and held, and other files are read again only where they share one of those days.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TypedDict

import dlt
import duckdb
import pyarrow as pa
from dlt.extract import DltResource

from loaders.files.declaration import Attributes, Declaration, read_declaration
from loaders.files.reading import File, Reader, list_files
from loaders.files.scratch import Scratch
from loaders.landing import (
    BIGINT,
    BOOLEAN,
    TEXT,
    TIMESTAMP,
    Column,
    Mode,
    Reads,
    Row,
    fitted,
    json_text,
    resource,
    schema_of,
    tables,
)
from loaders.pendo.events import POLL_EVENT_COLUMNS, USAGE, LandedDays, Usage
from loaders.pendo.objects import (
    ACCOUNT_COLUMNS,
    GUIDE_COLUMNS,
    METADATA_COLUMNS,
    POLL_COLUMNS,
    VISITOR_COLUMNS,
)
from loaders.values import LoadError, LoadSettings

Rows = Callable[[], Iterator[pa.Table]]

DATASET = "pendo"
# What Pendo gives and files do not.
NEVER_THERE = {
    "guides": GUIDE_COLUMNS,
    "metadata_fields": METADATA_COLUMNS,
    "polls": POLL_COLUMNS,
    "poll_events": POLL_EVENT_COLUMNS,
}
# The type of event that each table of Pendo's is about, and the table that lists what was used.
KINDS = {"events": None, "page_events": "page", "feature_events": "feature", "track_events": "track"}
LISTS = {"page_events": "pages", "feature_events": "features", "track_events": "track_types"}

REMOVED = Column("removed", BOOLEAN)
VISIT_COLUMNS = (
    Column("day", BIGINT, nullable=False),
    Column("visitor_id", TEXT),
    Column("account_id", TEXT),
    Column("first_at", BIGINT),
    Column("last_at", BIGINT),
    REMOVED,
)
REJECT_COLUMNS = (
    Column("file", TEXT, nullable=False),
    Column("line", BIGINT),
    Column("reason", TEXT),
    Column("row", TEXT),
    REMOVED,
)
FILE_COLUMNS = (
    Column("file", TEXT, nullable=False),
    Column("size", BIGINT),
    Column("changed_at", TIMESTAMP),
    Column("rows", BIGINT),
    Column("rejected", BIGINT),
    Column("first_day", BIGINT),
    Column("last_day", BIGINT),
    Column("is_vanished", BOOLEAN),
)
DESCRIBED_COLUMNS = (Column("id", TEXT, nullable=False), Column("agent", TEXT))


class Known(TypedDict):
    """What a load keeps of a file for the next one; a day is the millisecond at which it begins."""

    size: int
    changed_at: str
    rows: int
    rejected: int
    days: list[int]
    is_vanished: bool


@dlt.source(name="files", max_table_nesting=0)
def files(settings: LoadSettings, days: LandedDays) -> Iterable[DltResource]:
    """Make the resources of a load from files; lists the files at once. `days` takes down the days of usage."""
    declaration = read_declaration(settings.files)
    load = Load(
        declaration, settings.files.absolute().parent, Path(dlt.current.pipeline().working_dir) / "scratch.duckdb"
    )
    full = load.mode == "full"
    for usage in USAGE:
        if full or usage.table in load.tables:
            yield days.noting(load.usage(usage))
    yield days.resource()
    yield load.visits()
    yield from filter(None, (load.described("visitors"), load.described("accounts")))
    if full:
        yield from _made_once()
    yield load.rejected_rows()
    yield load.files()
    yield load.reads.resource()


def _made_once() -> Iterator[DltResource]:
    """Make the tables that stay empty, and those that are summed up in the warehouse when a load is over."""
    yield _untouched("visitors", VISITOR_COLUMNS)
    yield _untouched("accounts", ACCOUNT_COLUMNS)
    for usage in USAGE[1:]:
        yield _untouched(LISTS[usage.table], _list_columns(usage))
    for name, columns in NEVER_THERE.items():
        yield _untouched(name, columns)


def refuse_two_tools(warehouse: duckdb.DuckDBPyConnection, vendor: str) -> None:
    """Raise LoadError if the usage in the warehouse comes from Pendo and is to come from files, or the reverse."""
    other = {"files": "pendo", "pendo": "files"}.get(vendor)
    table = "select 1 from information_schema.tables where table_schema = ? and table_name = '_dlt_loads'"
    if other is None or not warehouse.execute(table, [DATASET]).fetchall():
        return
    if warehouse.execute(f"select 1 from {DATASET}._dlt_loads where schema_name = ? limit 1", [other]).fetchall():  # noqa: S608
        raise LoadError(
            f"this warehouse holds usage from {other}, and days from two tools cannot be told apart: set another "
            f"BACKHAUL_WAREHOUSE to load {vendor}"
        )


@dataclass(frozen=True)
class Load:
    """One load: what is declared, where its files are, and what was known of them before."""

    declaration: Declaration
    base: Path
    path: Path
    reads: Reads = field(default_factory=Reads)
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    # The files whose rejected rows of earlier loads go.
    cleaned: list[str] = field(default_factory=list)

    @cached_property
    def listed(self) -> dict[str, File]:
        """The files of events that there are; LoadError if there is none."""
        events = self.declaration.events
        found = list_files(events.path, events.format, self.base)
        if not found:
            raise LoadError(f"events.path {events.path} finds no {events.format} file: check the path and the format")
        return found

    @cached_property
    def known(self) -> dict[str, Known]:
        """What the last load knew of the files; nothing if they were read by another declaration."""
        state = dlt.current.source_state()
        known: dict[str, Known] = state.get("files", {}) if state.get("declared") == self._declared else {}
        return known

    @property
    def _declared(self) -> str:
        events = self.declaration.events.model_dump(exclude={"vanished", "path"})
        return json_text({"time_zone": self.declaration.time_zone, **events})

    @cached_property
    def mode(self) -> Mode:
        """Whether everything is read, or what has changed."""
        return "incremental" if self.known else "full"

    @property
    def tables(self) -> tuple[str, ...]:
        """The tables of usage that these files may have rows for."""
        typed = self.declaration.events.columns.type and self.declaration.events.columns.name
        return tuple(KINDS) if typed else ("events",)

    @cached_property
    def changed(self) -> list[File]:
        """The files that are new or have changed."""
        known = {(name, one["size"], one["changed_at"]) for name, one in self.known.items()}
        return [one for one in self.listed.values() if (one.name, one.size, one.changed_at) not in known]

    @cached_property
    def vanished(self) -> list[str]:
        """The files that were landed and are gone; LoadError unless it is declared what that means."""
        gone = [name for name in self.known if name not in self.listed]
        fresh = [name for name in gone if not self.known[name]["is_vanished"]]
        if fresh and self.declaration.events.vanished == "refuse":
            raise LoadError(
                f"{len(fresh)} files of events are gone, {fresh[0]} first, and their days are landed: put them back, "
                'or say in events.vanished whether to "keep" or to "remove" those days'
            )
        return gone

    @cached_property
    def scratch(self) -> Scratch:
        """The rows of the days that are to be replaced, and what is to be remembered of every file."""
        scratch = Scratch(self.path, self.declaration.time_zone)
        with scratch.kept_open():
            self._fill(scratch)
        return scratch

    def _fill(self, scratch: Scratch) -> None:
        """Read the files that have changed, and of the others the days that these share with them."""
        events = self.declaration.events
        scratch.make()
        reader = Reader(events.format, events.delimiter, events.mapping, "events.columns.")
        affected: set[int] = set()
        for file in self.changed:
            self.cleaned.append(file.name)
            rows = scratch.add_events(file.name, reader.read(file), events, only_affected=False)
            rejected = scratch.rejected_of(file.name)
            if rows and rejected == rows:
                _, line, reason = scratch.first_reject() or ("", 0, "")
                raise LoadError(f"{file.name}: none of its {rows} rows can be read; line {line}: {reason}")
            days = scratch.days_of(file.name)
            affected |= {*days, *self._days(file.name)}
            self.remembered[file.name] = Known(
                size=file.size, changed_at=file.changed_at, rows=rows, rejected=rejected, days=days, is_vanished=False
            )
        for name in self.vanished:
            if events.vanished == "remove":
                affected |= set(self._days(name))
                self.cleaned.append(name)
                del self.remembered[name]
            else:
                self.remembered[name] = Known({**self.known[name], "is_vanished": True})
        scratch.affect(sorted(affected))
        fresh = {file.name for file in self.changed}
        for name, file in self.listed.items():
            if name not in fresh and not affected.isdisjoint(self._days(name)):
                scratch.add_events(name, reader.read(file), events, only_affected=True)

    @cached_property
    def remembered(self) -> dict[str, Known]:
        """What is known of the files from now on."""
        return dict(self.known)

    def _days(self, name: str) -> list[int]:
        return self.known[name]["days"] if name in self.known else []

    def usage(self, usage: Usage) -> DltResource:
        """Land a kind of daily usage: the days of files that have changed replace what was landed of them."""
        kind = KINDS[usage.table]
        used = usage.used[0].name if usage.used else None

        def rows() -> Iterator[pa.Table]:
            yield from self._by_day(usage.columns, self.scratch.usage(kind, used), self.scratch.empty_days(kind))
            self.reads.finish(usage.table, self.now, self.mode)

        return _replacing(usage.table, usage.columns, "day", rows, self.mode)

    def visits(self) -> DltResource:
        """Land when visitors were first and last seen on a day: what visitors and accounts are summed up from."""

        def rows() -> Iterator[pa.Table]:
            yield from self._by_day(VISIT_COLUMNS, self.scratch.visits(), self.scratch.empty_days(None))

        return _replacing("visits", VISIT_COLUMNS, "day", rows, self.mode)

    def _by_day(self, columns: tuple[Column, ...], found: Iterator[pa.Table], empty: list[int]) -> Iterator[pa.Table]:
        yield from _whole(columns, found, self.mode)
        if self.mode == "incremental":
            yield from tables(({"day": day, "removed": True} for day in empty), columns, "incremental")

    def described(self, of: str) -> DltResource | None:
        """Land what files say of visitors or accounts; None if none of those files has changed."""
        declared: Attributes | None = getattr(self.declaration, of)
        found = list_files(declared.path, declared.format, self.base) if declared else {}
        if declared and not found:
            raise LoadError(f"{of}.path {declared.path} finds no {declared.format} file: check the path and the format")
        stamp = json_text(
            [declared and declared.model_dump(), [(one.name, one.size, one.changed_at) for one in found.values()]]
        )
        if dlt.current.source_state().get(of) == stamp and self.mode == "incremental":
            return None

        def rows() -> Iterator[pa.Table]:
            if declared:
                reader = Reader(declared.format, declared.delimiter, declared.mapping, f"{of}.")
                with self.scratch.kept_open():
                    for place, file in enumerate(found.values()):
                        name = f"{of}/{file.name}"
                        self.cleaned.append(name)
                        self.scratch.add_described(of, place, name, reader.read(file), declared.mapping)
            yield from _whole(DESCRIBED_COLUMNS, self.scratch.described(of), "full")
            dlt.current.source_state()[of] = stamp
            self.reads.finish(of, self.now, "full")

        return resource(f"described_{of}", DESCRIBED_COLUMNS, rows)

    def rejected_rows(self) -> DltResource:
        """Land the rows that could not be read, for every file that was read."""

        def rows() -> Iterator[pa.Table]:
            first = self.scratch.first_reject()
            note = f"the first rejected row is in {first[0]}, line {first[1]}: {first[2]}" if first else ""
            for some in _whole(REJECT_COLUMNS, self.scratch.rejects(), self.mode):
                yield some.replace_schema_metadata({"note": note})
            if self.mode == "incremental":
                yield from tables(({"file": name, "removed": True} for name in self.cleaned), REJECT_COLUMNS, self.mode)

        return _replacing("rejected_rows", REJECT_COLUMNS, "file", rows, self.mode)

    def files(self) -> DltResource:
        """Land what is known of every file, those that are gone too."""

        def rows() -> Iterator[pa.Table]:
            known = self.remembered
            listed: list[Row] = [
                {
                    "file": name,
                    **one,
                    "first_day": min(one["days"], default=None),
                    "last_day": max(one["days"], default=None),
                }
                for name, one in known.items()
            ]
            gone = [name for name, one in known.items() if one["is_vanished"]]
            note = f"{len(gone)} files are gone and their days are kept, {gone[0]} first" if gone else ""
            for some in tables(listed, FILE_COLUMNS):
                yield some.replace_schema_metadata({"note": note})
            state = dlt.current.source_state()
            state["files"], state["declared"] = known, self._declared

        return resource("files", FILE_COLUMNS, rows)


def _replacing(name: str, columns: tuple[Column, ...], key: str, rows: Rows, mode: Mode) -> DltResource:
    """Make a resource whose rows replace all that were landed with the same key."""
    made = resource(name, columns, rows, mode)
    return made.apply_hints(primary_key=(), merge_key=key, columns={"removed": {"hard_delete": True}})


def _whole(columns: tuple[Column, ...], found: Iterator[pa.Table], mode: Mode) -> Iterator[pa.Table]:
    """Give tables their columns; in a full read there is one at least."""
    if mode == "full":
        yield schema_of(columns).empty_table()
    for some in found:
        yield fitted(some, columns)


def _untouched(name: str, columns: tuple[Column, ...]) -> DltResource:
    """Make a table, and leave its rows alone if it is there."""

    def rows() -> Iterator[pa.Table]:
        yield schema_of(columns).empty_table()

    return resource(name, columns, rows, "incremental")


def _list_columns(usage: Usage) -> tuple[Column, ...]:
    key = Column(usage.used[0].name, TEXT, nullable=False)
    times = (Column("created_at", BIGINT), Column("updated_at", BIGINT))
    return (key, Column("app_id", BIGINT), Column("name", TEXT), Column("group_name", TEXT), *times)
