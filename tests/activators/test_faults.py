"""Whatever fault the sandbox knows: nothing lost, nothing written that was not planned, no false success.

Each kind of fault, in each of its forms, meets the calls of one way of writing, once or without end. The command runs
as a user runs it; if it fails, the same command is run again without the fault, and there is nothing left to do.
"""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest
import stamina

from activators.plan import Plan
from activators.salesforce import bulk
from backhaul import cli
from sandbox.faults import KINDS, Fault
from sandbox.server import Sandbox, serving
from tests.activators.conftest import BATCH_PATH, Crm, Seal, provisioned

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


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Batches of three; a run has three of them, or a first one and two jobs. No waiting."""
    monkeypatch.setattr("activators.hubspot.RECORDS_PER_CALL", 3)
    monkeypatch.setattr("activators.salesforce.RECORDS_PER_CALL", 3)
    monkeypatch.setattr("activators.pendo.RECORDS_PER_CALL", 3)
    monkeypatch.setattr("activators.salesforce.records._LOCK_WAITS", (0.0, 0.0))
    monkeypatch.setattr(bulk, "_FIRST_WAIT", 0.0)
    with stamina.set_testing(True, attempts=3):
        yield


def command(crm: Crm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """`backhaul apply --yes`, in this process: its exit code."""
    for name, value in (crm.sandbox.settings | {"BACKHAUL_STATE": str(tmp_path)}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["backhaul", "apply", "--yes", "--confirm-guards"])
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
    with serving(seed=5, visitors=40, as_of=dt.date(2026, 3, 20)) as running:
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
