"""How far `apply` is: a live bar on a terminal, and a line for every tenth of the way elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, Task, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars
from rich.progress import ProgressColumn as Column
from rich.text import Text

from activators.limits import Usage
from activators.plan import ActivationPlan
from activators.sending import Applied, Progress

_TENTHS = 10


class _Rate(Column):
    """Records a second."""

    def render(self, task: Task) -> Text:
        """Show it once it is known."""
        return Text(f"{task.speed:,.0f}/s" if task.speed else "", style="progress.data.speed")


@contextmanager
def sending(console: Console, activations: Sequence[ActivationPlan]) -> Iterator[Progress]:
    """Show what becomes of the activations' records for as long as the block lasts."""
    planned = [item for item in activations if item.changes]
    if not console.is_terminal:
        yield _lines(console)
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TextColumn("{task.fields[said]}"),
        TimeElapsedColumn(),
    )
    with Bars(*columns, console=console, transient=True) as bars:
        tasks = {
            item.name: bars.add_task(item.name, total=item.records_changed, start=False, said="") for item in planned
        }

        def show(applied: Applied, _records: int, usage: Usage | None) -> None:
            task = tasks[applied.name]
            bars.start_task(task)
            bars.update(task, completed=applied.settled, said=said(applied, usage))

        yield show


def said(applied: Applied, usage: Usage | None) -> str:
    """What went wrong so far, and what is left of the account's day."""
    wrong = [
        f"{count:,} {name}" for name, count in (("rejected", applied.rejected), ("unknown", applied.unknown)) if count
    ]
    left = [f"{usage.left:,} of the day's {usage.daily:,} calls left"] if usage else []
    return " · ".join(wrong + left)


def _lines(console: Console) -> Progress:
    tenths: dict[str, int] = {}

    def show(applied: Applied, records: int, usage: Usage | None) -> None:
        tenth = applied.settled * _TENTHS // records
        if tenth > tenths.setdefault(applied.name, 0):
            tenths[applied.name] = tenth
            parts = [f"{applied.name}: {applied.settled:,} of {records:,} records", said(applied, usage)]
            console.print(" · ".join(filter(None, parts)), markup=False, soft_wrap=True)

    return show
