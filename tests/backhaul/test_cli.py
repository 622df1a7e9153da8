"""The command line as a user meets it: real processes, exit codes, and one clear line for every mistake."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.conftest import OF_CRMS, ROOT, WITHOUT_TESTS, Loop, looping

Command = Callable[..., subprocess.CompletedProcess[str]]


def environment(loop: Loop, **changes: str) -> dict[str, str]:
    vendors = ("HUBSPOT", "SALESFORCE", "PENDO", "BACKHAUL", "DBT")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(vendors)}
    paths = {
        "BACKHAUL_WAREHOUSE": str(loop.settings.warehouse),
        "BACKHAUL_STATE": str(loop.settings.state),
        "DBT_TARGET_PATH": str(loop.settings.target),
    }
    return clean | dict(loop.sandbox.settings) | paths | changes


def backhaul(env: Mapping[str, str], *arguments: str, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "backhaul", *arguments]
    return subprocess.run(command, env=dict(env), cwd=folder, capture_output=True, text=True, check=False, timeout=120)


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loop]:
    """A loop that is loaded, built and provisioned, with its plan still to be made."""
    with looping(tmp_path_factory.mktemp("cli"), seed=13, visitors=400) as loop:
        env = environment(loop)
        loop.transform.parse()
        for arguments in (["load"], ["provision"]):
            if arguments == ["provision"]:
                loop.build(*WITHOUT_TESTS)
            done = backhaul(env, *arguments)
            assert done.returncode == 0, done.stderr
        loop.load("hubspot", "salesforce", "pendo")
        loop.build(*WITHOUT_TESTS, *OF_CRMS)
        yield loop


@pytest.fixture
def copy(ready: Loop, tmp_path: Path) -> dict[str, str]:
    """An environment with a copy of the warehouse and of dbt's artifacts, to break at will."""
    shutil.copy(ready.settings.warehouse, tmp_path / "warehouse.duckdb")
    shutil.copytree(ready.settings.target, tmp_path / "target")
    return environment(
        ready,
        BACKHAUL_WAREHOUSE=str(tmp_path / "warehouse.duckdb"),
        BACKHAUL_STATE=str(tmp_path / "state"),
        DBT_TARGET_PATH=str(tmp_path / "target"),
    )


def requests(loop: Loop) -> list[dict[str, Any]]:
    found: Any = loop.ask("/requests?vendor=hubspot")
    return list(found)


def refused(done: subprocess.CompletedProcess[str]) -> str:
    """The one line of a refusal."""
    assert done.returncode == 1, (done.stdout, done.stderr)
    assert done.stdout == ""
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("backhaul: ")
    return line


def test_plan_then_apply_then_nothing(copy: dict[str, str]) -> None:
    planned = backhaul(copy, "plan", "--json")
    assert planned.returncode == 2, planned.stderr
    plan = json.loads(planned.stdout)
    assert {"plan_id", "created_at", "activations"} <= set(plan)
    asked = {
        "name",
        "destination",
        "object",
        "records",
        "changes",
        "held",
        "kept",
        "invalid",
        "unchanged",
        "calls",
        "quota_share",
    }
    assert all(asked <= set(item) for item in plan["activations"])

    unasked = backhaul(copy, "apply")
    assert "is not confirmed; add --yes" in refused(unasked)

    applied = backhaul(copy, "apply", "--yes", "--json")
    assert applied.returncode == 0, applied.stderr
    run = json.loads(applied.stdout)
    assert run["plan_id"] == plan["plan_id"]
    assert sum(item["confirmed"] for item in run["activations"]) == sum(
        item["records_changed"] for item in plan["activations"]
    )
    assert all({"name", "confirmed", "rejected", "unknown", "calls"} <= set(item) for item in run["activations"])

    assert "was applied already" in refused(backhaul(copy, "apply", "--yes"))


def test_one_activation_can_be_planned_alone(copy: dict[str, str]) -> None:
    plan = json.loads(backhaul(copy, "plan", "--json", "-s", "hubspot_companies").stdout)
    assert [item["name"] for item in plan["activations"]] == ["hubspot_companies"]
    line = refused(backhaul(copy, "plan", "-s", "hubspot_company"))
    assert "no activation is called hubspot_company; declared: hubspot_companies, hubspot_contacts" in line


@pytest.mark.parametrize(
    ("vendor", "variable"),
    [
        ("hubspot", "HUBSPOT_ACCESS_TOKEN"),
        ("salesforce", "SALESFORCE_CLIENT_SECRET"),
        ("pendo", "PENDO_INTEGRATION_KEY"),
    ],
)
def test_a_wrong_token_is_one_line_and_loads_nothing(copy: dict[str, str], vendor: str, variable: str) -> None:
    def landed() -> list[Any]:
        with duckdb.connect(copy["BACKHAUL_WAREHOUSE"], read_only=True) as connection:
            return connection.execute(f"select * from {vendor}.reads order by 1").fetchall()

    before = landed()
    line = refused(backhaul(copy | {variable: "wrong-secret"}, "load", vendor))
    assert variable in line
    assert "wrong-secret" not in line
    assert landed() == before


@pytest.mark.parametrize("variable", ["HUBSPOT_ACCESS_TOKEN", "SALESFORCE_CLIENT_ID"])
@pytest.mark.parametrize("command", [["provision"], ["load"]])
def test_a_missing_setting_is_named(copy: dict[str, str], command: list[str], variable: str) -> None:
    assert variable in refused(backhaul(copy | {variable: ""}, *command))


def test_provision_with_a_wrong_token_is_one_line(copy: dict[str, str]) -> None:
    assert "HUBSPOT_ACCESS_TOKEN" in refused(backhaul(copy | {"HUBSPOT_ACCESS_TOKEN": "wrong"}, "provision"))
    assert "SALESFORCE_CLIENT_SECRET" in refused(backhaul(copy | {"SALESFORCE_CLIENT_SECRET": "wrong"}, "provision"))


def test_a_vendor_that_does_not_answer_is_one_line(copy: dict[str, str]) -> None:
    line = refused(backhaul(copy | {"HUBSPOT_BASE_URL": "http://127.0.0.1:9"}, "load", "hubspot"))
    assert "127.0.0.1:9" in line


def edited(copy: dict[str, str], edit: Callable[[dict[str, Any]], None]) -> None:
    """Change the manifest as an edit of the YAML and a parse would."""
    path = Path(copy["DBT_TARGET_PATH"]) / "manifest.json"
    manifest = json.loads(path.read_text())
    edit(manifest)
    path.write_text(json.dumps(manifest))


@pytest.mark.parametrize("command", ["plan", "provision"])
def test_an_unknown_key_in_an_activations_meta_is_one_line(copy: dict[str, str], command: str) -> None:
    def misspell(manifest: dict[str, Any]) -> None:
        meta = manifest["exposures"]["exposure.backhaul.hubspot_contacts"]["config"]["meta"]["activation"]
        meta["destinaton"] = meta.pop("destination")
        meta["destination"] = "hubspot"

    edited(copy, misspell)
    line = refused(backhaul(copy, command))
    assert "sync_hubspot__contacts.yml: exposure hubspot_contacts: meta.activation.destinaton: unknown key" in line
    assert line.endswith("did you mean destination?")
    assert not (Path(copy["BACKHAUL_STATE"]) / "plans").exists()


def test_a_column_on_a_property_of_another_type_is_refused_before_anything_is_created(copy: dict[str, str]) -> None:
    def remap(manifest: dict[str, Any]) -> None:
        columns = manifest["nodes"]["model.backhaul.sync_hubspot__contacts"]["columns"]
        columns["active_days_last_30"]["config"]["meta"]["property"] = "firstname"
        columns["active_days_last_90"]["config"]["meta"]["property"] = "usage_new"

    edited(copy, remap)
    line = refused(backhaul(copy, "provision"))
    assert "column active_days_last_30: holds a number, but hubspot has property firstname as string" in line
    edited(
        copy,
        lambda manifest: manifest["nodes"]["model.backhaul.sync_hubspot__contacts"]["columns"].pop(
            "active_days_last_30"
        ),
    )
    created = backhaul(copy, "provision")
    assert created.returncode == 0
    # The property beside the misfit was not created by the refused attempt: it is now.
    assert ["hubspot_contacts", "1", "11"] in [line.split() for line in created.stdout.splitlines()]


def test_a_warehouse_that_another_process_holds_is_one_line(copy: dict[str, str]) -> None:
    hold = "import duckdb, sys; connection = duckdb.connect(sys.argv[1]); print('held', flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", hold, copy["BACKHAUL_WAREHOUSE"]]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        for arguments in (["plan"], ["load", "hubspot"]):
            line = refused(backhaul(copy, *arguments))
            assert copy["BACKHAUL_WAREHOUSE"] in line
            assert f"process, {holder.pid}," in line or f"process {holder.pid}:" in line
        holder.communicate("")
    assert backhaul(copy, "plan").returncode == 2


def test_a_new_pendo_key_that_finds_nothing_again_is_taken_at_its_word(copy: dict[str, str]) -> None:
    # A key is known together with its address.
    elsewhere = copy | {"PENDO_BASE_URL": copy["PENDO_BASE_URL"].replace("127.0.0.1", "localhost")}
    with duckdb.connect(copy["BACKHAUL_WAREHOUSE"]) as warehouse:
        for (table,) in warehouse.execute(
            "select table_name from information_schema.columns "
            "where table_schema = 'pendo' and column_name in ('guide_id', 'page_id', 'feature_id', 'track_type_id')"
        ).fetchall():
            warehouse.execute(f"delete from pendo.{table}")
    mend = refused(backhaul(elsewhere, "load", "pendo")).split("`")[1]
    assert backhaul(elsewhere, *mend.split()[1:]).returncode == 0
    assert backhaul(elsewhere, "load", "pendo").returncode == 0


def test_commands_outside_a_project_say_what_to_do(copy: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    env = copy | {"DBT_TARGET_PATH": str(tmp_path / "nothing")}
    for command in ("load", "plan", "provision"):
        assert "run this in the project's folder" in refused(backhaul(env, command, folder=tmp_path / "empty"))
    assert "no plan yet; run `backhaul plan`" in refused(backhaul(env, "apply", folder=tmp_path / "empty"))
    assert "no such plan" in refused(backhaul(env, "apply", "20260101T000000Z-abcdef", folder=tmp_path / "empty"))


@pytest.mark.parametrize("arguments", [["plan", "--bogus"], ["load", "marketo"], ["apply", "a", "b"]])
def test_a_wrong_word_is_not_taken_for_a_plan_with_changes(copy: dict[str, str], arguments: list[str]) -> None:
    assert backhaul(copy, *arguments).returncode == 1


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("HUBSPOT_ACCESS_TOKEN", "pat-secret\nX", "HUBSPOT_ACCESS_TOKEN: "),
        ("PENDO_INTEGRATION_KEY", "pk-secret\tX", "PENDO_INTEGRATION_KEY: "),
        ("HUBSPOT_BASE_URL", "http://host:port", "HUBSPOT_BASE_URL: "),
        ("SALESFORCE_BASE_URL", "my.salesforce.com", "SALESFORCE_BASE_URL: "),
    ],
)
def test_a_setting_that_cannot_be_right_is_named_and_not_printed(
    copy: dict[str, str], variable: str, value: str, message: str
) -> None:
    line = refused(backhaul(copy | {variable: value}, "provision"))
    assert message in line
    assert "secret" not in line


def test_blanks_around_a_token_do_no_harm(copy: dict[str, str]) -> None:
    env = copy | {"HUBSPOT_ACCESS_TOKEN": f" {copy['HUBSPOT_ACCESS_TOKEN']}\n"}
    assert backhaul(env, "provision").returncode == 0


def test_a_state_folder_that_cannot_be_written_is_one_line(copy: dict[str, str]) -> None:
    assert "set BACKHAUL_STATE" in refused(backhaul(copy | {"BACKHAUL_STATE": "/proc/nowhere"}, "plan"))


def test_a_sync_model_whose_test_failed_is_not_planned(copy: dict[str, str]) -> None:
    """What stands in the plan tables is then of an older build."""
    newer = Path(copy["DBT_TARGET_PATH"]) / "run/backhaul/models/activations/hubspot/sync_hubspot__contacts.sql"
    newer.touch()
    assert "diff_hubspot__contacts is older than sync_hubspot__contacts" in refused(backhaul(copy, "plan"))


def test_a_second_plan_without_a_new_build_is_refused(copy: dict[str, str]) -> None:
    assert backhaul(copy, "plan").returncode == 2
    assert backhaul(copy, "apply", "--yes").returncode == 0
    assert "run `backhaul load ledger` and `dbt build`" in refused(backhaul(copy, "plan"))


def test_runs_history_and_undo_tell_what_was_written_and_take_it_back(ready: Loop, copy: dict[str, str]) -> None:
    assert backhaul(copy, "runs").stdout == "No runs yet.\n"
    assert backhaul(copy, "plan", "-s", "hubspot_companies", "-s", "salesforce_accounts").returncode == 2
    assert backhaul(copy, "apply", "--yes").returncode == 0
    (line,) = backhaul(copy, "runs").stdout.splitlines()[1:]
    run = line.split()[0]
    assert "complete" in line
    journal = Path(copy["BACKHAUL_STATE"]) / "journal" / f"{run}.jsonl"
    record = json.loads(journal.read_text().splitlines()[1])["records"][0]
    shown = backhaul(copy, "history", "hubspot_companies", record["id"]).stdout
    assert all(change["property"] in shown for change in record["changes"])
    (machine,) = json.loads(backhaul(copy, "runs", "--json").stdout)
    assert (machine["run_id"], machine["status"]) == (run, "complete")
    told = json.loads(backhaul(copy, "history", "hubspot_companies", record["id"], "--json").stdout)
    assert [(item["property"], item["after"], item["status"]) for item in told] == [
        (change["property"], change["after"], "confirmed") for change in record["changes"]
    ]
    assert backhaul(copy, "history", "hubspot_companies", "0").stdout == "Nothing was written to it.\n"

    # Every value that a person has edited since is named, and the others are taken back, one activation at a time.
    edited = {"usage_minutes_30d": "1", "usage_minutes_90d": "2"}
    ready.tell("/edit", vendor="hubspot", object="companies", id=record["id"], properties=edited)
    undone = backhaul(copy, "undo", run, "-s", "hubspot_companies", "--json")
    assert undone.returncode == 2
    (planned,) = json.loads(undone.stdout)["activations"]
    assert (planned["name"], planned["held"]) == ("hubspot_companies", 2)
    stays = json.loads(undone.stdout)["stays"]
    assert {(item["record_id"], item["property"], item["before"], item["reason"]) for item in stays} == {
        (record["id"], name, value, "edited_in_crm") for name, value in edited.items()
    }
    assert backhaul(copy, "apply", "--yes").returncode == 0
    again = backhaul(copy, "undo", run, "-s", "hubspot_companies")
    assert again.returncode == 0
    for name, value in edited.items():
        assert f"hubspot_companies  {record['id']}  {name}: {value} → (empty): edited in the CRM" in again.stdout
    rest = json.loads(backhaul(copy, "undo", run, "--json").stdout)["activations"]
    assert {item["name"]: item["changes"] > 0 for item in rest} == {
        "hubspot_companies": False,
        "salesforce_accounts": True,
    }
    refusal = refused(backhaul(copy, "undo", run, "-s", "hubspot_contacts"))
    assert f"run {run} wrote nothing for hubspot_contacts; there is nothing to take back" in refusal
    assert backhaul(copy, "apply", "--yes").returncode == 0
    ready.tell("/edit", vendor="hubspot", object="companies", id=record["id"], properties=dict.fromkeys(edited, ""))
    assert "no such run; `backhaul runs` lists them" in refused(backhaul(copy, "undo", "20200101T000000Z-abcdef"))


def test_a_plan_is_shown_again_as_it_was(copy: dict[str, str], tmp_path: Path) -> None:
    page = tmp_path / "plan.html"
    planned = backhaul(copy, "plan", "-s", "hubspot_companies", "--markdown", "--html", str(page))
    assert planned.returncode == 2, planned.stderr
    assert planned.stdout.startswith("### Backhaul: ")
    first = page.read_text()
    # A plan needs nothing but its own files.
    Path(copy["BACKHAUL_WAREHOUSE"]).unlink()
    again = backhaul(copy, "show", "--markdown", "--html", str(page), folder=tmp_path)
    assert (again.returncode, again.stdout) == (0, planned.stdout)
    assert page.read_text() == first
    sealed = json.loads(backhaul(copy, "show", "--json").stdout)
    assert sealed["plan_id"] in first
    assert f"Plan {sealed['plan_id']}: " in backhaul(copy, "show", sealed["plan_id"]).stdout
    assert "no such plan" in refused(backhaul(copy, "show", "nothing"))


def test_plan_verify_holds_what_a_person_has_edited_since_the_load(ready: Loop, copy: dict[str, str]) -> None:
    def planned(*options: str) -> dict[str, Any]:
        done = backhaul(copy, "plan", "--json", "-s", "hubspot_companies", *options)
        (item,) = json.loads(done.stdout)["activations"]
        return dict(item)

    before = planned()
    sample = before["samples"][0]
    edit = {"vendor": "hubspot", "object": "companies", "id": sample["record_id"]}
    ready.tell("/edit", **edit, properties={sample["property"]: "4242"})
    try:
        ready.control.delete("/requests").raise_for_status()
        assert (planned()["held"], requests(ready)) == (before["held"], [])
        after = planned("--verify")
        assert after["held"] == before["held"] + 1
        # What an earlier test has applied is there already, and is not sent either.
        assert after["changes"] < before["changes"]
        (reason,) = [item for item in after["reasons"] if item["reason"] == "edited_since_landing"]
        assert reason["sample"] == sample | {"before": "4242"}
        assert {item["method"] + item["path"].rpartition("/")[2] for item in requests(ready)} == {"POSTread"}
    finally:
        ready.tell("/edit", **edit, properties={sample["property"]: sample["before"] or ""})


def test_a_killed_apply_is_finished_by_the_same_command(ready: Loop, copy: dict[str, str]) -> None:
    """SIGKILL after HubSpot has written a batch and before its answer arrived."""
    # What an earlier test applied is not in this copy's ledger: edit a value, so that there is something to send.
    record = str(ready.rows("select max(contact_id) from activations.sync_hubspot__contacts")[0][0])
    with duckdb.connect(copy["BACKHAUL_WAREHOUSE"]) as connection:
        connection.execute("delete from plans.plan_hubspot__contacts where record_id <> ?", [record])
    assert backhaul(copy, "plan", "-s", "hubspot_contacts").returncode == 2
    ready.control.delete("/requests").raise_for_status()
    # The first attempt is written and its answer lost; the second hangs until the process is gone.
    ready.tell("/faults", vendor="hubspot", path="/batch/update", drop=True, after=True)
    ready.tell("/faults", vendor="hubspot", path="/batch/update", drop=True, delay=60)
    apply = [sys.executable, "-m", "backhaul", "apply", "--yes"]
    with subprocess.Popen(apply, env=copy, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 60
        while not [item for item in requests(ready) if item["path"].endswith("/batch/update")]:
            assert time.monotonic() < deadline
            assert process.poll() is None
        process.send_signal(signal.SIGKILL)
    ready.control.delete("/faults").raise_for_status()
    again = backhaul(copy, "apply", "--yes", "--json")
    assert again.returncode == 0, again.stderr
    (item,) = json.loads(again.stdout)["activations"]
    assert (item["confirmed"], item["rejected"], item["unknown"]) == (1, 0, 0)
    # It was read back, and not written a second time.
    assert len([call for call in requests(ready) if call["path"].endswith("/batch/update")]) == 1


@pytest.mark.parametrize("inherited", [signal.SIG_DFL, signal.SIG_IGN], ids=["terminal", "background"])
def test_ctrl_c_says_that_the_same_command_goes_on(
    ready: Loop, copy: dict[str, str], inherited: signal.Handlers
) -> None:
    assert backhaul(copy, "plan", "-s", "hubspot_companies").returncode == 2
    ready.tell("/faults", vendor="hubspot", path="/batch/update", delay=60, drop=True)
    apply = [sys.executable, "-m", "backhaul", "apply", "--yes"]
    with subprocess.Popen(
        apply,
        env=copy,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell's script starts what it leaves in the background with SIGINT ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, inherited),  # noqa: PLW1509  nothing but this is called in it
    ) as process:
        journal = Path(copy["BACKHAUL_STATE"]) / "journal"
        deadline = time.monotonic() + 60
        while not any('"intent"' in path.read_text() for path in journal.glob("*.jsonl")):
            assert time.monotonic() < deadline
            assert process.poll() is None
        # The first one waits for the batch that is on its way; whoever presses again does not want to.
        process.send_signal(signal.SIGINT)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=2)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said.strip().splitlines()[-1] == "backhaul: stopped; the same command goes on where it stopped"
    ready.control.delete("/faults").raise_for_status()
    assert backhaul(copy, "apply", "--yes").returncode == 0


def test_a_signal_that_python_meets_in_a_text_it_runs_is_told_by_the_exit_code(
    copy: dict[str, str], tmp_path: Path
) -> None:
    """As dbt's many generated classes are, which it makes while it starts. What is called so, dbt loads."""
    (tmp_path / "dbt_stopping.py").write_text(
        "import os, signal, time\n"
        "from dbt.plugins.manager import dbtPlugin\n"
        "class Stopping(dbtPlugin):\n"
        "    def initialize(self):\n"
        "        exec('os.kill(os.getpid(), signal.SIGTERM); time.sleep(60)')\n"
        "plugins = [Stopping]\n"
    )
    (Path(copy["DBT_TARGET_PATH"]) / "manifest.json").unlink()
    done = backhaul(copy | {"PYTHONPATH": f"{ROOT}:{tmp_path}"}, "sync", "--yes")
    assert (done.returncode, done.stdout) == (143, "")
    assert done.stderr == "backhaul: stopped; the same command goes on where it stopped\n"
    with duckdb.connect(copy["BACKHAUL_WAREHOUSE"]) as connection:
        assert connection.execute("select 1").fetchall() == [(1,)]


def test_json_is_all_that_stdout_holds_when_dbt_cannot_parse(copy: dict[str, str], tmp_path: Path) -> None:
    project = tmp_path / "project"
    for name in ("models", "macros", "seeds"):
        shutil.copytree(ROOT / name, project / name)
    for name in ("dbt_project.yml", "profiles.yml"):
        shutil.copy(ROOT / name, project / name)
    broken = project / "models" / "activations" / "hubspot" / "sync_hubspot__contacts.yml"
    broken.write_text(broken.read_text() + "\n  bad: [")
    line = refused(backhaul(copy, "plan", "--json", folder=project))
    assert "sync_hubspot__contacts.yml" in line


def test_no_command_prints_a_secret(ready: Loop, copy: dict[str, str]) -> None:
    secrets = [value for name, value in ready.sandbox.settings.items() if not name.endswith("URL")]
    for arguments in (["load"], ["provision"], ["plan"], ["apply", "--yes"], ["--help"]):
        done = backhaul(copy, *arguments)
        assert not [secret for secret in secrets if secret in done.stdout + done.stderr]
