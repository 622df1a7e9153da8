"""Loaders are tested against the sandbox over HTTP: a world for each file, a warehouse for each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import duckdb
import httpx
import pytest
import stamina

from loaders import Landing, LoadSettings, Wanted, load
from sandbox.server import Sandbox, serving

Query = Callable[..., list[tuple[object, ...]]]
Load = Callable[..., dict[str, int]]

WANTED = Wanted(
    hubspot={
        "contacts": ("email", "firstname", "lastname", "hs_additional_emails"),
        "companies": ("name", "domain", "product_account_id"),
    },
    hubspot_activated={"contacts": ("usage_minutes",)},
    salesforce={
        "Contact": ("FirstName", "LastName", "Email", "AccountId"),
        "Account": ("Name", "Website", "Product_Account_Id__c"),
        "User": ("Name", "Email", "IsActive"),
    },
    salesforce_activated={"Contact": ("Usage_Minutes__c",)},
    pendo=frozenset({"visitors", "accounts", "events", "poll_events", "guides", "polls"}),
)


@pytest.fixture(autouse=True)
def _no_waiting() -> Iterator[None]:
    """Retries happen, but at once."""
    stamina.set_testing(True, attempts=3)
    yield
    stamina.set_testing(False)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with serving(seed=5, visitors=80, as_of=date(2026, 11, 10)) as running:
        yield running


@pytest.fixture
def control(sandbox: Sandbox) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=sandbox.urls["control"], timeout=30) as client:
        yield client
        client.delete("/faults")


@pytest.fixture
def settings(sandbox: Sandbox, tmp_path: Path) -> LoadSettings:
    return LoadSettings(
        warehouse=tmp_path / "warehouse.duckdb",
        pipelines_dir=tmp_path / "pipelines",
        journal_dir=tmp_path / "journal",
        **{name.lower(): value for name, value in sandbox.settings.items()},
    )


@pytest.fixture
def query(settings: LoadSettings) -> Query:
    """Ask the warehouse, with the values of `?`; the connection is closed again."""

    def ask(sql: str, *values: object) -> list[tuple[object, ...]]:
        with duckdb.connect(settings.warehouse) as warehouse:
            return warehouse.execute(sql, values).fetchall()

    return ask


@pytest.fixture
def load_rows(settings: LoadSettings) -> Load:
    """Load vendors and give the rows landed by table."""

    def run(*vendors: str, wanted: Wanted = WANTED) -> dict[str, int]:
        landings: tuple[Landing, ...] = load(vendors, settings, wanted, lambda *_: None)
        return {landing.table: landing.rows for landing in landings}

    return run
