"""The real thing in miniature: a sandbox over HTTP, a DuckDB file, dlt and dbt. Nothing of ours is replaced."""

from __future__ import annotations

import datetime as dt
import os
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import hypothesis
import pytest
from filelock import FileLock
from pydantic import SecretStr

from activators.apply import Run
from activators.plan import Plan
from activators.warehouse import open_warehouse
from backhaul import steps
from backhaul.settings import Settings
from backhaul.transform import Transform
from sandbox.server import Sandbox, serving

# A busy machine is no reason for a test to fail.
hypothesis.settings.register_profile("untimed", deadline=None)
# More of what is slow, and others each time: `pytest --hypothesis-profile deep tests/loaders/test_convergence.py`.
hypothesis.settings.register_profile("deep", deadline=None, max_examples=40)
hypothesis.settings.load_profile("untimed")

ROOT = Path(__file__).parents[1]
# Twelve days after the clocks changed in New York, so that every window has a day of 23 hours.
AS_OF = dt.date(2026, 3, 20)
WITHOUT_UNIT_TESTS = ("--exclude-resource-type", "unit_test")
# For who needs what models make, and leaves their tests to others.
WITHOUT_TESTS = (*WITHOUT_UNIT_TESTS, "test")
OF_CRMS = (
    "--select",
    "source:hubspot+ source:salesforce+ source:ledger+",
    "source:pendo.metadata_fields+ stg_pendo__visitor_metadata+ stg_pendo__account_metadata+",
)
CRM_SIDE = (*OF_CRMS, *WITHOUT_UNIT_TESTS)


class Shared:
    """What the workers of one run of the tests make once, and leave to each other."""

    folder: Path

    @classmethod
    def parsed(cls) -> Path:
        """Give the file that dbt goes on from when it parses the project: only what a test changes is read again."""
        from dbt.adapters.duckdb.credentials import DuckDBCredentials  # noqa: PLC0415  most tests do without dbt

        if "path" in (keys := DuckDBCredentials()._connection_keys()):  # noqa: SLF001
            # dbt reads everything again when the warehouse moves, though nothing it reads tells where that is; and here
            # each test has its own.
            placeless = tuple(key for key in keys if key != "path")
            DuckDBCredentials._connection_keys = lambda _: placeless  # noqa: SLF001
        made = cls.folder / "target" / "partial_parse.msgpack"
        with FileLock(cls.folder / "parsed.lock"):
            if not made.exists():
                settings = Settings.model_construct(
                    warehouse=cls.folder / "warehouse.duckdb", state=cls.folder / "state", target=made.parent
                )
                Transform(settings, ROOT).parse()
        return made


@pytest.fixture(scope="session", autouse=True)
def _shared(tmp_path_factory: pytest.TempPathFactory) -> None:
    base = tmp_path_factory.getbasetemp()
    Shared.folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "shared"
    Shared.folder.mkdir(exist_ok=True)


def transforming(settings: Settings, root: Path = ROOT) -> Transform:
    """Run dbt on the project, or on a copy of it; what was parsed before and is the same is not parsed again.

    dbt keeps to that where the warehouse has the usual file name, and dbt_project.yml is the project's own. Of a copy,
    it reads the seeds that were the project's own when it was parsed from the project, whatever a test writes later.
    """
    if not settings.manifest.exists():
        settings.target.mkdir(parents=True, exist_ok=True)
        shutil.copy(Shared.parsed(), settings.target)
    return Transform(settings, root)


@dataclass(frozen=True, slots=True)
class Loop:
    """One warehouse, one state folder, and the sandbox that they face."""

    sandbox: Sandbox
    settings: Settings
    transform: Transform
    control: httpx.Client

    def load(self, *vendors: str) -> int:
        """Land vendors, all by default; returns the rows that came."""
        self.transform.parse()
        return sum(item.rows for item in steps.load(self.settings, vendors or steps.VENDORS, lambda *_: None))

    def build(self, *arguments: str) -> int:
        """`dbt build`."""
        return self.transform.build(lambda *_: None, *arguments)

    def plan(self) -> Plan:
        """Seal a plan of every activation."""
        return steps.plan(self.settings, steps.activations(self.settings))

    def apply(self, plan: Plan) -> Run:
        """Send a plan."""
        return steps.apply(self.settings, plan, lambda *_: None)

    def rows(self, query: str) -> list[tuple[object, ...]]:
        """Ask the warehouse."""
        with open_warehouse(self.settings.warehouse) as connection:
            return connection.execute(query).fetchall()

    def ask(self, path: str) -> Any:
        """GET from the control API."""
        return self.control.get(path).raise_for_status().json()

    def tell(self, path: str, /, **body: object) -> None:
        """POST to the control API."""
        self.control.post(path, json=body).raise_for_status()


def settings_for(sandbox: Sandbox, folder: Path) -> Settings:
    """Settings that reach a sandbox, with every file in one folder; the environment has no say."""
    local = sandbox.settings
    return Settings.model_construct(
        warehouse=folder / "warehouse.duckdb",
        state=folder / "state",
        target=folder / "target",
        hubspot_base_url=local["HUBSPOT_BASE_URL"],
        hubspot_access_token=SecretStr(local["HUBSPOT_ACCESS_TOKEN"]),
        salesforce_base_url=local["SALESFORCE_BASE_URL"],
        salesforce_client_id=SecretStr(local["SALESFORCE_CLIENT_ID"]),
        salesforce_client_secret=SecretStr(local["SALESFORCE_CLIENT_SECRET"]),
        pendo_base_url=local["PENDO_BASE_URL"],
        pendo_integration_key=SecretStr(local["PENDO_INTEGRATION_KEY"]),
    )


@contextmanager
def looping(  # noqa: PLR0913  each is one circumstance of a world
    folder: Path,
    *,
    seed: int,
    visitors: int,
    time_zone: str = "America/New_York",
    person_accounts: bool = False,
    product_leads: int = 0,
) -> Iterator[Loop]:
    """A loop over a new world."""
    with serving(
        seed=seed,
        visitors=visitors,
        as_of=AS_OF,
        time_zone=time_zone,
        person_accounts=person_accounts,
        product_leads=product_leads,
    ) as sandbox:
        settings = settings_for(sandbox, folder)
        with httpx.Client(base_url=sandbox.urls["control"], timeout=60) as control:
            yield Loop(sandbox, settings, transforming(settings), control)


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loop]:
    """A loop that has loaded and built everything, dbt's unit tests too. Read-only: tests share it."""
    world = {"seed": 3, "visitors": 300}
    whole = Shared.folder / "built"
    with FileLock(Shared.folder / "built.lock"):
        if not whole.exists():
            made = tmp_path_factory.mktemp("building")
            with looping(made, **world) as loop:
                loop.load()
                loop.build()
            made.rename(whole)
    folder = tmp_path_factory.mktemp("built")
    shutil.copytree(whole, folder, dirs_exist_ok=True)
    # The same world, as it was before anybody read it.
    with looping(folder, **world) as loop:
        yield loop


def work_on_after_a_swallowed(number: signal.Signals) -> None:
    """Get a signal in a destructor, which swallows what is raised, and then work for long: a stop must end that."""

    class Closing:
        def __del__(self) -> None:
            signal.raise_signal(number)

    Closing()
    time.sleep(20)
    pytest.fail("nobody was told to stop")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show what tests have to tell when they pass, such as how often something was tried."""
    told = [
        str(value)
        for report in terminalreporter.getreports("passed")
        for name, value in report.user_properties
        if name == "told"
    ]
    for line in told:
        terminalreporter.write_line(line)
