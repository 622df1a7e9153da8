"""What a load right after another costs each vendor, in calls."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx

from benchmarks.figures import Figure
from loaders import LoadSettings, Wanted, load
from sandbox.server import serving

VENDORS = ("hubspot", "salesforce", "pendo")
FEW, MANY = 200, 4_000
WANTED = Wanted(
    hubspot={"contacts": ("email", "firstname", "lastname"), "companies": ("name", "domain")},
    hubspot_associations=(("contacts", "companies"),),
    salesforce={"Contact": ("FirstName", "LastName", "Email"), "Account": ("Name", "Website")},
)
GROWS_WITH = {
    "hubspot": "a call for 100 archived records",
    "salesforce": "nothing",
    "pendo": "a call for 20,000 visitors or accounts, or 50,000 rows of an open day's usage",
}


def calls_when_nothing_is_new() -> list[Figure]:
    """Count the calls of a load right after another, for two sizes of the sandbox's accounts."""
    few, many = _calls_of_second_load(FEW), _calls_of_second_load(MANY)
    detail = {
        vendor: {
            f"with_{FEW}_visitors": few[vendor],
            f"with_{MANY}_visitors": many[vendor],
            "grows_with": GROWS_WITH[vendor],
        }
        for vendor in VENDORS
    }
    return [Figure("load.calls_when_nothing_is_new", sum(many.values()), "calls", detail)]


def _calls_of_second_load(visitors: int) -> dict[str, int]:
    with (
        serving(seed=1, visitors=visitors, as_of=date(2026, 3, 20)) as sandbox,
        httpx.Client(base_url=sandbox.urls["control"], timeout=60) as control,
        TemporaryDirectory() as folder,
    ):
        reached: dict[str, Any] = {name.lower(): value for name, value in sandbox.settings.items()}
        at = Path(folder)
        # The sandbox keeps the vendors' limits, and so does the load.
        settings = LoadSettings(at / "warehouse.duckdb", at / "pipelines", at / "journal", **reached)
        load(VENDORS, settings, WANTED, lambda *_: None)
        control.delete("/requests").raise_for_status()
        load(VENDORS, settings, WANTED, lambda *_: None)
        requests = control.get("/requests").raise_for_status().json()
    return {vendor: sum(one["vendor"] == vendor for one in requests) for vendor in VENDORS}
