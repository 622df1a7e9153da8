"""Run the benchmarks, each in a process of its own, and keep what they measured.

    python -m benchmarks [PREFIX]

PREFIX chooses the figures whose names begin with it. Results go to benchmarks/results.json; those
of other benchmarks stay there from their last run. A figure that misses its bound is marked, and the exit code is 1.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from multiprocessing import get_context
from pathlib import Path

import orjson
from rich.console import Console
from rich.table import Table

from benchmarks.apply import CALLS_FIGURES
from benchmarks.figures import Figure, measured_by

RESULTS = Path(__file__).parent / "results.json"
# Which function measures which figures.
BENCHMARKS: Mapping[str, tuple[str, ...]] = {
    "benchmarks.sandbox:batch_requests_per_second": ("sandbox.batch_requests_per_second",),
    "benchmarks.metrics:metrics": ("metrics.full_vs_handwritten", "metrics.nightly_vs_full", "metrics.peak_mb"),
    "benchmarks.plan:million": (
        "plan.million_vs_bare_diff",
        "plan.million_vs_bare_diff_full_ledger",
        "plan.million_peak_mb",
    ),
    "benchmarks.apply:against_the_limit": ("apply.hubspot_vs_limit", "apply.rate_limited_answers"),
    "benchmarks.apply:calls_per_thousand": tuple(CALLS_FIGURES.values()),
    "benchmarks.apply:peak_memory": ("apply.peak_mb_growth",),
    "benchmarks.events:against_the_limit": ("events.vs_limit",),
    "benchmarks.match:million": ("match.million_vs_hash_join",),
    "benchmarks.load_hubspot:contacts_per_second": (
        "load.hubspot_contacts_vs_api_ceiling",
        "load.hubspot_contacts_vs_parse",
    ),
    "benchmarks.load_pendo:rows_per_second": ("load.pendo_rows_per_second",),
    "benchmarks.load_pendo:peak_memory": ("load.pendo_peak_mb_10m", "load.pendo_peak_10m_vs_1m"),
    "benchmarks.load_calls:calls_when_nothing_is_new": ("load.calls_when_nothing_is_new",),
}


def main(arguments: Sequence[str]) -> int:
    """Measure what was asked for; 1 if nothing has such a name, or a figure misses its bound."""
    prefix = arguments[0] if arguments else ""
    chosen = [name for name, figures in BENCHMARKS.items() if any(one.startswith(prefix) for one in figures)]
    console = Console()
    if not chosen:
        known = ", ".join(sorted(name for figures in BENCHMARKS.values() for name in figures))
        console.print(f"no figure begins with {prefix!r}; there are {known}", markup=False)
        return 1
    measured: list[Figure] = []
    for name in chosen:
        with console.status(f"{name} …"):
            measured += _measure(name)
    _keep(measured)
    console.print(shown(measured))
    missed = [one for one in measured if one.missed]
    for one in missed:
        console.print(f"missed: {one.name} is {_brief(one.value)} {one.unit}, not {' and '.join(one.missed)}")
    return 1 if missed else 0


def _measure(name: str) -> list[Figure]:
    """Run one benchmark in a fresh interpreter, so that its memory is its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        figures: list[Figure] = pool.submit(measured_by, name).result()
    return figures


def _keep(measured: Sequence[Figure]) -> None:
    machine = {"cores": os.cpu_count(), "memory_gb": round(_memory() / 2**30)}
    fresh = {one.name: asdict(one) | {"detail": {**one.detail, "machine": machine}} for one in measured}
    before = {one["name"]: one for one in orjson.loads(RESULTS.read_bytes())} if RESULTS.exists() else {}
    RESULTS.write_bytes(orjson.dumps(list((before | fresh).values()), option=orjson.OPT_INDENT_2))


def _memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def shown(measured: Sequence[Figure]) -> Table:
    """Show every figure, those that miss a bound in red and with an exclamation mark."""
    table = Table("figure", "value", "unit", "detail", title="benchmarks", title_justify="left")
    for one in measured:
        detail = ", ".join(f"{key} {_brief(value)}" for key, value in one.detail.items())
        value = f"{_brief(one.value)}{' !' if one.missed else ''}"
        table.add_row(one.name, value, one.unit, detail, style="red" if one.missed else None)
    return table


def _brief(value: object) -> str:
    return f"{value:,.4g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
