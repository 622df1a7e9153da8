"""The whole loop against the sandbox: three loads, three plans, one day in between, and what each of them cost."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from shutil import rmtree

import httpx
from pydantic import SecretStr
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn
from rich.table import Table

from activators.apply import Run
from activators.errors import ActivationError
from activators.plan import ActivationPlan, Plan
from activators.warehouse import open_warehouse
from backhaul import report, steps
from backhaul.settings import Settings
from backhaul.sync import EVERYTHING
from backhaul.transform import Transform
from loaders import Landing

SEED, VISITORS, LEADS = 7, 500, 8
# A fixed day, so that every run of the demo shows the same; its windows hold a day on which clocks changed.
DAY = dt.date(2026, 3, 20)
# Soon after a build that was tested, the models alone: what new properties can change, which are what the CRMs have …
MODELS = (*EVERYTHING, "test", "--select")
PROPERTIES = (*MODELS, "path:models/plans stg_pendo__visitor_metadata+ stg_pendo__account_metadata+")
# … and what a landing of CRM records, of Pendo's metadata or of the ledger can: all but the product's own metrics.
CRM_SIDE = (
    *MODELS,
    "source:hubspot+ source:salesforce+ source:ledger+",
    "source:pendo.metadata_fields+ stg_pendo__visitor_metadata+ stg_pendo__account_metadata+",
)
# A salesperson's own figure, typed over ours: the next plan must hold it.
TYPED_BY_A_PERSON = {"usage_active_days_30d": "99"}


class DemoError(ActivationError):
    """The demo found something that must not be."""


@dataclass(slots=True)
class Demo:
    """One run of the demo: its settings, its console, and a line of the closing table for each step."""

    settings: Settings
    console: Console
    transform: Transform
    control: httpx.Client
    lines: list[tuple[str, str, float]] = field(default_factory=list)

    @contextlib.contextmanager
    def step(self, title: str) -> Iterator[list[str]]:
        """Announce a step, time it, and keep what it says of itself for the closing table."""
        self.console.print(f"\n{len(self.lines) + 1}. {title}", style="bold")
        said: list[str] = []
        started = time.monotonic()
        yield said
        self.lines.append((title, ", ".join(said), time.monotonic() - started))

    def load(self, *vendors: str) -> tuple[Landing, ...]:
        """Land vendors and show what came."""
        with _progress() as bar:
            task = bar.add_task("load", total=None)
            landed = steps.load(
                self.settings,
                vendors or steps.VENDORS,
                lambda vendor, table, rows: bar.update(task, description=f"{vendor}.{table} {rows:,} rows"),
            )
        self.console.print(report.landings(landed))
        return landed

    def build(self, *arguments: str) -> int:
        """Run `dbt build`."""
        with _progress() as bar:
            task = bar.add_task("dbt build", total=None)
            nodes = self.transform.build(lambda done, total: bar.update(task, completed=done, total=total), *arguments)
        what = "models" if arguments[: len(MODELS)] == MODELS else "models, seeds and tests, all passed"
        self.console.print(f"dbt build: {nodes} {what}.")
        return nodes

    def plan(self) -> Plan:
        """Seal a plan and show it."""
        sealed = steps.plan(self.settings, steps.activations(self.settings))
        self.console.print(report.plan(sealed))
        return sealed

    def apply(self, sealed: Plan) -> Run:
        """Apply a plan and show what became of it."""
        with _progress() as bar:
            tasks = {item.name: bar.add_task(item.name, total=item.records_changed) for item in sealed.activations}
            done = steps.apply(
                self.settings,
                sealed,
                lambda applied, _all, _usage: bar.update(tasks[applied.name], completed=applied.settled),
            )
        self.console.print(report.run(done))
        return done

    def writes(self) -> int:
        """Calls that wrote to a record, as the servers counted them."""
        requests = self.control.get("/requests").raise_for_status().json()
        return sum(
            request["path"].endswith(("/batch/update", "/composite/sobjects", "/custom/value"))
            and request["method"] != "GET"
            for request in requests
        )


def run_demo(settings: Settings, console: Console) -> None:
    """Run it. Raises ActivationError or LoadError as any command does, and DemoError when a promise is not kept."""
    started = time.monotonic()
    root = Path.cwd()
    _clear_earlier_demo(settings)
    with _sandbox(settings.state) as (servers, local):
        console.print(
            f"Sandbox: HubSpot {servers['hubspot']}, Salesforce {servers['salesforce']}, Pendo {servers['pendo']}"
        )
        with httpx.Client(base_url=servers["control"], timeout=60) as control:
            demo = Demo(_local_settings(settings, local), console, Transform(settings, root), control)
            _loop(demo)
            docs = demo.transform.docs()
        _summary(demo, docs, time.monotonic() - started)


def _loop(demo: Demo) -> None:
    with demo.step("Load HubSpot, Salesforce and Pendo into the warehouse") as said:
        demo.transform.parse()
        said.append(f"{sum(item.rows for item in demo.load()):,} rows")
    with demo.step("dbt build: metrics, matches and what each CRM record should say") as said:
        demo.build(*EVERYTHING)
        matched, conflicts = _matches(demo.settings.warehouse)
        said += [f"{matched:,} matched", f"{conflicts:,} in conflict"]
    with demo.step("Create the missing properties, and plan") as said:
        declared = steps.activations(demo.settings)
        demo.console.print(report.provisioned(steps.provision(demo.settings, declared)))
        demo.load("hubspot", "salesforce", "pendo")
        demo.build(*PROPERTIES)
        first = demo.plan()
        said.append(f"{first.changes:,} changes")
    with demo.step("Apply the plan") as said:
        done = demo.apply(first)
        said += [f"{sum(item.values for item in done.activations):,} values", f"{_calls(done)} calls"]
    with demo.step("Load them and the ledger again: nothing is left to send") as said:
        demo.load()
        demo.build(*CRM_SIDE)
        before = demo.writes()
        second = demo.plan()
        if second.changes or demo.writes() != before:
            raise DemoError("the second plan is not empty; please report this")
        said += ["0 changes", "0 writes"]
    with demo.step("A day passes, and a salesperson types over one of our values") as said:
        record_id = _some_active_contact(demo.settings.warehouse)
        for path, body in (
            ("/advance", {"days": 1}),
            ("/edit", {"vendor": "hubspot", "object": "contacts", "id": record_id, "properties": TYPED_BY_A_PERSON}),
        ):
            demo.control.post(path, json=body).raise_for_status()
        said.append(f"{sum(item.rows for item in demo.load()):,} rows")
        demo.build(*EVERYTHING)
    with demo.step("Plan and apply: only the properties that changed are sent") as said:
        third = demo.plan()
        done = demo.apply(third)
        said += [
            f"{third.changes:,} of {sum(_values(item) for item in third.activations):,} values",
            f"{sum(item.held for item in third.activations)} held",
            f"{_calls(done)} calls",
        ]
        demo.load("ledger")


def _summary(demo: Demo, docs: Path, seconds: float) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold", title=None)
    table.add_column("Step")
    table.add_column("What came of it")
    table.add_column("Seconds", justify="right")
    for number, (title, said, spent) in enumerate(demo.lines, 1):
        table.add_row(f"{number}. {title}", said, f"{spent:.1f}")
    table.add_row("In all, with the sandbox and the docs", "", f"{seconds:.1f}", style="bold")
    demo.console.print()
    demo.console.print(table)
    demo.console.print(f"\nWarehouse  {demo.settings.warehouse}\nPlans      {demo.settings.plans}", highlight=False)
    demo.console.print(f"Journal    {demo.settings.journal}\ndbt docs   {docs}", highlight=False)


@contextlib.contextmanager
def _sandbox(state: Path) -> Iterator[tuple[dict[str, str], dict[str, str]]]:
    """The servers' addresses and the settings that reach them."""
    state.mkdir(parents=True, exist_ok=True)
    env_file = state / "demo.env"
    command = [
        *(sys.executable, "-m", "backhaul", "sandbox", "serve", "--port", "0"),
        *("--seed", str(SEED), "--visitors", str(VISITORS), "--product-leads", str(LEADS)),
        *("--as-of", DAY.isoformat(), "--env-file", str(env_file)),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            line = process.stdout.readline() if process.stdout else ""
            if not line:
                raise DemoError("the sandbox did not start; try `backhaul sandbox serve`")
            values = dict(item.split("=", 1) for item in env_file.read_text().splitlines() if "=" in item)
            yield json.loads(line), values
        finally:
            process.terminate()
            process.wait()
            env_file.unlink(missing_ok=True)


def _local_settings(settings: Settings, local: dict[str, str]) -> Settings:
    """The caller's folders with the sandbox's addresses. Given outright, so that no real account can slip in."""
    return settings.model_copy(
        update={
            "hubspot_base_url": local["HUBSPOT_BASE_URL"],
            "hubspot_access_token": SecretStr(local["HUBSPOT_ACCESS_TOKEN"]),
            "salesforce_base_url": local["SALESFORCE_BASE_URL"],
            "salesforce_client_id": SecretStr(local["SALESFORCE_CLIENT_ID"]),
            "salesforce_client_secret": SecretStr(local["SALESFORCE_CLIENT_SECRET"]),
            "pendo_base_url": local["PENDO_BASE_URL"],
            "pendo_integration_key": SecretStr(local["PENDO_INTEGRATION_KEY"]),
        }
    )


def _clear_earlier_demo(settings: Settings) -> None:
    """Start afresh, and never over anybody's own data: only what a demo made is removed."""
    mark = settings.state / "demo"
    if settings.on_spark:
        raise DemoError(f"{settings.warehouse}: the demo is for DuckDB; run it with BACKHAUL_WAREHOUSE=demo.duckdb")
    if (settings.warehouse.exists() or settings.journal.exists()) and not mark.exists():
        raise DemoError(
            f"{settings.warehouse} or {settings.state} holds data of your own; "
            "run the demo with BACKHAUL_WAREHOUSE=demo.duckdb BACKHAUL_STATE=.demo"
        )
    if settings.warehouse.exists():
        open_warehouse(settings.warehouse).close()  # refuses, in a sentence, while another process holds it
    settings.warehouse.unlink(missing_ok=True)
    if settings.state.exists():
        rmtree(settings.state)
    settings.state.mkdir(parents=True, mode=0o700)
    mark.touch()


def _matches(warehouse: Path) -> tuple[int, int]:
    with open_warehouse(warehouse) as connection:
        row = connection.execute(
            "select (select count(*) from identity.matches), (select count(*) from identity.match_conflicts)"
        ).fetchone()
    return row or (0, 0)


def _some_active_contact(warehouse: Path) -> str:
    with open_warehouse(warehouse) as connection:
        row = connection.execute(
            "select min(contact_id) from activations.sync_hubspot__contacts where active_days_last_30 > 5"
        ).fetchone()
    return str(row[0]) if row else ""


def _values(item: ActivationPlan) -> int:
    return item.changes + item.held + item.kept + item.invalid + item.unchanged


def _calls(done: Run) -> int:
    return sum(item.calls for item in done.activations)


def _progress() -> Progress:
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        console=Console(stderr=True),
        transient=True,
    )
