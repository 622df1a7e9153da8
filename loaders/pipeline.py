"""Load vendors: one dlt pipeline a vendor, whose schema and state live in the warehouse."""

from __future__ import annotations

import errno
import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import dlt
import duckdb
import pyarrow as pa
import pyarrow.compute as pc
from dlt.common.configuration.providers.dictionary import DictionaryProvider
from dlt.common.configuration.providers.provider import ConfigProvider
from dlt.common.runtime.run_context import RunContext, switched_run_context
from dlt.extract import DltResource, DltSource
from dlt.pipeline.exceptions import PipelineStepFailed

from loaders import files
from loaders.files.summing import sum_up
from loaders.hubspot import hubspot, read_warehouse
from loaders.ledger import ledger
from loaders.patches import apply_patches
from loaders.pendo import LandedDays, landed_ids, pendo, unnoted_days
from loaders.salesforce import salesforce
from loaders.unfinished import Unfinished
from loaders.values import Landing, LoadError, LoadSettings, Unreadable, Wanted

Progress = Callable[[str, str, int], None]

NEEDED = {
    "hubspot": ("hubspot_base_url", "hubspot_access_token"),
    "salesforce": ("salesforce_base_url", "salesforce_client_id", "salesforce_client_secret"),
    "pendo": ("pendo_base_url", "pendo_integration_key"),
    "files": (),
    "ledger": (),
}
# Usage from files has Pendo's own tables, so that no model tells them apart.
DATASETS = {"files": files.DATASET}
DLT_SETTINGS = {
    "runtime": {"dlthub_telemetry": False, "log_level": "CRITICAL", "intercept_signals": False},
    "schema": {"naming": "direct"},
    # Objects are read one after the other, and the table of reads last.
    "extract": {"next_item_mode": "fifo", "workers": 1},
    "normalize": {"workers": 1},
    # A table is replaced in one transaction, and staged rows are not kept.
    "destination": {"replace_strategy": "insert-from-staging"},
    "load": {"workers": 1, "truncate_staging_dataset": True, "raise_on_failed_jobs": True},
    "enable_runtime_trace": False,
}
# Tables that are no part of what a vendor has.
ABOUT_THE_LOAD = {"reads", "landed_days"}
POOL_MEGABYTES = 128
MEGABYTES_A_COLUMN = 2


def load(vendors: Sequence[str], settings: LoadSettings, wanted: Wanted, progress: Progress) -> tuple[Landing, ...]:
    """Land what is new of each vendor, in order, and say what was landed.

    `progress(vendor, table, rows)` is called as rows arrive. LoadError leaves the tables of the
    vendor that failed, and what is known of its last load, as they were; a load that follows goes on
    with the long reads where this one stopped. Where this load went on so itself, it lands that first, and
    then what has changed since: LoadError says so if only the first has landed.
    """
    refuse_unset(vendors, settings)
    settings.pipelines_dir.mkdir(parents=True, exist_ok=True)
    landings: list[Landing] = []
    for vendor in vendors:
        counts, since = _Counts(vendor, progress), _Counts(vendor, progress)
        if _land(vendor, settings, wanted, counts):
            try:
                _land(vendor, settings, wanted, since)
            except LoadError as error:
                raise LoadError(
                    f"{error}; what an earlier load of {vendor} had begun has landed, "
                    "and what has changed since has not: load again"
                ) from error
        landings += counts.landings(since)
    return tuple(landings)


def refuse_unset(vendors: Sequence[str], settings: LoadSettings) -> None:
    """Raise LoadError for a vendor that there is not, or whose settings are not all there. Asks no vendor."""
    for vendor in vendors:
        if vendor not in NEEDED:
            raise LoadError(f"there is no vendor {vendor!r}: choose from {', '.join(NEEDED)}")
        missing = [name.upper() for name in NEEDED[vendor] if not getattr(settings, name)]
        if missing:
            raise LoadError(f"{vendor} cannot be loaded: set {', '.join(missing)}")


def _land(vendor: str, settings: LoadSettings, wanted: Wanted, counts: _Counts) -> bool:
    """Run one vendor's pipeline as `_run` does; LoadError for whatever a person can mend."""
    try:
        return _run(vendor, settings, wanted, counts)
    except PipelineStepFailed as failed:
        raise _as_load_error(vendor, failed) from failed


def _run(vendor: str, settings: LoadSettings, wanted: Wanted, counts: _Counts) -> bool:
    """Run one vendor's pipeline; True if it must run again, as it went on where an earlier load had stopped.

    What that one had read is landed as of then, and what has changed since is for the next run.

    Its working folder is new each time: schema and state come from the warehouse, so that a load
    that failed leaves nothing to trip over, and another warehouse file brings its own past. The
    warehouse is open, and locked, only before and after the vendor is read.
    """
    with (
        Unfinished(settings.pipelines_dir / vendor, _may_go_on) as unfinished,
        switched_run_context(_Alone(folder := str(unfinished.working))),
    ):
        pipeline = dlt.pipeline(vendor, pipelines_dir=folder, dataset_name=DATASETS.get(vendor, vendor))
        try:
            with _opened(settings.warehouse) as warehouse:
                files.refuse_two_tools(warehouse, vendor)
                pipeline.sync_destination(dlt.destinations.duckdb(warehouse))
                apply_patches(pipeline, warehouse)
                make = _source(vendor, settings, wanted, warehouse, unfinished)
            source = make()
            for name, resource in source.resources.items():
                if name not in ABOUT_THE_LOAD:
                    resource.add_map(counts.counting(name, _marker(resource)))
            retyped = _retyped(pipeline, source)
            if retyped:
                dropping = source.with_resources(*retyped)
                pipeline.extract(dropping, loader_file_format="parquet", refresh="drop_resources")
                source = source.with_resources(*(set(source.resources) - set(retyped)))
            pipeline.extract(source, loader_file_format="parquet")
            pipeline.normalize()
            pa.default_memory_pool().release_unused()
            with _opened(settings.warehouse, _pool(pipeline)) as warehouse:
                pipeline.load(dlt.destinations.duckdb(warehouse))
                apply_patches(pipeline, warehouse)
                if vendor == "files":
                    sum_up(warehouse)
            unfinished.forget()
        finally:
            pipeline.deactivate()
    return unfinished.oldest is not None


def _source(
    vendor: str, settings: LoadSettings, wanted: Wanted, warehouse: duckdb.DuckDBPyConnection, unfinished: Unfinished
) -> Callable[[], DltSource]:
    """Read what a vendor's load must know of the warehouse; what asks the vendor comes when that is closed."""
    match vendor:
        case "hubspot":
            return partial(hubspot, settings, wanted, read_warehouse(warehouse), unfinished)
        case "salesforce":
            return partial(salesforce, settings, wanted, unfinished)
        case "pendo":
            days = LandedDays(unnoted_days(warehouse))
            return partial(pendo, settings, wanted, landed_ids(warehouse), days, unfinished)
        case "files":
            return partial(files.files, settings, LandedDays(unnoted_days(warehouse)))
        case _:
            return partial(ledger, settings)


def _retyped(pipeline: dlt.Pipeline, source: DltSource) -> list[str]:
    """List the tables that must be made anew, as a column's type in the vendor has changed."""
    if pipeline.default_schema_name is None:
        return []
    landed = pipeline.default_schema.tables
    return [
        name
        for name, resource in source.resources.items()
        for known in [landed[name]["columns"] if name in landed else {}]
        if any(
            known[column]["data_type"] != hints["data_type"]
            for column, hints in resource.columns.items()
            if column in known
        )
    ]


def _marker(resource: DltResource) -> str | None:
    """Name the column that is true in rows that only remove others, if a table has one."""
    columns = resource.columns
    if callable(columns):  # none of ours depends on its rows
        return None
    return next((name for name, hints in columns.items() if hints.get("hard_delete")), None)


class _Alone(RunContext):
    """A dlt run that reads no settings but ours, and keeps its files in one folder."""

    def __init__(self, folder: str) -> None:
        super().__init__(folder)
        self._global_dir = folder

    def initial_providers(self) -> list[ConfigProvider]:
        """Give dlt our settings in place of its files and environment variables."""
        provider = DictionaryProvider()
        for section, value in DLT_SETTINGS.items():
            values = value.items() if isinstance(value, dict) else [(section, value)]
            for key, setting in values:
                provider.set_value(key, setting, None, *([section] if key != section else []))
        return [provider]


def _pool(pipeline: dlt.Pipeline) -> int:
    """Say how many megabytes DuckDB needs to write the widest table; how long a table is does not count.

    It fills what it is given, and every column that is written holds some blocks in each thread.
    """
    tables = pipeline.default_schema.tables.values()
    return POOL_MEGABYTES + MEGABYTES_A_COLUMN * max(len(table["columns"]) for table in tables)


@contextmanager
def _opened(path: Path, pool: int = POOL_MEGABYTES) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the warehouse, with a pool of megabytes; LoadError if another process holds it or it cannot be opened."""
    is_new = not path.exists()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = duckdb.connect(path, config={"memory_limit": f"{pool}MB", "preserve_insertion_order": False})
    except (duckdb.Error, OSError) as error:
        held = re.search(r"PID (\d+)", str(error))
        if is_new and not held:
            # Made half: the next load could not open it, and it holds nothing.
            with suppress(OSError):
                path.unlink()
        raise LoadError(
            f"the warehouse {path} is held by process {held[1]}: close it, then load again"
            if held
            else f"the warehouse {path} cannot be opened: {_told(error)}"
        ) from error
    with connection:
        yield connection


class _Counts:
    """The rows of each table as they arrive, and the seconds they took."""

    def __init__(self, vendor: str, progress: Progress) -> None:
        self._vendor = vendor
        self._progress = progress
        self._rows: dict[str, int] = {}
        self._seconds: dict[str, float] = {}
        self._notes: dict[str, str] = {}
        self._last = time.perf_counter()

    def counting(self, name: str, marker: str | None) -> Callable[[pa.Table], pa.Table]:
        """Make a step that lets a table's rows through and counts them, but those that the marker's column marks."""
        self._rows.setdefault(name, 0)
        self._seconds.setdefault(name, 0.0)

        def count(rows: pa.Table) -> pa.Table:
            marked = (pc.sum(rows[marker]).as_py() or 0) if marker else 0
            self._rows[name] += rows.num_rows - marked
            if note := (rows.schema.metadata or {}).get(b"note"):
                self._notes[name] = note.decode()
            now = time.perf_counter()
            self._seconds[name] += now - self._last
            self._last = now
            self._progress(self._vendor, name, self._rows[name])
            return rows.replace_schema_metadata(None)

        return count

    def landings(self, since: _Counts) -> tuple[Landing, ...]:
        """Say what was landed, and `since` then.

        Most rows that came again are the same ones, so that of two counts of a table only the larger is told.
        """
        return tuple(
            Landing(
                self._vendor,
                name,
                max(rows, since._rows.get(name, 0)),
                self._seconds[name] + since._seconds.get(name, 0.0),
                since._notes.get(name, self._notes.get(name, "")),
            )
            for name, rows in self._rows.items()
        )


def _as_load_error(vendor: str, failed: PipelineStepFailed) -> LoadError:
    """Find what dlt wrapped: our own error, or why the warehouse could not be written."""
    for error in _causes(failed):
        if isinstance(error, LoadError):
            return LoadError(str(error))
        if isinstance(error, duckdb.Error):
            return LoadError(f"{vendor} could not be written to the warehouse: {_told(error)}")
    raise failed


def _told(error: Exception) -> str:
    line = str(error).splitlines()[0]
    # DuckDB has no error of its own for a disk, or a quota, that is full.
    full = any(os.strerror(code) in line for code in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG))
    return line + ("; make room, then load again" if full else "")


def _may_go_on(error: Exception) -> bool:
    """Whether what was read before an error may be of use to the next load, and is not what has led to it."""
    found = next((one for one in _causes(error) if isinstance(one, LoadError | duckdb.Error)), None)
    return isinstance(found, LoadError | duckdb.OperationalError) and not isinstance(found, Unreadable)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
