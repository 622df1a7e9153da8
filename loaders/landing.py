"""How vendor rows become Arrow tables and dlt resources, and what a load keeps of its reads for the next one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from typing import Literal, TypedDict

import dlt
import orjson
import pyarrow as pa
from dlt.common.libs.pyarrow import py_arrow_to_table_schema_columns
from dlt.extract import DltResource

from loaders.calls import Answer
from loaders.unfinished import Read, Unfinished, from_the_beginning
from loaders.values import LoadError, Unreadable

Mode = Literal["full", "incremental"]
Row = Mapping[str, object]

TEXT = pa.string()
BIGINT = pa.int64()
DOUBLE = pa.float64()
BOOLEAN = pa.bool_()
DATE = pa.date32()
TIMESTAMP = pa.timestamp("us", "UTC")

FULL_READ_EVERY = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Column:
    """A warehouse column and the key of the vendor's row that fills it."""

    name: str
    type: pa.DataType
    key: str = ""
    nullable: bool = True

    @property
    def source(self) -> str:
        """Name the key in the vendor's row; the column's own name unless another is given."""
        return self.key or self.name


READ_COLUMNS = (
    Column("object", TEXT, nullable=False),
    Column("read_at", TIMESTAMP),
    Column("mode", TEXT),
)


class Memory(TypedDict):
    """What a load keeps of a read for the next one, in the warehouse with the pipeline's state."""

    read_at: str
    full_at: str
    columns: dict[str, str]


@dataclass(frozen=True, slots=True)
class Reads:
    """The reads of one load: from when each may start, and when, by the vendor's clock, it did.

    `account` names the vendor's account: LoadError if the warehouse holds the rows of another. Of a vendor that does
    not name its accounts it is empty, and nothing is refused here. `asked_as` says who asks there: answers that were
    kept are of use to no one else, and the landing remembers whose it is.
    """

    account: str = ""
    unfinished: Unfinished | None = None
    asked_as: str = ""
    rows: list[Row] = field(default_factory=list)

    def __post_init__(self) -> None:
        landed = dlt.current.source_state().get("account", self.account)
        if landed != self.account:
            raise LoadError(
                f"this warehouse holds account {landed}, and the credentials are for "
                f"{self.account}: set another BACKHAUL_WAREHOUSE or other credentials"
            )

    def start(
        self,
        name: str,
        now: datetime,
        columns: Mapping[str, str],
        full_every: timedelta = FULL_READ_EVERY,
    ) -> datetime | None:
        """Say from when an incremental read may start; None asks for a full read.

        A full read it is when there was none, when the last one is old, when a column was not read
        before or was of another kind, and when the vendor's clock stands before the last read.
        """
        memory: Memory | None = dlt.current.source_state().get(name)
        if memory is None:
            return None
        read_at = datetime.fromisoformat(memory["read_at"])
        fresh = now - datetime.fromisoformat(memory["full_at"]) < full_every
        known = memory["columns"]
        same = all(known.get(column) == kind for column, kind in columns.items())
        return read_at if fresh and same and read_at <= now else None

    def finish(self, name: str, read_at: datetime, mode: Mode, columns: Mapping[str, str] | None = None) -> None:
        """Note a read that is complete, for the `reads` table and, with columns, for the next load.

        After answers that an earlier load had kept, the next load must begin where those do: whatever is read
        together with them, such as what lies in a recycle bin, may be as old.
        """
        oldest = self.unfinished.oldest if self.unfinished else None
        at = (read_at if oldest is None else min(read_at, oldest)).isoformat()
        self.rows.append({"object": name, "read_at": at, "mode": mode})
        if columns is not None:
            state = dlt.current.source_state()
            full_at = at if mode == "full" else state[name]["full_at"]
            state[name] = Memory(read_at=at, full_at=full_at, columns=dict(columns))

    def answers(
        self, name: str, now: datetime, asked: object, read: Read, old: timedelta = FULL_READ_EVERY
    ) -> Iterator[Answer]:
        """Give the answers of a read, which goes on where a load that died has stopped, unless that is too old.

        `asked` tells apart what may be asked under a name: answers to something else are of no use.
        """
        if self.unfinished is None:
            return from_the_beginning(read)
        return self.unfinished.answers(name, [self.account, self.asked_as, asked], now, old, read)

    def resource(self) -> DltResource:
        """Make the resource of the `reads` table; it must come last, when the others are done."""

        def read() -> Iterator[pa.Table]:
            yield table(self.rows, READ_COLUMNS)
            dlt.current.source_state().update(account=self.account, asked_as=self.asked_as)

        return resource("reads", READ_COLUMNS, read, "incremental")


def json_text(value: object) -> str:
    """Write a value as JSON text with sorted keys, so that equal values are equal texts."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def table(rows: Sequence[Row], columns: Sequence[Column]) -> pa.Table:
    """Turn vendor rows into an Arrow table; dates and times arrive as ISO 8601 text.

    Unreadable if a value does not fit its column, or if one is missing that every row has.
    """
    arrays: list[pa.Array] = []
    for column in columns:
        values = [row.get(column.source) for row in rows]
        try:
            arrays.append(_array(values, column.type))
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            raise Unreadable(f"the vendor sent a {column.source} that is no {column.type}") from error
        if arrays[-1].null_count and not column.nullable:
            raise Unreadable(f"the vendor sent a row without {column.source}, which every row has")
    return pa.Table.from_arrays(arrays, schema=schema_of(columns))


def tables(
    rows: Iterable[Row], columns: Sequence[Column], mode: Mode = "full", size: int = 2_000
) -> Iterator[pa.Table]:
    """Turn a stream of vendor rows into Arrow tables of at most `size` rows.

    A full read yields at least one table, so that a vendor with no rows still gets its columns.
    """
    stream = iter(rows)
    chunk = list(islice(stream, size))
    if chunk or mode == "full":
        yield table(chunk, columns)
    while chunk := list(islice(stream, size)):
        yield table(chunk, columns)


def resource(
    name: str,
    columns: Iterable[Column],
    read: Callable[[], Iterator[pa.Table]],
    mode: Mode = "full",
) -> DltResource:
    """Make a dlt resource that replaces its table (full) or merges into it (incremental).

    The columns that are never null are its key. A column has one type: a table whose column has another one now is made
    anew (see `pipeline`), and never holds values that were turned from one type into the other without a word.
    """
    made: DltResource = dlt.resource(
        read,
        name=name,
        write_disposition="replace" if mode == "full" else "merge",
        primary_key=[column.name for column in columns if not column.nullable],
        columns=py_arrow_to_table_schema_columns(schema_of(columns)),
        schema_contract={"data_type": "freeze"},
    )
    return made


def schema_of(columns: Iterable[Column]) -> pa.Schema:
    """Give the Arrow schema of a table's columns."""
    return pa.schema([pa.field(column.name, column.type, column.nullable) for column in columns])


def fitted(rows: pa.Table | pa.RecordBatch, columns: Iterable[Column], unless_told: Row | None = None) -> pa.Table:
    """Give rows the columns of their table; one that they have not holds the same value in all, null by default."""
    schema, there = schema_of(columns), set(rows.schema.names)
    arrays = [
        rows.column(field.name).cast(field.type)
        if field.name in there
        else pa.repeat(pa.scalar((unless_told or {}).get(field.name), field.type), rows.num_rows)
        for field in schema
    ]
    return pa.Table.from_arrays(arrays, schema=schema)


def _array(values: list[object], kind: pa.DataType) -> pa.Array:
    if pa.types.is_temporal(kind):
        return pa.array(values, TEXT).cast(kind)
    if kind == DOUBLE:
        # Arrow takes no whole number that a double would round, and the vendor means a double.
        values = [float(value) if type(value) is int else value for value in values]
    try:
        return pa.array(values, kind)
    except pa.ArrowTypeError:
        if kind != TEXT:
            raise
        return pa.array([_text(value) for value in values], TEXT)


def _text(value: object) -> str | None:
    return value if value is None or isinstance(value, str) else json_text(value)
