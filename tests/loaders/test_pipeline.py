"""A load is whole or nothing, says what went wrong in one line, and leaves no trace but the warehouse."""

from __future__ import annotations

import resource as limits
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path

import dlt
import duckdb
import httpx
import pyarrow as pa
import pytest
from dlt.pipeline.exceptions import PipelineStepFailed

from loaders import LoadError, LoadSettings, Wanted, load
from loaders.landing import Column, resource
from sandbox.server import Sandbox, serving
from tests.loaders.conftest import WANTED, Load, Query

VENDORS = ("hubspot", "salesforce", "pendo")
LITTLE = Wanted(pendo=frozenset({"polls"}))
HOLD = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('held', flush=True); sys.stdin.read()"


def snapshot(query: Query, vendor: str) -> list[list[tuple[object, ...]]]:
    """Give every row of a vendor, dlt's own rows too."""
    tables = query("select table_name from information_schema.tables where table_schema = ? order by 1", vendor)
    return [query(f'from {vendor}."{name}" order by all') for (name,) in tables]


@pytest.fixture
def held(settings: LoadSettings) -> Iterator[int]:
    """Hold the warehouse in another process; gives its id."""
    command = [sys.executable, "-c", HOLD, str(settings.warehouse)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process.pid
        process.communicate()


def test_every_table_and_column_is_there_when_the_vendors_have_nothing(tmp_path: Path) -> None:
    with serving(seed=1, visitors=0, as_of=date(2026, 11, 10)) as empty:
        settings = LoadSettings(
            warehouse=tmp_path / "warehouse.duckdb",
            pipelines_dir=tmp_path / "pipelines",
            journal_dir=tmp_path / "journal",
            **{name.lower(): value for name, value in empty.settings.items()},
        )
        load([*VENDORS, "ledger"], settings, WANTED, lambda *_: None)
    with duckdb.connect(settings.warehouse) as warehouse:
        for sql in (
            "select day, num_minutes, account_id from pendo.events",
            "select browser_time, poll_response from pendo.poll_events",
            "select run_id, ended_at, status from ledger.runs",
            "select property, before_value, written_at from ledger.writes",
            "select email, archived_at from hubspot.contacts where usage_minutes is not null",
        ):
            assert warehouse.execute(sql).fetchall() == []
        columns = warehouse.execute("describe salesforce.contact").fetchall()
        assert {column[0] for column in columns} >= {"Id", "LastName", "Usage_Minutes__c", "SystemModstamp"}


def test_progress_is_told_as_rows_arrive(settings: LoadSettings) -> None:
    told: list[tuple[str, str, int]] = []
    landings = load(["hubspot"], settings, WANTED, lambda *news: told.append(news))
    rows = {landing.table: landing.rows for landing in landings}
    assert ("hubspot", "contacts", rows["contacts"]) in told
    assert set(rows) == {"contacts", "companies", "properties", "property_groups", "owners", "api_usage"}
    assert all(landing.seconds >= 0 for landing in landings)


def test_a_vendor_that_fails_midway_leaves_everything_as_it_was(
    load_rows: Load, query: Query, control: httpx.Client
) -> None:
    load_rows("hubspot")
    before = snapshot(query, "hubspot")
    control.post("/advance", json={"days": 1})
    fault = {"vendor": "hubspot", "path": "/crm/owners", "status": 503, "times": 3}
    control.post("/faults", json=fault).raise_for_status()
    with pytest.raises(LoadError, match="HubSpot answered 503 to GET /crm/owners/2026-09"):
        load_rows("hubspot")
    assert snapshot(query, "hubspot") == before
    load_rows("hubspot")
    assert snapshot(query, "hubspot") != before


def test_a_dropped_connection_is_tried_again(load_rows: Load, control: httpx.Client) -> None:
    control.post("/faults", json={"vendor": "pendo", "path": "/api/v1/guide", "drop": True}).raise_for_status()
    assert load_rows("pendo", wanted=LITTLE)["polls"] == 5


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_vendor_that_does_not_answer_is_named_with_its_address(
    vendor: str, settings: LoadSettings, load_rows: Load
) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        object.__setattr__(settings, f"{vendor}_base_url", url)
        with pytest.raises(LoadError, match=f"does not answer at {url}"):
            load_rows(vendor)


def test_an_address_that_is_no_api_is_named(settings: LoadSettings, sandbox: Sandbox, load_rows: Load) -> None:
    object.__setattr__(settings, "pendo_base_url", sandbox.urls["control"])
    with pytest.raises(LoadError, match="Pendo answered 404 to GET /api/v1/token/verify"):
        load_rows("pendo")


def test_a_held_warehouse_is_told_with_the_process_that_holds_it(held: int, load_rows: Load) -> None:
    with pytest.raises(LoadError, match=f"held by process {held}"):
        load_rows("ledger")


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """No room for more in any one file, as on a disk that is full."""
    whole = limits.getrlimit(limits.RLIMIT_FSIZE)
    limits.setrlimit(limits.RLIMIT_FSIZE, (size, whole[1]))
    try:
        yield
    finally:
        limits.setrlimit(limits.RLIMIT_FSIZE, whole)


def test_without_room_for_a_load_it_says_so_and_the_rows_stay(load_rows: Load, query: Query) -> None:
    load_rows("salesforce")
    before = query("from salesforce.contact order by all")
    with (
        files_of_at_most(20_000),
        pytest.raises(LoadError, match=r"^salesforce could not .*File too large; make room, then load again$"),
    ):
        load_rows("salesforce")
    assert query("from salesforce.contact order by all") == before != []
    load_rows("salesforce")


def test_without_room_for_a_warehouse_it_says_so_and_leaves_no_half_of_one(load_rows: Load) -> None:
    with (
        files_of_at_most(4_000),
        pytest.raises(LoadError, match=r"cannot be opened: .*File too large.*; make room, then load again$"),
    ):
        load_rows("ledger")
    load_rows("ledger")


def test_a_warehouse_where_there_can_be_none_is_named(settings: LoadSettings, load_rows: Load) -> None:
    no_folder = settings.warehouse.with_name("a_file")
    no_folder.touch()
    object.__setattr__(settings, "warehouse", no_folder / "warehouse.duckdb")
    with pytest.raises(LoadError, match=r"a_file/warehouse\.duckdb cannot be opened: .*(Not a directory|File exists)"):
        load_rows("ledger")


def test_the_warehouse_is_free_after_a_load(load_rows: Load, settings: LoadSettings) -> None:
    load_rows("ledger")
    command = [sys.executable, "-c", "import duckdb, sys; duckdb.connect(sys.argv[1])", str(settings.warehouse)]
    subprocess.run(command, check=True)


def test_missing_settings_are_named_before_anything_is_loaded(settings: LoadSettings) -> None:
    bare = replace(settings, pendo_base_url="", pendo_integration_key="")
    with pytest.raises(LoadError, match="set PENDO_BASE_URL, PENDO_INTEGRATION_KEY"):
        load(["hubspot", "pendo"], bare, WANTED, lambda *_: None)
    assert not settings.warehouse.exists()


def test_an_unknown_vendor_is_refused(settings: LoadSettings) -> None:
    with pytest.raises(LoadError, match="no vendor 'zoho': choose from hubspot, salesforce, pendo, files, ledger"):
        load(["zoho"], settings, Wanted(), lambda *_: None)


def test_secrets_are_not_shown_with_the_settings(settings: LoadSettings, sandbox: Sandbox) -> None:
    secrets = [value for name, value in sandbox.settings.items() if not name.endswith("_URL")]
    assert len(secrets) == 4
    assert not [secret for secret in secrets if secret in repr(settings)]


def test_a_vendor_that_repeats_a_secret_does_not_get_it_into_a_message(
    settings: LoadSettings, load_rows: Load, control: httpx.Client
) -> None:
    body = {"status": "error", "message": f"no scope for {settings.hubspot_access_token}"}
    fault = {"vendor": "hubspot", "path": "/crm/owners", "status": 400, "body": body}
    control.post("/faults", json=fault).raise_for_status()
    with pytest.raises(LoadError, match="no scope for …"):
        load_rows("hubspot")


def test_a_load_reads_no_settings_of_dlt_and_leaves_no_files(
    settings: LoadSettings, load_rows: Load, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    home, here = tmp_path / "home", tmp_path / "here"
    (here / ".dlt").mkdir(parents=True)
    (here / ".dlt" / "config.toml").write_text("[schema]\nnaming = 'no such naming'\n")
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("SCHEMA__NAMING", "no such naming")
    monkeypatch.chdir(here)
    load_rows("pendo", wanted=LITTLE)
    assert [path.name for path in settings.pipelines_dir.iterdir()] == ["pendo.lock"]
    assert list(home.iterdir()) == []
    assert [path.name for path in here.iterdir()] == [".dlt"]


def test_a_load_prints_nothing(load_rows: Load, capfd: pytest.CaptureFixture[str]) -> None:
    load_rows("pendo", wanted=LITTLE)
    assert capfd.readouterr() == ("", "")


def test_staged_rows_are_not_kept(load_rows: Load, query: Query) -> None:
    load_rows("hubspot")
    assert query("select count(*) from hubspot_staging.contacts") == [(0,)]


def test_a_table_never_takes_values_of_another_type_turned_into_its_own(tmp_path: Path) -> None:
    """A load makes such a table anew before; here nobody does."""
    file = tmp_path / "warehouse.duckdb"

    def land(visitor: str, minutes: pa.Array) -> None:
        rows = pa.table({"visitor": [visitor], "minutes": minutes})
        columns = [Column("visitor", pa.string(), nullable=False), Column("minutes", minutes.type)]
        pipeline = dlt.pipeline(
            "usage", pipelines_dir=str(tmp_path), destination=dlt.destinations.duckdb(str(file)), dataset_name="usage"
        )
        pipeline.run(resource("usage", columns, lambda: iter([rows]), "incremental"), loader_file_format="parquet")

    land("ann", pa.array([5], pa.int64()))
    with pytest.raises(PipelineStepFailed, match="data_type"):
        land("bob", pa.array(["6"]))
    with duckdb.connect(file) as warehouse:
        assert warehouse.execute("from usage.usage").fetchall() == [("ann", 5)]
