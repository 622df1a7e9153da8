"""What an interrupted run was told: the last answer that ended the matter, whatever was asked again before."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from activators.answers import read_answers
from activators.journal import Journal, RecordChanges, Result, Status, read_history
from tests.activators.conftest import NOW

IDS = ("1", "2", "3", "it's", 'a "quoted" one')
STATUSES: tuple[Status, ...] = ("confirmed", "rejected", "unknown")
BATCHES = st.lists(
    st.tuples(
        st.sampled_from(("left", "right")), st.dictionaries(st.sampled_from(IDS), st.sampled_from((*STATUSES, None)))
    ),
    max_size=8,
)


@settings(max_examples=30, deadline=None)
@given(BATCHES)
def test_the_last_answer_that_ends_the_matter_counts_for_each_activation(
    batches: list[tuple[str, dict[str, Status | None]]],
) -> None:
    told: dict[tuple[str, str], str] = {}
    left_open: set[tuple[str, str]] = set()
    with TemporaryDirectory() as name:
        journal = Journal.begin(Path(name), "run-1", "plan-1", NOW, ["left", "right"])
        for number, (activation, answers) in enumerate(batches, 1):
            journal.intent(activation, "hubspot", "contacts", [RecordChanges(one, ()) for one in answers])
            results = [
                Result(one, status, NOW if status == "confirmed" else None, f"CODE_{number}", "said")
                for one, status in answers.items()
                if status
            ]
            journal.outcome(number, results)
            for one, status in answers.items():
                left_open.add((activation, one))
                if status in {"confirmed", "rejected"}:
                    told[activation, one] = f"{status} CODE_{number}"
                    left_open.discard((activation, one))
        journal.close()
        history = read_history(Path(name), "plan-1")
        with read_answers(journal.path) as found:
            answers_found = {
                (activation, one): result
                for activation in ("left", "right")
                for one, result in found.of(activation, [*IDS, "1", "nobody"]).items()
            }
    assert history is not None
    assert history.left_open == left_open
    assert {key: f"{result.status} {result.code}" for key, result in answers_found.items()} == told
    for result in answers_found.values():
        assert result.written_at == (NOW if result.status == "confirmed" else None)
