"""One window of calls for everything on this machine that talks to one account."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from activators.errors import PlanError
from activators.limits import Window
from loaders import LoadSettings, Wanted, load
from tests.activators.conftest import Crm
from tests.conftest import ROOT


def calls_in(file: Path) -> int:
    """How many calls a window's file holds, whatever its tables are called."""
    with closing(sqlite3.connect(file)) as store:
        tables = [name for (name,) in store.execute("select name from sqlite_master where type = 'table'")]
        return sum(store.execute(f'select count(*) from "{name}"').fetchone()[0] for name in tables)


def test_no_more_calls_leave_than_fit_between_an_answer_and_the_end_of_its_window(tmp_path: Path) -> None:
    """Two windows on one file stand for two processes; threads and tasks take turns from both."""
    left: list[float] = []
    answered: list[float] = []
    file = tmp_path / "window.sqlite"
    with closing(Window(5, 0.3, file)) as ours, closing(Window(5, 0.3, file)) as theirs:

        def in_thread() -> None:
            for _ in range(6):
                with theirs.turn_in_thread():
                    left.append(time.monotonic())
                    answered.append(time.monotonic())

        async def in_tasks() -> None:
            async def one() -> None:
                async with ours.turn():
                    left.append(time.monotonic())
                    await asyncio.sleep(0.01)
                    answered.append(time.monotonic())

            await asyncio.gather(*(one() for _ in range(6)))

        thread = threading.Thread(target=in_thread)
        thread.start()
        asyncio.run(in_tasks())
        thread.join()
    left.sort()
    answered.sort()
    assert len(left) == 12
    # The vendor may have counted a call as late as at its answer.
    assert all(after - before >= 0.3 for before, after in zip(answered, left[5:], strict=False))


def test_a_call_whose_process_was_killed_keeps_its_place_for_a_while_only(tmp_path: Path) -> None:
    file = tmp_path / "window.sqlite"
    killed = """
import os, signal, sys
from pathlib import Path
from activators.errors import PlanError
from activators.limits import Window

with Window(1, 0.05, Path(sys.argv[1])).turn_in_thread():
    os.kill(os.getpid(), signal.SIGKILL)
"""
    ended = subprocess.run([sys.executable, "-c", killed, str(file)], cwd=ROOT, check=False)
    assert ended.returncode == -signal.SIGKILL
    with closing(Window(1, 0.05, file)) as window, window.turn_in_thread():
        pass


def test_a_damaged_file_is_made_anew(tmp_path: Path) -> None:
    file = tmp_path / "window.sqlite"
    file.write_bytes(b"no window at all " * 1_000)
    with closing(Window(2, 3_600, file)) as window, window.turn_in_thread():
        pass
    assert calls_in(file) == 1


def test_a_file_that_cannot_be_kept_is_one_line_and_no_call_leaves(tmp_path: Path) -> None:
    (tmp_path / "window.sqlite").mkdir()
    with pytest.raises(PlanError, match=r"window.sqlite: the last calls cannot be noted there \(.*make room"):
        Window(1, 1, tmp_path / "window.sqlite")


# The limiter's own thread, which forgets old calls, may find out first; it has no one to tell.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_answer_is_not_lost_with_the_file(tmp_path: Path) -> None:
    """What goes wrong while a call is under way is told before the next one leaves."""
    file = tmp_path / "window.sqlite"
    with closing(Window(5, 60, file)) as window:
        with window.turn_in_thread(), closing(sqlite3.connect(file)) as store:
            for (table,) in store.execute("select name from sqlite_master where type = 'table'").fetchall():
                store.execute(f'drop table "{table}"')
            answer = "answered"
        assert answer == "answered"
        left = False
        with pytest.raises(PlanError, match="the last calls cannot be noted there"), window.turn_in_thread():
            left = True
        assert not left
    # Else it might find out during the next test.
    for thread in threading.enumerate():
        if thread.name.startswith("PyrateLimiter"):
            thread.join(timeout=0.5)


# only HubSpot has a window of calls.
@pytest.mark.parametrize("crm_of_module", ["hubspot"], indirect=True)
def test_a_load_counts_in_the_window(crm: Crm, tmp_path: Path) -> None:
    file = tmp_path / "window.sqlite"
    local = crm.sandbox.settings
    with closing(Window(10_000, 3_600, file)) as window:
        settings = LoadSettings(
            tmp_path / "warehouse.duckdb",
            tmp_path / "dlt",
            tmp_path / "journal",
            hubspot_base_url=local["HUBSPOT_BASE_URL"],
            hubspot_access_token=local["HUBSPOT_ACCESS_TOKEN"],
            hubspot_window=window,
        )
        load(["hubspot"], settings, Wanted(hubspot={"contacts": ("email",)}), lambda *_: None)
    asked = crm.requests("")
    assert calls_in(file) == len(asked) > 5
