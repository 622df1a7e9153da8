"""What people see while a plan is sent: bars on a terminal, a line for every tenth elsewhere."""

from __future__ import annotations

import io
from collections.abc import Sequence

import pytest
from rich.console import Console
from rich.text import Text

from activators.limits import Usage
from activators.sending import Applied
from backhaul.progress import sending
from tests.activators.conftest import Seal, activation, seal

__all__ = ["seal"]

USAGE = Usage(used=100, daily=1_000)


def shown(seal: Seal, steps: Sequence[Applied], *, terminal: bool) -> str:
    plan = seal(activation("hubspot"), [(str(one), "usage_days", None, "5") for one in range(100)])
    file = io.StringIO()
    console = Console(file=file, force_terminal=terminal, width=160)
    with sending(console, plan.activations) as progress:
        for applied in steps:
            progress(applied, 100, USAGE)
    return Text.from_ansi(file.getvalue()).plain


def applied(confirmed: int, rejected: int = 0, unknown: int = 0) -> Applied:
    found = Applied("hubspot_contacts")
    found.confirmed, found.rejected, found.unknown = confirmed, rejected, unknown
    return found


def test_a_bar_shows_how_far_how_fast_what_went_wrong_and_what_is_left_of_the_day(seal: Seal) -> None:
    said = shown(seal, [applied(0), applied(20), applied(60, 2, 1)], terminal=True)
    (line, *_) = [line for line in said.splitlines() if "63/100" in line]
    assert "hubspot_contacts" in line
    assert "/s" in line
    assert "2 rejected · 1 unknown · 900 of the day's 1,000 calls left" in line


@pytest.mark.parametrize("step", [1, 7, 30])
def test_elsewhere_there_is_a_line_for_every_tenth(seal: Seal, step: int) -> None:
    reached = range(0, 101, step)
    lines = shown(seal, [applied(count) for count in reached], terminal=False).splitlines()
    assert len(lines) == len({count // 10 for count in reached if count >= 10})
    assert lines[0].startswith("hubspot_contacts: ")
    assert lines[0].endswith(" of 100 records · 900 of the day's 1,000 calls left")
