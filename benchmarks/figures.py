"""What a benchmark gives, and the resources that it took."""

from __future__ import annotations

import gc
import resource
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pkgutil import resolve_name
from statistics import median


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured value; `detail` holds what it was made of, and its bounds, `at_least` and `at_most`, if any."""

    name: str
    value: float
    unit: str
    detail: Mapping[str, object] = field(default_factory=dict)

    @property
    def missed(self) -> tuple[str, ...]:
        """The bounds that the value does not keep."""
        least, most = (self.detail.get(name) for name in ("at_least", "at_most"))
        # A value that is no number keeps none.
        below = isinstance(least, int | float) and not self.value >= least
        above = isinstance(most, int | float) and not self.value <= most
        return (*([f"at_least {least}"] if below else []), *([f"at_most {most}"] if above else []))


def seconds(work: Callable[[], object]) -> float:
    """Time one call by the wall clock."""
    gc.collect()
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def paired(ours: Callable[[], object], theirs: Callable[[], object], rounds: int = 3) -> tuple[float, float]:
    """Time two calls in turn, so that a noisy neighbour slows both; medians of the rounds, in seconds."""
    times = [(seconds(ours), seconds(theirs)) for _ in range(rounds)]
    return median(ours for ours, _ in times), median(theirs for _, theirs in times)


def peak_megabytes() -> float:
    """Tell the largest resident memory that this process ever had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measured_by(name: str) -> list[Figure]:
    """Run the benchmark called `module:function`. Here, and not beside `main`, so that a fresh process finds it."""
    figures: list[Figure] = resolve_name(name)()
    return figures
