"""The CSV of Bulk jobs: what is uploaded, and what is answered."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

DELIMITERS = {"COMMA": ",", "TAB": "\t", "SEMICOLON": ";", "PIPE": "|", "CARET": "^", "BACKQUOTE": "`"}
LINE_ENDINGS = {"LF": "\n", "CRLF": "\r\n"}
LONGEST_HEADER = 32_000  # characters
LONGEST_FIELD = 32_000
LONGEST_RECORD = 400_000
MOST_FIELDS = 5_000


class UnfitCsv(Exception):
    """An upload that cannot be read; the message is the job's."""


@dataclass(frozen=True, slots=True)
class Format:
    """How a job separates its cells and lines, by the API's names."""

    delimiter: str = "COMMA"
    line_ending: str = "LF"


@dataclass(frozen=True, slots=True)
class Table:
    """An upload, read."""

    columns: tuple[str, ...]
    rows: list[list[str]]


def read_csv(data: bytes, form: Format) -> Table:
    """Read an upload; raises UnfitCsv."""
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise UnfitCsv("ClientInputError : the data is not UTF-8") from error
    _check_line_ending(text, form)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=DELIMITERS[form.delimiter], strict=True)
    try:
        columns, *rows = [line for line in reader if line]
    except csv.Error as error:
        raise UnfitCsv(f"ClientInputError : the data cannot be read as CSV: {error}") from error
    except ValueError:
        raise UnfitCsv("ClientInputError : the data has no header row") from None
    if len(columns) > MOST_FIELDS or sum(map(len, columns)) > LONGEST_HEADER:
        raise UnfitCsv("ClientInputError : the header row is too long")
    for number, row in enumerate(rows, start=1):
        if len(row) != len(columns):
            raise UnfitCsv(f"ClientInputError : row {number} has {len(row)} cells, the header has {len(columns)}")
        lengths = [len(cell) for cell in row]
        if max(lengths) > LONGEST_FIELD or sum(lengths) > LONGEST_RECORD:
            raise UnfitCsv(f"ClientInputError : row {number} is too long")
    return Table(tuple(columns), rows)


def _check_line_ending(text: str, form: Format) -> None:
    header, newline, _ = text.partition("\n")
    if newline and header.endswith("\r") != (form.line_ending == "CRLF"):
        message = f"LineEnding is invalid on user data. Current LineEnding setting is {form.line_ending}"
        raise UnfitCsv(f"ClientInputError : {message}")


def write_csv(form: Format, header: str, rows: Iterable[Sequence[object]]) -> str:
    """Write an answer under a header that is written already; every cell of it is quoted."""
    buffer = io.StringIO(newline="")
    end = LINE_ENDINGS[form.line_ending]
    buffer.write(header + end)
    writer = csv.writer(buffer, delimiter=DELIMITERS[form.delimiter], quoting=csv.QUOTE_ALL, lineterminator=end)
    writer.writerows(rows)
    return buffer.getvalue()


def write_header(form: Format, *, quoted: Sequence[str], plain: Sequence[str] = ()) -> str:
    """Write a header: results name their own columns in quotes and the upload's without."""
    return DELIMITERS[form.delimiter].join([*(f'"{name}"' for name in quoted), *map(_if_needed, plain)])


def _if_needed(name: str) -> str:
    special = any(char in name for char in ('"', "\n", "\r", *DELIMITERS.values()))
    return '"' + name.replace('"', '""') + '"' if special else name
