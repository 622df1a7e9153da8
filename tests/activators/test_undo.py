from __future__ import annotations

import pytest

from activators.journal import Change, Stored
from activators.undo import restore
from tests.activators.conftest import NOW


@pytest.mark.parametrize(
    ("before", "after", "now", "expected"),
    [
        pytest.param("4", "5", "5.0", ("send", "differs"), id="ours_still_stands"),
        pytest.param("4", "5", "4", None, id="restored_already"),
        pytest.param(None, "5", "", None, id="emptied_as_it_was"),
        pytest.param("4", None, "", ("send", "differs"), id="we_cleared_it"),
        pytest.param("4", "5", "9", ("hold", "edited_in_crm"), id="a_person_typed_another"),
        pytest.param("4", "5", None, ("hold", "edited_in_crm"), id="a_person_cleared_it"),
    ],
)
def test_only_what_we_wrote_is_restored(
    before: str | None, after: str | None, now: str | None, expected: tuple[str, str] | None
) -> None:
    change = Change("usage_days", "number", before, after)
    assert restore(change, Stored({"usage_days": now}, NOW)) == expected


def test_what_a_later_run_wrote_is_not_called_a_persons() -> None:
    change = Change("usage_days", "number", "4", "5")
    assert restore(change, Stored({"usage_days": "9"}, NOW), is_newest=False) == ("hold", "written_since")


def test_a_record_that_is_gone_is_named() -> None:
    assert restore(Change("usage_days", "number", "4", "5"), None) == ("invalid", "record_gone")
