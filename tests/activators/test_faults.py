"""Whatever fault the sandbox knows: nothing lost, nothing written that was not planned, no false success.

Each kind of fault, in each of its forms, meets the calls of one way of writing, once or without end. The command runs
as a user runs it; if it fails, the same command is run again without the fault, and there is nothing left to do.

Then each kind meets what else a run calls: what it reads back, logins, the looks at a job, and writes of a run that
went well so far. It does so without end, then once, and then the same command is left alone.
"""

from __future__ import annotations

import datetime as dt
import itertools
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import httpx
import orjson
import pytest
import stamina
import typer

from activators.plan import Plan
from activators.salesforce import bulk
from backhaul import cli
from sandbox.faults import KINDS, Fault
from sandbox.hubspot.limits import Limits
from sandbox.server import Sandbox, serving
from tests.activators.conftest import BATCH_PATH, UNUSED_CERTIFICATES, Crm, Seal, provisioned

# Fields that a kind cannot do without, or whose defaults make no fault.
GIVEN: Mapping[str, Mapping[str, Any]] = {
    "answer": {"status": 418},
    "slow": {"pause": 0.01},
    "failing_rows": {"rows": [0, 2]},
    "locked": {"rows": [0, 2]},
}
PATHS = {**BATCH_PATH, "salesforce_jobs": "/jobs/ingest"}
RECORDS = 7
DONE, FAILED, PARTIAL = 0, 1, 3
# What the typer makes of itself each time that it is called.
COMMANDS = typer.main.get_command(cli.app)
# What no run can get past, however often it tries: it has to end with 1, and never with 0.
NEVER_PASSES = frozenset(
    {"rate_limited", "quota_exhausted", "server_error", "gateway_error", "migrating", "dropped", "malformed", "answer"}
)


@dataclass(frozen=True, slots=True)
class Case:
    """One fault, planted for one way of writing."""

    way: str
    fault: dict[str, Any]

    @property
    def vendor(self) -> str:
        return self.way.partition("_")[0]

    def __str__(self) -> str:
        rest = "-".join(
            f"{name}={value}" for name, value in self.fault.items() if name not in {"kind", "vendor", "path"}
        )
        return f"{self.way}-{self.fault['kind']}-{rest}"


def forms(kind: type[Fault]) -> Iterator[dict[str, Any]]:
    """Every combination of a kind's choices: its yes-or-no fields, and its literal ones but `vendor` and `kind`."""
    choices: dict[str, tuple[Any, ...]] = {}
    for name, field in kind.model_fields.items():
        if field.annotation is bool:
            choices[name] = (False, True)
        elif get_origin(field.annotation) is Literal and name not in {"vendor", "kind"}:
            choices[name] = get_args(field.annotation)
    for values in itertools.product(*choices.values()):
        yield dict(zip(choices, values, strict=True))


def cases() -> Iterator[Case]:
    for (name, kind), way, times in itertools.product(KINDS.items(), PATHS, (1, None)):
        vendor = way.partition("_")[0]
        if vendor in kind.vendors:
            for form in forms(kind):
                fault = {
                    "kind": name,
                    "vendor": vendor,
                    "times": times,
                    "path": PATHS[way],
                    **GIVEN.get(name, {}),
                    **form,
                }
                yield Case(way, fault)


@dataclass(frozen=True, slots=True)
class Scene:
    """Calls of a run beside its first writes, and what makes a run make them."""

    vendor: str
    # The calls that are struck: a path, the method, and how many of them go well before.
    path: str
    method: str | None = None
    skip: int = 0
    options: tuple[str, ...] = ()
    by_jobs: bool = False
    # What an earlier run of the same command met, without end, and ended with 1.
    earlier: Mapping[str, Any] | None = None
    # What the runs themselves meet beside the fault.
    beside: Mapping[str, Any] | None = None
    # Kinds that no run of this scene gets past, beside NEVER_PASSES, and those of that set that it does get past.
    ends: frozenset[str] = frozenset()
    passes: frozenset[str] = frozenset()

    @property
    def kinds(self) -> list[str]:
        """The kinds of fault that its calls can meet."""
        return [name for name, kind in KINDS.items() if self.vendor in kind.vendors]


WRITES = {"hubspot": "/batch/update$", "salesforce": "/composite/sobjects$", "pendo": "/custom/value$"}
READS = {"hubspot": "/batch/read$", "salesforce": "/composite/sobjects/Contact$", "pendo": "/aggregation$"}
# Answers of a success that account for no record.
SILENT: Mapping[str, object] = {
    "hubspot": {"status": "COMPLETE", "results": []},
    "salesforce": [],
    "pendo": {"total": 3, "updated": 0, "failed": 0},
}
JOB = r"/jobs/ingest/\w+"
# What a run cannot do without; in a collection of Salesforce's, rows fail alone.
LOST = {
    "hubspot": frozenset({"truncated", "locked", "expired_token"}),
    "salesforce": frozenset({"truncated", "locked", "failing_rows", "expired_token"}),
    "pendo": frozenset({"truncated"}),
}
ROWS = frozenset({"locked", "failing_rows"})
CUT_OFF = frozenset({"malformed"})


def scenes() -> Iterator[tuple[str, Scene]]:
    for vendor, path in READS.items():
        writes = {"path": WRITES[vendor]}
        unseen = {"kind": "dropped", "after": True, "times": None, **writes}
        silent = {"kind": "answer", "status": 200, "body": SILENT[vendor], "after": True, "times": None, **writes}
        lost = LOST[vendor]
        yield f"{vendor}_verified", Scene(vendor, path, options=("--verify",), ends=lost)
        yield f"{vendor}_resumed", Scene(vendor, path, earlier=unseen, ends=lost)
        yield f"{vendor}_unaccounted_for", Scene(vendor, path, beside=silent, ends=lost)
        ends = lost - ROWS if vendor == "salesforce" else lost
        yield f"{vendor}_under_way", Scene(vendor, WRITES[vendor], skip=1, ends=ends)
    token = "/oauth2/token$"
    expired = {"kind": "expired_token", "path": WRITES["salesforce"], "skip": 1, "times": 1}
    lost = LOST["salesforce"]
    # A login needs no token.
    ends = lost - {"expired_token"}
    yield "salesforce_login", Scene("salesforce", token, ends=ends)
    yield "salesforce_login_again", Scene("salesforce", token, skip=1, beside=expired, ends=ends)
    job = Scene("salesforce", f"{JOB}$", "GET", by_jobs=True, ends=lost)
    yield "salesforce_job_polled", job
    yield "salesforce_job_closed", replace(job, method="PATCH")
    # What a 400 says of an upload is that it was done already; the job's own account is what counts, in all of these.
    yield "salesforce_job_uploaded", replace(job, method="PUT", path="/batches$", ends=lost - ROWS, passes=CUT_OFF)
    yield "salesforce_job_succeeded", replace(job, path="/successfulResults/$", passes=CUT_OFF)
    yield "salesforce_job_failed", replace(job, path="/failedResults/$", passes=CUT_OFF)
    never = {"kind": "dropped", "path": f"{JOB}$", "method": "GET", "times": None}
    yield "salesforce_job_resumed", replace(job, earlier=never)
    no_rows = {"kind": "answer", "status": 200, "body": "", "path": "/successfulResults/$", "times": None}
    yield "salesforce_job_unaccounted_for", replace(job, path=READS["salesforce"], method=None, beside=no_rows)


SCENES = dict(scenes())


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Batches of three; a run has three of them, or a first one and two jobs. No waiting."""
    monkeypatch.setattr("activators.hubspot.RECORDS_PER_CALL", 3)
    monkeypatch.setattr("activators.salesforce.RECORDS_PER_CALL", 3)
    monkeypatch.setattr("activators.pendo.RECORDS_PER_CALL", 3)
    monkeypatch.setattr("activators.salesforce.records._LOCK_WAITS", (0.0, 0.0))
    monkeypatch.setattr(bulk, "_FIRST_WAIT", 0.0)
    monkeypatch.setattr("activators.destinations._client", client)
    with stamina.set_testing(True, attempts=3):
        yield


def client(base_url: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=base_url, timeout=60, verify=UNUSED_CERTIFICATES)


def command(crm: Crm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *options: str) -> int:
    """`backhaul apply --yes`, in this process: its exit code."""
    for name, value in (crm.sandbox.settings | {"BACKHAUL_STATE": str(tmp_path)}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["backhaul", "apply", "--yes", "--confirm-guards", *options])
    monkeypatch.setattr(cli, "app", COMMANDS)
    with pytest.raises(SystemExit) as ended:
        cli.run()
    return int(str(ended.value.code))


def planned(crm: Crm, seal: Seal, ids: tuple[str, ...]) -> tuple[Plan, dict[str, dict[str, str | None]]]:
    """A plan that moves each record's number on by one and turns its remark over, and what it will say then."""
    now = crm.everything()
    wanted: dict[str, dict[str, str | None]] = {}
    rows: list[tuple[Any, ...]] = []
    for one in ids:
        days, note = now[one].get(crm.days), now[one].get(crm.note)
        wanted[one] = {crm.days: str(int(float(days or 0)) + 1), crm.note: None if note else "said"}
        rows += [(one, name, now[one].get(name), value) for name, value in wanted[one].items()]
    return seal(crm.activation, rows), wanted


def lacking(stored: Mapping[str, Mapping[str, Any]], wanted: Mapping[str, Mapping[str, str | None]]) -> set[str]:
    """The records that do not say what was planned."""
    return {
        one for one, values in wanted.items() if any(not same(stored[one].get(name), v) for name, v in values.items())
    }


def same(stored: object, wanted: str | None) -> bool:
    return str(stored or "").removesuffix(".0") == (wanted or "")


@pytest.fixture(scope="module")
def crms(sandbox: Sandbox) -> Iterator[dict[str, Crm]]:
    with ExitStack() as stack:
        yield {name: stack.enter_context(provisioned(sandbox, name)) for name in BATCH_PATH}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    # Each case is a run of its own, and many runs in ten seconds are more calls than an account takes.
    with serving(seed=5, visitors=40, as_of=dt.date(2026, 3, 20), hubspot_limits=Limits(burst=5_000)) as running:
        yield running


@pytest.mark.parametrize("case", list(cases()), ids=str)
def test_no_fault_loses_or_invents_a_write(
    crms: Mapping[str, Crm], seal: Seal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: Case
) -> None:
    crm = crms[case.vendor]
    crm.reset()
    monkeypatch.setattr(bulk, "ABOVE", 3 if case.way.endswith("jobs") else 1_000)
    monkeypatch.setattr(bulk, "ROWS_PER_JOB", 4)
    plan, wanted = planned(crm, seal, crm.ids[:RECORDS])
    before = crm.everything()
    crm.fault(**case.fault)
    code = command(crm, tmp_path, monkeypatch)
    stored = crm.everything()
    assert code in {DONE, FAILED, PARTIAL}
    if code == DONE:
        assert not lacking(stored, wanted)
    if case.fault["times"] is None and case.fault["kind"] in NEVER_PASSES:
        assert code == FAILED
    crm.reset()
    if code == FAILED:
        code = command(crm, tmp_path, monkeypatch)
        stored = crm.everything()
    assert code == (PARTIAL if lacking(stored, wanted) else DONE)
    assert_nothing_else_moved(crm, before, stored, wanted)
    assert plan.plan_id in (tmp_path / "plans" / plan.plan_id / "plan.json").read_text()


@pytest.mark.parametrize(("name", "kind"), [(name, kind) for name, scene in SCENES.items() for kind in scene.kinds])
def test_no_fault_of_another_call_loses_or_invents_a_write(  # noqa: PLR0913, PLR0917  each is one circumstance
    crms: Mapping[str, Crm], seal: Seal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, kind: str
) -> None:
    scene = SCENES[name]
    crm = crms[scene.vendor]
    crm.reset()
    monkeypatch.setattr(bulk, "ABOVE", 3 if scene.by_jobs else 1_000)
    monkeypatch.setattr(bulk, "ROWS_PER_JOB", 4)
    plan, wanted = planned(crm, seal, crm.ids[:RECORDS])
    before = crm.everything()
    if scene.earlier:
        crm.fault(**scene.earlier)
        assert command(crm, tmp_path, monkeypatch) == FAILED
    struck = {"kind": kind, "path": scene.path, "method": scene.method, "skip": scene.skip, **GIVEN.get(kind, {})}
    code = FAILED
    for times in (None, 1, 0):
        crm.reset()
        if scene.beside:
            crm.fault(**scene.beside)
        if times != 0:
            crm.fault(**struck, times=times)
        code = command(crm, tmp_path, monkeypatch, *scene.options)
        if times is None:
            # Else this would be no case.
            assert len(calls_to(crm, scene)) > scene.skip
            never = (NEVER_PASSES | scene.ends) - scene.passes
            assert (code == FAILED) == (kind in never), code
        if code != FAILED:
            break
    crm.reset()
    stored = crm.everything()
    # What could not be read back is unknown, though it may be there.
    assert code == (PARTIAL if lacking(stored, wanted) or unknown(tmp_path) else DONE)
    assert_nothing_else_moved(crm, before, stored, wanted)
    assert plan.plan_id in (tmp_path / "plans" / plan.plan_id / "plan.json").read_text()


def unknown(state: Path) -> set[str]:
    """The records of which the last word is that nobody knows."""
    (journal,) = (state / "journal").glob("*.jsonl")
    last: dict[str, str] = {}
    for line in map(orjson.loads, journal.read_bytes().splitlines()):
        last |= {one["id"]: one["status"] for one in line.get("results", ())}
    return {record for record, status in last.items() if status == "unknown"}


def calls_to(crm: Crm, scene: Scene) -> list[dict[str, Any]]:
    """The calls of a run that a scene is about."""
    return [
        one
        for one in crm.requests("")
        if scene.method in {None, one["method"]} and re.search(scene.path, one["path"]) is not None
    ]


def test_every_kind_of_fault_meets_every_kind_of_call(record_property: Callable[[str, object], None]) -> None:
    of_writes = {(case.way, case.fault["kind"]) for case in cases()}
    assert of_writes == {
        (way, name) for name, kind in KINDS.items() for way in PATHS if way.partition("_")[0] in kind.vendors
    }
    others = sum(len(scene.kinds) for scene in SCENES.values())
    record_property(
        "told", f"faults: {len(list(cases()))} cases on writes, {others} on {len(SCENES)} kinds of calls beside"
    )


def assert_nothing_else_moved(
    crm: Crm,
    before: Mapping[str, Mapping[str, Any]],
    stored: Mapping[str, Mapping[str, Any]],
    wanted: Mapping[str, Mapping[str, str | None]],
) -> None:
    stamps = {"lastmodifieddate", "hs_lastmodifieddate", "SystemModstamp", "LastModifiedDate", "LastModifiedById"}
    stamps |= {"lastupdated"}
    assert stored.keys() == before.keys()
    for one, values in stored.items():
        moved = {name for name in values if values[name] != before[one].get(name)}
        if one not in wanted:
            assert not moved
        # What moved is the planned properties, whole and not half; or nothing of them.
        assert moved - {crm.days, crm.note} <= stamps
        assert not moved & {crm.days, crm.note} or not lacking(stored, {one: wanted[one]})
