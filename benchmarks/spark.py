"""How the metrics' build grows on Spark: with the data at the same cores, and with data and cores alike.

    python -m benchmarks.spark [MILLIONS OF EVENTS]

It needs the extra `spark`, and so is no part of `make bench`. The usage is that of benchmarks/metrics.py; each build is
the first one of a process of its own, after a landing that is not timed, and a night is built after it. What is told
are the wall seconds from dbt's first node to its last, and the processor seconds of dbt and Spark in them; and of
DuckDB, on the same rows, both again. On a machine that others use, the processor seconds are the ones to compare.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table

from backhaul.transform import close_warehouse
from benchmarks.metrics import EVENTS, ROOT, SELECTION, _let_a_night_pass, _make

CORES = (1, 2)
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Build:
    """A first build: of how many events, where, and what it and the night after it took."""

    engine: str
    cores: int
    events: int
    seconds: float
    processor_seconds: float
    night_processor_seconds: float


def main(arguments: list[str]) -> int:
    """Measure, each build in a fresh process, and print how it grows."""
    if arguments[:1] == ["one"]:
        engine, cores, events = arguments[1], int(arguments[2]), int(arguments[3])
        sys.stdout.buffer.write(orjson.dumps(asdict(_build(engine, cores, events))))
        return 0
    base = int(float(arguments[0] if arguments else "1") * 1_000_000)
    plans = [("spark", 1, base), ("spark", 2, base), ("spark", 2, 2 * base), ("spark", 2, 4 * base)]
    plans += [("duckdb", 2, base), ("duckdb", 2, 2 * base), ("duckdb", 2, 4 * base)]
    table = Table("Engine", "Cores", "Events", "Seconds", "Processor seconds", "A night's")
    builds = []
    for engine, cores, events in plans:
        said = subprocess.run(
            [sys.executable, "-m", "benchmarks.spark", "one", engine, str(cores), str(events)],
            check=True,
            stdout=subprocess.PIPE,
        ).stdout
        build = Build(**orjson.loads(said.splitlines()[-1]))
        builds.append(build)
        spent = (f"{one:.1f}" for one in (build.seconds, build.processor_seconds, build.night_processor_seconds))
        table.add_row(engine, str(cores), f"{events:,}", *spent)
    console = Console()
    console.print(table)
    one, two, doubled, fourfold, *duck = builds
    console.print(
        f"Data and cores doubled: {doubled.seconds / one.seconds:.2f} times the seconds (1 is as good as can be)"
    )
    for label, small, large in (
        ("Spark, data doubled", two, doubled),
        ("Spark, data doubled again", doubled, fourfold),
        ("DuckDB, data doubled", duck[0], duck[1]),
        ("DuckDB, data doubled again", duck[1], duck[2]),
    ):
        ratio = large.processor_seconds / small.processor_seconds
        console.print(f"{label}: {ratio:.2f} times the processor seconds")
    return 0


def _build(engine: str, cores: int, events: int) -> Build:
    with TemporaryDirectory() as folder:
        warehouse = Path(folder) / ("warehouse.lake" if engine == "spark" else "warehouse.duckdb")
        os.environ["BACKHAUL_WAREHOUSE"] = str(warehouse)
        arguments = ("--target", "spark" if engine == "spark" else "dev", "--threads", str(cores))
        if engine == "duckdb":
            _make(warehouse, events / EVENTS)
            first = _timed(Path(folder), arguments, jvm=0)
            _let_a_night_pass(warehouse, events / EVENTS, night=1)
            night = _timed(Path(folder), arguments, jvm=0)
        else:
            from backhaul.spark import open_session  # noqa: PLC0415  the extra
            from loaders.lake import LANDING, publish  # noqa: PLC0415  the extra

            warehouse.mkdir()
            _make(warehouse / LANDING, events / EVENTS)
            publish(warehouse)
            os.environ["PYSPARK_SUBMIT_ARGS"] = f"--master local[{cores}] pyspark-shell"
            jvm = open_session(warehouse).sparkContext._gateway.proc.pid  # noqa: SLF001  no other way to know it
            first = _timed(Path(folder), arguments, jvm)
            _let_a_night_pass(warehouse / LANDING, events / EVENTS, night=1)
            publish(warehouse)
            open_session(warehouse)
            night = _timed(Path(folder), arguments, jvm)
        return Build(engine, cores, events, *first, night[1])


def _timed(folder: Path, arguments: Sequence[str], jvm: int) -> tuple[float, float]:
    """Build the metrics; returns the wall seconds, and the processor seconds of dbt and of the engine."""
    from dbt.cli.main import dbtRunner  # noqa: PLC0415  dbt takes seconds to import

    marks: list[float] = []

    def note(event: Any) -> None:  # noqa: ANN401  dbt's protobuf message
        if event.info.name in {"NodeStart", "NodeFinished"}:
            marks.append(process_time() + _spent(jvm))

    places = {"--project-dir": ROOT, "--profiles-dir": ROOT, "--target-path": folder / "target"}
    outcome = dbtRunner(callbacks=[note]).invoke(
        [
            *("build", *SELECTION, "--exclude-resource-type", "test", "--log-level", "none"),
            *("--log-path", str(folder / "logs"), *arguments),
            *(str(part) for place in places.items() for part in place),
        ]
    )
    # It stays open else, and the night has to land in it.
    close_warehouse()
    results = getattr(outcome.result, "results", ())
    failed = [f"{one.node.name}: {one.message}" for one in results if one.status in {"error", "fail"}]
    if failed or not outcome.success:
        raise RuntimeError(f"dbt build: {failed or outcome.exception}")
    steps = [step for one in results for step in one.timing]
    spent = (max(step.completed_at for step in steps) - min(step.started_at for step in steps)).total_seconds()
    return spent, marks[-1] - marks[0]


def _spent(process: int) -> float:
    """The processor seconds that a process has used so far, its threads included; 0 without one."""
    if not process:
        return 0.0
    fields = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
