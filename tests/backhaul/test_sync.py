"""The nightly run, night after night, in a project folder of its own, started as cron and a workflow would start it."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from activators.warehouse import open_warehouse
from backhaul.logbook import Logbook, end_the_dead, read_sync, read_syncs
from sandbox.server import Sandbox, serving
from tests.conftest import AS_OF, ROOT

DOCS = ROOT / "docs"
COMMAND = ".venv/bin/backhaul"
# On a busy machine a night takes a while.
pytestmark = pytest.mark.timeout(600)


@dataclass(frozen=True, slots=True)
class Project:
    """A project folder as somebody has installed it, and the sandbox that its `.env` names."""

    folder: Path
    sandbox: Sandbox
    control: httpx.Client

    @property
    def state(self) -> Path:
        return self.folder / ".backhaul"

    @property
    def environment(self) -> dict[str, str]:
        """What cron gives, and where the tree under test is."""
        home = {"HOME": str(self.folder.parent), "LOGNAME": "backhaul", "SHELL": "/bin/sh", "PATH": "/usr/bin:/bin"}
        return home | {"PYTHONPATH": str(ROOT)}

    def shell(self, text: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a shell's text as cron does: nobody at the keyboard, next to nothing in the environment."""
        return subprocess.run(
            ["/bin/sh", "-c", text],
            cwd=self.folder.parent,
            env=self.environment | environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=500,
        )

    def backhaul(self, arguments: str) -> subprocess.CompletedProcess[str]:
        return self.shell(f"cd {self.folder} && {COMMAND} {arguments}")

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a sync, and do not wait for it."""
        return subprocess.Popen(
            [COMMAND, "sync", "--yes", *arguments],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def step_of_a_workflow(self, text: str) -> subprocess.Popen[str]:
        """Start a step's text as a runner does, by a script of its shell, in a group that a test can end as a whole."""
        script = self.folder.parent / "step.sh"
        script.write_text(text)
        return subprocess.Popen(
            ["/bin/bash", "-e", str(script)],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def tell(self, path: str, /, **body: object) -> None:
        self.control.post(path, json=body).raise_for_status()

    def writes(self) -> list[str]:
        """The paths of the calls that wrote to a CRM since the list was last cleared."""
        found: Any = self.control.get("/requests").raise_for_status().json()
        return [item["path"] for item in found if re.search(r"/batch/update$|/composite/sobjects$", item["path"])]

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with open_warehouse(self.folder / "warehouse.duckdb") as connection:
            return connection.execute(query).fetchall()

    def last(self) -> dict[str, Any]:
        """The newest sync, as `runs --syncs` has it."""
        found = self.backhaul("runs --syncs --json")
        assert found.returncode == 0, found.stderr
        return dict(json.loads(found.stdout)[0])

    def step(self, name: str) -> dict[str, Any]:
        return next(step for step in self.last()["steps"] if step["name"] == name)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A folder with nothing loaded yet. The tests take it from night to night, in their order."""
    folder = tmp_path_factory.mktemp("nightly") / "project"
    for name in ("models", "macros", "seeds", "tests/models"):
        shutil.copytree(ROOT / name, folder / name)
    for name in ("dbt_project.yml", "profiles.yml"):
        shutil.copy(ROOT / name, folder / name)
    # What the data tests find is no matter here: two of them will do, one of which fails when it is told to.
    settled = (folder / "dbt_project.yml").read_text()
    assert "+store_failures: true" in settled
    (folder / "dbt_project.yml").write_text(
        settled.replace("+store_failures: true", "+store_failures: true, +enabled: false")
    )
    (folder / "tests" / "models" / "assert_all_is_well.sql").write_text(
        "{{ config(enabled=true) }} select * from {{ ref('sync_hubspot__companies') }} where false"
    )
    command = folder / COMMAND
    command.parent.mkdir(parents=True)
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m backhaul "$@"\n')
    command.chmod(0o755)
    with (
        serving(seed=5, visitors=60, as_of=AS_OF) as sandbox,
        httpx.Client(base_url=sandbox.urls["control"], timeout=60) as control,
    ):
        (folder / ".env").write_text("".join(f"{name}={value}\n" for name, value in sandbox.settings.items()))
        yield Project(folder, sandbox, control)


def wait_for(found: Callable[[], object], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 300
    while not found():
        assert time.monotonic() < deadline
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)


def refused(done: subprocess.CompletedProcess[str], code: int = 1) -> str:
    """The line that says what stopped it: the last one."""
    assert done.returncode == code, (done.stdout, done.stderr)
    line = done.stderr.strip().splitlines()[-1]
    assert line.startswith("backhaul: ")
    return line


def test_without_somebody_to_ask_it_wants_to_be_told_yes(project: Project) -> None:
    assert "add --yes" in refused(project.backhaul("sync"))
    assert not project.state.exists()


def test_the_line_for_cron_runs_in_crons_environment_and_says_little(project: Project) -> None:
    block = re.search(r"## cron\n\n```\n(.*?)```", (DOCS / "nightly.md").read_text(), re.DOTALL)
    assert block is not None
    (line,) = [line for line in block[1].splitlines() if line and "=" not in line.split()[0]]
    text = line.split(maxsplit=5)[5]
    assert "/srv/backhaul" in text
    done = project.shell(text.replace("/srv/backhaul", str(project.folder)))
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    names = ["parse", "resume", "load hubspot", "load salesforce", "load pendo", "load ledger"]
    names += ["build", "plan", "apply", "load ledger", "audit"]
    assert [re.split(r" {2,}", line)[0] for line in lines[1:-1]] == names
    assert re.search(r"^Sync \S+: complete after \d+\.\d seconds\.$", lines[-1])
    # The end of the sync itself is in the warehouse, too.
    counts = "sum(row_count) > 1000, sum(built_count) > 50, sum(passed_count), sum(failed_count)"
    assert project.rows(f"select sync_outcome, count(*), {counts} from audit.fct_syncs group by 1") == [
        ("complete", 11, True, True, 1, 0)
    ]
    assert project.backhaul("runs --syncs").stdout.splitlines()[1].split()[-1] == "complete"


def test_a_second_sync_says_who_runs_and_does_nothing(project: Project) -> None:
    """The first is held in its apply, and then killed: HubSpot has written, and nobody has heard of it."""
    assert project.backhaul("provision").returncode == 0
    project.tell("/faults", vendor="hubspot", path="/batch/update", drop=True, after=True)
    # Longer than all tests of this file take: the sandbox tells of a call when it has answered.
    project.tell("/faults", vendor="hubspot", path="/batch/update", drop=True, delay=3600)
    project.control.delete("/requests").raise_for_status()
    with project.start() as first:
        wait_for(project.writes, first)
        second = project.backhaul("sync --yes")
        assert second.stdout == ""
        assert re.fullmatch(
            rf"backhaul: another sync has been running since \d{{4}}-\d\d-\d\d \d\d:\d\d UTC "
            rf"\(process {first.pid} on \S+, now at step apply\); nothing was done",
            refused(second, 75),
        )
        first.send_signal(signal.SIGKILL)
    project.control.delete("/faults").raise_for_status()
    last = project.last()
    assert (last["pid"], last["outcome"], last["steps"][-1]["ended_at"]) == (first.pid, None, None)


def test_the_next_night_finishes_what_was_interrupted_and_says_what_died(project: Project) -> None:
    """As a workflow's steps: what HubSpot wrote is read back, and the rest is sent, of which one record is refused."""
    workflow = yaml.safe_load((DOCS / "nightly" / "github-actions.yml").read_text())
    (job,) = workflow["jobs"].values()
    runs = {step["name"]: step for step in job["steps"] if "run" in step}
    assert list(runs) == ["Install", "Sync", "Tell what the last nights did"]
    # Installing needs the network; that there is such a target does not.
    makes = subprocess.run(["/bin/sh", "-c", "make -n install"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (runs["Install"]["run"], makes.returncode) == ("make install", 0), makes.stderr
    # Its settings are those that the project reads, each from a secret or a variable.
    known = dict(project.sandbox.settings)
    for name, value in runs["Sync"]["env"].items():
        assert re.fullmatch(rf"\$\{{\{{ (secrets|vars)\.{name} \}}\}}", value)
        assert name in known
    from_github = {name: known[name] for name in runs["Sync"]["env"]}
    paths = {name: value.replace("/var/lib/backhaul", str(project.folder)) for name, value in job["env"].items()}
    paths["BACKHAUL_STATE"] = str(project.state)

    refusal = {"code": "FIELD_CUSTOM_VALIDATION_EXCEPTION", "message": "Days must be odd."}
    project.tell("/faults", vendor="salesforce", kind="failing_rows", path="composite/sobjects", **refusal)
    sent = len([path for path in project.writes() if path.endswith("/batch/update")])
    done = project.shell(f"cd {project.folder}\n{runs['Sync']['run']}", **from_github, **paths)
    assert done.returncode == 3, done.stderr
    assert "Days must be odd." in done.stderr

    steps = {step["name"]: step for step in project.last()["steps"]}
    resumed, planned = steps["resume"], steps["plan"]
    assert (resumed["status"], resumed["message"]) == ("partial", "1 records rejected, 0 unknown")
    assert resumed["figures"]["confirmed"] > 10
    assert resumed["plan_id"] != planned["plan_id"]
    assert (planned["figures"]["changes"], steps["apply"]["message"]) == (0, "nothing to send")
    # A night with nothing to send is a run, too: all is as it should be, as of now.
    assert project.rows("select distinct last_run_id, last_success_at is not null from audit.activation_health") == [
        (steps["apply"]["run_id"], True)
    ]
    # The batch whose answer was lost was read back, and not sent again; the companies' and the contacts' are two.
    assert sent == 1
    assert len([path for path in project.writes() if path.endswith("/batch/update")]) == 2
    assert project.rows(
        "select sync_outcome, step, status, sync_stopped_by from audit.fct_syncs where ended_at is null"
    ) == [("died", "apply", "died", "died in step apply")]
    assert project.rows(
        "select sync_outcome, sync_stopped_by, confirmed_count = (select sum(confirmed_count) > 0 from audit.fct_runs) "
        "is not null from audit.fct_syncs where step = 'resume' and run_id is not null"
    ) == [("partial", "resume: 1 records rejected, 0 unknown", True)]

    summary = project.folder / "summary.md"
    told = project.shell(
        f"cd {project.folder}\n{runs['Tell what the last nights did']['run']}",
        GITHUB_STEP_SUMMARY=str(summary),
        **paths,
    )
    assert told.returncode == 0, told.stderr
    assert [line.split()[4] for line in summary.read_text().splitlines()[2:5]] == ["partial", "died", "complete"] or (
        summary.read_text()
    )


def test_a_vendor_that_cannot_be_read_ends_the_night_before_the_build(project: Project) -> None:
    project.control.delete("/requests").raise_for_status()
    before = project.rows("select max(read_at) from pendo.reads")
    project.tell("/faults", vendor="pendo", status=401, times=None)
    line = refused(project.backhaul("sync --yes"))
    project.control.delete("/faults").raise_for_status()
    assert line.startswith("backhaul: sync: load pendo: ")
    assert "PENDO_INTEGRATION_KEY" in line
    last = project.last()
    assert (last["outcome"], last["steps"][-1]["name"], last["steps"][-1]["status"]) == (
        "failed",
        "load pendo",
        "failed",
    )
    assert project.step("load hubspot")["figures"]["rows"] > 0
    assert project.writes() == []
    assert project.rows("select max(read_at) from pendo.reads") == before
    # A sync that failed is in the warehouse, too.
    assert project.rows("select step, sync_outcome from audit.fct_syncs where status = 'failed'") == [
        ("load pendo", "failed")
    ]


def test_a_signal_while_a_vendor_is_read_ends_the_night_in_good_order(project: Project) -> None:
    project.tell("/faults", vendor="salesforce", status=503, delay=0.5, times=None)
    project.control.delete("/requests").raise_for_status()
    with project.start() as running:
        wait_for(lambda: project.control.get("/requests?vendor=salesforce").json(), running)
        running.send_signal(signal.SIGTERM)
        said, wrong = running.communicate(timeout=60)
    project.control.delete("/faults").raise_for_status()
    assert (running.returncode, said) == (143, "")
    assert wrong == "backhaul: stopped; the same command goes on where it stopped\n"
    last = project.last()
    assert (last["outcome"], last["stopped_by"]) == ("stopped", "load salesforce: SIGTERM")
    assert last["steps"][-1]["status"] == "stopped"


def test_a_workflow_that_is_cancelled_ends_the_night_in_good_order(project: Project) -> None:
    """The signal goes to the shell and to nothing else, as a runner sends it."""
    (job,) = yaml.safe_load((DOCS / "nightly" / "github-actions.yml").read_text())["jobs"].values()
    (text,) = [step["run"] for step in job["steps"] if step.get("name") == "Sync"]
    project.tell("/faults", vendor="salesforce", status=503, delay=0.5, times=None)
    project.control.delete("/requests").raise_for_status()
    with project.step_of_a_workflow(text) as shell:
        try:
            wait_for(lambda: project.control.get("/requests?vendor=salesforce").json(), shell)
            shell.send_signal(signal.SIGINT)
            _, wrong = shell.communicate(timeout=60)
        except BaseException:
            os.killpg(shell.pid, signal.SIGKILL)
            raise
        finally:
            project.control.delete("/faults").raise_for_status()
    assert shell.returncode == 130, wrong
    assert project.last()["stopped_by"] == "load salesforce: SIGINT"


def test_a_signal_during_the_build_ends_it_and_leaves_the_warehouse_to_others(project: Project) -> None:
    def is_building() -> bool:
        # There may be no sync yet, and one that has just begun has no step.
        newest = next(read_syncs(project.state / "syncs"), None)
        return newest is not None and bool(newest.steps) and newest.steps[-1].name == "build"

    with project.start() as running:
        wait_for(is_building, running)
        time.sleep(1)
        running.send_signal(signal.SIGTERM)
        said, wrong = running.communicate(timeout=60)
    assert (running.returncode, said) == (143, "")
    assert wrong == "backhaul: stopped; the same command goes on where it stopped\n"
    assert project.last()["stopped_by"] == "build: SIGTERM"
    assert project.rows("select 1") == [(1,)]


def test_a_model_that_breaks_stops_every_activation_that_reads_it(project: Project) -> None:
    model = project.folder / "models" / "staging" / "hubspot" / "stg_hubspot__contacts.sql"
    whole = model.read_text()
    model.write_text(whole + "\nlimit no_such_column")
    project.control.delete("/requests").raise_for_status()
    line = refused(project.backhaul("sync --yes"))
    model.write_text(whole)
    assert re.match(r"backhaul: sync: build: stg_hubspot__contacts \(.*no_such_column.*\) failed; this stops ", line)
    assert "hubspot_contacts" in line
    build = project.step("build")
    assert build["figures"]["failed"] == 1
    assert build["figures"]["skipped"] > 20
    assert project.last()["steps"][-1]["name"] == "build"
    assert project.writes() == []


def test_a_failed_test_spares_other_activations_with_keep_going_and_a_guard_waits_for_a_person(
    project: Project,
) -> None:
    """Of two activations one fails a test, and the other trips a guard. What the sync says to do then works."""
    rule = project.folder / "tests" / "models" / "assert_all_is_well.sql"
    rule.write_text(rule.read_text().replace("where false", ""))
    declared = project.folder / "models" / "activations" / "salesforce" / "sync_salesforce__accounts.yml"
    assert "max_change_share: 1.0" in declared.read_text()
    declared.write_text(declared.read_text().replace("max_change_share: 1.0", "max_change_share: 0.0"))
    project.tell("/advance", days=1)
    project.control.delete("/requests").raise_for_status()
    done = project.backhaul("sync --yes --keep-going -s hubspot_companies -s salesforce_accounts --json")
    line = refused(done)
    # The first thing that went wrong is what the line tells; the guard stopped the night.
    assert re.match(r"backhaul: sync: apply: salesforce_accounts: .* max_change_share 0%", line)
    summary = json.loads(done.stdout)
    steps = {step["name"]: step for step in summary["steps"]}
    assert steps["build"]["status"] == "failed"
    assert re.search(
        r"assert_all_is_well \(\d+ rows, in failures\.assert_all_is_well\) failed; this stops hubspot_companies; "
        r"--keep-going plans the others: salesforce_accounts$",
        steps["build"]["message"],
    )
    assert steps["plan"]["figures"]["changes"] > 0
    assert project.writes() == []
    (command,) = re.findall(r"confirm it by `backhaul (.*?)`", line)
    confirmed = project.backhaul(f"{command} --yes --json")
    assert confirmed.returncode == 0, confirmed.stderr
    assert [item["name"] for item in json.loads(confirmed.stdout)["activations"]] == ["salesforce_accounts"]


def test_no_record_of_a_sync_holds_a_secret(project: Project) -> None:
    secrets = [value for name, value in project.sandbox.settings.items() if not name.endswith("URL")]
    texts = [path.read_text() for path in (project.state / "syncs").glob("*.jsonl")]
    assert len(texts) >= 3
    assert not [secret for secret in secrets for text in texts if secret in text]
    for path in (project.state / "syncs").glob("*.jsonl"):
        assert path.stat().st_mode & 0o077 == 0


def logged(folder: Path, names: list[str]) -> Path:
    logbook = Logbook.begin(folder)
    for name in names:
        with logbook.step(name) as step:
            step.figures = {"rows": len(name)}
    logbook.end("complete")
    return logbook.path


@settings(max_examples=50)
@given(names=st.lists(st.text(min_size=1), max_size=4), data=st.data())
def test_a_logbook_that_was_cut_anywhere_tells_the_last_step_that_began(
    tmp_path_factory: pytest.TempPathFactory, names: list[str], data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("syncs")
    path = logged(folder, names)
    text = path.read_bytes()
    kept = text[: data.draw(st.integers(0, len(text)))]
    path.write_bytes(kept)
    lines = [json.loads(line) for line in kept.splitlines(keepends=True) if line.endswith(b"\n")]
    begun = [line["name"] for line in lines if line["type"] == "step"]

    end_the_dead(folder)
    summary = read_sync(path) if path.exists() else None
    if not lines:
        assert summary is None
        return
    assert summary is not None
    assert [step.name for step in summary.steps] == begun
    whole = lines[-1]["type"] == "end"
    assert summary.outcome == ("complete" if whole else "died")
    if begun and not whole:
        where = "in" if lines[-1]["type"] == "step" else "after"
        assert summary.stopped_by == f"died {where} step {begun[-1]}"
    # What is said once is not said again.
    after = path.read_bytes()
    end_the_dead(folder)
    assert path.read_bytes() == after
