"""Build both versions of what changed beside the real tables, which are read and never written.

Each version has schemas of its own, such as compare_base__metrics; what is not built is read where it stands.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import duckdb

from activators.plan import open_warehouse
from backhaul.compare.keys import quoted
from backhaul.compare.versions import CompareError, Version
from backhaul.transform import Progress, Transform, TransformError

if TYPE_CHECKING:
    from dbt.contracts.graph.manifest import Manifest

BASE, HEAD = "compare_base__", "compare_head__"


def build(transform: Transform, version: Version, ids: frozenset[str], schemas: str, progress: Progress) -> None:
    """Build those of the nodes that the version has, in schemas whose names begin with `schemas`, without tests and hooks.

    Incremental models are built in full, as they find no table of an earlier run there.
    """
    own = sorted(ids & version.manifest["nodes"].keys())
    if not own:
        return

    def relocate(manifest: Manifest) -> None:
        for unique_id in own:
            node = manifest.nodes[unique_id]
            node.schema = schemas + node.schema
            node.relation_name = quoted(node.database or "", node.schema, node.alias)
            if hasattr(node, "root_path"):
                # A file that dbt parsed before is remembered in the folder where it stood then.
                node.root_path = str(version.root)
        # What the project runs before and after a build is about the real tables.
        for unique_id in [name for name, node in manifest.nodes.items() if node.resource_type == "operation"]:
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
                        f"{version.name}: {node['name']}, which {nodes[unique_id]['name']} reads, is not in the warehouse; "
                        f"run `{mend}`"
                    )


@contextmanager
def own_schemas(warehouse: Path, *, keep: bool) -> Iterator[None]:
    """Drop the versions' schemas afterwards, whatever happens, unless they are to be kept; and those of an earlier run before."""
    _drop(warehouse)
    try:
        yield
    finally:
        if not keep:
            _drop(warehouse)


def _drop(warehouse: Path) -> None:
    with open_warehouse(warehouse, read_only=False) as connection:
        names = connection.execute(
            "select distinct schema_name from duckdb_schemas() where starts_with(schema_name, ?) or starts_with(schema_name, ?)",
            [BASE, HEAD],
        ).fetchall()
        for (name,) in names:
            connection.execute(f"drop schema {quoted(name)} cascade")


class Terminated(KeyboardInterrupt):
    """SIGTERM came. Like Ctrl-C, it lets what is open be closed on its way out."""


@contextmanager
def closing_on_sigterm() -> Iterator[None]:
    """Raise Terminated in the main thread when SIGTERM comes, instead of ending there and then."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise Terminated

    before: Callable[[int, FrameType | None], object] | int | None = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def comparing(warehouse: Path, scratch: Path) -> duckdb.DuckDBPyConnection:
    """Open the warehouse read-only, in UTC, with what does not fit in memory in a folder of its own."""
    connection = open_warehouse(warehouse)
    connection.execute("set timezone = 'UTC'")
    connection.execute("set temp_directory = ?", [str(scratch)])
    return connection
