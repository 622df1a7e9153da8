"""Sending events: a million occurrences against the limit that HubSpot sets, in memory that does not grow with them."""

from __future__ import annotations

import asyncio
import datetime as dt
import math
import os
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import httpx
import orjson

from activators import hubspot
from activators.activation import Activation, ColumnType, EventType, Guards, Model, Property
from activators.plan import Plan
from activators.sealing import seal_tables
from benchmarks.apply import World, _provision, _send, sandbox
from benchmarks.figures import Figure, peak_megabytes

# BENCH_OCCURRENCES makes it fewer, for a look while at work; the bound is for the million.
OCCURRENCES = int(os.environ.get("BENCH_OCCURRENCES", "1000000"))
VISITORS = 10_000
# The call that asks for the definitions.
ASKED = 1
NAME = "bench_seen"


def against_the_limit() -> list[Figure]:
    """Send occurrences under HubSpot's limit of 190 calls in ten seconds, 500 a call.

    The limit's own minimum: 190 calls at once, 190 ten seconds later and so on, and at last the rest, as fast as the
    server answers those to a client that does nothing else. That is measured before and after, for as many calls.
    """
    with sandbox(VISITORS) as world, TemporaryDirectory() as name:
        folder = Path(name)
        declared = activation()
        ids = world.ids("hubspot", "contacts")
        _provision(world, declared)
        # Sealing takes memory too, and is not what is measured.
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            plan = pool.submit(sealed, declared, ids, folder, OCCURRENCES).result()
        calls = math.ceil(OCCURRENCES / hubspot.events.RECORDS_PER_CALL) + ASKED
        windows = math.ceil(calls / hubspot.CALLS) - 1
        rest = calls - windows * hubspot.CALLS
        bare = [_bare(world, ids, rest, "before")]
        _wait()
        world.control.delete("/requests")
        before = peak_megabytes()
        began, busy = time.perf_counter(), time.process_time()
        run = asyncio.run(_send(world, plan, folder))
        took, busy = time.perf_counter() - began, time.process_time() - busy
        grown = peak_megabytes() - before
        answers = [request["status"] for request in world.requests("hubspot")]
        bare.append(_bare(world, ids, rest, "after"))
    soonest = windows * hubspot.SECONDS + sum(bare) / len(bare)
    detail = {
        "occurrences": OCCURRENCES,
        "confirmed": run.activations[0].confirmed,
        "calls": run.activations[0].calls,
        "rate_limited_answers": answers.count(429),
        "seconds": took,
        "soonest_seconds": soonest,
        "processor_seconds": busy,
        "peak_mb_growth": grown,
        "at_most": 1.05,
    }
    return [Figure("events.vs_limit", took / soonest, "times", detail)]


def _wait() -> None:
    """Wait until the calls so far no longer count."""
    time.sleep(hubspot.SECONDS + 1)


def activation() -> Activation:
    """Declare one event of contacts that carries a number and a text."""
    properties = (
        Property("times", "times", ColumnType("number"), "Times", "How often."),
        Property("account_id", "account_id", ColumnType("string"), "Account", "Where."),
    )
    return Activation(
        name="hubspot_events",
        destination="hubspot",
        object="events",
        key="occurrence_id",
        group="bench",
        properties=properties,
        guards=Guards(1.0, 1.0, 1.0),
        sync_relation="plans.planned",
        plan_relation="plans.planned",
        path="benchmarks/events.py",
        models=(Model("model.bench.sync", "none.sql"),),
        kind="events",
        events=(EventType(NAME, "Seen", "Somebody saw it.", properties),),
    )


def sealed(declared: Activation, ids: Sequence[str], folder: Path, occurrences: int) -> Plan:
    """Seal a plan of so many occurrences, spread over the records."""
    with duckdb.connect() as connection:
        connection.execute(
            """
            create schema plans;
            create table plans.int_crm_quotas (crm varchar, daily_calls bigint, remaining_calls bigint);
            create table plans.int_crm_properties (crm varchar, object varchar, property varchar, fingerprint varchar);
            """
        )
        connection.execute(
            """
            create table plans.planned as
            select
                cast(md5(cast(occurrences.n as varchar)) as uuid)::varchar as record_id,
                $1 as property,
                'event' as family,
                cast(null as varchar) as current_value,
                '{"record":"' || $2[1 + occurrences.n % len($2)] || '","email":null,'
                || '"occurred_at":"2026-03-09T16:00:00Z","properties":{"times":' || occurrences.n
                || ',"account_id":"account-' || occurrences.n % 1000 || '"}}' as desired_value,
                'send' as decision,
                'happened' as reason,
                false as has_left
            from range($3) as occurrences (n)
            """,
            [NAME, list(ids), occurrences],
        )
        return seal_tables(connection, [declared], folder / "plans", dt.datetime.now(dt.UTC))


def _bare(world: World, ids: Sequence[str], calls: int, prefix: str) -> float:
    """Seconds that the server takes to answer so many batches of other occurrences, sent without more ado."""
    base_url = world.credentials["HUBSPOT_BASE_URL"]
    headers = {
        "Authorization": f"Bearer {world.credentials['HUBSPOT_ACCESS_TOKEN']}",
        "Content-Type": "application/json",
    }
    path = f"/events/{hubspot.VERSION}/send/batch"
    definitions = httpx.get(f"{base_url}/events/{hubspot.VERSION}/event-definitions", headers=headers, timeout=60)
    (event,) = (one["fullyQualifiedName"] for one in definitions.raise_for_status().json()["results"])
    size = hubspot.events.RECORDS_PER_CALL
    bodies = [
        orjson.dumps(
            {
                "inputs": [
                    {
                        "eventName": event,
                        "uuid": f"{prefix}-{batch}-{n}",
                        "occurredAt": "2026-03-09T16:00:00Z",
                        "objectId": ids[n % len(ids)],
                        "properties": {"times": n, "account_id": f"account-{n}"},
                    }
                    for n in range(size)
                ]
            }
        )
        for batch in range(calls)
    ]

    async def send() -> float:
        limits = httpx.Limits(max_connections=hubspot.events.IN_FLIGHT)
        async with httpx.AsyncClient(base_url=base_url, headers=headers, timeout=60, limits=limits) as http:
            began = time.perf_counter()
            answers = await asyncio.gather(*(http.post(path, content=body) for body in bodies))
            took = time.perf_counter() - began
        for answer in answers:
            answer.raise_for_status()
        return took

    _wait()
    return asyncio.run(send())
