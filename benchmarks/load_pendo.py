"""Landing Pendo's usage rows: how many a second, and in how much memory."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

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
        ours = seconds(lambda: _land(url, Path(folder)))
    bodies = [_day(rows // DAYS, n) for n in range(DAYS)]
    bare = seconds(lambda: [pa.Table.from_pylist(orjson.loads(b"[%s]" % body)) for body in bodies])
    detail = {"rows": rows, "seconds": ours, "at_least": 100_000, "parse_seconds": bare, "vs_parse": ours / bare}
    return [Figure("load.pendo_rows_per_second", rows / ours, "rows/s", detail)]


def peak_memory() -> list[Figure]:
    """Land a million rows, then ten, and tell the peak after each."""
    peaks: dict[str, float] = {}
    for rows in SEVERAL_MILLIONS:
        with canned_vendor(partial(canned_pendo, rows)) as url, TemporaryDirectory() as folder:
            _land(url, Path(folder))
        peaks[f"{rows // 1_000_000}m"] = peak_megabytes()
    return [Figure("load.pendo_peak_mb_10m", peaks["10m"], "MB", {"at_most": 1_500, "peak_mb_1m": peaks["1m"]})]


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
