"""A process that is killed anywhere in `apply` loses nothing, and sends nothing twice, once it is run again."""

from __future__ import annotations

import datetime as dt
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import duckdb
import orjson
import pytest

from activators.plan import Plan
from loaders import LoadSettings, Wanted, load
from sandbox.hubspot.limits import Limits
from sandbox.server import Sandbox, serving
from tests.activators.conftest import Crm, Seal, provisioned
from tests.conftest import ROOT

RECORDS = 5
# Kills of a resumed run, drawn anew for each way of writing.
TWICE = 8
# No run of five records has as many steps.
SURELY_PAST_THE_END = 400


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    # Each kill is a run of its own, and many runs in ten seconds are more calls than an account takes.
    with serving(seed=5, visitors=60, as_of=dt.date(2026, 3, 20), hubspot_limits=Limits(burst=5_000)) as running:
        yield running


@dataclass(slots=True)
class Runs:
    """Runs in processes of their own; one run has a plan of its own that gives every record new values."""

    crm: Crm
    seal: Seal
    folder: Path
    by_jobs: bool
    driver: subprocess.Popen[bytes]
    value: int = 0
    attempts: int = 0
    plans: dict[int, Plan] = field(default_factory=dict)

    @property
    def ids(self) -> tuple[str, ...]:
        return self.crm.ids[:RECORDS]

    @property
    def journal(self) -> Path:
        """The newest run's own folder."""
        return self.folder / "journals" / f"{self.value:03}"

    def planned(self, value: int) -> dict[str, str | None]:
        """What a run gives every record, its forerunner's opposite: a number, and a remark or none."""
        return {self.crm.days: str(value % 2 + 1), self.crm.note: "note" if value % 2 else None}

    def plan(self) -> Plan:
        """A plan from the last run's values to the next one's. There are but two; each run has a journal of its own."""
        self.value += 1
        before, after = self.planned(self.value - 1), self.planned(self.value)
        names = (self.crm.days, self.crm.note)
        rows = [(one, name, before[name], after[name]) for one in self.ids for name in names]
        if self.value % 2 not in self.plans:
            self.plans[self.value % 2] = self.seal(self.crm.activation, rows)
        return self.plans[self.value % 2]

    def apply(self, plan: Plan, kill_at: int | None = None) -> tuple[bool, list[tuple[str, str, list[str]]]]:
        """Run, or go on with, one plan; tells whether it was killed, and the calls that it was about to make."""
        self.attempts += 1
        wire = self.folder / "wire.jsonl"
        wire.write_bytes(b"")
        task = {
            "plan": str(plan.folder),
            "journal": str(self.journal),
            # A run that is killed before it has said what it is leaves an empty file, and no run has its name again.
            "run_id": f"run-{self.value:03}-{self.attempts:04}",
            "wire": str(wire),
            "by_jobs": self.by_jobs,
            "kill_at": kill_at,
            "credentials": dict(self.crm.credentials()),
        }
        to, back = pipes(self.driver)
        to.write(orjson.dumps(task) + b"\n")
        to.flush()
        ended = orjson.loads(back.readline())
        assert ended["killed"] or ended["code"] == 0, ended
        return ended["killed"], [tuple(orjson.loads(line)) for line in wire.read_bytes().splitlines()]

    def holding(self) -> set[str]:
        """The records that have the newest plan's values."""
        stored = self.crm.everything()
        wanted = self.planned(self.value)
        return {one for one in self.ids if all(same(stored[one].get(name), value) for name, value in wanted.items())}

    def check(self, killed_calls: list[Any], calls: list[Any], held: set[str]) -> None:
        """Nothing lost, nothing that had arrived sent again, nothing that a job had taken sent again."""
        assert self.holding() == set(self.ids)
        sent = Counter(record for _, _, records in calls for record in records)
        assert not held & sent.keys()
        assert max(sent.values(), default=0) <= 1
        closed = {path.rpartition("/")[2] for method, path, _ in self.closings()}
        taken = {record for _, path, records in killed_calls if path.split("/")[-2] in closed for record in records}
        assert not taken & sent.keys()
        self.crm.reset()

    def closings(self) -> list[tuple[str, str, int]]:
        """The jobs that were told to begin before the last resumption, by the CRM's own log."""
        found = self.crm.requests("")
        last = [at for at, item in enumerate(found) if item["path"].endswith("/oauth2/token")][-1:]
        return [
            (item["method"], item["path"], item["status"])
            for item in found[: last[0] if last else 0]
            if item["method"] == "PATCH" and "/jobs/ingest/" in item["path"] and item["status"] == 200
        ]


def pipes(driver: subprocess.Popen[bytes]) -> tuple[IO[bytes], IO[bytes]]:
    assert driver.stdin is not None
    assert driver.stdout is not None
    return driver.stdin, driver.stdout


def same(stored: object, wanted: str | None) -> bool:
    if wanted is None:
        return stored in {None, ""}
    return stored is not None and str(stored).removesuffix(".0") == wanted


@contextmanager
def warm_driver() -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "tests.activators.crashing"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as driver:
        try:
            yield driver
        finally:
            pipes(driver)[0].close()
            driver.wait(30)


@pytest.mark.parametrize(
    ("destination", "by_jobs"),
    [
        pytest.param("hubspot", False, id="hubspot_batches"),
        pytest.param("salesforce", False, id="salesforce_collections"),
        pytest.param("salesforce", True, id="salesforce_jobs"),
        pytest.param("pendo", False, id="pendo_metadata"),
    ],
)
def test_killed_at_any_step_the_same_command_goes_on(  # noqa: PLR0913  fixtures and parameters
    sandbox: Sandbox,
    seal: Seal,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
    *,
    destination: str,
    by_jobs: bool,
) -> None:
    with provisioned(sandbox, destination) as crm, warm_driver() as driver:
        crm.reset()
        for record in crm.ids[:RECORDS]:
            crm.edit(record, **{crm.days: 1, crm.note: ""})
        runs = Runs(crm, seal, tmp_path, by_jobs, driver)
        steps = 0
        for steps in range(1, SURELY_PAST_THE_END):
            plan = runs.plan()
            killed, killed_calls = runs.apply(plan, kill_at=steps)
            if not killed:
                break
            held = runs.holding()
            _, calls = runs.apply(plan)
            runs.check(killed_calls, calls, held)
        steps -= 1
        drawn = random.Random(destination)  # noqa: S311  the same in every run
        for _ in range(TWICE):
            plan = runs.plan()
            _, first = runs.apply(plan, kill_at=drawn.randint(2, steps))
            killed, second = runs.apply(plan, kill_at=drawn.randint(2, steps))
            held = runs.holding()
            if killed:
                _, calls = runs.apply(plan)
                runs.check([*first, *second], calls, held)
        way = f"{destination}{' by jobs' if by_jobs else ''}"
        record_property("told", f"{way}: killed at each of {steps} steps, and {TWICE} times twice")
        # Before, in and after each line of the journal: the run, three batches' intents and outcomes, jobs, the end;
        # and before and after each call.
        assert steps >= (60 if by_jobs else 3 * 8 + 2 * 3)
        assert_ledger_says_so(runs)


def assert_ledger_says_so(runs: Runs) -> None:
    """Every value that a plan changed is one row of its run, confirmed, with what stood there before."""
    journal = runs.folder / "journal"
    journal.mkdir()
    for file in runs.journal.parent.glob("*/*.jsonl"):
        file.rename(journal / file.name)
    settings = LoadSettings(
        warehouse=runs.folder / "warehouse.duckdb", pipelines_dir=runs.folder / "dlt", journal_dir=journal
    )
    load(["ledger"], settings, Wanted(), lambda *_: None)
    with duckdb.connect(str(settings.warehouse)) as connection:
        rows = connection.execute(
            "select run_id[:7], record_id, property, before_value, after_value, status from ledger.writes"
        ).fetchall()
        ended = connection.execute("select count(*) from ledger.runs where status = 'complete'").fetchall()
    wanted = {
        (f"run-{value:03}", record, name, runs.planned(value - 1)[name], runs.planned(value)[name], "confirmed")
        for value in range(1, runs.value + 1)
        for record in runs.ids
        for name in (runs.crm.days, runs.crm.note)
    }
    assert len(rows) == len(wanted)
    assert set(rows) == wanted
    assert ended == [(runs.value,)]
