"""Ending a run between two batches, when somebody presses Ctrl-C or the machine shuts down."""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from activators.errors import Stopped

Answer = TypeVar("Answer")


@dataclass(slots=True)
class Stop:
    """Whether a run is asked to end, and by which signal. Belongs to one event loop."""

    _signal: int = field(default=0, init=False)
    _asked: asyncio.Event = field(default_factory=asyncio.Event, init=False, repr=False)

    def ask(self, number: int) -> None:
        """Ask the run to end as the signal wants."""
        self._signal = number
        self._asked.set()

    def raise_if_asked(self) -> None:
        """Raise Stopped, once a signal has come."""
        if self._asked.is_set():
            raise Stopped(self._signal)

    async def unless_asked(self, waiting: Coroutine[Any, Any, Answer]) -> Answer:
        """Wait for something that goes on without us: when a signal comes, leave it and raise Stopped."""
        work, asked = asyncio.ensure_future(waiting), asyncio.ensure_future(self._asked.wait())
        try:
            await asyncio.wait({work, asked}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                self.raise_if_asked()
            return work.result()
        finally:
            for task in (work, asked):
                task.cancel()
            await asyncio.gather(work, asked, return_exceptions=True)


def no_longer_ignore(numbers: Sequence[int]) -> None:
    """Let signals do again what they do in Python, where the one who started us had them ignored.

    A shell's script does that to what it starts in the background: a second Ctrl-C would then do nothing.
    """
    for number in numbers:
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)


@contextmanager
def interrupting_again() -> Iterator[None]:
    """Raise a KeyboardInterrupt once more that a destructor has swallowed.

    A signal comes whenever it comes, and of what is raised in a `__del__` Python only prints a line. Those of the
    libraries that land and build take their time: they close the warehouse.
    """
    tell = sys.unraisablehook
    waiting: list[threading.Timer] = []

    def raise_again(swallowed: sys.UnraisableHookArgs) -> None:
        if not issubclass(swallowed.exc_type, KeyboardInterrupt):
            tell(swallowed)
            return
        no_longer_ignore((signal.SIGINT,))
        # Not at once: here, too, it would be swallowed. And as a signal, which ends what the main thread waits for.
        waiting.append(threading.Timer(0.05, signal.pthread_kill, (threading.get_ident(), signal.SIGINT)))
        waiting[-1].start()

    sys.unraisablehook = raise_again
    try:
        yield
    finally:
        sys.unraisablehook = tell
        for timer in waiting:
            timer.cancel()


@contextmanager
def stopping_on_signals() -> Iterator[Stop]:
    """Let the first SIGINT or SIGTERM ask for the end; a second one ends the process there and then.

    Call it in the running event loop. Only the main thread gets signals; in another one nothing is asked for.
    """
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    loop = asyncio.get_running_loop()
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.getsignal(number) for number in numbers}

    def ask(number: int) -> None:
        restore()
        no_longer_ignore(numbers)
        stop.ask(number)

    def restore() -> None:
        for number in numbers:
            if loop.remove_signal_handler(number):
                signal.signal(number, before[number])

    for number in numbers:
        loop.add_signal_handler(number, ask, number)
    try:
        yield stop
    finally:
        restore()
