"""The whole loop with Spark in DuckDB's place: the same rows in every model, and the same changes in the CRMs."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb
import orjson
import pytest

pytest.importorskip("pyspark", reason="needs the extra spark: make test-spark")
if shutil.which("java") is None:
    pytest.skip("needs a Java 17 runtime", allow_module_level=True)

from activators.apply import Run
from activators.lake import files_of, snapshots
from activators.plan import Plan
from activators.warehouse import open_warehouse
from backhaul import steps
from backhaul.settings import Settings
from backhaul.transform import Transform
from loaders.lake import LANDING, publish
from tests.conftest import OF_CRMS, ROOT, WITHOUT_TESTS, Loop, looping
from tests.spark.engines import different_rows, models

# Hundreds of small queries, each of which costs Spark what a large one does.
pytestmark = pytest.mark.timeout(3600)


ROLL_UPS = ("int_usage__closed", "int_tagged_usage__closed")
COUNTING = ("int_landed_days__due", "int_landed_days")
DAILY = (*ROLL_UPS, "fct_usage_daily", "fct_tagged_usage_daily", "int_usage__summed")


@dataclass(frozen=True, slots=True)
class Looped:
    """A loop that has planned, sent everything and planned again, and the same landing built in a DuckDB file."""

    loop: Loop
    plan: Plan
    run: Run
    second: Plan
    duck: Settings


def files_by_day(lake: Path, roll_up: str) -> dict[str, list[Path]]:
    """The files of each day that a roll-up holds."""
    days: dict[str, list[Path]] = {}
    for file in files_of(lake / "warehouse" / "metrics.db" / roll_up):
        days.setdefault(file.parent.name.removeprefix("usage_on="), []).append(file)
    return days


@pytest.fixture(scope="module")
def looped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Looped]:
    folder = tmp_path_factory.mktemp("spark")
    with looping(folder, seed=5, visitors=60) as duck:
        settings = duck.settings.model_copy(
            update={"warehouse": folder / "warehouse.lake", "target": folder / "target_spark"}
        )
        loop = Loop(duck.sandbox, settings, Transform(settings, ROOT), duck.control)
        loop.transform.parse()
        steps.provision(settings, steps.activations(settings))
        loop.load()
        loop.build(*WITHOUT_TESTS)
        plan = loop.plan()
        run = loop.apply(plan)
        loop.load()
        loop.build(*OF_CRMS, *WITHOUT_TESTS)
        second = loop.plan()
        shutil.copy(settings.warehouse / LANDING, duck.settings.warehouse)
        duck.build(*WITHOUT_TESTS)
        yield Looped(loop, plan, run, second, duck.settings)


def test_every_model_has_the_same_rows_in_both_engines(looped: Looped) -> None:
    from backhaul.spark import open_session  # noqa: PLC0415  the extra

    lake = looped.loop.settings.warehouse
    session = open_session(lake)
    manifest = orjson.loads(looped.duck.manifest.read_bytes())
    counted: dict[str, int] = {}
    wrong: dict[str, object] = {}
    for schema, name in models(manifest):
        counted[name], found = different_rows(session, lake, looped.duck.warehouse, schema, name)
        if found:
            wrong[name] = (len(found), found[0], found[-1])
    assert not wrong
    # Nothing is equal for want of rows.
    for name in ("fct_visitor_metrics", "matches", "record_pairs", "sync_hubspot__contacts", "int_writes__latest"):
        assert counted[name] > 0


def test_a_landed_table_of_any_number_of_files_is_named(looped: Looped, tmp_path: Path) -> None:
    """Of one more version each time, of other numbers of files, and of none at last."""
    from backhaul.spark import open_session  # noqa: PLC0415  the extra
    from backhaul.spark.session import register_landing  # noqa: PLC0415

    lake = looped.loop.settings.warehouse
    session = open_session(lake)
    (landed,) = [item for item in snapshots(lake) if (item.schema, item.table) == ("pendo", "visitors")]
    rows = session.table("pendo.visitors").count()
    assert rows > 0
    copies = [tmp_path / f"part-00000-{number:036}-c000.snappy.parquet" for number in range(100)]
    for copy in copies:
        shutil.copy(landed.files[0], copy)
    for version, count in enumerate((100, 1, 100, 0)):
        copied = replace(landed, table="copies", version=version, folder=tmp_path, files=tuple(copies[:count]))
        register_landing(session, [copied])
        assert session.table("pendo.copies").count() == count * rows
        assert session.table("pendo.copies").columns == session.table("pendo.visitors").columns
    session.sql("drop table pendo.copies")


def test_the_plan_is_sent_and_nothing_is_left(looped: Looped) -> None:
    assert looped.plan.changes > 0
    assert sum(item.confirmed for item in looped.run.activations) > 0
    assert looped.run.complete
    assert looped.second.changes == 0


def test_a_plan_reads_nothing_but_what_differs(looped: Looped, tmp_path: Path) -> None:
    """Every model but the plans, what is sent, and what was written, may be out of reach."""
    settings = looped.loop.settings
    away = tmp_path / "away"
    away.mkdir()
    moved = [
        (settings.warehouse / "warehouse" / f"{name}.db", away / f"{name}.db")
        for name in ("metrics", "identity", "decisions")
    ]
    for here, there in moved:
        here.rename(there)
    try:
        assert looped.loop.plan().changes == 0
        with open_warehouse(settings.warehouse) as connection:
            (planned,) = connection.execute("select count(*) from plans.plan_hubspot__contacts").fetchall()
    finally:
        for here, there in moved:
            there.rename(here)
    assert planned == (0,)


def test_a_run_is_taken_back(looped: Looped) -> None:
    settings = looped.loop.settings
    undone = looped.loop.apply(steps.undo(settings, looped.run.run_id, steps.activations(settings)))
    assert sum(item.confirmed for item in undone.activations) > 0
    assert steps.undo(settings, looped.run.run_id, steps.activations(settings)).changes == 0


def test_every_rule_of_the_models_holds_on_spark(looped: Looped, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every unit test of a model, the macros' too, and every question that is asked of the warehouse as a whole."""
    from dbt.cli.main import dbtRunner  # noqa: PLC0415  takes seconds to import

    settings = looped.loop.settings
    manifest = orjson.loads(settings.manifest.read_bytes())
    # The other tests ask of rows that are equal to DuckDB's, where `make test` asks them.
    singular = {name for name, node in manifest["nodes"].items() if node["original_file_path"].startswith("tests/")}
    options = {
        "--project-dir": ROOT,
        "--profiles-dir": ROOT,
        "--target-path": settings.target,
        "--log-path": settings.state / "logs",
        "--log-level": "none",
    }
    # What was built last may be DuckDB's.
    monkeypatch.setenv("BACKHAUL_WAREHOUSE", str(settings.warehouse))
    # `dbt build` runs the unit tests of what it builds, and nothing is to be built: `dbt test` runs them alone.
    outcome = dbtRunner().invoke(
        [
            *("test", "--target", "spark", "--select", "test_type:unit", "test_type:singular"),
            *(str(part) for option in options.items() for part in option),
        ]
    )
    results = {one.node.unique_id: one for one in getattr(outcome.result, "results", ())}
    assert {name: one.message for name, one in results.items() if one.status != "pass"} == {}
    assert outcome.exception is None
    assert singular
    assert results.keys() == manifest["unit_tests"].keys() | singular


def test_a_night_writes_the_days_that_changed_and_mends_what_a_build_that_died_left(
    looped: Looped, tmp_path: Path
) -> None:
    from backhaul.spark import open_session  # noqa: PLC0415  the extra

    lake = looped.loop.settings.warehouse
    before = {name: files_by_day(lake, name) for name in ROLL_UPS}
    closed = sorted(before["int_usage__closed"].keys() & before["int_tagged_usage__closed"].keys())
    assert len(closed) > 100
    restated, vanished, dropped, torn = closed[20], closed[40], closed[60], closed[80]
    with duckdb.connect(lake / LANDING) as connection:
        on = "cast(to_timestamp(day / 1000) at time zone 'America/New_York' as date)"
        for table in ("events", "page_events", "feature_events", "track_events"):
            last = f"(select max(day) from pendo.{table})"
            more = f"update pendo.{table} set num_events = num_events + 1"
            connection.execute(f"{more} where {on} = '{restated}' or day = {last}")
        for table in ("events", "page_events", "feature_events", "track_events", "landed_days"):
            connection.execute(f"delete from pendo.{table} where {on} = '{vanished}'")
        again = f"'{restated}', '{dropped}', '{torn}'"
        connection.execute(f"update pendo.landed_days set landed_at = now() where {on} in ({again})")
    publish(lake)
    # A build that died had dropped one day that had landed again; of another, it left a file, and Spark not told.
    session = open_session(lake)
    for name in ROLL_UPS:
        file = before[name][torn][0]
        kept = shutil.copy(file, tmp_path / name)
        for day in (dropped, torn):
            session.sql(f"alter table metrics.{name} drop partition (usage_on = '{day}')")
        file.parent.mkdir()
        shutil.copy(kept, file.with_name(f"left-{file.name}"))

    looped.loop.build(*WITHOUT_TESTS, "--select", *COUNTING, *DAILY)

    duck = looped.duck.model_copy(update={"warehouse": tmp_path / "night.duckdb"})
    shutil.copy(lake / LANDING, duck.warehouse)
    Transform(duck, ROOT).build(lambda *_: None, *WITHOUT_TESTS, "--select", *(f"+{name}" for name in DAILY))
    for name in DAILY:
        count, different = different_rows(session, lake, duck.warehouse, "metrics", name)
        assert (different, count > 0) == ([], True), name
    for name, earlier in before.items():
        later = files_by_day(lake, name)
        assert earlier.keys() - later.keys() == {vanished}
        assert {day for day, files in later.items() if files != earlier.get(day)} == {restated, dropped, torn}
