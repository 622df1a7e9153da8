"""How HubSpot's records become Arrow tables: one conversion for a batch of them, not one for each value."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from loaders.calls import Answer
from loaders.hubspot.account import Record
from loaders.hubspot.landed import NONE, Ids
from loaders.landing import BOOLEAN, TEXT, TIMESTAMP, Column, json_text, schema_of
from loaders.values import Unreadable

MERGED_IDS = "hs_merged_object_ids"
ROWS = 5_000
RECORD_COLUMNS = (
    Column("id", TEXT, nullable=False),
    Column("created_at", TIMESTAMP, "createdAt"),
    Column("updated_at", TIMESTAMP, "updatedAt"),
    Column("archived", BOOLEAN),
    Column("archived_at", TIMESTAMP, "archivedAt"),
)


@dataclass(frozen=True, slots=True)
class Shape:
    """The columns of an object's table, and the properties that are asked for, which may be others.

    A column whose property is not asked for is null.
    """

    columns: tuple[Column, ...]
    names: tuple[str, ...]

    def _batch(self, parsed: pa.StructArray) -> Batch:
        try:
            properties = parsed.field("properties")
            known = {column.name: parsed.field(column.source).cast(column.type) for column in RECORD_COLUMNS}
            ids = known["id"].cast(pa.int64())
        except pa.ArrowInvalid as error:
            raise Unreadable(f"HubSpot sent a record whose id or time is none: {error}") from error
        if ids.null_count or properties.null_count or known["updated_at"].null_count:
            raise Unreadable("HubSpot sent a record without an id, properties or the time of its last change")
        values = dict(zip(self.names, properties.flatten(), strict=True)) | known
        nothing = pa.nulls(len(parsed), TEXT)
        rows = [values.get(column.name, nothing) for column in self.columns]
        return Batch(pa.Table.from_arrays(rows, schema=schema_of(self.columns)), ids.to_numpy(), values)

    @property
    def _type(self) -> pa.DataType:
        """Give the type that a record has as JSON, dates and times as text."""
        fixed = [(column.source, BOOLEAN if column.type == BOOLEAN else TEXT) for column in RECORD_COLUMNS]
        return pa.struct([*fixed, ("properties", pa.struct([(name, TEXT) for name in self.names]))])

    def gone(self, ids: Ids) -> pa.Table:
        """Make the rows of records that are in no list any more, not even of the archived ones."""
        given: dict[str, pa.Array] = {
            "id": pa.array(ids).cast(TEXT),
            "archived": pa.repeat(pa.scalar(value=True), len(ids)),
        }
        rows = [given.get(column.name, pa.nulls(len(ids), column.type)) for column in self.columns]
        return pa.Table.from_arrays(rows, schema=schema_of(self.columns))

    def batches(self, pages: Iterable[Answer]) -> Iterator[Batch]:
        """Convert pages as they come, some thousand records at a time."""
        kind, waiting, size = self._type, list[pa.StructArray](), 0
        for page in pages:
            if rows := page.rows():
                # At once: what is kept as Python objects meanwhile is slow to make and to drop.
                waiting.append(_parsed(rows, kind))
                size += len(rows)
            if size >= ROWS:
                yield self._batch(pa.concat_arrays(waiting))
                waiting, size = [], 0
        if waiting:
            yield self._batch(pa.concat_arrays(waiting))

    def empty(self) -> pa.Table:
        """Make a table without rows, which has its columns all the same."""
        return self.gone(NONE)


@dataclass(frozen=True, slots=True)
class Batch:
    """Some records: their rows, their ids in the same order, and every value that was asked for."""

    table: pa.Table
    ids: Ids
    values: dict[str, pa.Array]

    @property
    def merged(self) -> Ids:
        """Give the ids of the records that were merged into these."""
        if MERGED_IDS not in self.values:
            return NONE
        listed = self.values[MERGED_IDS].drop_null().to_pylist()
        merged = {int(one) for text in listed for one in text.split(";") if one.strip().isdigit()}
        return np.setdiff1d(np.fromiter(merged, np.int64, len(merged)), self.ids)

    def keep(self, mask: npt.NDArray[np.bool_]) -> Batch:
        """Give some of the records."""
        chosen = pa.array(mask)
        values = {name: array.filter(chosen) for name, array in self.values.items()}
        return Batch(self.table.filter(chosen), self.ids[mask], values)

    def written_since(self, millis: int) -> npt.NDArray[np.bool_]:
        """Tell of each record whether it was written at a moment (epoch milliseconds) or later."""
        return _since(self.values["updated_at"], millis)

    def archived_since(self, millis: int) -> npt.NDArray[np.bool_]:
        """Tell of each record whether it was archived at a moment (epoch milliseconds) or later."""
        return _since(pc.coalesce(self.values["archived_at"], self.values["updated_at"]), millis)


def _since(moments: pa.Array, millis: int) -> npt.NDArray[np.bool_]:
    since: npt.NDArray[np.bool_] = moments.cast(pa.int64()).to_numpy() >= millis * 1000
    return since


def _parsed(records: Sequence[Record], kind: pa.DataType) -> pa.StructArray:
    """Convert a page. Unreadable if its records are no records."""
    try:
        return pa.array(records, kind)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        # A value that is no text is landed as the JSON that it is.
        try:
            return pa.array([{**one, "properties": _texts(one["properties"])} for one in records], kind)
        except (pa.ArrowInvalid, pa.ArrowTypeError, AttributeError, KeyError, TypeError) as error:
            raise Unreadable(f"HubSpot sent a record that is not like its records: {error}") from error


def _texts(properties: dict[str, object]) -> dict[str, str | None]:
    return {
        name: value if value is None or isinstance(value, str) else json_text(value)
        for name, value in properties.items()
    }
