"""One Spark session for dbt and for us, with the landing's tables and the functions that SQL lacks."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from pyspark.sql import SparkSession
from pyspark.sql.types import StringType
from sqlglot import exp

from activators.errors import PlanError
from activators.lake import Snapshot, snapshots
from backhaul.spelling import spelt_email, spelt_host

VERSION = "backhaul.version"
# Hive's metastores have columns of 4,000 characters, some of more.
LONGEST_PATH = 4_000
CONF = Path(__file__).parent / "conf"


def open_session(lake: Path) -> SparkSession:
    """Open the process's session on a lakehouse, or give the one that is open, with what has landed since.

    Tables that dbt makes are Parquet files in `<lake>/warehouse`; their names are kept by an embedded Derby database in
    `<lake>/metastore`, which one process has at a time. Where Spark runs, and with how much memory, is for
    spark-defaults.conf to say; here stands what the models rely on.
    """
    root = lake.resolve()
    (root / "warehouse").mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("SPARK_CONF_DIR", str(CONF))
    # The functions run in processes of their own, which need what is installed here, whatever `python3` is on the path.
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    settings = {
        "spark.sql.warehouse.dir": str(root / "warehouse"),
        "spark.hadoop.javax.jdo.option.ConnectionURL": f"jdbc:derby:;databaseName={root / 'metastore'};create=true",
        # A timestamp is an instant, and reads as UTC.
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
        "spark.sql.ansi.enabled": "true",
        "spark.sql.legacy.createHiveTableByDefault": "false",
    }
    builder = SparkSession.builder.appName("backhaul")
    for name, value in settings.items():
        builder = builder.config(name, value)
    session = builder.enableHiveSupport().getOrCreate()
    if (opened := Path(session.conf.get("spark.sql.warehouse.dir").removeprefix("file:"))) != root / "warehouse":
        raise PlanError(f"{lake}: this process has {opened.parent} open, and Spark knows one lakehouse at a time")
    for function in (spelt_email, spelt_host):
        session.udf.register(function.__name__, _null_stays_null(function), StringType())
    register_landing(session, snapshots(root))
    return session


def register_landing(session: SparkSession, landed: Sequence[Snapshot]) -> None:
    """Name every landed table: the Parquet files that are in its newest version."""
    known: dict[tuple[str, str], str] = {}
    for schema in sorted({snapshot.schema for snapshot in landed}):
        name = exp.to_identifier(schema, quoted=True).sql("spark")
        session.sql(f"create schema if not exists {name}")
        for row in session.sql(f"show table extended in {name} like '*'").collect():
            known[schema, row.tableName] = row.information
    for snapshot in landed:
        said = known.get((snapshot.schema, snapshot.table), "")
        if not re.search(rf"\b{VERSION}={snapshot.version}\b", said):
            if said:
                session.sql(f"drop {'view' if 'Type: VIEW' in said else 'table'} {_name(snapshot)}")
            session.sql(_definition(snapshot))


def _definition(snapshot: Snapshot) -> str:
    """An external table, which says its columns; of so many files that the catalogue cannot hold their names, a view.

    Of a view's files Spark reads one to find the columns, a job of its own in every query.
    """
    # A path that is not there has no rows.
    files = ",".join(file.name for file in snapshot.files) or "no files"
    path = f"{snapshot.folder}/{f'{{{files}}}' if len(snapshot.files) > 1 else files}"
    version = f"tblproperties ('{VERSION}' = '{snapshot.version}')"
    if len(path) > LONGEST_PATH:
        rows = f"select * from parquet.{exp.to_identifier(path, quoted=True).sql('spark')}"
        return f"create view {_name(snapshot)} {version} as {rows}"
    columns = ", ".join(
        f"{exp.to_identifier(column, quoted=True).sql('spark')} {kind}" for column, kind in snapshot.columns
    )
    # Hive would take the names of the files for that of a folder, and make it.
    options = f"options (path {exp.Literal.string(path).sql('spark')}, skipHiveMetadata 'true')"
    return f"create table {_name(snapshot)} ({columns}) using parquet {options} {version}"


def _name(snapshot: Snapshot) -> str:
    return exp.table_(snapshot.table, snapshot.schema, quoted=True).sql("spark")


def _null_stays_null(function: Callable[[str], str]) -> Callable[[str | None], str | None]:
    def spelt(text: str | None) -> str | None:
        return None if text is None else function(text)

    return spelt
