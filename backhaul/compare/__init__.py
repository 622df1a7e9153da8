"""What a change to the project does to its tables and to what would be sent.

Both versions of whatever changed, and of what follows from it, are built side by side in the warehouse, from the same
landing. DuckDB then counts what differs.
"""

from __future__ import annotations

import datetime as dt
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path

import duckdb

from activators.activation import Activation
from activators.declarations import read_activations, read_manifest
from activators.errors import DeclarationError
from activators.warehouse import open_warehouse
from backhaul.compare import building
from backhaul.compare.activations import ActivationDifference, compare_activations
from backhaul.compare.keys import declared_keys, quoted
from backhaul.compare.selection import affected
from backhaul.compare.tables import TableDifference, compare_tables, rows_of
from backhaul.compare.versions import CompareError, Version, check_out, resolve
from backhaul.settings import Settings
from backhaul.transform import Progress, Transform, TransformError

__all__ = ["ActivationDifference", "CompareError", "Comparison", "TableDifference", "compare"]

# Movers and transitions of a column, and samples of an activation.
SHOWN = 5


@dataclass(frozen=True, slots=True)
class Comparison:
    """What differs between a commit and the working tree. `tables` are all that were built, in that order."""

    base: str
    commit: str
    tables: tuple[TableDifference, ...]
    activations: tuple[ActivationDifference, ...]
    # Models that a build by night would go on from, and that were built in full here.
    in_full: tuple[str, ...]


def compare(  # noqa: PLR0913  what to compare, and whom to tell
    settings: Settings,
    root: Path,
    ref: str,
    progress: Callable[[str], Progress],
    warn: Callable[[str], None],
    *,
    keep: bool = False,
) -> Comparison:
    """Build and compare the project in `root` as it was in `ref` and as it is. `progress` is asked once for each build.

    `warn` is told, in a line, what does not end the comparison. The tables of the project are read and never written.
    Raises CompareError, and what `dbt build` does.
    """
    commit = resolve(root, ref)
    # Who holds the warehouse is told at once, and not after a minute of reading the project.
    open_warehouse(settings.warehouse, read_only=False).close()
    with (
        tempfile.TemporaryDirectory(prefix="backhaul-compare-") as scratch,
        building.alone(settings.state),
        building.stopping(),
    ):
        folder = Path(scratch)
        check_out(root, commit, folder / "base")
        after = _transform(settings, root, folder / "head-target", settings.target)
        head = _version(after, "the working tree")
        before = _transform(settings, folder / "base", folder / "base-target", after.settings.target)
        base = _version(before, ref)
        ids = affected(base, head, after.modified(before.settings.target))
        if not ids:
            return Comparison(ref, commit, (), (), ())
        building.refuse_unbuilt(settings.warehouse, (base, head), ids)
        now = dt.datetime.now(dt.UTC)
        with building.own_schemas(settings.warehouse, warn, keep=keep):
            for transform, version, schemas in ((before, base, building.BASE), (after, head, building.HEAD)):
                building.build(transform, version, ids, schemas, now, progress(version.name))
            built = (base.relocated(ids, building.BASE), head.relocated(ids, building.HEAD))
            with building.comparing(settings.warehouse, folder / "spilled") as connection:
                activations = _compare_activations(connection, *built, ids)
                tables = _compare_all(connection, *built, ids)
    nodes = {**base.manifest["nodes"], **head.manifest["nodes"]}
    in_full = {nodes[one]["name"] for one in ids if nodes[one]["config"].get("materialized") == "incremental"}
    return Comparison(ref, commit, tables, activations, tuple(sorted(in_full)))


def _transform(settings: Settings, root: Path, target: Path, parsed: Path) -> Transform:
    """Run dbt on one version, in a target folder of its own: `plan` and `apply` go by what the real one says was built.

    Of the files that dbt has read into the folder `parsed`, it reads again only those that differ.
    """
    target.mkdir()
    if (parsed / "partial_parse.msgpack").exists():
        shutil.copy(parsed / "partial_parse.msgpack", target)
    return Transform(settings.model_copy(update={"target": target, "state": target}), root)


def _version(transform: Transform, name: str) -> Version:
    try:
        transform.parse()
    except TransformError as error:
        raise CompareError(f"{name} does not compile: {error}") from None
    return Version(name, transform.root, read_manifest(transform.settings.manifest))


def _compare_all(
    connection: duckdb.DuckDBPyConnection, base: Version, head: Version, ids: frozenset[str]
) -> tuple[TableDifference, ...]:
    parents = {**base.manifest["parent_map"], **head.manifest["parent_map"]}
    # What is read comes first; by name where that leaves a choice.
    order = TopologicalSorter({one: sorted(parents[one]) for one in sorted(ids)}).static_order()
    # An activation's differences and decisions are told by the activation.
    told = {model.id for version in (base, head) for one in _activations(version) for model in one.models[1:]}
    found = (_compare_one(connection, base, head, unique_id) for unique_id in order if unique_id in ids - told)
    return tuple(table for table in found if table is not None)


def _compare_one(
    connection: duckdb.DuckDBPyConnection, base: Version, head: Version, unique_id: str
) -> TableDifference | None:
    nodes = [version.manifest["nodes"].get(unique_id) for version in (base, head)]
    present = [node for node in nodes if node is not None]
    name, kind = present[-1]["name"], present[-1]["resource_type"]
    if any(node["config"].get("materialized") == "ephemeral" for node in present):
        return None
    before, after = (node and quoted(node["schema"], node["alias"]) for node in nodes)
    if before is None or after is None:
        rows = [None if relation is None else rows_of(connection, relation) for relation in (before, after)]
        return TableDifference(name, kind, (), rows[0], rows[1], added=rows[1] or 0, removed=rows[0] or 0)
    keys = [
        key
        for version, node in zip((head, base), reversed(present), strict=True)
        for key in declared_keys(version.manifest, node)
    ]
    return compare_tables(connection, name, kind, before, after, list(dict.fromkeys(keys)), SHOWN)


def _compare_activations(
    connection: duckdb.DuckDBPyConnection, base: Version, head: Version, ids: frozenset[str]
) -> tuple[ActivationDifference, ...]:
    before, after = ({one.name: one for one in _activations(version)} for version in (base, head))
    return tuple(
        compare_activations(connection, before.get(name), after.get(name), SHOWN)
        for name in sorted({*before, *after})
        if any(model.id in ids for one in (before.get(name), after.get(name)) if one for model in one.models)
    )


def _activations(version: Version) -> tuple[Activation, ...]:
    try:
        return read_activations(version.manifest)
    except DeclarationError as error:
        raise CompareError(f"{version.name}: {error}") from None
