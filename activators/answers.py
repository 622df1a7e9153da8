"""What vendors said of a run's records, however many there are: in a table that goes to disk past its limit."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb

from activators.journal import Result, Status, read_lines
from activators.warehouse import append, scratch

# Answers that are held as objects at once, on their way into the table.
_ANSWERS = 10_000
_MEMORY = "32MB"
_COLUMNS = ("activation", "record_id", "status", "written_at", "code", "message")


@dataclass(frozen=True, slots=True)
class Answers:
    """The answers that an interrupted run left behind."""

    _connection: duckdb.DuckDBPyConnection

    def of(self, activation: str, record_ids: Sequence[str]) -> dict[str, Result]:
        """By record: the answer that ended the matter, a confirmation or a refusal. Others are left out."""
        found = self._connection.execute(
            """
            select record_id, last.status, last.written_at, last.code, last.message
            from (
                select answers.record_id, arg_max(answers, answers.rowid) as last
                from answers
                inner join (select distinct unnest($1::varchar[]) as record_id) as asked
                    on answers.record_id = asked.record_id
                where answers.activation = $2
                group by answers.record_id
            )
            """,
            [list(record_ids), activation],
        ).fetchall()
        return {one[0]: _result(*one) for one in found}

    def messages(self, code: str) -> set[str]:
        """What was said under a code."""
        query = "select distinct message from answers where code = $1 and message is not null"
        return {message for (message,) in self._connection.execute(query, [code]).fetchall()}


@contextmanager
def read_answers(journal: Path) -> Iterator[Answers]:
    """Read the answers of a journal, in the order in which they came; the last one counts."""
    activation_of: dict[int, str] = {}

    def answers() -> Iterator[tuple[str | None, ...]]:
        for line in read_lines(journal):
            if line["type"] == "intent":
                activation_of[line["batch"]] = line["activation"]
            elif line["type"] == "outcome":
                activation = activation_of[line["batch"]]
                for item in line["results"]:
                    if item["status"] != "unknown":
                        said = (item["status"], item["written_at"], item["code"], item["message"])
                        yield activation, item["id"], *said

    with TemporaryDirectory() as folder, scratch(Path(folder), _MEMORY) as connection:
        connection.execute(f"create table answers ({', '.join(f'{name} varchar' for name in _COLUMNS)})")
        rows = answers()
        while some := list(islice(rows, _ANSWERS)):
            append(connection, "answers", _COLUMNS, some)
        yield Answers(connection)


def _result(record_id: str, status: Status, written_at: str | None, code: str | None, message: str | None) -> Result:
    return Result(record_id, status, dt.datetime.fromisoformat(written_at) if written_at else None, code, message)
