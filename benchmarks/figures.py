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
    """One measured value; `detail` holds what it was made of, and its bound where there is one."""

    name: str
    value: float
    unit: str
    detail: Mapping[str, object] = field(default_factory=dict)


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
