"""What `make bench` makes of the figures and their bounds."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

import benchmarks.__main__ as bench
from benchmarks.figures import Figure


@pytest.mark.parametrize(
    ("value", "detail", "missed"),
    [
        (5, {}, ()),
        (5, {"at_most": 5, "at_least": 5}, ()),
        (5.1, {"at_most": 5, "at_least": 5}, ("at_most 5",)),
        (4.9, {"at_most": 5, "at_least": 5}, ("at_least 5",)),
        (1, {"at_most": 0}, ("at_most 0",)),
        (float("nan"), {"at_most": 5, "at_least": 1}, ("at_least 1", "at_most 5")),
    ],
)
def test_a_bound_is_kept_or_missed(value: float, detail: dict[str, object], missed: tuple[str, ...]) -> None:
    assert Figure("part.figure", value, "times", detail).missed == missed


def test_a_missed_bound_ends_the_run_with_1_after_all_figures_are_shown_and_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "measured_here.py").write_text(
        """
from benchmarks.figures import Figure


def slow():
    return [Figure("part.slow", 9.0, "times", {"at_most": 3})]


def fast():
    return [Figure("part.fast", 2.0, "times", {"at_most": 3})]
"""
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(bench, "RESULTS", tmp_path / "results.json")
    known = {"measured_here:slow": ("part.slow",), "measured_here:fast": ("part.fast",)}
    monkeypatch.setattr(bench, "BENCHMARKS", known)
    assert bench.main([]) == 1
    told = capsys.readouterr().out
    assert "part.fast" in told
    assert told.strip().splitlines()[-1] == "missed: part.slow is 9 times, not at_most 3"
    assert [one["name"] for one in orjson.loads((tmp_path / "results.json").read_bytes())] == ["part.slow", "part.fast"]
    assert bench.main(["part.fast"]) == 0
    assert "missed" not in capsys.readouterr().out
    assert bench.main(["nothing"]) == 1
