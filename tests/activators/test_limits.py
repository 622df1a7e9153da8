"""One window of calls for everything on this machine that talks to one account."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from activators.limits import Window
from loaders import LoadSettings, Wanted, load
from tests.activators.conftest import Crm


def noted(file: Path) -> list[float]:
    with closing(sqlite3.connect(file)) as store:
        return [at for (at,) in store.execute("select arrived_at from calls order by id")]


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
    with closing(Window(1, 0.05, tmp_path / "window.sqlite")) as killed:
        killed._try()  # noqa: SLF001  its process ended before the answer came
    with closing(Window(1, 0.05, tmp_path / "window.sqlite")) as window, window.turn_in_thread():
        pass
    assert len(noted(tmp_path / "window.sqlite")) == 1


def test_calls_of_an_earlier_start_of_the_machine_are_forgotten(tmp_path: Path) -> None:
    file = tmp_path / "window.sqlite"
    Window(1, 3_600, file).close()
    with closing(sqlite3.connect(file)) as store:
        store.execute("insert into calls (arrived_at) values (?)", [time.monotonic() + 1_000])
        store.commit()
    with closing(Window(1, 3_600, file)) as window, window.turn_in_thread():
        pass


def test_a_load_counts_in_the_window(crm: Crm, tmp_path: Path) -> None:
    if crm.activation.destination != "hubspot":
        pytest.skip("only HubSpot has a window of calls")
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
    assert len(noted(file)) == len(asked) > 5
