"""Which models and seeds may say something else in one version than in the other. Reads manifests; builds nothing.

dbt's `state:modified` finds most of it. It does not look at the values of variables, at what YAML says of columns
beside their types and of activations (`diff` reads both), and into seeds of more than a megabyte.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from backhaul.compare.versions import Version

BUILT = frozenset({"model", "seed"})


def affected(base: Version, head: Version, modified: Collection[str]) -> frozenset[str]:
    """The ids of the models and seeds, of either version, that changed or follow from what changed.

    `modified` are the ids that dbt finds modified in `head`, seen from `base`.
    """
    changed = {*modified, *_removed(base, head), *_redeclared(base, head), *_other_seeds(base, head)}
    variables = _other_variables(base.root, head.root)
    for version in (base, head):
        changed |= set(_reading(version, variables))
    # What an activation declares is read by the models that follow from its sync model.
    for version in (base, head):
        for unique_id in changed & version.manifest["exposures"].keys():
            changed |= set(version.manifest["exposures"][unique_id]["depends_on"]["nodes"])
    found = _downstream(base, changed) | _downstream(head, changed)
    return frozenset(unique_id for unique_id in found if unique_id.partition(".")[0] in BUILT)


def _removed(base: Version, head: Version) -> Iterator[str]:
    for part in ("nodes", "exposures", "sources"):
        yield from base.manifest[part].keys() - head.manifest[part].keys()


def _redeclared(base: Version, head: Version) -> Iterator[str]:
    """What of its YAML says something else than in the other version: columns, constraints, an exposure's `meta`."""
    for part in ("nodes", "sources", "exposures"):
        for unique_id, node in head.manifest[part].items():
            other = base.manifest[part].get(unique_id)
            if other is not None and _declared(node) != _declared(other):
                yield unique_id


def _declared(node: Mapping[str, Any]) -> object:
    columns = [
        (name, column["data_type"], column["config"].get("meta"), column.get("constraints"))
        for name, column in node.get("columns", {}).items()
    ]
    return columns, node.get("constraints"), node["config"].get("meta")


def _other_seeds(base: Version, head: Version) -> Iterator[str]:
    for unique_id, node in head.manifest["nodes"].items():
        if node["resource_type"] == "seed" and unique_id in base.manifest["nodes"]:
            files = [version.root / node["original_file_path"] for version in (base, head)]
            if all(file.is_file() for file in files) and len({file.read_bytes() for file in files}) > 1:
                yield unique_id


def _other_variables(base: Path, head: Path) -> frozenset[str]:
    """The names of the project's variables that have another value, or none, in one of two folders."""
    before, after = (dict(_variables(folder)) for folder in (base, head))
    names = before.keys() | after.keys()
    return frozenset(path[-1] for path in names if before.get(path) != after.get(path) or path not in before)


def _variables(folder: Path) -> Iterator[tuple[tuple[str, ...], object]]:
    """Each variable with its value. A value that is a mapping may be a package's own variables, so these count, too."""
    project = yaml.safe_load((folder / "dbt_project.yml").read_text(encoding="utf-8"))
    for name, value in (project.get("vars") or {}).items():
        yield (str(name),), value
        if isinstance(value, dict):
            yield from (((str(name), str(inner)), one) for inner, one in value.items())


def _reading(version: Version, variables: frozenset[str]) -> Iterator[str]:
    """The models and seeds that read one of the variables, themselves or through a macro."""
    if not variables:
        return
    mention = re.compile(rf"\bvar\(\s*['\"](?:{'|'.join(map(re.escape, sorted(variables)))})['\"]")
    macros = version.manifest["macros"]
    reading = {unique_id for unique_id, macro in macros.items() if mention.search(macro["macro_sql"])}
    # Macros may call each other in a ring, so the set grows until nothing is new.
    while (
        callers := {
            unique_id for unique_id, macro in macros.items() if not reading.isdisjoint(macro["depends_on"]["macros"])
        }
        - reading
    ):
        reading |= callers
    for unique_id, node in version.manifest["nodes"].items():
        if node["resource_type"] in BUILT and (
            mention.search(node["raw_code"]) or not reading.isdisjoint(node["depends_on"]["macros"])
        ):
            yield unique_id


def _downstream(version: Version, ids: Collection[str]) -> set[str]:
    """Those of the ids that the version has, and everything that is made from them."""
    children = version.manifest["child_map"]
    found: set[str] = set()
    waiting = [unique_id for unique_id in ids if unique_id in children]
    while waiting:
        unique_id = waiting.pop()
        if unique_id not in found:
            found.add(unique_id)
            waiting += children[unique_id]
    return found
