"""Applies plans in processes that are killed at a chosen step. Started by test_crashes.py; reads one task a line.

A step is a moment before, in the midst of or after a write to the journal, and before or after a call to a vendor. The
program itself knows nothing of this: its journal and its transport are wrapped here. Every task runs in a fork of this
process, which has everything imported, so that one costs milliseconds.
"""

from __future__ import annotations

import asyncio
import csv
import io
import os
import re
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn

import anyio._backends._asyncio  # noqa: F401  which httpx imports when it first calls, and so each fork would
import httpcore  # noqa: F401  likewise
import httpx
import orjson
import pytest
import stamina

from activators import destinations, hubspot, pendo, salesforce
from activators.apply import apply_plan
from activators.destinations import Credentials, connect
from activators.errors import ActivationError
from activators.journal import Journal, read_history
from activators.plan import read_plan
from activators.salesforce import bulk
from tests.activators.conftest import NOW, UNUSED_CERTIFICATES


class Steps:
    """Counts steps, and kills this process at one of them."""

    def __init__(self, kill_at: int | None) -> None:
        self.kill_at = kill_at
        self.taken = 0

    def take(self, last_words: Callable[[], object] = lambda: None) -> None:
        self.taken += 1
        if self.taken == self.kill_at:
            last_words()
            os.kill(os.getpid(), signal.SIGKILL)


def wrap_journal(steps: Steps) -> None:
    write = Journal._write  # noqa: SLF001  the seam that production does not have

    def counted(self: Journal, line: Mapping[str, Any]) -> None:
        torn = orjson.dumps(line, option=orjson.OPT_UTC_Z)
        steps.take()
        steps.take(lambda: os.write(self._file.fileno(), torn[: len(torn) // 2]))
        write(self, line)
        steps.take()

    # For good: this process does nothing else, and is killed.
    pytest.MonkeyPatch().setattr(Journal, "_write", counted)


def wrap_transport(steps: Steps, wire: int) -> None:
    """Count the calls, and put down which records each one is about to write."""
    handle = httpx.AsyncHTTPTransport.handle_async_request

    async def counted(self: httpx.AsyncHTTPTransport, request: httpx.Request) -> httpx.Response:
        steps.take()
        os.write(wire, orjson.dumps([request.method, request.url.path, written(request)]) + b"\n")
        response = await handle(self, request)
        steps.take()
        return response

    pytest.MonkeyPatch().setattr(httpx.AsyncHTTPTransport, "handle_async_request", counted)


def written(request: httpx.Request) -> list[str]:
    """The records that a call writes."""
    path = request.url.path
    if path.endswith("/batch/update"):
        return [item["id"] for item in orjson.loads(request.content)["inputs"]]
    if path.endswith("/send/batch"):
        return [item["uuid"] for item in orjson.loads(request.content)["inputs"]]
    if path.endswith("/custom/value"):
        return [item["visitorId"] for item in orjson.loads(request.content)]
    if path.endswith("/composite/sobjects") and request.method == "PATCH":
        return [item["id"] for item in orjson.loads(request.content)["records"]]
    if re.search(r"/jobs/ingest/\w+/batches$", path):
        return [row["Id"] for row in csv.DictReader(io.StringIO(request.content.decode(), newline=""))]
    return []


def shrink(*, by_jobs: bool) -> None:
    """Let five records make three batches, or a first batch and two jobs."""
    hubspot.RECORDS_PER_CALL = hubspot.events.RECORDS_PER_CALL = pendo.RECORDS_PER_CALL = 2
    salesforce.RECORDS_PER_CALL = 1 if by_jobs else 2
    bulk.ABOVE, bulk.ROWS_PER_JOB, bulk._FIRST_WAIT = (3 if by_jobs else 1_000), 2, 0.0  # noqa: SLF001


def client(base_url: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=base_url, timeout=60, verify=UNUSED_CERTIFICATES)


def apply(task: Mapping[str, Any]) -> NoReturn:
    """Apply a plan as the command does, until it is killed or done."""
    steps = Steps(task["kill_at"])
    wire = os.open(task["wire"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    wrap_journal(steps)
    wrap_transport(steps, wire)
    shrink(by_jobs=task["by_jobs"])
    destinations._client = client  # noqa: SLF001
    plan, folder = read_plan(Path(task["plan"])), Path(task["journal"])
    code = 1
    try:
        history = read_history(folder, plan.plan_id)
        names = [item.name for item in plan.activations]
        journal = (
            Journal.resume(folder, history)
            if history
            else Journal.begin(folder, task["run_id"], plan.plan_id, NOW, names)
        )

        async def send() -> bool:
            names = [item.destination for item in plan.activations]
            async with connect(names, Credentials(task["credentials"])) as found:
                return (await apply_plan(plan, found, journal, history, lambda *_: None)).complete

        with stamina.set_testing(True, attempts=2):
            code = 0 if asyncio.run(send()) else 3
    except ActivationError as error:
        sys.stderr.write(f"{error}\n")
    finally:
        sys.stderr.flush()
        os._exit(code)


def main() -> None:
    """Fork for each task; say what ended it."""
    for line in sys.stdin:
        task = orjson.loads(line)
        child = os.fork()
        if child == 0:
            apply(task)
        _, status = os.waitpid(child, 0)
        killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        answer = {"killed": killed, "code": None if killed else os.waitstatus_to_exitcode(status)}
        sys.stdout.write(orjson.dumps(answer).decode() + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
