"""The destination that docs/destinations.md shows works as a package that somebody else has installed."""

from __future__ import annotations

import asyncio
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from activators.apply import Run, apply_plan
from activators.check import unset
from activators.declarations import read_activations
from activators.destinations import ENTRY_POINTS, connect, connectors
from activators.errors import DeclarationError, Unauthorized
from activators.journal import Journal, read_history
from activators.plan import Plan, read_plan
from activators.provision import provision
from activators.verify import reread
from activators.written import read_writes
from tests.activators.conftest import NOW, Seal
from tests.activators.test_declarations import activation_of, manifest, set_column, sync_of
from tests.conftest import ROOT

__all__ = ["manifest"]

KEY = "acme-key"
CHANGED_AT = "2026-03-20T12:00:00+00:00"


@dataclass(slots=True)
class AcmeCrm:
    """Acme's own server: people with fields, over HTTP."""

    people: dict[str, dict[str, str | None]]
    url: str = ""
    fields: dict[str, str] = field(default_factory=dict)
    # By record: what is answered instead of writing it. `lost` leaves it out of the answer.
    trouble: dict[str, str] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/people", self.answering(self.write), methods=["PATCH"]),
                Route("/people/read", self.answering(self.read), methods=["POST"]),
                Route("/people/fields", self.answering(self.define), methods=["POST"]),
                Route("/people/fields", self.answering(lambda _: {"fields": self.fields}), methods=["GET"]),
            ]
        )

    def answering(self, run: Any) -> Any:
        async def endpoint(request: Request) -> JSONResponse:
            self.calls.append(f"{request.method} {request.url.path}")
            if request.headers.get("X-Key") != KEY:
                return JSONResponse({"message": "no such key"}, 401)
            return JSONResponse(run(await request.json() if request.method != "GET" else None))

        return endpoint

    def define(self, body: Any) -> Any:
        self.fields.update(body["fields"])
        return {"fields": self.fields}

    def read(self, body: Any) -> Any:
        return {
            "rows": [
                {
                    "id": record,
                    "values": {name: self.people[record].get(name) for name in body["fields"]},
                    "changed_at": CHANGED_AT,
                }
                for record in body["ids"]
                if record in self.people
            ]
        }

    def write(self, body: Any) -> Any:
        rows = []
        for row in body["rows"]:
            trouble = self.trouble.get(row["id"])
            if trouble == "refused":
                rows.append({"id": row["id"], "ok": False, "code": "BAD", "message": "not this one"})
                continue
            self.people[row["id"]].update(row["set"])
            if trouble != "lost":
                rows.append({"id": row["id"], "ok": True, "changed_at": CHANGED_AT})
        return {"rows": rows}


@contextmanager
def running(crm: AcmeCrm) -> Iterator[AcmeCrm]:
    with socket.create_server(("127.0.0.1", 0)) as door:
        crm.url = f"http://127.0.0.1:{door.getsockname()[1]}"
        server = uvicorn.Server(uvicorn.Config(crm.app(), log_config=None, lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [door]})
        thread.start()
        try:
            yield crm
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture
def acme() -> Iterator[AcmeCrm]:
    with running(AcmeCrm({str(n): {"usage_days": "1", "note": None} for n in range(120)})) as crm:
        yield crm


def install(folder: Path, code: str, entry: str) -> None:
    """Put a package where Python finds it, as an installer does."""
    (folder / "acme_crm.py").write_text(code)
    info = folder / "acme_crm-1.0.dist-info"
    info.mkdir(exist_ok=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-crm\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{ENTRY_POINTS}]\n{entry}\n")


def documented() -> tuple[str, str]:
    """The module and its entry point, as the page has them."""
    text = (ROOT / "docs" / "destinations.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    (entry,) = re.findall(r'```toml\n\[project.entry-points."backhaul.destinations"\]\n(.*?)```', text, re.DOTALL)
    return code, entry.replace('"', "").strip()


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on Python's path whose packages bring destinations, for the length of a test."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(__import__("sys").modules, "acme_crm", raising=False)
    connectors.cache_clear()
    yield folder
    connectors.cache_clear()


@pytest.fixture
def declared(site: Path, manifest: Any) -> Any:
    """A manifest whose activation goes to Acme, with the package installed."""
    install(site, *documented())
    activation_of(manifest).update(destination="acme", object="people")
    set_column("note", config={"meta": {"property": "note", "label": "Note"}})(manifest)
    for kind in ("sync", "plan"):
        manifest["nodes"][f"model.p.{kind}_hubspot__contacts"]["alias"] = f"{kind}_contacts"
    return manifest


def settings(crm: AcmeCrm, key: str = KEY) -> dict[str, str]:
    return {"ACME_BASE_URL": crm.url, "ACME_KEY": key}


def apply(plan: Plan, folder: Path, crm: AcmeCrm) -> Run:
    history = read_history(folder, plan.plan_id)
    journal = (
        Journal.resume(folder, history)
        if history
        else Journal.begin(folder, "run-1", plan.plan_id, NOW, [item.name for item in plan.activations])
    )

    async def run() -> Run:
        async with connect(["acme"], settings(crm)) as destinations:
            return await apply_plan(plan, destinations, journal, history, lambda *_: None)

    try:
        return asyncio.run(run())
    finally:
        journal.close()


def test_a_documented_destination_goes_the_whole_way(declared: Any, acme: AcmeCrm, seal: Seal, tmp_path: Path) -> None:
    """Declared, provisioned, planned, applied and journaled; what was refused or lost is told or found out."""
    (activation,) = read_activations(declared)
    assert activation.destination == "acme"

    async def create() -> tuple[str, ...]:
        async with connect(["acme"], settings(acme)) as destinations:
            (done,) = await provision([activation], destinations)
            return done.created

    assert asyncio.run(create()) == ("usage_days", "note")
    assert acme.fields == {"usage_days": "number", "note": "text"}

    rows = [(str(n), "usage_days", "1", "2") for n in range(120)]
    rows += [("7", "note", None, "seven"), ("8", "note", "x", None, "hold", "edited_in_crm")]
    plan = seal(activation, rows)
    assert (plan.activations[0].calls, plan.changes) == (3, 121)
    acme.trouble = {"5": "refused", "6": "lost"}
    (item,) = apply(read_plan(plan.folder), tmp_path / "journal", acme).activations
    assert (item.confirmed, item.rejected, item.unknown) == (119, 1, 0)
    assert acme.people["7"] == {"usage_days": "2", "note": "seven"}
    assert acme.people["5"]["usage_days"] == "1"
    assert acme.calls.count("PATCH /people") == 3
    answers = {write.record.record_id: write.result for write in read_writes(tmp_path / "journal", "run-1")}
    refused, found = answers["5"], answers["6"]
    assert refused is not None
    assert found is not None
    assert (refused.status, refused.code, refused.message) == ("rejected", "BAD", "not this one")
    # It was written and not answered: a read-back found it.
    assert (found.status, found.code) == ("confirmed", "READ_BACK")


def test_its_plan_can_be_verified(declared: Any, acme: AcmeCrm, seal: Seal) -> None:
    (activation,) = read_activations(declared)
    plan = seal(activation, [(str(n), "usage_days", "1", "2") for n in (1, 2, 3, 999)])
    acme.people["2"]["usage_days"] = "50"
    acme.people["3"]["usage_days"] = "2.0"

    async def read() -> list[tuple[str, str | None]]:
        async with connect(["acme"], settings(acme)) as destinations:
            found = await reread(plan, destinations)
            return [(item.record_id, item.reason) for item in found[activation.name]]

    assert sorted(asyncio.run(read())) == [("2", "edited_since_landing"), ("3", None), ("999", "record_gone")]


def test_its_settings_and_names_are_its_own(declared: Any, acme: AcmeCrm) -> None:
    (activation,) = read_activations(declared)
    assert unset([activation], {"ACME_BASE_URL": acme.url}) == {"acme": ["ACME_KEY"]}

    async def enter(key: str) -> None:
        async with connect(["acme"], settings(acme, key)) as destinations:
            await destinations["acme"].definitions("people")

    with pytest.raises(Unauthorized, match=r"ACME_KEY not set; put it in the environment or in \.env"):
        asyncio.run(enter(""))
    with pytest.raises(Unauthorized, match="Acme refuses the key"):
        asyncio.run(enter("wrong"))
    sync_of(declared)["columns"]["days"]["config"]["meta"]["property"] = "Usage Days"
    with pytest.raises(DeclarationError, match="property Usage Days cannot exist; an Acme field is lower-case"):
        read_activations(declared)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("acme = acme_crm:CONNECTER", "destination acme: acme_crm:CONNECTER: .*no attribute.*; mend its package"),
        ("acme = acme_crn:CONNECTOR", "destination acme: acme_crn:CONNECTOR: No module named 'acme_crn'; mend its"),
        ("acme = acme_crm:judge", "destination acme: acme_crm:judge is no Connector; mend its package"),
    ],
)
def test_a_package_that_brings_no_connector_is_named(site: Path, entry: str, message: str) -> None:
    install(site, documented()[0], entry)
    with pytest.raises(DeclarationError, match=message):
        connectors()


def test_without_the_package_the_destination_is_unknown(site: Path, manifest: Any) -> None:
    assert list(site.iterdir()) == []
    activation_of(manifest).update(destination="acme")
    with pytest.raises(
        DeclarationError, match="no destination is called acme; known destinations: hubspot, salesforce"
    ):
        read_activations(manifest)
