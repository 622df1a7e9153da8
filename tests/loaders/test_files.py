"""Events from files: summed to days like Pendo's, replaced by day, and no row lost without a word."""

from __future__ import annotations

import gzip
import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import fsspec
import orjson
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from pyarrow import parquet

from backhaul import steps
from backhaul.settings import Settings
from loaders import Landing, LoadError, LoadSettings, Wanted, load
from loaders.files.reading import list_files
from tests.conftest import ROOT, transforming

NEW_YORK = ZoneInfo("America/New_York")
Row = tuple[Any, ...]

CSV = """
time_zone = "America/New_York"
[events]
path = "events"
format = "csv"
[events.columns]
visitor_id = "user"
account_id = "org"
time = "at"
"""


@dataclass
class Place:
    """A folder with a declaration and files, and a warehouse to land them in."""

    folder: Path
    clock: int = field(default=1_780_000_000)
    landings: tuple[Landing, ...] = ()

    def declare(self, text: str) -> None:
        (self.folder / "files.toml").write_text(text)

    def write(self, name: str, content: str | bytes) -> None:
        """Write a file whose time of change no earlier one has."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        self.clock += 1
        os.utime(path, (self.clock, self.clock))

    def events(self, name: str, *rows: str) -> None:
        self.write(f"events/{name}", "\n".join(["user,org,at", *rows]) + "\n")

    @property
    def settings(self) -> LoadSettings:
        return LoadSettings(
            warehouse=self.folder / "warehouse.duckdb",
            pipelines_dir=self.folder / "pipelines",
            journal_dir=self.folder / "journal",
            files=self.folder / "files.toml",
        )

    def load(self) -> dict[str, int]:
        self.landings = load(["files"], self.settings, Wanted(), lambda *_: None)
        return {one.table: one.rows for one in self.landings}

    def ask(self, sql: str) -> list[Row]:
        with duckdb.connect(self.settings.warehouse) as warehouse:
            return warehouse.execute(sql).fetchall()

    def days(self) -> list[Row]:
        """Give local date, visitor, account, events and minutes."""
        sql = "select day, visitor_id, account_id, num_events, num_minutes from pendo.events order by all"
        return [(local_date(day), *rest) for day, *rest in self.ask(sql)]


def local_date(milliseconds: int) -> str:
    moment = datetime.fromtimestamp(milliseconds / 1000, NEW_YORK)
    assert (moment.hour, moment.minute) == (0, 0)
    return moment.date().isoformat()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    made = Place(tmp_path)
    made.declare(CSV)
    return made


# what is landed


def test_events_are_summed_to_local_days_with_distinct_minutes(place: Place) -> None:
    place.events(
        "a.csv",
        "ann,acme,2026-03-08T04:59:10Z",  # still the 7th in New York
        "ann,acme,2026-03-08T05:00:00Z",
        "ann,acme,2026-03-08T05:00:59.9Z",
        "ann,acme,2026-03-08T20:15:00-04:00",
        "ann,globex,2026-03-08T05:00:30Z",
        "bob,,2026-03-09T03:59:59+00:00",  # the clocks went forward: the 8th has 23 hours
        "bob,,2026-03-09T04:00:00+00:00",
    )
    place.load()
    assert place.days() == [
        ("2026-03-07", "ann", "acme", 1, 1),
        ("2026-03-08", "ann", "acme", 3, 2),
        ("2026-03-08", "ann", "globex", 1, 1),
        ("2026-03-08", "bob", None, 1, 1),
        ("2026-03-09", "bob", None, 1, 1),
    ]
    columns = {name for name, *_ in place.ask("describe pendo.events")}
    assert {"app_id", "server", "remote_ip", "user_agent"} <= columns


def test_visitors_and_accounts_are_summed_up_from_all_days_and_described_by_files(place: Place) -> None:
    place.declare(
        CSV
        + '[visitors]\npath = "users.jsonl"\nformat = "jsonl"\nid = "user"\n'
        + 'attributes = {email = "profile.email", full_name = "profile.name"}\n'
        + '[accounts]\npath = "orgs.csv"\nformat = "csv"\nid = "org"\nattributes = {name = "title"}\n'
    )
    place.events("1.csv", "ann,acme,2026-03-01T12:00:00Z", "ann,globex,2026-03-02T12:00:30Z")
    users = [
        {"user": "ann", "profile": {"email": "old@acme.example"}},
        {"user": "ann", "profile": {"email": "a@acme.example"}},
    ]
    users.append({"user": "idle", "profile": {"name": 'I "D" Le'}})
    place.write("users.jsonl", b"\n".join(map(orjson.dumps, users)))
    place.write("orgs.csv", "org,title\nacme,Acme Inc\n,Nobody\n")
    place.load()
    place.events("2.csv", "ann,acme,2026-02-01T12:00:00Z")
    assert "described_visitors" not in place.load()
    sql = "select visitor_id, account_id, account_ids, first_visit, last_visit, agent from pendo.visitors order by all"
    found = place.ask(sql)
    first, last = (
        int(datetime(2026, m, d, 12, 0, s, tzinfo=UTC).timestamp() * 1000) for m, d, s in ((2, 1, 0), (3, 2, 30))
    )
    assert [row[:5] for row in found] == [
        ("ann", "globex", '["acme","globex"]', first, last),
        ("idle", None, "[]", None, None),
    ]
    assert [orjson.loads(row[5]) for row in found] == [
        {"email": "a@acme.example", "full_name": None},
        {"email": None, "full_name": 'I "D" Le'},
    ]
    accounts = place.ask("select account_id, last_visit, agent from pendo.accounts order by all")
    assert accounts[0][0] == "acme"
    assert orjson.loads(accounts[0][2]) == {"name": "Acme Inc"}
    assert accounts[1] == ("globex", last, "{}")
    assert place.ask("select file, line, reason from pendo.rejected_rows") == [("accounts/orgs.csv", 3, "no id")]


def test_pages_features_and_track_events_have_their_own_tables(place: Place) -> None:
    place.declare(CSV.replace('time = "at"', 'time = "at"\ntype = "kind"\nname = "what"\napp_id = "app"'))
    rows = ("page,home,1", "Page,home,1", "feature,export,2", "track,Signed up,1", "other,thing,1", "page,,1")
    lines = [f"ann,acme,2026-03-01T12:0{n}:00Z,{row}" for n, row in enumerate(rows)]
    place.write("events/a.csv", "\n".join(["user,org,at,kind,what,app", *lines]))
    place.load()
    assert place.ask("select app_id, num_events, num_minutes from pendo.events order by all") == [(1, 5, 5), (2, 1, 1)]
    assert place.ask("select page_id, app_id, num_events, num_minutes from pendo.page_events") == [("home", 1, 2, 2)]
    assert place.ask("select feature_id, app_id, num_events from pendo.feature_events") == [("export", 2, 1)]
    assert place.ask("select track_type_id, num_events from pendo.track_events") == [("Signed up", 1)]
    assert place.ask("select page_id, name from pendo.pages") == [("home", "home")]


def test_an_event_that_lasts_is_active_in_each_of_its_minutes_and_counts_once(place: Place) -> None:
    place.declare(CSV.replace('time = "at"', 'time = "at"\nduration = "seconds"'))
    place.write(
        "events/a.csv", "user,org,at,seconds\nann,acme,2026-03-02T04:58:30Z,210\nbob,acme,2026-03-02T12:00:00Z,60\n"
    )
    place.load()
    # From 23:58:30 to 00:02:00, which is no minute any more.
    assert place.days() == [
        ("2026-03-01", "ann", "acme", 1, 2),
        ("2026-03-02", "ann", "acme", 0, 2),
        ("2026-03-02", "bob", "acme", 1, 1),
    ]


def test_a_minute_in_two_apps_is_one_and_in_two_accounts_is_one_of_each(place: Place) -> None:
    columns = 'time = "at"\ntype = "kind"\nname = "what"\napp_id = "app"\nduration = "seconds"'
    place.declare(CSV.replace('time = "at"', columns))
    rows = [
        "ann,acme,2026-03-01T12:00:05Z,page,home,2,",
        "ann,acme,2026-03-01T12:00:30Z,page,home,1,",
        "ann,acme,2026-03-01T12:00:40Z,page,search,1,",
        "ann,acme,2026-03-01T12:00:50Z,page,home,,",
        "ann,acme,2026-03-01T12:01:10Z,page,home,2,",
        "ann,beta,2026-03-01T12:00:20Z,page,home,2,",
        # App 1 goes on from the day before and has no event of this one, so that no model counts its minutes.
        "bob,acme,2026-03-02T04:59:30Z,page,home,1,90",
        "bob,acme,2026-03-02T05:00:10Z,page,home,2,",
    ]
    place.write("events/a.csv", "\n".join(["user,org,at,kind,what,app,seconds", *rows]))
    place.load()
    assert place.ask(
        "select visitor_id, account_id, app_id, num_events, num_minutes from pendo.events order by all"
    ) == [
        ("ann", "acme", 1, 2, 1),
        ("ann", "acme", 2, 2, 1),
        ("ann", "acme", None, 1, 0),
        ("ann", "beta", 2, 1, 1),
        ("bob", "acme", 1, 0, 0),
        ("bob", "acme", 1, 1, 1),
        ("bob", "acme", 2, 1, 1),
    ]
    assert place.ask(
        "select account_id, page_id, app_id, num_minutes from pendo.page_events where visitor_id = 'ann' order by all"
    ) == [
        ("acme", "home", 1, 1),
        ("acme", "home", 2, 1),
        ("acme", "home", None, 0),
        ("acme", "search", 1, 1),
        ("beta", "home", 2, 1),
    ]


TABLE = {"user": ["ann", "ann", "bob"], "org": ["acme", "acme", None]}
TIMES = [datetime(2026, 3, 1, 12, 0, second, tzinfo=UTC) for second in (0, 30, 45)]


def _as_csv(times: list[datetime]) -> bytes:
    rows = zip(TABLE["user"], TABLE["org"], times, strict=True)
    return "\n".join(["user,org,at", *(f"{user},{org or ''},{at.isoformat()}" for user, org, at in rows)]).encode()


def _as_lines(times: list[Any]) -> bytes:
    rows = zip(TABLE["user"], TABLE["org"], times, strict=True)
    return b"\n\n".join(orjson.dumps({"user": user, "org": org, "at": at}) for user, org, at in rows)


def _as_parquet(times: list[Any]) -> bytes:
    sink = pa.BufferOutputStream()
    parquet.write_table(pa.table({**TABLE, "at": times}), sink)
    return bytes(sink.getvalue().to_pybytes())


@pytest.mark.parametrize(
    ("name", "form", "unit", "content"),
    [
        ("a.csv", "csv", "", _as_csv(TIMES)),
        ("a.csv.gz", "csv", "", gzip.compress(_as_csv(TIMES), mtime=0)),
        ("a.jsonl", "jsonl", "", _as_lines(TIMES)),
        ("a.ndjson.gz", "jsonl", "ms", gzip.compress(_as_lines([int(at.timestamp() * 1000) for at in TIMES]), mtime=0)),
        ("a.parquet", "parquet", "", _as_parquet(TIMES)),
        ("a.parquet", "parquet", "", _as_parquet([at.replace(tzinfo=None) for at in TIMES])),
        ("a.parquet", "parquet", "s", _as_parquet([int(at.timestamp()) for at in TIMES])),
    ],
    ids=["csv", "csv in gzip", "lines", "lines in gzip", "zoned times", "times in UTC", "seconds"],
)
def test_every_format_lands_the_same(place: Place, name: str, form: str, unit: str, content: bytes) -> None:
    also = f'\ntime_unit = "{unit}"' if unit else ""
    place.declare(CSV.replace('format = "csv"', f'format = "{form}"{also}'))
    place.write(f"events/2026/{name}", content)
    place.write("events/_SUCCESS", "")
    place.load()
    assert place.days() == [("2026-03-01", "ann", "acme", 2, 1), ("2026-03-01", "bob", None, 1, 1)]


@pytest.fixture(scope="module")
def amazon() -> Iterator[str]:
    """An S3 server on this machine: skipped without s3fs and moto, which the lock file does not hold."""
    pytest.importorskip("s3fs")
    moto = pytest.importorskip("moto.server")
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(params=["memory", "s3"])
def bucket(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A bucket with a file, in each store that there is."""
    if request.param == "s3":
        monkeypatch.setenv("AWS_ENDPOINT_URL", request.getfixturevalue("amazon"))
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a secret")
    store = fsspec.filesystem(request.param, skip_instance_cache=True)
    store.mkdir("bucket")
    with store.open("bucket/events/day-1.csv", "wb") as file:
        file.write(_as_csv(TIMES))
    yield f"{request.param}://bucket"
    store.rm("bucket", recursive=True)
    fsspec.get_filesystem_class(request.param).clear_instance_cache()


@pytest.mark.parametrize("path", ["events", "*/day-*.csv", "events/day-1.csv"])
def test_an_object_store_is_searched_like_a_folder(bucket: str, tmp_path: Path, path: str) -> None:
    found = list_files(f"{bucket}/{path}", "csv", tmp_path)
    assert [name.rpartition("/")[2] for name in found] == ["day-1.csv"]
    assert [one.size for one in found.values()] == [len(_as_csv(TIMES))]


def test_an_object_store_is_read_like_a_folder(bucket: str, place: Place) -> None:
    place.declare(CSV.replace('"events"', f'"{bucket}/events"'))
    place.load()
    assert place.days() == [("2026-03-01", "ann", "acme", 2, 1), ("2026-03-01", "bob", None, 1, 1)]
    assert place.load()["events"] == 0
    # A program that runs for days sees what others put there, and take away.
    store = fsspec.filesystem(bucket.partition(":")[0], skip_instance_cache=True)
    with store.open("bucket/events/day-2.csv", "wb") as file:
        file.write(b"user,org,at\ncid,,2026-03-02T12:00:00Z\n")
    place.load()
    assert place.days()[-1] == ("2026-03-02", "cid", None, 1, 1)
    store.rm("bucket/events/day-1.csv")
    with pytest.raises(LoadError, match=r"1 files of events are gone, day-1\.csv first"):
        place.load()


@pytest.mark.parametrize("form", ["parquet", "jsonl"])
@pytest.mark.parametrize("bucket", ["s3"], indirect=True)
def test_an_object_store_holds_every_format(bucket: str, place: Place, form: str) -> None:
    name, content = {
        "parquet": ("a.parquet", _as_parquet(TIMES)),
        "jsonl": ("a.jsonl.gz", gzip.compress(_as_lines(TIMES))),
    }[form]
    store = fsspec.filesystem(bucket.partition(":")[0])
    with store.open(f"bucket/events/{name}", "wb") as file:
        file.write(content)
    place.declare(CSV.replace('"events"', f'"{bucket}/events"').replace('"csv"', f'"{form}"'))
    place.load()
    assert place.days() == [("2026-03-01", "ann", "acme", 2, 1), ("2026-03-01", "bob", None, 1, 1)]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, "Could not connect to the endpoint"),
        ({"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}, "credentials"),
        ({}, "bucket does not exist"),
    ],
    ids=["no answer", "no credentials", "no bucket"],
)
@pytest.mark.parametrize("bucket", ["s3"], indirect=True)
def test_an_object_store_that_cannot_be_read_is_one_line(
    bucket: str, place: Place, monkeypatch: pytest.MonkeyPatch, wrong: Mapping[str, str], said: str
) -> None:
    for name, value in {"AWS_MAX_ATTEMPTS": "1", "AWS_EC2_METADATA_DISABLED": "true", **wrong}.items():
        monkeypatch.setenv(name, value)
    path = f"{bucket}/events" if wrong else "s3://nowhere/events"
    place.declare(CSV.replace('"events"', f'"{path}"'))
    with pytest.raises(LoadError, match=f"{path} cannot be listed: .*{said}"):
        place.load()


# what changes


def test_only_files_that_changed_and_share_a_day_are_read_again(place: Place) -> None:
    place.events("1.csv", "ann,acme,2026-03-01T12:00:00Z")
    place.events("2.csv", "ann,acme,2026-03-02T12:00:00Z")
    place.load()
    assert {table: rows for table, rows in place.load().items() if rows} == {"files": 2}
    # A file that cannot be read any more would stop a load that reads it.
    path = place.folder / "events/1.csv"
    stamp = path.stat()
    path.write_bytes(b"\xff" * stamp.st_size)
    os.utime(path, (stamp.st_atime, stamp.st_mtime))
    place.events("2.csv", "ann,acme,2026-03-02T12:00:00Z", "ann,acme,2026-03-02T12:01:00Z")
    assert place.load()["events"] == 1
    assert place.days() == [("2026-03-01", "ann", "acme", 1, 1), ("2026-03-02", "ann", "acme", 2, 2)]


def test_a_file_that_is_corrected_replaces_the_days_that_it_held_and_holds(place: Place) -> None:
    place.events("a.csv", "ann,acme,2026-03-01T12:00:00Z", "bob,acme,2026-03-02T12:00:00Z")
    place.events("b.csv", "eve,acme,2026-03-01T12:00:00Z", "ann,acme,2026-03-01T12:00:59Z")
    place.load()
    assert ("2026-03-01", "ann", "acme", 2, 1) in place.days()
    place.events("a.csv", "ann,acme,2026-03-03T12:00:00Z")
    place.load()
    assert place.days() == [
        ("2026-03-01", "ann", "acme", 1, 1),
        ("2026-03-01", "eve", "acme", 1, 1),
        ("2026-03-03", "ann", "acme", 1, 1),
    ]
    assert place.ask("select visitor_id from pendo.visitors order by all") == [("ann",), ("eve",)]


def test_a_file_that_is_gone_stops_the_load_until_it_is_said_what_that_means(place: Place) -> None:
    place.events("a.csv", "ann,acme,2026-03-01T12:00:00Z")
    place.events("b.csv", "bob,acme,2026-03-02T12:00:00Z")
    place.load()
    before = place.days()
    (place.folder / "events/a.csv").unlink()
    with pytest.raises(LoadError, match=r'^1 files of events are gone, a\.csv first.* "keep" or to "remove"'):
        place.load()
    assert place.days() == before
    place.declare(CSV.replace("[events]", '[events]\nvanished = "keep"'))
    place.load()
    assert place.days() == before
    assert [one.note for one in place.landings if one.note] == ["1 files are gone and their days are kept, a.csv first"]
    assert place.ask("select file, is_vanished from pendo.files order by all") == [("a.csv", True), ("b.csv", False)]
    place.declare(CSV.replace("[events]", '[events]\nvanished = "remove"'))
    place.load()
    assert place.days() == before[1:]
    assert place.ask("select file from pendo.files") == [("b.csv",)]


def test_landed_days_tell_which_days_a_file_has_changed(place: Place) -> None:
    def landed() -> dict[tuple[str, str], object]:
        found = place.ask("select object, day, landed_at from pendo.landed_days")
        return {(str(table), local_date(int(str(day)))): at for table, day, at in found}

    def deliver(name: str, *rows: tuple[int, str]) -> None:
        lines = [f"ann,acme,2026-03-0{day}T12:00:00Z,{kind},home" for day, kind in rows]
        place.write(f"events/{name}", "\n".join(["user,org,at,kind,what", *lines]))

    place.declare(CSV.replace('time = "at"', 'time = "at"\ntype = "kind"\nname = "what"'))
    deliver("a.csv", (1, "page"), (2, "page"))
    deliver("b.csv", (2, "page"), (3, "feature"))
    place.load()
    first = landed()
    assert first.keys() == {
        *(("events", f"2026-03-0{day}") for day in (1, 2, 3)),
        *(("page_events", f"2026-03-0{day}") for day in (1, 2)),
        ("feature_events", "2026-03-03"),
    }
    place.load()
    assert landed() == first
    # Of 3 March, what was a feature is a page; 2 March is held by this file, too; 1 March is not.
    deliver("b.csv", (3, "page"))
    place.load()
    second = landed()
    assert {day for day, at in second.items() if first.get(day) == at} == {
        ("events", "2026-03-01"),
        ("page_events", "2026-03-01"),
    }
    assert second.keys() - first.keys() == {("page_events", "2026-03-03")}
    assert first.keys() - second.keys() == {("feature_events", "2026-03-03")}


def test_another_mapping_reads_everything_again(place: Place) -> None:
    place.write("events/a.csv", "user,org,at,mail\nann,acme,2026-03-01T12:00:00Z,a@x.example\n")
    place.load()
    place.declare(CSV.replace('"user"', '"mail"'))
    place.load()
    assert place.days() == [("2026-03-01", "a@x.example", "acme", 1, 1)]


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["ann", "bob"]),
        st.sampled_from(["acme", ""]),
        # Three days around the one that has 23 hours.
        st.integers(0, 3 * 86_400).map(lambda seconds: datetime(2026, 3, 7, tzinfo=UTC) + timedelta(seconds=seconds)),
    ),
    min_size=1,
    max_size=6,
)
DELIVERIES = st.lists(
    st.dictionaries(st.sampled_from(["a.csv", "b.csv", "c.csv"]), EVENTS, min_size=1), min_size=1, max_size=3
)


@examples(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(deliveries=DELIVERIES)
def test_whatever_is_delivered_in_whatever_files_the_landing_is_what_the_files_say(
    tmp_path_factory: pytest.TempPathFactory, deliveries: list[dict[str, list[tuple[str, str, datetime]]]]
) -> None:
    place = Place(tmp_path_factory.mktemp("delivered"))
    place.declare(CSV)
    there: dict[str, list[tuple[str, str, datetime]]] = {}
    for delivery in deliveries:
        for name, events in delivery.items():
            place.events(name, *(f"{user},{org},{at.isoformat()}" for user, org, at in events))
        there |= delivery
        place.load()
    assert place.days() == summed(there)
    landed = "select object, day from pendo.landed_days order by day"
    assert place.ask(landed) == place.ask("select distinct 'events', day from pendo.events order by day")


def summed(files: Mapping[str, Iterable[tuple[str, str, datetime]]]) -> list[Row]:
    """Sum events up in another way."""
    counts: dict[Row, list[datetime]] = defaultdict(list)
    for events in files.values():
        for user, org, at in events:
            counts[at.astimezone(NEW_YORK).date().isoformat(), user, org or None].append(at)
    rows = [(*key, len(ats), len({at.replace(second=0) for at in ats})) for key, ats in counts.items()]
    return sorted(rows, key=lambda row: (row[0], row[1], row[2] is None, row[2]))


# what is wrong


def test_rows_that_cannot_be_read_are_counted_kept_and_shown(place: Place) -> None:
    place.declare(CSV.replace('time = "at"', 'time = "at"\napp_id = "app"\nduration = "for"'))
    rows = (
        "user,org,at,app,for",
        "ann,acme,2026-03-01T12:00:00Z,1,",
        ",acme,2026-03-01T12:00:00Z,1,",
        "ann,acme,soon,1,",
        "ann,acme",
        '"a\nnn",acme,2026-03-01T12:00:00Z,1,',
        "ann,acme,2026-03-01T12:00:00Z,web,",
        "ann,acme,2026-03-01T12:00:00Z,1,-5",
        "ann,acme,,1,",
        "ann,acme,1970-01-21T12:00:00Z,1,",
    )
    place.write("events/a.csv", "\n".join(rows))
    landed = place.load()
    assert landed["events"] == 2
    found = place.ask("select line, reason from pendo.rejected_rows order by line")
    assert [line for line, _ in found] == [3, 4, 5, 8, 9, 10, 11]
    reasons = [reason for _, reason in found]
    assert reasons[0] == "no visitor_id"
    assert reasons[1].startswith("time soon is no time")
    assert reasons[2] == "2 columns, not 5"
    assert reasons[3] == "app_id web is no whole number"
    assert reasons[4].startswith("duration -5")
    assert reasons[5] == "no time"
    assert "is far away" in reasons[6]
    assert place.ask("select rows, rejected from pendo.files") == [(9, 7)]
    (note,) = [one.note for one in place.landings if one.note]
    assert note == "the first rejected row is in a.csv, line 3: no visitor_id"
    place.write("events/a.csv", "\n".join(rows[:2]))
    place.load()
    assert place.ask("select count(*) from pendo.rejected_rows") == [(0,)]


def test_a_line_that_is_no_json_is_rejected_with_its_number(place: Place) -> None:
    place.declare(CSV.replace('"csv"', '"jsonl"'))
    good = orjson.dumps({"user": "ann", "org": "acme", "at": "2026-03-01T12:00:00Z"})
    place.write("events/a.jsonl", b"\n".join([good, b"{torn", b"", b"[1]", b"\xff\xfe", good]))
    assert place.load()["events"] == 1
    assert place.ask('select line, reason, "row" from pendo.rejected_rows order by line')[:2] == [
        (2, "this is no JSON object", "{torn"),
        (4, "this is no JSON object", "[1]"),
    ]
    assert place.ask("select count(*) from pendo.rejected_rows") == [(3,)]


def test_a_file_without_one_good_row_stops_the_load_with_the_mend(place: Place) -> None:
    place.events("a.csv", "ann,acme,1772366400", "bob,acme,1772366400")
    with pytest.raises(LoadError, match=r"^a\.csv: none of its 2 rows can be read; line 2: .* set events\.time_unit$"):
        place.load()
    place.declare(CSV.replace('format = "csv"', 'format = "csv"\ntime_unit = "s"'))
    place.load()
    assert place.days() == [("2026-03-01", "ann", "acme", 1, 1), ("2026-03-01", "bob", "acme", 1, 1)]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", b"who,org,at\n", r"a\.csv has no column user \(events\.columns\.visitor_id\); it has who, org, at"),
        ("a.csv", b"", r"a\.csv is empty"),
        ("a.csv.gz", b"not gzipped", r"a\.csv\.gz cannot be read as csv"),
    ],
)
def test_a_file_that_does_not_fit_is_named(place: Place, name: str, content: bytes, said: str) -> None:
    place.write(f"events/{name}", content)
    with pytest.raises(LoadError, match=said):
        place.load()


def test_a_broken_parquet_file_is_named_and_leaves_what_was_landed(place: Place) -> None:
    place.declare(CSV.replace('"csv"', '"parquet"'))
    place.write("events/a.parquet", _as_parquet(TIMES))
    place.load()
    before = place.days()
    place.write("events/b.parquet", b"PAR1 torn")
    with pytest.raises(LoadError, match=r"b\.parquet cannot be read as parquet"):
        place.load()
    assert place.days() == before
    (place.folder / "events/b.parquet").unlink()
    assert place.load()["events"] == 0


@pytest.mark.parametrize(
    ("wrong", "right", "said"),
    [
        ('time = "at"', "", r"files\.toml: events\.columns\.time: is missing"),
        ('time = "at"', 'time = "at"\ntims = "x"', r"files\.toml: events\.columns\.tims: is no key that there is"),
        ("America/New_York", "New York", r"files\.toml: time_zone: is no time zone; give a name such as"),
        ('"csv"', '"xlsx"', r"files\.toml: events\.format: .*'parquet', 'csv' or 'jsonl'"),
        ("[events]", "[events", r"files\.toml is not TOML: .*line 3"),
        ('"events"', '"nowhere"', r"events\.path nowhere finds no csv file"),
        ('"events"', '"gs://bucket/events"', r"gs://bucket/events needs another package: .*gcsfs"),
    ],
)
def test_a_mistake_in_the_declaration_is_one_line_with_the_key(place: Place, wrong: str, right: str, said: str) -> None:
    place.events("a.csv", "ann,acme,2026-03-01T12:00:00Z")
    place.declare(CSV.replace(wrong, right, 1))
    with pytest.raises(LoadError, match=said) as raised:
        place.load()
    assert "\n" not in str(raised.value)


def test_usage_of_two_tools_is_not_mixed(place: Place) -> None:
    place.events("a.csv", "ann,acme,2026-03-01T12:00:00Z")
    place.load()
    pendo = replace(place.settings, pendo_base_url="http://127.0.0.1:9", pendo_integration_key="key")
    with pytest.raises(LoadError, match=r"holds usage from files.*another BACKHAUL_WAREHOUSE to load pendo"):
        load(["pendo"], pendo, Wanted(), lambda *_: None)


# the page that explains it


def test_the_documented_example_works_and_every_metric_is_built_from_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place(tmp_path)
    (example,) = re.findall(r"```toml\n(.*?)```", (ROOT / "docs/files.md").read_text(), re.DOTALL)
    place.declare(example)
    today = datetime.now(NEW_YORK).replace(hour=12, minute=0, second=0, microsecond=0)
    yesterday, before = (today - timedelta(days=days) for days in (1, 2))
    rows = [f"ann,acme,{at.isoformat()},page,home" for at in (before, yesterday, yesterday + timedelta(minutes=1))]
    place.write("exports/events/1.csv", "\n".join(["user,workspace,occurred_at,kind,what", *rows]))
    place.write(
        "exports/users.jsonl", orjson.dumps({"user": "ann", "profile": {"email": "a@x.example", "name": "Ann"}})
    )
    place.write("exports/workspaces.csv", "workspace,title,domain\nacme,Acme Inc,acme.example\n")
    monkeypatch.chdir(tmp_path)
    settings = Settings.model_construct(
        warehouse=tmp_path / "warehouse.duckdb", state=tmp_path / "s", target=tmp_path / "target"
    )
    assert "files" in steps.vendors(settings)
    transform = transforming(settings)
    transform.parse()
    steps.load(settings, ["files"], lambda *_: None)
    tests = ("--exclude-resource-type", "test", "--exclude-resource-type", "unit_test")
    transform.build(lambda *_: None, "--select", "+fct_visitor_metrics +fct_account_metrics", *tests)
    with duckdb.connect(settings.warehouse) as warehouse:
        visitor = "select active_days_last_30, minutes_last_30, events_last_30 from metrics.fct_visitor_metrics"
        assert warehouse.execute(visitor).fetchall() == [(2, 3, 3)]
