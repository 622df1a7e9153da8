"""How far `apply` or a sync is: live bars on a terminal.

Elsewhere `apply` prints a line for every tenth of the way, and a sync what somebody has to look at, and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Protocol

from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, Task, TaskID, TextColumn, TimeElapsedColumn
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


class Watch(Protocol):
    """Whoever watches a sync."""

    def began(self, position: int, name: str) -> None:
        """A step begins."""

    def rows(self, vendor: str, table: str, rows: int) -> None:
        """So many rows of a vendor's table have come."""

    def nodes(self, done: int, total: int) -> None:
        """So many of dbt's nodes are done."""

    def sending(self, activations: Sequence[ActivationPlan]) -> AbstractContextManager[Progress]:
        """A plan is sent while the block lasts."""

    def came(self, what: RenderableType, *, matters: bool = False) -> None:
        """What a step led to. It matters when somebody has to look."""

    def close(self) -> None:
        """A step is over, well or not."""


@dataclass(frozen=True, slots=True)
class Quiet:
    """Shows what matters, and nothing else: for mail and logs."""

    console: Console

    def began(self, position: int, name: str) -> None:
        """Show nothing."""

    def rows(self, vendor: str, table: str, rows: int) -> None:
        """Show nothing."""

    def nodes(self, done: int, total: int) -> None:
        """Show nothing."""

    def sending(self, activations: Sequence[ActivationPlan]) -> AbstractContextManager[Progress]:
        """Show nothing."""
        del activations
        return nullcontext(lambda *_: None)

    def came(self, what: RenderableType, *, matters: bool = False) -> None:
        """Show what matters."""
        if matters:
            self.console.print(what, soft_wrap=True)

    def close(self) -> None:
        """Show nothing."""


@dataclass(slots=True)
class Live:
    """Shows every step, how far it is, and what it led to. The bar lasts from a step's first news to its result."""

    console: Console
    _bars: Bars | None = field(default=None, init=False)
    _task: TaskID = field(default=TaskID(0), init=False)

    def began(self, position: int, name: str) -> None:
        """Show the step's name."""
        self.console.print(f"\n{position}. {name}", style="bold", markup=False)

    def rows(self, vendor: str, table: str, rows: int) -> None:
        """Show how many rows have come."""
        self._update(f"{vendor}.{table} {rows:,} rows", None, None)

    def nodes(self, done: int, total: int) -> None:
        """Show how many nodes are done."""
        self._update("dbt build", done, total)

    def sending(self, activations: Sequence[ActivationPlan]) -> AbstractContextManager[Progress]:
        """Show what becomes of the activations' records."""
        return sending(self.console, activations)

    def came(self, what: RenderableType, *, matters: bool = False) -> None:
        """Show it."""
        del matters
        self.close()
        self.console.print(what)

    def close(self) -> None:
        """Take the bar away."""
        if self._bars is not None:
            self._bars.stop()
            self._bars = None

    def _update(self, description: str, done: int | None, total: int | None) -> None:
        if self._bars is None:
            columns = (
                SpinnerColumn(),
                TextColumn("{task.description}", markup=False),
                BarColumn(),
                MofNCompleteColumn(),
            )
            self._bars = Bars(*columns, console=self.console, transient=True)
            self._task = self._bars.add_task(description, total=None)
            self._bars.start()
        self._bars.update(self._task, description=description, completed=done, total=total)


@contextmanager
def sending(console: Console, activations: Sequence[ActivationPlan]) -> Iterator[Progress]:
    """Show what becomes of the activations' records for as long as the block lasts."""
    planned = [item for item in activations if item.changes]
    if not console.is_terminal:
        yield _lines(console)
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TextColumn("{task.fields[said]}", markup=False),
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
