"""Build both versions of what changed beside the real tables, which are read and never written.

Each version has schemas of its own, such as compare_base__metrics; what is not built is read where it stands.
"""

from __future__ import annotations

import datetime as dt
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import duckdb
from filelock import FileLock, Timeout

from activators.errors import PlanError
from activators.stopping import interrupting_again
from activators.warehouse import open_warehouse
from backhaul.compare.keys import quoted
from backhaul.compare.versions import CompareError, CompareStopped, Version
from backhaul.transform import Progress, Transform, TransformError

if TYPE_CHECKING:
    from dbt.contracts.graph.manifest import Manifest

BASE, HEAD = "compare_base__", "compare_head__"
# A model may say which run of dbt made a row. Here both versions are of one.
_ONE_RUN = """
{%%- set invocation_id = 'compare' -%%}
{%%- set run_started_at = modules.datetime.datetime.fromisoformat('%s') -%%}
"""
_OF_A_RUN = re.compile(r"\b(invocation_id|run_started_at)\b")


def build(  # noqa: PLR0913, PLR0917  what to build, where, and when it is said to be
    transform: Transform, version: Version, ids: frozenset[str], schemas: str, now: dt.datetime, progress: Progress
) -> None:
    """Build those of the nodes that the version has, in schemas whose names begin with `schemas`. No tests, no hooks.

    Incremental models are built in full, as they find no table of an earlier run there.
    """
    own = sorted(ids & version.manifest["nodes"].keys())
    if not own:
        return

    def relocate(manifest: Manifest) -> None:
        from dbt.contracts.graph.nodes import SeedNode  # noqa: PLC0415  dbt takes seconds to import

        for unique_id in own:
            node = manifest.nodes[unique_id]
            node.schema = schemas + node.schema
            node.relation_name = quoted(node.database or "", node.schema, node.alias)
            if isinstance(node, SeedNode):
                # A file that dbt parsed before is remembered in the folder where it stood then.
                node.root_path = str(version.root)
            elif node.language == "sql" and _OF_A_RUN.search(node.raw_code):
                node.raw_code = _ONE_RUN % now.isoformat() + node.raw_code
        # What the project runs before and after a build is about the real tables.
        for unique_id in [name for name in manifest.nodes if name.startswith("operation.")]:
            del manifest.nodes[unique_id]

    selectors = [f"fqn:{'.'.join(version.manifest['nodes'][unique_id]['fqn'])}" for unique_id in own]
    options = ("--exclude-resource-type", "test", "unit_test", "--select", *selectors)
    try:
        transform.build(progress, *options, prepare=relocate)
    except TransformError as error:
        raise CompareError(f"{version.name} cannot be built: {error}") from None


def refuse_unbuilt(warehouse: Path, versions: tuple[Version, ...], ids: frozenset[str]) -> None:
    """Refuse to build on tables that are not there. Raises CompareError with the first of them."""
    with open_warehouse(warehouse) as connection:
        there = set(
            connection.execute("select table_schema, lower(table_name) from information_schema.tables").fetchall()
        )
    for version in versions:
        nodes, sources = version.manifest["nodes"], version.manifest["sources"]
        for unique_id in sorted(ids & nodes.keys()):
            for parent in sorted(set(version.manifest["parent_map"][unique_id]) - ids):
                node = sources.get(parent) or nodes.get(parent)
                if node is None or node["config"].get("materialized") == "ephemeral":
                    continue
                name = node.get("identifier") or node["alias"]
                if (node["schema"], name.lower()) not in there:
                    mend = "backhaul load" if parent in sources else "dbt build"
                    raise CompareError(
                        f"{version.name}: {nodes[unique_id]['name']} reads {node['name']}, which is not in the "
                        f"warehouse; run `{mend}`"
                    )


@contextmanager
def alone(state: Path) -> Iterator[None]:
    """Hold the comparisons' lock: they share the names of their schemas. Raises CompareError at once."""
    state.mkdir(parents=True, exist_ok=True)
    lock = FileLock(state / "compare.lock")
    try:
        held = lock.acquire(blocking=False)
    except Timeout:
        raise CompareError(f"{lock.lock_file}: another compare is running; wait for it") from None
    with held:
        yield


@contextmanager
def own_schemas(warehouse: Path, warn: Callable[[str], None], *, keep: bool) -> Iterator[None]:
    """Drop the versions' schemas afterwards, whatever happens, unless `keep`. Those of an earlier run go before.

    What cannot be dropped afterwards is told to `warn`: it takes nothing from what was found, or from the error.
    """
    _drop(warehouse)
    try:
        yield
    finally:
        if not keep:
            try:
                _drop(warehouse)
            except (PlanError, duckdb.Error) as error:
                warn(
                    f"the schemas {BASE}* and {HEAD}* are still in the warehouse; the next compare drops them ({error})"
                )


def _drop(warehouse: Path) -> None:
    with open_warehouse(warehouse, read_only=False) as connection:
        names = connection.execute(
            "select distinct schema_name from duckdb_schemas() where regexp_matches(schema_name, ?)",
            [f"^({BASE}|{HEAD})"],
        ).fetchall()
        for (name,) in names:
            connection.execute(f"drop schema {quoted(name)} cascade")


@contextmanager
def stopping() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM end the block as an error does, so that what is open is closed. Raises CompareStopped."""
    received: list[int] = []

    def stop(number: int, _frame: FrameType | None) -> None:
        received.append(number)
        raise KeyboardInterrupt

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with interrupting_again():
            yield
    except (KeyboardInterrupt, CompareError):
        # dbt may end with an error of the connection that was closed under it.
        if not received:
            raise
        raise CompareStopped(received[0]) from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def comparing(warehouse: Path, scratch: Path) -> duckdb.DuckDBPyConnection:
    """Open the warehouse read-only, in UTC, with what does not fit in memory in a folder of its own."""
    # What views of the identity models call. It comes with dbt, which takes seconds to import.
    from backhaul.spelling import register  # noqa: PLC0415

    connection = open_warehouse(warehouse)
    register(connection)
    connection.execute("set timezone = 'UTC'")
    connection.execute("set temp_directory = ?", [str(scratch)])
    return connection
