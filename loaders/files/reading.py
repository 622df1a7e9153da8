"""Files as they are found and read: a folder, a pattern or an object store, row by row with their line numbers.

Every row comes with the number of its line in the file (of its row, in Parquet), and a row that cannot be read comes
as a Reject, so that none is lost.
"""

from __future__ import annotations

import csv
import io
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import fsspec
import pyarrow as pa
from dlt.common.storages.fsspec_filesystem import glob_files
from pyarrow import parquet

from loaders.files.declaration import Format
from loaders.values import LoadError

ROWS_A_BATCH = 50_000
BLOCK_BYTES = 8_000_000
EVERYTHING = "**/*"
ERRORS_OF_STORES = (
    ("botocore.exceptions", "BotoCoreError"),
    ("google.auth.exceptions", "GoogleAuthError"),
    ("gcsfs.retry", "HttpError"),
    ("azure.core.exceptions", "AzureError"),
    ("aiohttp", "ClientError"),
)
ENDINGS: Mapping[str, tuple[str, ...]] = {
    "parquet": (".parquet",),
    "csv": (".csv", ".csv.gz"),
    "jsonl": (".jsonl", ".jsonl.gz", ".ndjson", ".ndjson.gz"),
}


@dataclass(frozen=True, slots=True)
class File:
    """A file as a listing tells of it: its path below the declared folder, and what changes when it does."""

    name: str
    url: str
    size: int
    changed_at: str


@dataclass(frozen=True, slots=True)
class Reject:
    """A row that was not landed."""

    file: str
    line: int
    reason: str
    row: str


def list_files(path: str, form: Format, base: Path) -> dict[str, File]:
    """List the files below a folder, or those that a pattern fits, by name.

    LoadError if the store cannot be reached or listed.
    """
    folder, pattern = _split(path, form)
    if "://" not in folder:
        folder = str((base / folder).resolve())
    try:
        system, _ = fsspec.url_to_fs(folder)
        # Stores remember their listings for as long as the process lives, and what was delivered since is not in them.
        system.invalidate_cache()
        found = [
            File(
                one["relative_path"], one["file_url"], one.get("size_in_bytes", 0), one["modification_date"].isoformat()
            )
            for one in glob_files(system, folder, pattern)
        ]
    except ImportError as error:
        raise LoadError(f"{path} needs another package: {' '.join(str(error).split())}") from error
    except _and_of_stores(OSError, ValueError, KeyError) as error:
        raise LoadError(f"{path} cannot be listed: {' '.join(str(error).split())}") from error
    endings = ENDINGS[form] if pattern == EVERYTHING else ("",)
    return {one.name: one for one in sorted(found, key=lambda one: one.name) if one.name.endswith(endings)}


def _and_of_stores(*errors: type[Exception]) -> tuple[type[Exception], ...]:
    """Add what the packages of stores raise, of those that are in use: they have no error in common."""
    there = ((sys.modules.get(module), name) for module, name in ERRORS_OF_STORES)
    return (*errors, *(getattr(module, name) for module, name in there if module is not None))


def _split(path: str, form: Format) -> tuple[str, str]:
    """Split a path into the folder to list and the pattern below it."""
    fixed = re.match(r"[^*?\[]*/", path)
    if re.search(r"[*?\[]", path):
        folder = fixed[0] if fixed else "."
        return folder.rstrip("/") or "/", path.removeprefix(fixed[0] if fixed else "")
    if path.endswith(ENDINGS[form]):
        folder, _, name = path.rpartition("/")
        return folder or ".", name
    return path.rstrip("/"), EVERYTHING


@dataclass(frozen=True, slots=True)
class Reader:
    """How the files of one declaration are read: their format, and their column for each of ours."""

    form: Format
    delimiter: str
    mapping: Mapping[str, str]
    where: str

    def read(self, file: File) -> Iterator[pa.Table | Reject]:
        """Read a file in batches: our columns that are mapped, and `line`. In JSON lines, `text` in their place.

        LoadError if it cannot be opened, or lacks a column.
        """
        reading = {"parquet": self._parquet, "csv": self._csv, "jsonl": self._lines}[self.form]
        try:
            compression = None if self.form == "parquet" else "infer"
            with fsspec.open(file.url, "rb", compression=compression) as opened:
                yield from reading(file, opened)
        except _and_of_stores(OSError, EOFError, pa.ArrowException) as error:
            line = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise LoadError(f"{file.name} cannot be read as {self.form}: {line}") from error

    def _check(self, file: File, there: list[str]) -> None:
        for ours, column in self.mapping.items():
            if column not in there:
                raise LoadError(f"{file.name} has no column {column} ({self.where}{ours}); it has {', '.join(there)}")

    def _parquet(self, file: File, opened: IO[bytes]) -> Iterator[pa.Table | Reject]:
        found = parquet.ParquetFile(opened)
        self._check(file, found.schema_arrow.names)
        line = 1
        for batch in found.iter_batches(ROWS_A_BATCH, columns=list(dict.fromkeys(self.mapping.values()))):
            columns = {ours: batch.column(column) for ours, column in self.mapping.items()}
            yield pa.table({"line": pa.array(range(line, line + batch.num_rows), pa.int64()), **columns})
            line += batch.num_rows

    def _csv(self, file: File, opened: IO[bytes]) -> Iterator[pa.Table | Reject]:
        with io.TextIOWrapper(opened, encoding="utf-8-sig", errors="replace", newline="") as text:
            yield from self._rows(file, text)

    def _rows(self, file: File, text: io.TextIOWrapper) -> Iterator[pa.Table | Reject]:
        rows = csv.reader(text, delimiter=self.delimiter, strict=True)
        header = next(rows, None)
        if not header:
            raise LoadError(f"{file.name} is empty: a CSV file begins with the names of its columns")
        self._check(file, header)
        places = {ours: header.index(column) for ours, column in self.mapping.items()}
        lines: list[int] = []
        kept: list[list[str]] = []
        while True:
            line = rows.line_num + 1
            try:
                row = next(rows, None)
            except csv.Error as error:
                yield Reject(file.name, line, str(error), "")
                continue
            if row is None or len(kept) == ROWS_A_BATCH:
                columns = {
                    ours: pa.array([one[at] or None for one in kept], pa.string()) for ours, at in places.items()
                }
                yield pa.table({"line": pa.array(lines, pa.int64()), **columns})
                lines, kept = [], []
            if row is None:
                return
            if len(row) == len(header):
                lines.append(line)
                kept.append(row)
            elif row:
                wrong = f"{len(row)} columns, not {len(header)}"
                yield Reject(file.name, line, wrong, self.delimiter.join(row))

    def _lines(self, _file: File, opened: IO[bytes]) -> Iterator[pa.Table | Reject]:
        line = 1
        while lines := opened.readlines(BLOCK_BYTES):
            texts = [one.decode(errors="replace").strip() for one in lines]
            full = [(number, text) for number, text in enumerate(texts, start=line) if text]
            yield pa.table(
                {
                    "line": pa.array([n for n, _ in full], pa.int64()),
                    "text": pa.array([t for _, t in full], pa.string()),
                }
            )
            line += len(lines)
