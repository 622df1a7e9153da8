"""Landing Pendo's usage rows: how many a second, and in how much memory."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time

import orjson
import pyarrow as pa

from benchmarks.canned import Replies, canned_vendor
from benchmarks.figures import Figure, peak_megabytes, seconds
from loaders import LoadSettings, Wanted, load

TODAY_MS = 1_773_979_200_000  # midnight of 2026-03-20 in New York
DAY_MS = 86_400_000
DAYS = 400
PLACEHOLDER = 1_111_111_111_111
VERIFY, AGGREGATION, GUIDES = "/api/v1/token/verify", "/api/v1/aggregation", "/api/v1/guide"
AGENT = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/142.0 Safari/537.36"
SEVERAL_MILLIONS = (1_000_000, 10_000_000)
SOURCE = re.compile(rb'"source":\{"(\w+)"')
FIRST, COUNT = re.compile(rb'"first":(\d+)'), re.compile(rb'"count":-(\d+)')


def rows_per_second() -> list[Figure]:
    """Land a million rows, and parse the same bytes with orjson into Arrow."""
    rows = 1_000_000
    with canned_vendor(partial(canned_pendo, rows)) as url, TemporaryDirectory() as folder:
        began = process_time()
        ours = seconds(lambda: _land(url, Path(folder)))
        busy = process_time() - began
    bodies = [_day(rows // DAYS, n) for n in range(DAYS)]
    bare = seconds(lambda: [pa.Table.from_pylist(orjson.loads(b"[%s]" % body)) for body in bodies])
    detail = {"rows": rows, "seconds": ours, "at_least": 100_000, "parse_seconds": bare, "vs_parse": ours / bare}
    # The processor's own seconds tell what one core can do, also while others use it.
    return [Figure("load.pendo_rows_per_second", rows / ours, "rows/s", detail | {"per_processor_second": rows / busy})]


def peak_memory() -> list[Figure]:
    """Land a million rows and ten million, each in a process of its own, and tell the peaks."""
    one, ten = (_peak(rows) for rows in SEVERAL_MILLIONS)
    peaks = {"peak_mb_1m": one["peak_mb"], "peak_mb_10m": ten["peak_mb"]}
    return [
        Figure("load.pendo_peak_mb_10m", ten["peak_mb"], "MB", {"at_most": 1_500, **ten}),
        Figure("load.pendo_peak_10m_vs_1m", ten["peak_mb"] / one["peak_mb"], "times", {"at_most": 1.15, **peaks}),
    ]


def _peak(rows: int) -> dict[str, float]:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_landed, rows).result()


def _landed(rows: int) -> dict[str, float]:
    """Land rows; gives the peak of this process, in which nothing else was done, and what that took."""
    with canned_vendor(partial(canned_pendo, rows)) as url, TemporaryDirectory() as folder:
        began = process_time()
        _land(url, Path(folder))
        busy = process_time() - began
        megabytes = (Path(folder) / "warehouse.duckdb").stat().st_size / 2**20
    peak = {"peak_mb": peak_megabytes(), "warehouse_mb": megabytes}
    return peak | {"rows_per_processor_second": rows / busy}


def canned_pendo(rows: int) -> Replies:
    """Prepare a subscription with so many rows of usage, spread evenly over the history, and nothing else."""
    template = _day(rows // DAYS, 0).replace(b"%d" % _start(0), b"%d" % PLACEHOLDER)

    def replies(_method: str, path: str, body: bytes) -> Iterator[bytes]:
        source = SOURCE.search(body)
        if not path.startswith(AGGREGATION) or source is None:
            yield b"[]" if path.startswith(GUIDES) else b'{"valid":true}'
        elif source[1] != b"events":
            yield b'{"results":[]}'
        else:
            yield b'{"results":['
            for n in _asked(body):
                yield template.replace(b"%d" % PLACEHOLDER, b"%d" % _start(n))
                yield b","
            yield template.replace(b"%d" % PLACEHOLDER, b"%d" % _start(DAYS + 1))[: template.index(b"}") + 1]
            yield b"]}"

    return replies


def _asked(body: bytes) -> range:
    """Say which days, counted back from the last whole one, a call asks for."""
    first, count = FIRST.search(body), COUNT.search(body)
    if first is None or count is None:
        raise ValueError(f"not a call of our own loader's: {body!r}")
    newest = max(0, -(-(TODAY_MS - int(first[1])) // DAY_MS))
    return range(newest, min(newest + int(count[1]), DAYS))


def _start(days_ago: int) -> int:
    return TODAY_MS - (days_ago + 1) * DAY_MS


def _day(rows: int, days_ago: int) -> bytes:
    made = [
        {
            "accountId": f"account-{n % 977:04d}",
            "appId": -323232,
            "day": _start(days_ago),
            "numEvents": n % 31 + 1,
            "numMinutes": n % 17 + 1,
            "remoteIp": f"198.18.{n % 256}.{n // 256 % 256}",
            "server": "app.product.example",
            "userAgent": AGENT,
            "visitorId": f"visitor.{n:06d}@customer.example",
        }
        for n in range(rows)
    ]
    return orjson.dumps(made)[1:-1]


def _land(url: str, folder: Path) -> None:
    settings = LoadSettings(
        warehouse=folder / "warehouse.duckdb",
        pipelines_dir=folder / "pipelines",
        journal_dir=folder / "journal",
        pendo_base_url=url,
        pendo_integration_key="canned",
    )
    load(["pendo"], settings, Wanted(pendo=frozenset({"events"})), lambda *_: None)
