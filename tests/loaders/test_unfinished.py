"""What a load has read and not landed is of use to the next one, whatever became of the file it is in."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loaders import LoadError
from loaders.calls import Answer
from loaders.unfinished import Unfinished
from loaders.values import Refused

NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)
WEEK = timedelta(days=7)
PAGES = 12


class Vendor:
    """A list of pages, and which of them were asked for; a place is the number of the next one."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.knows_places = True

    def read(self, place: int | None) -> Iterator[tuple[Answer, int | None]]:
        if place is not None and not self.knows_places:
            raise Refused("no such place")
        for number in range(place or 0, PAGES):
            self.asked.append(number)
            body = {"results": [{"id": f"{number}.{row}", "text": "ö\n" * row} for row in range(number)]}
            yield Answer(body, NOW + timedelta(seconds=number)), None if number == PAGES - 1 else number + 1


def taken(
    folder: Path, vendor: Vendor, pages: int = PAGES, asked: object = "all", now: datetime = NOW
) -> tuple[list[Answer], bool]:
    """Take so many pages, and one more than was used; and whether an earlier load had read some."""
    with Unfinished(folder) as unfinished:
        answers = unfinished.answers("pages", asked, now, WEEK, vendor.read)
        found = [answer for answer, _ in zip(answers, range(pages), strict=False)]
        return found, unfinished.oldest == NOW


WHOLE = [answer for answer, _ in Vendor().read(None)]


def test_a_read_goes_on_where_it_stopped(tmp_path: Path) -> None:
    taken(tmp_path / "vendor", Vendor(), pages=5)
    assert (tmp_path / "vendor").stat().st_mode & 0o077 == 0
    again = Vendor()
    assert taken(tmp_path / "vendor", again) == (WHOLE, True)
    # The sixth had been given, too, but nobody knows whether it was used.
    assert again.asked == list(range(5, PAGES))


@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(share=st.floats(0, 1), torn=st.booleans())
def test_a_file_that_is_cut_off_or_torn_anywhere_gives_the_same_answers(
    tmp_path_factory: pytest.TempPathFactory, share: float, *, torn: bool
) -> None:
    folder = tmp_path_factory.mktemp("some") / "vendor"
    taken(folder, Vendor(), pages=PAGES + 1)
    file = folder / "pages.answers"
    content = bytearray(file.read_bytes())
    at = int(share * (len(content) - 1))
    if torn:
        content[at] ^= 0xFF
        file.write_bytes(content)
    else:
        file.write_bytes(content[:at])
    assert taken(folder, Vendor(), pages=PAGES + 1)[0] == WHOLE
    # And is mended.
    again = Vendor()
    assert taken(folder, again) == (WHOLE, True)
    assert again.asked == []


@pytest.mark.parametrize(
    ("asked", "now"),
    [("others", NOW), ("all", NOW + WEEK), ("all", NOW - timedelta(seconds=1))],
    ids=["another question", "too old", "the clock went back"],
)
def test_answers_that_are_of_no_use_are_asked_for_again(tmp_path: Path, asked: str, now: datetime) -> None:
    taken(tmp_path / "vendor", Vendor(), pages=5)
    vendor = Vendor()
    assert taken(tmp_path / "vendor", vendor, asked=asked, now=now) == (WHOLE, False)
    assert vendor.asked == list(range(PAGES))


def test_a_vendor_that_has_lost_the_place_is_read_from_the_beginning(tmp_path: Path) -> None:
    taken(tmp_path / "vendor", Vendor(), pages=5)
    vendor = Vendor()
    vendor.knows_places = False
    assert taken(tmp_path / "vendor", vendor) == (WHOLE, False)
    assert vendor.asked == list(range(PAGES))


def test_two_loads_of_one_vendor_do_not_run_at_a_time(tmp_path: Path) -> None:
    with (
        Unfinished(tmp_path / "pendo"),
        pytest.raises(LoadError, match="another load of pendo is running"),
        Unfinished(tmp_path / "pendo"),
    ):
        pass
    with Unfinished(tmp_path / "pendo") as unfinished:
        assert unfinished.working.is_dir()
    assert [path.name for path in tmp_path.iterdir()] == ["pendo.lock"]


def test_a_load_that_opened_the_lock_before_another_ended_holds_it_alone(tmp_path: Path) -> None:
    with Unfinished(tmp_path / "pendo"):
        (path,) = tmp_path.rglob("*lock")
        waiting = path.open("wb")
    with waiting:
        fcntl.flock(waiting, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with pytest.raises(LoadError, match="another load of pendo is running"), Unfinished(tmp_path / "pendo"):
            pass
