"""Applying a plan: against the limit that HubSpot sets, in calls, and in memory that must not grow with the plan."""

from __future__ import annotations

import asyncio
import datetime as dt
import gc
import math
import re
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import httpx
import orjson

from activators import hubspot
from activators.activation import Activation, ColumnType, Guards, Model, Property
from activators.apply import Run, apply_plan
from activators.connectors import Destination
from activators.destinations import Credentials, Restraint, connect
from activators.hubspot import HubSpot
from activators.journal import Journal, read_history
from activators.limits import Window
from activators.plan import Plan
from activators.provision import provision
from activators.salesforce import Salesforce
from activators.sealing import seal_tables
from benchmarks.canned import Replies, canned_vendor
from benchmarks.figures import Figure, peak_megabytes
from sandbox.server import serving

CONTACTS = 50_000
# A world has somewhat fewer contacts in Salesforce than visitors, and somewhat more in HubSpot.
VISITORS = 52_000
AS_OF = dt.date(2026, 3, 20)
SMALL, LARGE = 10_000, 100_000
PROPERTIES = 5
IDS = re.compile(rb'"id":"([0-9]+)"')
# What belongs to a batch stays as it is with ten times the records; what belongs to the plan is ten times as much. The
# values of 90,000 records, five properties each, take more than this as Python objects; an allocator varies by less.
GROWTH_MB = 20
# Write calls for 1,000 records: a call takes 100 in HubSpot and 200 in Salesforce.
CALLS = {"hubspot": {0: 0, 10: 1, 1_000: 10}, "salesforce": {0: 0, 10: 1, 1_000: 5}}
# All of HubSpot's changed is the figure that is quoted.
CALLS_FIGURES = {
    (destination, changed): "apply.calls_per_1000"
    if (destination, changed) == ("hubspot", 1_000)
    else f"apply.calls_per_1000_{destination}_{changed}"
    for destination, by_changed in CALLS.items()
    for changed in by_changed
}
WRITES = ("/batch/update", "/composite/sobjects", "/jobs/ingest")


@dataclass(frozen=True, slots=True)
class World:
    """A sandbox in another process, so that it does not share our processor time more than a vendor would."""

    credentials: Credentials
    control: httpx.Client

    def ids(self, destination: str, object_type: str) -> list[str]:
        """The records that are alive."""
        stored = self.control.get(f"/records/{destination}/{object_type}").json()
        return [item.get("id") or item["Id"] for item in stored if not item.get("archived", item.get("IsDeleted"))]

    def requests(self, destination: str) -> list[dict[str, object]]:
        """The CRM's own log."""
        found: list[dict[str, object]] = self.control.get("/requests", params={"vendor": destination}).json()
        return found


def against_the_limit() -> list[Figure]:
    """Write 50,000 changed contacts under HubSpot's limit of 190 calls in ten seconds.

    The limit's own minimum: 190 calls at once, 190 ten seconds later, and after ten more the rest, as fast as the
    server answers those to a client that does nothing else. That is measured before and after, for the same calls.
    """
    with sandbox(VISITORS) as world, TemporaryDirectory() as name:
        folder = Path(name)
        declared = activation("hubspot")
        ids = world.ids("hubspot", "contacts")[:CONTACTS]
        _provision(world, declared)
        plan = sealed(declared, ids, folder, "1")
        calls = math.ceil(len(ids) / hubspot.RECORDS_PER_CALL)
        windows = math.ceil(calls / hubspot.CALLS) - 1
        rest = ids[windows * hubspot.CALLS * hubspot.RECORDS_PER_CALL :]
        bare = [_bare(world, declared, rest, "2")]
        world.control.delete("/requests")
        began = time.perf_counter()
        run = asyncio.run(_send(world, plan, folder))
        took = time.perf_counter() - began
        answers = [request["status"] for request in world.requests("hubspot")]
        bare.append(_bare(world, declared, rest, "3"))
    soonest = windows * hubspot.SECONDS + sum(bare) / len(bare)
    detail = {
        "contacts": len(ids),
        "confirmed": run.activations[0].confirmed,
        "calls": run.activations[0].calls,
        "seconds": took,
        "soonest_seconds": soonest,
        "vs_windows_alone": took / (windows * hubspot.SECONDS),
        "at_most": 1.05,
    }
    return [
        Figure("apply.hubspot_vs_limit", took / soonest, "times", detail),
        Figure("apply.rate_limited_answers", answers.count(429), "answers", {"calls": len(answers), "at_most": 0}),
    ]


def _bare(world: World, declared: Activation, ids: Sequence[str], value: str) -> float:
    """Seconds that the server takes to answer the updates of so many records, sent without more ado."""
    path = f"/crm/objects/{hubspot.VERSION}/{declared.object}/batch/update"
    size = hubspot.RECORDS_PER_CALL
    bodies = [
        orjson.dumps({"inputs": [{"id": one, "properties": {declared.properties[0].name: value}} for one in batch]})
        for batch in (ids[start : start + size] for start in range(0, len(ids), size))
    ]
    headers = {
        "Authorization": f"Bearer {world.credentials['HUBSPOT_ACCESS_TOKEN']}",
        "Content-Type": "application/json",
    }

    async def send() -> float:
        limits = httpx.Limits(max_connections=hubspot.IN_FLIGHT)
        base_url = world.credentials["HUBSPOT_BASE_URL"]
        async with httpx.AsyncClient(base_url=base_url, headers=headers, timeout=60, limits=limits) as http:
            began = time.perf_counter()
            answers = await asyncio.gather(*(http.post(path, content=body) for body in bodies))
            took = time.perf_counter() - began
        for answer in answers:
            answer.raise_for_status()
        return took

    time.sleep(hubspot.SECONDS + 1)  # the calls so far no longer count
    took = asyncio.run(send())
    time.sleep(hubspot.SECONDS + 1)
    return took


def calls_per_thousand() -> list[Figure]:
    """Count the calls that 1,000 existing contacts cost when none, ten or all of them changed, a figure each."""
    figures: list[Figure] = []
    with sandbox(1_500) as world, TemporaryDirectory() as name:
        for destination, object_type in (("hubspot", "contacts"), ("salesforce", "Contact")):
            declared = activation(destination)
            ids = world.ids(destination, object_type)[:1_000]
            _provision(world, declared)
            for changed, calls in CALLS[destination].items():
                folder = Path(name) / f"{destination}_{changed}"
                plan = sealed(declared, ids[:changed], folder, str(changed))
                world.control.delete("/requests")
                asyncio.run(_send(world, plan, folder))
                sent = [item for item in world.requests(destination) if str(item["path"]).endswith(WRITES)]
                detail = {"contacts": len(ids), "at_least": calls, "at_most": calls}
                figures.append(Figure(CALLS_FIGURES[destination, changed], len(sent), "calls", detail))
    return figures


def peak_memory() -> list[Figure]:
    """Apply 10,000 records and 100,000, each in a process of its own; the peak must not grow with the plan."""
    detail: dict[str, object] = {}
    growth = 0.0
    for way in ("batches", "jobs", "resumed"):
        peaks: list[float] = []
        for records in (SMALL, LARGE):
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
                peaks.append(pool.submit(_peak, way, records).result())
        detail |= {f"{way}_{records}_mb": peak for records, peak in zip((SMALL, LARGE), peaks, strict=True)}
        growth = max(growth, peaks[1] - peaks[0])
    return [Figure("apply.peak_mb_growth", growth, "MB", {"at_most": GROWTH_MB, **detail, "properties": PROPERTIES})]


def _peak(way: str, records: int) -> float:
    make: Callable[[], Replies] = canned_salesforce if way == "jobs" else canned_hubspot
    destination = "salesforce" if way == "jobs" else "hubspot"
    with canned_vendor(make) as url, TemporaryDirectory() as name:
        ids = [f"{n:018d}" for n in range(records)]
        # Sealing takes memory too, and is not what is measured.
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            plan = pool.submit(sealed, activation(destination, PROPERTIES), ids, Path(name), "12").result()
        del ids
        if way == "resumed":
            # A run that was killed when all was answered and nothing was said of its end.
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
                pool.submit(_send_and_forget_the_end, url, plan, Path(name)).result()
        run = asyncio.run(_send_unlimited(url, plan, Path(name)))
        assert run.activations[0].confirmed == records  # noqa: S101 - else there is nothing to measure
    return peak_megabytes()


def canned_hubspot() -> Replies:
    """Prepare an account that confirms whatever it is told."""

    def replies(_method: str, _path: str, body: bytes) -> Iterator[bytes]:
        rows = (b'{"id":"%s","properties":{},"updatedAt":"2026-03-20T09:00:00Z"}' % one for one in IDS.findall(body))
        yield b'{"status":"COMPLETE","results":[%s]}' % b",".join(rows)

    return replies


def canned_salesforce() -> Replies:
    """Prepare an org that confirms whatever it is told, in collections and in jobs."""
    uploaded: list[bytes] = []

    def replies(method: str, path: str, body: bytes) -> Iterator[bytes]:
        if path.endswith("/token"):
            yield b'{"access_token":"canned","id":"https://login.example/id/00D/005"}'
        elif path.endswith("/composite/sobjects"):
            rows = (b'{"id":"%s","success":true,"errors":[]}' % one for one in IDS.findall(body))
            yield b"[%s]" % b",".join(rows)
        elif path.endswith("/batches"):
            uploaded[:] = [line.partition(b",")[0] for line in body.splitlines()[1:]]
        elif path.endswith("/successfulResults/"):
            yield b'"sf__Id","sf__Created",Id\n'
            yield b"".join(b'"%s","false","%s"\n' % (one, one) for one in uploaded)
        elif path.endswith("/failedResults/"):
            yield b'"sf__Id","sf__Error",Id\n'
        else:
            state = "Open" if method == "POST" else "JobComplete"
            yield orjson.dumps(
                {"id": "750000000000001AAA", "state": state, "createdDate": "2026-03-20T09:00:00.000+0000"}
            )

    return replies


def activation(destination: str, properties: int = 1) -> Activation:
    """Declare a push of some numbers to contacts."""
    ending = "__c" if destination == "salesforce" else ""
    names = [f"bench_days_{n}{ending}" for n in range(properties)]
    return Activation(
        name=f"{destination}_contacts",
        destination="salesforce" if destination == "salesforce" else "hubspot",
        object="Contact" if destination == "salesforce" else "contacts",
        key="contact_id",
        group="bench",
        properties=tuple(Property(name, name, ColumnType("number"), f"Bench {name}", "A number.") for name in names),
        guards=Guards(1.0, 1.0, 1.0),
        sync_relation="plans.synced",
        plan_relation="plans.planned",
        path="benchmarks/apply.py",
        models=(Model("model.bench.sync", "none.sql"),),
    )


def sealed(declared: Activation, ids: Sequence[str], folder: Path, value: str) -> Plan:
    """Seal a plan that gives every property of the records a value."""
    with duckdb.connect() as connection:
        connection.execute(
            """
            create schema plans;
            create table plans.int_crm_quotas (crm varchar, daily_calls bigint, remaining_calls bigint);
            create table plans.int_crm_properties (crm varchar, object varchar, property varchar, fingerprint varchar);
            """
        )
        connection.execute("create table plans.synced as select unnest($1) as record_id", [list(ids) or ["none"]])
        connection.execute(
            """
            create table plans.planned as
            select
                synced.record_id, names.property, 'number' as family,
                cast(null as varchar) as current_value, $2 as desired_value,
                'send' as decision, 'differs' as reason, false as has_left
            from plans.synced
            cross join (select unnest($1) as property) as names
            where synced.record_id <> 'none'
            """,
            [[item.name for item in declared.properties], value],
        )
        return seal_tables(connection, [declared], folder / "plans", dt.datetime.now(dt.UTC))


@contextmanager
def sandbox(visitors: int) -> Iterator[World]:
    """Run a sandbox for as long as the block lasts."""
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    server = context.Process(target=_serve, args=(visitors, theirs), daemon=True)
    server.start()
    try:
        settings, control = ours.recv()
        with httpx.Client(base_url=control, timeout=300) as client:
            yield World(Credentials(settings), client)
        ours.send(None)
        server.join(60)
    finally:
        server.terminate()
        server.join()


def _serve(visitors: int, ready: Connection) -> None:
    with serving(seed=5, visitors=visitors, as_of=AS_OF) as running:
        # As the command does: the collector would stop for half a second to walk the world, and no vendor does that.
        gc.freeze()
        gc.set_threshold(50_000, 20, 50)
        ready.send((dict(running.settings), running.urls["control"]))
        ready.recv()
        # Else the interpreter finds at its end what is frozen, and DuckDB's binding tells of leaks.
        gc.unfreeze()


def _provision(world: World, declared: Activation) -> None:
    async def create() -> None:
        async with connect([declared.destination], world.credentials) as destinations:
            await provision([declared], destinations)

    asyncio.run(create())


async def _send(world: World, plan: Plan, folder: Path) -> Run:
    names = [item.destination for item in plan.activations]
    async with connect(names, world.credentials, Restraint(folder / "limits")) as destinations:
        return await _apply(plan, destinations, folder)


async def _send_unlimited(url: str, plan: Plan, folder: Path) -> Run:
    async with httpx.AsyncClient(base_url=url, timeout=60) as http:
        fast = Window(1_000_000, 0.001)
        destinations: dict[str, Destination] = {
            "hubspot": HubSpot.connect(http, "canned", fast),
            "salesforce": Salesforce.connect(http, "canned", "canned", fast),
        }
        return await _apply(plan, destinations, folder)


def _send_and_forget_the_end(url: str, plan: Plan, folder: Path) -> None:
    asyncio.run(_send_unlimited(url, plan, folder))
    with (folder / "journal" / "run.jsonl").open("r+b") as journal:
        whole = sum(len(line) for line in journal if not line.startswith(b'{"type":"end"'))
        journal.truncate(whole)


async def _apply(plan: Plan, destinations: dict[str, Destination], folder: Path) -> Run:
    history = read_history(folder / "journal", plan.plan_id)
    journal = (
        Journal.resume(folder / "journal", history)
        if history
        else Journal.begin(folder / "journal", "run", plan.plan_id, plan.created_at, [])
    )
    try:
        return await apply_plan(plan, destinations, journal, history, lambda *_: None)
    finally:
        journal.close()
